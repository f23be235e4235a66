//! Pure crates: memory only. Clippy holds most of it, by a file in each; this rule holds the file, and what clippy
//! has no list for: whole modules of std.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::Fault;
use super::rust_text::{code, std_names};
use super::tree::Tree;

/// The crates that touch nothing but memory.
const PURE: &[&str] = &["sandprint-model", "sandprint-policy", "sandprint-view", "sandprint-elf"];

/// What the clippy.toml of each must ban, at least: one door of every kind.
const BANNED: &[&str] = &[
    "std::env::args",
    "std::env::var",
    "std::env::var_os",
    "std::fs::File",
    "std::fs::OpenOptions",
    "std::fs::read",
    "std::fs::read_to_string",
    "std::fs::write",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::process::Command",
    "std::process::exit",
    "std::thread::spawn",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// The modules of std that their sources must not name. `core::net` has the address types, which are pure.
const MODULES: &[&str] = &["env", "fs", "net", "process", "thread"];

/// Each pure crate has a clippy.toml that bans at least [`BANNED`]. (The nearest such file replaces the root's.)
pub(super) fn pure_crates_have_their_bans(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in PURE {
        if tree.text(&format!("crates/{name}/Cargo.toml")).is_none() {
            continue;
        }
        let path = format!("crates/{name}/clippy.toml");
        let Some(text) = tree.text(&path) else {
            faults.push(Fault::file(&path, "is missing: a pure crate bans what it must not touch"));
            continue;
        };
        let banned = banned(text);
        let missing: Vec<&str> = BANNED.iter().copied().filter(|item| !banned.contains(*item)).collect();
        if !missing.is_empty() {
            faults.push(Fault::file(&path, format!("does not ban {}", missing.join(", "))));
        }
    }
    faults
}

/// What a clippy.toml bans. One that is no TOML bans nothing, and clippy says so too.
fn banned(text: &str) -> BTreeSet<String> {
    let file: Table = text.parse().unwrap_or_default();
    let mut items = BTreeSet::new();
    for list in ["disallowed-types", "disallowed-methods"] {
        let entries = file.get(list).and_then(Value::as_array);
        for entry in entries.into_iter().flatten() {
            let path = entry.get("path").unwrap_or(entry).as_str();
            items.extend(path.map(str::to_owned));
        }
    }
    items
}

/// The sources of a pure crate do not name [`MODULES`], in whatever form of `use` or path.
pub(super) fn pure_crates_stay_in_memory(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree.rust() {
        if !PURE.iter().any(|name| path.starts_with(&format!("crates/{name}/src/"))) {
            continue;
        }
        for (line, module) in std_names(&code(text)) {
            if MODULES.contains(&module.as_str()) {
                faults.push(Fault::line(path, line, format!("std::{module} in a pure crate")));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: (&str, &str) = ("crates/sandprint-policy/Cargo.toml", "");

    fn clippy(without: &str) -> String {
        let mut text = String::from("disallowed-methods = [\n");
        for item in BANNED.iter().filter(|item| **item != without) {
            text.push_str("  { path = \"");
            text.push_str(item);
            text.push_str("\", reason = \"pure\" },\n");
        }
        text.push_str("]\n");
        text
    }

    #[test]
    fn a_pure_crate_without_its_bans_is_found() {
        let path = "crates/sandprint-policy/clippy.toml";
        assert_eq!(
            pure_crates_have_their_bans(&Tree::of(&[MANIFEST])),
            [Fault::file(path, "is missing: a pure crate bans what it must not touch")]
        );
        assert_eq!(pure_crates_have_their_bans(&Tree::of(&[MANIFEST, (path, &clippy(""))])), []);
        for item in BANNED {
            let tree = Tree::of(&[MANIFEST, (path, &clippy(item))]);
            assert_eq!(
                pure_crates_have_their_bans(&tree),
                [Fault::file(path, format!("does not ban {item}"))]
            );
        }
        let all = format!("does not ban {}", BANNED.join(", "));
        let broken = Tree::of(&[MANIFEST, (path, "disallowed-types = [")]);
        assert_eq!(pure_crates_have_their_bans(&broken), [Fault::file(path, all)]);
    }

    #[test]
    fn crates_that_are_not_there_and_crates_that_are_not_pure_need_no_bans() {
        let tree = Tree::of(&[
            ("crates/sandprint-record/Cargo.toml", ""),
            ("crates/sandprint-record/src/proc.rs", "use std::fs;\n"),
        ]);
        assert_eq!(pure_crates_have_their_bans(&tree), []);
        assert_eq!(pure_crates_stay_in_memory(&tree), []);
    }

    #[test]
    fn a_pure_crate_that_names_the_outside_is_found_however_it_says_it() {
        let path = "crates/sandprint-model/src/trace.rs";
        for (text, expected) in [
            ("use std::fs;\n", vec!["fs"]),
            ("use std::fs::create_dir;\n", vec!["fs"]),
            ("use ::std::env;\n", vec!["env"]),
            (
                "use std::{\n    fmt,\n    process::{self, Stdio},\n    net::IpAddr,\n};\n",
                vec!["process", "net"],
            ),
            ("fn f() { std::thread::sleep(std::time::Duration::ZERO); }\n", vec!["thread"]),
            ("// std::fs is not for us\nconst A: &str = \"std::fs\";\n", vec![]),
            ("use std::fmt;\nuse my::std_fs;\nuse notstd::fs;\nuse core::net::IpAddr;\n", vec![]),
        ] {
            let faults = pure_crates_stay_in_memory(&Tree::of(&[(path, text)]));
            let found: Vec<String> = faults.into_iter().map(|fault| fault.what).collect();
            let expected: Vec<String> =
                expected.into_iter().map(|module| format!("std::{module} in a pure crate")).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn tests_of_a_pure_crate_may_read_files() {
        let tree = Tree::of(&[("crates/sandprint-policy/tests/golden.rs", "use std::fs;\n")]);
        assert_eq!(pure_crates_stay_in_memory(&tree), []);
    }
}
