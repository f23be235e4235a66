//! What the command lines of all commands are made of.

pub(crate) mod call;
mod duration;
mod until;

pub(crate) use duration::parse_duration;
pub(crate) use until::Until;

/// What follows the options in a command's `--help`.
pub(crate) fn long_help(examples: &str, exit_status: &str) -> String {
    format!("Examples:{examples}\n\n{exit_status}")
}
