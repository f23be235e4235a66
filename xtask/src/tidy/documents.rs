//! Documents: the files that they name.

use super::Fault;
use super::tree::{Tree, has_extension};

/// A path that begins with one of these is a place in this repository.
const PLACES: &[&str] = &["crates/", "xtask/", "lab/", "scripts/", "corpus/", "docs/", "fuzz/", "LICENSES/"];

/// Every link, and every `path` in backquotes, of a document at the root leads to something that is there.
///
/// A path with `*` or a word in capitals stands for many files.
pub(super) fn documents_name_what_is_there(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree.texts() {
        if !has_extension(path, &["md"]) || path.contains('/') {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for named in links(line).chain(quoted(line)) {
                if !is_there(tree, named) {
                    faults.push(Fault::line(path, number + 1, format!("names {named}, which is not there")));
                }
            }
        }
    }
    faults
}

/// Targets of `[text](target)` within the repository.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    let files = targets.map(|target| target.split('#').next().unwrap_or(target));
    files.filter(|target| !target.is_empty() && !target.contains("://"))
}

/// What is in backquotes and looks like a place in the repository.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    let pieces = line.split('`').skip(1).step_by(2);
    pieces.filter(|piece| {
        let stands_for_many = |part: &str| {
            part.contains('*')
                || part.split('.').next().is_some_and(|stem| stem.len() > 1 && is_capital(stem))
        };
        PLACES.iter().any(|place| piece.starts_with(place))
            && !piece.contains(char::is_whitespace)
            && !piece.split('/').skip(1).any(stands_for_many)
    })
}

fn is_capital(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

fn is_there(tree: &Tree, named: &str) -> bool {
    let directory = format!("{}/", named.trim_end_matches('/'));
    tree.files().any(|(path, _)| path == named || path.starts_with(&directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_nowhere_is_found() {
        let tree = Tree::of(&[
            (
                "README.md",
                "See [this](docs/a.md#part), [that](https://example.org/x) and [gone](docs/b.md).\n\
                 `crates/a/src/lib.rs`, `crates/a`, `crates/a/src/`, `crates/a/src/gone.rs`.\n\
                 `crates/NAME/src`, `crates/a/src/FILE.rs`, `crates/*/tests`, `lab/run --all`, `target/x`.\n",
            ),
            ("docs/a.md", "[not looked at](gone.md)\n"),
            ("crates/a/src/lib.rs", "//! A.\n"),
        ]);
        let found: Vec<String> =
            documents_name_what_is_there(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "README.md:1: names docs/b.md, which is not there",
                "README.md:2: names crates/a/src/gone.rs, which is not there",
            ]
        );
    }
}
