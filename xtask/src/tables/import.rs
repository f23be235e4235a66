//! From an unpacked wheel of the Python package `system-calls` to `numbers.tsv`.
//!
//! The package keeps one table an architecture, written by a script from the kernel's own: lines `"name": number,`.
//! Nothing of it is executed here. To make the file anew:
//!
//! ```text
//! pip download --no-deps system-calls==7.2
//! python3 -m zipfile -e system_calls-7.2-py3-none-any.whl system-calls
//! cargo xtask tables --import system-calls
//! ```

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use super::{ABIS, Abi};

/// x32's numbers carry this bit in the package, as in the kernel; not in sandprint.
const X32_BIT: u32 = 0x4000_0000;

/// The content of `numbers.tsv` for the wheel unpacked into `directory`.
pub(super) fn numbers(directory: &Path) -> anyhow::Result<String> {
    let package = directory.join("system_calls");
    let linux = read(&package.join("linux_version.py"))?;
    let linux = linux_version(&linux)?;
    let version = package_version(directory)?;
    let mut text = format!(
        "# System call numbers of each ABI. Made by `cargo xtask tables --import`; do not edit, amendments.tsv is for that.\n\
         #\n\
         # Source: Python package `system-calls` {version}, tables of Linux {linux}.\n\
         # Licence of the source: MIT, see LICENSE.system-calls.\n\
         #\n\
         # Columns: abi, number (x32: without bit 30), name.\n"
    );
    for abi in ABIS {
        let path = package.join(format!("tables/{}.py", abi.package_table));
        let calls =
            table(abi, &read(&path)?).with_context(|| format!("failed to understand {}", path.display()))?;
        for (nr, name) in calls {
            writeln!(text, "{}\t{nr}\t{name}", abi.name)?;
        }
    }
    Ok(text)
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

/// The release in `linux_version = "7.2.0"`.
fn linux_version(text: &str) -> anyhow::Result<&str> {
    let version = text.trim().strip_prefix("linux_version = \"").and_then(|rest| rest.strip_suffix('"'));
    version.with_context(|| format!("no kernel release in `{}`", text.trim()))
}

/// The version in the wheel's own description of itself.
fn package_version(directory: &Path) -> anyhow::Result<String> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("failed to list {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "dist-info") {
            let metadata = read(&path.join("METADATA"))?;
            let version = metadata.lines().find_map(|line| line.strip_prefix("Version: "));
            return Ok(version.context("the wheel's METADATA has no version")?.to_owned());
        }
    }
    bail!("{} is no unpacked wheel: it has no .dist-info directory", directory.display())
}

/// The calls of one table of the package, by number.
fn table(abi: Abi, text: &str) -> anyhow::Result<Vec<(u32, String)>> {
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let start = format!("syscalls_{} = {{", abi.package_table);
    ensure!(lines.next() == Some(start.as_str()), "expected `{start}` first");
    let mut calls = Vec::new();
    for line in lines {
        if line == "}" {
            calls.sort_unstable();
            return Ok(calls);
        }
        let parts = line.trim().trim_end_matches(',').split_once(": ");
        let (name, nr) = parts.with_context(|| format!("expected `\"name\": number`, not `{line}`"))?;
        let name = name.trim_matches('"');
        let nr: u32 = nr.parse().with_context(|| format!("no number in `{line}`"))?;
        let nr = if abi.name == "x32" { nr & !X32_BIT } else { nr };
        calls.push((nr, name.to_owned()));
    }
    bail!("the table does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn abi(name: &str) -> Abi {
        ABIS.into_iter().find(|abi| abi.name == name).unwrap()
    }

    #[test]
    fn a_table_is_read_by_number_and_without_the_bit_of_x32() {
        let calls =
            table(abi("aarch64"), "# By a script.\nsyscalls_arm64 = {\n    \"b\": 7,\n    \"a\": 9\n}\n");
        assert_eq!(calls.unwrap(), [(7, "b".to_owned()), (9, "a".to_owned())]);
        let calls = table(abi("x32"), "syscalls_x32 = {\n    \"read\": 1073741824,\n}\n");
        assert_eq!(calls.unwrap(), [(0, "read".to_owned())]);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for text in [
            "",
            "syscalls_arm = {\n    \"a\": 1,\n}\n",
            "syscalls_arm64 = {\n    \"a\": 1,\n",
            "syscalls_arm64 = {\n    \"a\" 1,\n}\n",
            "syscalls_arm64 = {\n    \"a\": -1,\n}\n",
        ] {
            assert!(table(abi("aarch64"), text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_whole_wheel_becomes_one_file_that_names_its_source() {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("system_calls-9.1.dist-info/METADATA", "Name: system-calls\nVersion: 9.1\n");
        write("system_calls/linux_version.py", "linux_version = \"9.1.0\"\n");
        for abi in ABIS {
            let table = format!("syscalls_{} = {{\n    \"read\": 3,\n}}\n", abi.package_table);
            write(&format!("system_calls/tables/{}.py", abi.package_table), &table);
        }
        let text = numbers(directory.path()).unwrap();
        assert_eq!(
            super::super::source::origin(&text).unwrap(),
            "Python package `system-calls` 9.1, tables of Linux 9.1.0."
        );
        let rows: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            rows,
            ["aarch64\t3\tread", "arm\t3\tread", "i386\t3\tread", "x32\t3\tread", "x86_64\t3\tread"]
        );
    }
}
