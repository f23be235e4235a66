//! A Markdown document of the repository, as far as these tests read it.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of a file of the repository.
pub(crate) fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The cells of every row below a table's head, where `head` is the head's line. Cells lose their backquotes.
pub(crate) fn table(document: &str, head: &str) -> Vec<Vec<String>> {
    let mut lines = document.lines().skip_while(|line| *line != head);
    assert!(lines.next().is_some(), "no table has the head {head:?}");
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells = row.trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim().replace('`', "")).collect()
    })
    .collect()
}

/// The documents with transcripts and tables for users: the README and the pages of the guide, by path.
pub(crate) fn pages() -> Vec<String> {
    const GUIDE: &str = "docs/guide/src";
    let entries = fs::read_dir(root().join(GUIDE)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<String> = names.map(|name| format!("{GUIDE}/{name}")).collect();
    pages.push("README.md".to_owned());
    pages.sort();
    pages
}

/// A transcript of a document.
pub(crate) struct Transcript {
    /// What it needs of the machine, as `<!-- run: NEED -->` above it says.
    pub(crate) need: String,
    /// Commands that are run before it and not shown: each in a line `<!-- setup: COMMAND -->`.
    pub(crate) setup: Vec<String>,
    /// The lines in the fence.
    pub(crate) lines: Vec<String>,
}

/// The transcripts of a document, in its order.
pub(crate) fn transcripts(document: &str) -> Vec<Transcript> {
    let mut found = Vec::new();
    let mut setup = Vec::new();
    let comment = |line: &'_ str, word: &str| {
        let rest = line.strip_prefix("<!-- ")?.strip_prefix(word)?.strip_prefix(": ")?;
        Some(rest.strip_suffix(" -->")?.to_owned())
    };
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        setup.extend(comment(line, "setup"));
        let Some(need) = comment(line, "run") else { continue };
        assert_eq!(lines.next(), Some("```console"), "a fence follows {line}");
        let content = lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
        found.push(Transcript { need, setup: std::mem::take(&mut setup), lines: content });
    }
    assert!(setup.is_empty(), "no transcript follows {setup:?}");
    found
}
