//! `man`: the manual, made from the same words as `--help`.

use std::io;

use clap_mangen::Man;

use crate::exit::{self, ExitStatus};
use crate::output;
use crate::usage::long_help;

/// Print the manual page, for man(1)
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP))]
pub(crate) struct ManArgs {}

const EXAMPLES: &str = "
  sandprint man | man -l -
  sandprint man > ~/.local/share/man/man1/sandprint.1";

/// Prints it, of that command line.
pub(crate) fn run(_args: &ManArgs, root: clap::Command) -> anyhow::Result<ExitStatus> {
    let mut page = Vec::new();
    render(root, &mut page)?;
    output::data(&page)?;
    Ok(ExitStatus::Success)
}

/// One page with all commands, each with its own headings below its name.
fn render(mut root: clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    root.build();
    let main = Man::new(root.clone());
    main.render_title(page)?;
    main.render_name_section(page)?;
    main.render_synopsis_section(page)?;
    main.render_description_section(page)?;
    main.render_options_section(page)?;
    for command in leaves(&root) {
        let mut part = Vec::new();
        let manual = Man::new(command.clone());
        manual.render_synopsis_section(&mut part)?;
        manual.render_description_section(&mut part)?;
        manual.render_options_section(&mut part)?;
        render_after_help(&manual, &mut part)?;
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_uppercase();
        page.extend_from_slice(format!(".SH \"{name}\"\n").as_bytes());
        page.extend_from_slice(String::from_utf8_lossy(&part).replace("\n.SH ", "\n.SS ").as_bytes());
    }
    render_after_help(&main, page)
}

/// Examples and exit status, whose lines stay as they are (`.nf`: no filling).
fn render_after_help(manual: &Man, page: &mut Vec<u8>) -> io::Result<()> {
    let mut section = Vec::new();
    manual.render_extra_section(&mut section)?;
    let section = String::from_utf8_lossy(&section);
    let section = section.replace("\n.SH EXTRA\n", "\n.SH \"EXAMPLES AND EXIT STATUS\"\n.nf\n");
    page.extend_from_slice(section.as_bytes());
    page.extend_from_slice(b".fi\n");
    Ok(())
}

/// The commands that do something, in the order of `--help`.
fn leaves(command: &clap::Command) -> Vec<&clap::Command> {
    let mut found = Vec::new();
    for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
        if child.has_subcommands() {
            found.extend(leaves(child));
        } else {
            found.push(child);
        }
    }
    found
}
