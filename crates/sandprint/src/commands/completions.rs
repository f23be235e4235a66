//! `completions`: what a shell needs to complete our command lines.

use clap_complete::Shell;

use crate::exit::{self, ExitStatus};
use crate::output;
use crate::usage::long_help;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP))]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

const EXAMPLES: &str = "
  sandprint completions bash \\
    > ~/.local/share/bash-completion/completions/sandprint
  sandprint completions zsh > \"${fpath[1]}/_sandprint\"
  sandprint completions fish > ~/.config/fish/completions/sandprint.fish";

/// Prints it, for that command line.
pub(crate) fn run(args: &CompletionsArgs, mut root: clap::Command) -> anyhow::Result<ExitStatus> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut root, "sandprint", &mut script);
    output::data(&script)?;
    Ok(ExitStatus::Success)
}
