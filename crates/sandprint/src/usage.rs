//! What the command lines of all commands are made of.

pub(crate) mod call;
mod duration;

pub(crate) use duration::parse_duration;

/// What follows the options in a command's `--help`.
pub(crate) fn long_help(examples: &str, exit_status: &str) -> String {
    format!("Examples:{examples}\n\n{exit_status}")
}
