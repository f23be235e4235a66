//! Entry point of the developers' commands: which there are, and how they end.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod bench;
mod bpf;
mod tables;
mod test_run;
mod tidy;

/// Every command. One file each; a new one needs its `mod` line above and its line here.
const COMMANDS: &[Command] =
    &[bench::COMMAND, bpf::COMMAND, tables::COMMAND, test_run::COMMAND, tidy::COMMAND];

/// A command: `run` gets the arguments after its name and returns what to print on success.
struct Command {
    name: &'static str,
    summary: &'static str,
    run: fn(&[String]) -> anyhow::Result<String>,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let (text, code) = match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => match (command.run)(&rest) {
            Ok(text) => (text, 0),
            Err(error) => (format!("error: {error:#}\n"), 1),
        },
        None => (usage(), 2),
    };
    // There is nobody left to tell when even this cannot be written.
    let written = if code == 0 {
        std::io::stdout().write_all(text.as_bytes())
    } else {
        std::io::stderr().write_all(text.as_bytes())
    };
    if written.is_ok() { ExitCode::from(code) } else { ExitCode::FAILURE }
}

fn usage() -> String {
    let mut text = String::from("usage: cargo xtask COMMAND [ARGUMENT...]\n\n");
    for command in COMMANDS {
        text.push_str("  ");
        text.push_str(command.name);
        text.push_str("  ");
        text.push_str(command.summary);
        text.push('\n');
    }
    text
}

/// The root of the repository: the directory above this package's.
fn repository_root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}
