//! `man`: the manual, a page for each command, made from the same words as `--help`.

use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueHint;
use clap_mangen::Man;

use crate::exit::{self, Deciding, ExitStatus};
use crate::output;
use crate::trace_file::{self, Privacy};
use crate::usage::long_help;

/// Print a manual page, for man(1)
///
/// Without a command, the page of sandprint itself, which lists the others.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP))]
pub(crate) struct ManArgs {
    /// The command, such as `profile run`
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,

    /// Write the pages of all commands to this directory
    #[arg(short, long, value_name = "DIRECTORY", value_hint = ValueHint::DirPath, conflicts_with = "command")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "
  sandprint man | man -l -
  sandprint man profile run | man -l -
  sandprint man -o ~/.local/share/man/man1";

/// Prints it, or writes all, of that command line.
pub(crate) fn run(args: &ManArgs, mut root: clap::Command) -> anyhow::Result<ExitStatus> {
    root.build();
    let Some(directory) = &args.output else {
        output::data(&page(named(&root, &args.command)?)?)?;
        return Ok(ExitStatus::Success);
    };
    for command in all(&root) {
        let file = directory.join(format!("{}.1", page_name(command)));
        trace_file::destination(Some(&file))?.write(&page(command)?, Privacy::Shared)?;
    }
    Ok(ExitStatus::Success)
}

/// The command of that name.
fn named<'c>(root: &'c clap::Command, words: &[String]) -> Result<&'c clap::Command, Deciding> {
    words.iter().try_fold(root, |command, word| {
        let found = commands(command).find(|child| child.get_name() == word);
        found.ok_or_else(|| {
            Deciding::usage(
                format!("there is no command `{}`", words.join(" ")),
                "`sandprint --help` lists the commands",
            )
        })
    })
}

/// A command and all below it, in the order of `--help`.
fn all(command: &clap::Command) -> Vec<&clap::Command> {
    std::iter::once(command).chain(commands(command).flat_map(all)).collect()
}

/// The commands right below one; `help` has no page.
fn commands(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|child| child.get_name() != "help")
}

/// `sandprint-profile-run`, as man(1) names the pages of subcommands.
fn page_name(command: &clap::Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &clap::Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    render(command, &mut page).context("failed to write a manual page")?;
    Ok(page)
}

fn render(command: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    let children: Vec<clap::Command> = commands(command).cloned().collect();
    let manual = Man::new(command.clone());
    manual.render_title(page)?;
    manual.render_name_section(page)?;
    manual.render_synopsis_section(page)?;
    manual.render_description_section(page)?;
    manual.render_options_section(page)?;
    if !children.is_empty() {
        page.extend_from_slice(b".SH COMMANDS\n");
        for child in &children {
            let about = child.get_about().map(ToString::to_string).unwrap_or_default();
            let name = page_name(child).replace('-', "\\-");
            page.extend_from_slice(format!(".TP\n{name}(1)\n{about}\n").as_bytes());
        }
    }
    if command.get_after_long_help().is_none() {
        return Ok(());
    }
    // Lines of examples and statuses stay as they are (`.nf`: no filling).
    let mut section = Vec::new();
    manual.render_extra_section(&mut section)?;
    let section = String::from_utf8_lossy(&section);
    page.extend_from_slice(
        section.replace(".SH EXTRA\n", ".SH \"EXAMPLES AND EXIT STATUS\"\n.nf\n").as_bytes(),
    );
    page.extend_from_slice(b".fi\n");
    Ok(())
}
