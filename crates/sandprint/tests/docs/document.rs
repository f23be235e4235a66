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

/// What stands between a line `<!-- run: NEED -->` and the end of the fence that follows.
pub(crate) fn marked_fences(document: &str) -> Vec<(String, Vec<String>)> {
    let mut fences = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(need) = line.strip_prefix("<!-- run: ").and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        assert_eq!(lines.next(), Some("```console"), "a fence follows {line}");
        let content = lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
        fences.push((need.to_owned(), content));
    }
    fences
}
