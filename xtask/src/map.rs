//! `cargo xtask map`: the code map of ARCHITECTURE.md, made from the first sentence of each source file.
//!
//! The document has a region for each directory, between two comments; what is between them is replaced. So the map
//! says of a file what the file says of itself, and lists every file that there is.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use crate::tidy::{Tree, is_generated};

/// The command's line in the table of commands.
pub(crate) const COMMAND: crate::Command = crate::Command {
    name: "map",
    summary: "write the code map of ARCHITECTURE.md; --check says whether it is current",
    run,
};

const DOCUMENT: &str = "ARCHITECTURE.md";
const BEGIN: &str = "<!-- map of ";
const END: &str = "<!-- end of map -->";

fn run(arguments: &[String]) -> anyhow::Result<String> {
    let check = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => bail!("usage: cargo xtask map [--check]"),
    };
    let root = crate::repository_root();
    let tree = Tree::read(&root)?;
    let old = tree.text(DOCUMENT).with_context(|| format!("{DOCUMENT} is missing"))?;
    let new = with_maps(old, &tree)?;
    if new == old {
        return Ok(format!("{DOCUMENT} has the current code map\n"));
    }
    if check {
        bail!("the code map of {DOCUMENT} is not current; run `cargo xtask map` and commit the result");
    }
    fs::write(root.join(DOCUMENT), new).with_context(|| format!("failed to write {DOCUMENT}"))?;
    Ok(format!("wrote the code map of {DOCUMENT}\n"))
}

/// The document with each region made anew. Every crate must have one.
fn with_maps(document: &str, tree: &Tree) -> anyhow::Result<String> {
    let mut out = String::new();
    let mut mapped = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(directory) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        lines.by_ref().find(|line| *line == END).with_context(|| format!("`{line}` has no `{END}`"))?;
        out.push('\n');
        out.push_str(&map(directory, tree)?);
        out.push('\n');
        out.push_str(END);
        out.push('\n');
        mapped.push(directory.to_owned());
    }
    let missing = source_directories(tree).find(|directory| !mapped.contains(directory));
    if let Some(missing) = missing {
        bail!("{DOCUMENT} has no map of {missing}: add the lines `{BEGIN}{missing} -->` and `{END}`");
    }
    Ok(out)
}

/// `crates/NAME/src` of every crate, and the same of the packages beside them.
fn source_directories(tree: &Tree) -> impl Iterator<Item = String> {
    let manifests = tree.texts().filter_map(|(path, _)| path.strip_suffix("/Cargo.toml"));
    manifests.map(|package| format!("{package}/src")).filter(|directory| {
        let below = format!("{directory}/");
        tree.texts().any(|(path, _)| path.starts_with(&below))
    })
}

/// A line for each source file below a directory. Tests beside the code and generated files are left out.
fn map(directory: &str, tree: &Tree) -> anyhow::Result<String> {
    let below = format!("{directory}/");
    let mut out = String::new();
    for (path, text) in tree.texts() {
        let Some(name) = path.strip_prefix(&below) else { continue };
        if is_generated(text) || name.split('/').any(|part| part == "tests" || part == "tests.rs") {
            continue;
        }
        let sentence = match Path::new(name).extension().and_then(|extension| extension.to_str()) {
            Some("rs") => first_sentence(&rust_comment(text)),
            Some("c" | "h") => first_sentence(&c_comment(text)),
            _ => continue,
        };
        let sentence = sentence.with_context(|| format!("{path} does not say what it is for"))?;
        writeln!(out, "- `{name}`: {sentence}").unwrap_or_default();
    }
    if out.is_empty() {
        bail!("{DOCUMENT} has a map of {directory}, where there is no source file");
    }
    Ok(out)
}

/// The first paragraph of the comment that a Rust file opens with.
fn rust_comment(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//! "));
    lines.collect::<Vec<_>>().join(" ")
}

/// The first block comment of a C file that is no licence.
fn c_comment(text: &str) -> String {
    let comments = text.split("/*").skip(1).filter_map(|rest| Some(rest.split_once("*/")?.0));
    let first = comments.map(str::trim).find(|comment| !comment.starts_with("SPDX-"));
    let lines = first.unwrap_or_default().lines();
    lines
        .map(|line| line.trim().trim_start_matches('*').trim())
        .collect::<Vec<_>>()
        .join(" ")
        .trim()
        .to_owned()
}

/// The first sentence, without rustdoc's links: the document is read outside of rustdoc.
fn first_sentence(paragraph: &str) -> Option<String> {
    let end = paragraph.find(". ").map_or(paragraph.len(), |at| at + 1);
    let sentence = paragraph.get(..end)?.trim();
    let mut out = String::new();
    let mut rest = sentence;
    while let Some((before, link)) = rest.split_once("[`") {
        out.push_str(before);
        out.push('`');
        let (name, after) = link.split_once("`]")?;
        out.push_str(name);
        out.push('`');
        rest = match after.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    out.push_str(rest);
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_map_is_current() {
        assert_eq!(run(&["--check".to_owned()]).unwrap(), "ARCHITECTURE.md has the current code map\n");
    }

    #[test]
    fn a_file_is_mapped_by_its_first_sentence() {
        for (path, text, expected) in [
            ("a.rs", "//! Reads a thing.\n", "- `a.rs`: Reads a thing.\n"),
            ("a/b.rs", "//! Reads, of a\n//! thing, much. More.\n", "- `a/b.rs`: Reads, of a thing, much.\n"),
            ("a.rs", "//! Of [`A`] and [`b`](c::b).\n//!\n//! More.\n", "- `a.rs`: Of `A` and `b`.\n"),
            ("a.h", "/* SPDX-License-Identifier: X */\n/* Maps. Much. */\n", "- `a.h`: Maps.\n"),
            (
                "a.bpf.c",
                "// SPDX-License-Identifier: X\n/*\n * All\n * of it.\n */\n",
                "- `a.bpf.c`: All of it.\n",
            ),
        ] {
            let tree = Tree::of(&[
                (&format!("src/{path}"), text),
                ("src/tests.rs", "//! Tests.\n"),
                ("src/t/tests/x.rs", "//! Tests.\n"),
                ("src/table.rs", "//! Numbers.\n// @generated by x\n"),
                ("src/recorder.tsv", "data\n"),
            ]);
            assert_eq!(map("src", &tree).unwrap(), expected);
        }
    }

    #[test]
    fn a_file_that_says_nothing_and_a_crate_without_a_map_are_refused() {
        let document = "<!-- map of crates/a/src -->\nold\n<!-- end of map -->\nrest\n";
        let one = ("crates/a/src/lib.rs", "//! One.\n");
        let good = Tree::of(&[one, ("crates/a/Cargo.toml", "")]);
        assert_eq!(
            with_maps(document, &good).unwrap(),
            "<!-- map of crates/a/src -->\n\n- `lib.rs`: One.\n\n<!-- end of map -->\nrest\n"
        );
        let silent = Tree::of(&[one, ("crates/a/src/b.rs", "fn f() {}\n")]);
        assert_eq!(
            with_maps(document, &silent).unwrap_err().to_string(),
            "crates/a/src/b.rs does not say what it is for"
        );
        let more = Tree::of(&[one, ("crates/b/src/lib.rs", "//! Two.\n"), ("crates/b/Cargo.toml", "")]);
        assert!(with_maps(document, &more).unwrap_err().to_string().contains("no map of crates/b/src"));
        let gone = Tree::of(&[("crates/b/src/lib.rs", "//! Two.\n")]);
        assert!(with_maps(document, &gone).unwrap_err().to_string().contains("no source file"));
    }
}
