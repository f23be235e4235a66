//! `xtask tables`: the system call tables of sandprint-model, made from the data files beside them.
//!
//! Three steps, each with its own file: [`import`] turns an unpacked copy of the Python package `system-calls` into
//! `numbers.tsv`; [`source`] reads that and the two files kept by hand and joins them; [`render`] writes the Rust.
//! Only the first needs anything from outside the repository. [`arguments`] does the same for the calls' arguments.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

mod arguments;
mod import;
mod render;
mod source;

/// The command's line in the table of commands.
pub(crate) const COMMAND: crate::Command = crate::Command {
    name: "tables",
    summary: "[--import DIR] [--check]  make the tables of system calls and their arguments; --import reads an unpacked system-calls wheel",
    run,
};

/// An ABI: its name in sandprint and the name of its table in the package.
///
/// These names are written out here, not taken from sandprint-model, because that crate does not build while a table
/// is missing or broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Abi {
    name: &'static str,
    package_table: &'static str,
}

/// Every ABI, in name order.
const ABIS: [Abi; 5] = [
    Abi { name: "aarch64", package_table: "arm64" },
    Abi { name: "arm", package_table: "arm" },
    Abi { name: "i386", package_table: "i386" },
    Abi { name: "x32", package_table: "x32" },
    Abi { name: "x86_64", package_table: "x86_64" },
];

fn run(arguments: &[String]) -> anyhow::Result<String> {
    let mut check = false;
    let mut import_from = None;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--check" => check = true,
            "--import" => {
                let directory =
                    arguments.next().context("--import needs the directory of the unpacked wheel")?;
                import_from = Some(PathBuf::from(directory));
            }
            other => bail!("unknown argument `{other}`: tables takes --import DIR and --check"),
        }
    }
    let root = crate::repository_root();
    let mut outputs = Vec::new();
    if let Some(directory) = import_from {
        let numbers = import::numbers(&directory)?;
        outputs.push((data_directory(&root).join("numbers.tsv"), numbers));
        settle(&outputs, check)?;
    }
    let tables = generate(&root)?;
    settle(&tables, check)?;
    let verb = if check { "checked" } else { "written" };
    Ok(format!("{} files {verb}\n", outputs.len() + tables.len()))
}

/// Every generated file with its content, from the data files as they are now.
fn generate(root: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let read = |name: &str| {
        let path = data_directory(root).join(name);
        fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
    };
    let numbers = read("numbers.tsv")?;
    let calls = source::join(&numbers, &read("amendments.tsv")?, &read("since.tsv")?)?;
    let origin = source::origin(&numbers)?;
    let directory = root.join("crates/sandprint-model/src/syscall/tables");
    let render = |(abi, calls): (&Abi, &Vec<source::Call>)| {
        (directory.join(format!("{}.rs", abi.name)), render::table(*abi, origin, calls))
    };
    let mut files: Vec<(PathBuf, String)> = calls.iter().map(render).collect();
    files.extend(arguments::generate(root, &calls)?);
    Ok(files)
}

fn data_directory(root: &Path) -> PathBuf {
    root.join("crates/sandprint-model/data/syscalls")
}

/// Writes the files, or says which of them are not what they should be.
fn settle(files: &[(PathBuf, String)], check: bool) -> anyhow::Result<()> {
    let mut stale = Vec::new();
    for (path, content) in files {
        let current = fs::read_to_string(path).unwrap_or_default();
        if current == *content {
            continue;
        }
        if check {
            stale.push(path.display().to_string());
        } else {
            fs::write(path, content).with_context(|| format!("failed to write {}", path.display()))?;
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    bail!("not up to date (run `cargo xtask tables`): {}", stale.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generated_tables_are_those_of_the_data_files() {
        let root = crate::repository_root();
        let files = generate(&root).unwrap();
        assert_eq!(files.len(), ABIS.len() + 3);
        settle(&files, true).unwrap();
    }

    #[test]
    fn a_stale_file_is_named_and_left_alone_by_check_and_replaced_otherwise() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table.rs");
        fs::write(&path, "old").unwrap();
        let files = [(path.clone(), String::from("new"))];

        let error = settle(&files, true).unwrap_err().to_string();
        assert_eq!(error, format!("not up to date (run `cargo xtask tables`): {}", path.display()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");

        settle(&files, false).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        settle(&files, true).unwrap();
    }
}
