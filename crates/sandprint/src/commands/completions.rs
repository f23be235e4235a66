//! `completions`: what a shell needs to complete our command lines.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::{Cli, long_help};
use crate::exit::{self, ExitStatus};
use crate::output;

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP))]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

const EXAMPLES: &str = "
  sandprint completions bash > ~/.local/share/bash-completion/completions/sandprint
  sandprint completions zsh > \"${fpath[1]}/_sandprint\"
  sandprint completions fish > ~/.config/fish/completions/sandprint.fish";

/// Prints it.
pub(crate) fn run(args: &CompletionsArgs) -> anyhow::Result<ExitStatus> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sandprint", &mut script);
    output::data(&script)?;
    Ok(ExitStatus::Success)
}
