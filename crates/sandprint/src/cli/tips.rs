//! What somebody may have meant who typed what there is not: the words of other tools, and those that stand elsewhere.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};

use super::Cli;

/// Words for what we call otherwise, and what that is.
const ELSEWHERE: &[(&str, &str)] = &[
    ("completion", "completions"),
    ("enforce", "run"),
    ("exec", "run"),
    ("format", "policy fmt"),
    ("lint", "policy check"),
    ("monitor", "watch"),
    ("record", "profile run"),
    ("start", "profile run"),
    ("trace", "profile run"),
    ("validate", "policy check"),
];

/// Options that others have, and what we have in their place.
const OPTIONS: &[(&[&str], &str)] = &[
    (&["--json"], "`--format json` prints JSON, where the command has it"),
    (&["--csv", "--tsv", "--tab"], "`--format tsv` prints tab-separated values, where the command has it"),
    (&["--md", "--markdown"], "`--format markdown` prints Markdown, where the command has it"),
    (&["--toml", "--yaml", "--oci"], "`--format` says in which language a profile is written"),
    (&["-v", "--verbose"], "`profile show` and `profile generate` have `-v`; other commands always say all"),
    (&["-q", "--quiet"], "messages go to stderr: `2> /dev/null` hides them"),
    (&["--follow", "--children"], "descendants are always followed; `--no-children` leaves them out"),
];

/// What may have been meant; none where clap's own words are all there is to say.
pub(super) fn of(error: &clap::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::InvalidSubcommand => command(&text(error, ContextKind::InvalidSubcommand)?),
        ErrorKind::UnknownArgument => option(&text(error, ContextKind::InvalidArg)?),
        ErrorKind::InvalidValue if text(error, ContextKind::InvalidArg)?.contains("<SHELL>") => Some(
            "there are scripts for bash, elvish, fish, powershell and zsh; csh, tcsh and others have none"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Takes clap's guesses off a message, where there is something better.
pub(super) fn without_guesses(message: &str) -> &str {
    message.split("\n\n  tip: ").next().unwrap_or(message).trim_end()
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// The commands that are called so, or do what other tools call so.
fn command(word: &str) -> Option<String> {
    let root = Cli::command();
    let within = |group: &Command| {
        let has = group.get_subcommands().any(|command| command.get_name() == word);
        has.then(|| format!("{} {word}", group.get_name()))
    };
    let mut meant: Vec<String> = root.get_subcommands().filter_map(within).collect();
    let at_top = root.get_subcommands().any(|command| command.get_name() == word);
    meant.extend(at_top.then(|| word.to_owned()));
    meant.extend(ELSEWHERE.iter().filter(|(other, _)| *other == word).map(|(_, ours)| (*ours).to_owned()));
    let named: Vec<String> = meant.iter().map(|command| format!("`sandprint {command}`")).collect();
    (!named.is_empty()).then(|| format!("{} may be meant; `--help` lists the commands", named.join(" or ")))
}

fn option(word: &str) -> Option<String> {
    let name = word.split('=').next().unwrap_or(word);
    let known = OPTIONS.iter().find(|(others, _)| others.contains(&name))?;
    Some(known.1.to_owned())
}
