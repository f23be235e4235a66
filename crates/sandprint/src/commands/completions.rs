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
    script.extend_from_slice(after_dashes(args.shell).as_bytes());
    output::data(&script)?;
    Ok(ExitStatus::Success)
}

/// What completes the command that stands behind `--`, and its own words: clap completes files there.
fn after_dashes(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => BASH,
        Shell::Fish => FISH,
        _ => "",
    }
}

/// With bash-completion, the command's own completion; else commands, and then files.
const BASH: &str = r#"
_sandprint_command() {
    local at
    for ((at = 1; at < COMP_CWORD; at++)); do
        [[ ${COMP_WORDS[at]} == -- ]] || continue
        if declare -F _command_offset >/dev/null; then
            _command_offset $((at + 1))
        elif ((COMP_CWORD == at + 1)); then
            mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}" | sort -u)
        else
            mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
        fi
        return
    done
    _sandprint "$@"
}
complete -F _sandprint_command -o nosort -o bashdefault -o default sandprint
"#;

const FISH: &str = r"
function __sandprint_command
    set -l words (commandline -opc) (commandline -ct)
    set -l at (contains -i -- -- $words)
    complete -C (string join ' ' -- $words[(math $at + 1)..-1])
end
complete -c sandprint -n 'contains -- -- (commandline -opc)' -f -a '(__sandprint_command)'
";
