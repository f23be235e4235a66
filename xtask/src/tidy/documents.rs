//! Documents: the files that they name, and the places in them that links lead to.

use std::collections::BTreeSet;

use super::Fault;
use super::tree::{Tree, has_extension};

/// A path that begins with one of these is a place in this repository.
const PLACES: &[&str] = &["crates/", "xtask/", "lab/", "scripts/", "corpus/", "docs/", "fuzz/", "LICENSES/"];

/// The pages of the guide. A book is made of these, so they lead to each other only.
const GUIDE: &str = "docs/guide/src/";

/// Every link of a document, and every `path` in backquotes, leads to something that is there.
///
/// A link is relative to its document; behind `#` it names a heading. A path in backquotes is one from the root; with
/// `*` or a word in capitals it stands for many files.
pub(super) fn documents_name_what_is_there(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in documents(tree) {
        for (number, line) in text_lines(text) {
            for target in links(line) {
                if let Some(what) = fault_of_link(tree, path, target) {
                    faults.push(Fault::line(path, number, what));
                }
            }
            for named in quoted(line).filter(|named| !is_there(tree, named)) {
                faults.push(Fault::line(path, number, format!("names {named}, which is not there")));
            }
        }
    }
    faults
}

/// Folders of pages, and the document that lists each page of them.
const LISTS: &[(&str, &str)] =
    &[(GUIDE, "docs/guide/src/SUMMARY.md"), ("docs/decisions/", "ARCHITECTURE.md")];

/// Every page of the guide is in its table of contents, and every decision in the list of decisions.
pub(super) fn every_page_is_listed(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (folder, list) in LISTS {
        let links = tree.text(list).unwrap_or_default().lines().flat_map(links);
        let listed: BTreeSet<String> = links.filter_map(|target| resolved(list, target)).collect();
        let pages = documents(tree).map(|(path, _)| path).filter(|path| path.starts_with(folder));
        let unlisted = pages.filter(|page| page != list && !listed.contains(*page));
        faults.extend(unlisted.map(|page| Fault::file(list, format!("does not list {page}"))));
    }
    faults
}

fn documents(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.texts().filter(|(path, _)| has_extension(path, &["md"]))
}

/// The lines outside of fences, with their numbers.
fn text_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fence && !fenced).then_some((index + 1, line))
    })
}

/// Targets of `[text](target)` within the repository.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    targets.filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
}

fn fault_of_link(tree: &Tree, document: &str, target: &str) -> Option<String> {
    let (file, heading) = target.split_once('#').map_or((target, None), |(file, part)| (file, Some(part)));
    let path = if file.is_empty() { Some(document.to_owned()) } else { resolved(document, file) };
    let Some(path) = path.filter(|path| is_there(tree, path)) else {
        return Some(format!("names {file}, which is not there"));
    };
    if document.starts_with(GUIDE) && !path.starts_with(GUIDE) {
        return Some(format!("links to {path}, which the book does not have"));
    }
    let heading = heading?;
    let text = tree.text(&path).unwrap_or_default();
    let found = text_lines(text).filter_map(|(_, line)| anchor(line)).any(|anchor| anchor == heading);
    (!found).then(|| format!("links to #{heading}, a heading that {path} does not have"))
}

/// The path from the root that `file` means in a document; none above the root.
fn resolved(document: &str, file: &str) -> Option<String> {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The anchor of a heading, as forges and mdBook make it: lower case, blanks as hyphens, no punctuation.
fn anchor(line: &str) -> Option<String> {
    let title = line.trim_start_matches('#');
    if title.len() == line.len() || !title.starts_with(' ') {
        return None;
    }
    let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    Some(kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect())
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

    fn told(faults: &[Fault]) -> Vec<String> {
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_that_leads_nowhere_is_found() {
        let tree = Tree::of(&[
            (
                "README.md",
                "See [this](docs/a.md#a-part-of-it), [that](https://example.org/x) and [gone](docs/b.md).\n\
                 `crates/a/src/lib.rs`, `crates/a`, `crates/a/src/`, `crates/a/src/gone.rs`.\n\
                 `crates/NAME/src`, `crates/a/src/FILE.rs`, `crates/*/tests`, `lab/run --all`, `target/x`.\n\
                 [A](docs/a.md#no-part), [B](#here), [C](docs), [D](../x.md)\n\
                 # Here\n\
                 ```\n[in](a-fence.md)\n```\n",
            ),
            ("docs/a.md", "## A part, of `it`\n[up](../README.md#here) [gone](gone.md)\n"),
            ("crates/a/src/lib.rs", "//! A.\n"),
        ]);
        assert_eq!(
            told(&documents_name_what_is_there(&tree)),
            [
                "README.md:1: names docs/b.md, which is not there",
                "README.md:2: names crates/a/src/gone.rs, which is not there",
                "README.md:4: links to #no-part, a heading that docs/a.md does not have",
                "README.md:4: names ../x.md, which is not there",
                "docs/a.md:2: names gone.md, which is not there",
            ]
        );
    }

    #[test]
    fn the_guide_is_closed_and_lists_are_complete() {
        let tree = Tree::of(&[
            ("README.md", "# A\n"),
            ("docs/guide/src/SUMMARY.md", "- [One](one.md)\n"),
            ("docs/guide/src/one.md", "[Two](two.md#two) [out](../../../README.md)\n"),
            ("docs/guide/src/two.md", "# Two\n"),
            ("docs/decisions/01-a.md", "# 1. A\n"),
        ]);
        assert_eq!(
            told(&documents_name_what_is_there(&tree)),
            ["docs/guide/src/one.md:1: links to README.md, which the book does not have"]
        );
        assert_eq!(
            told(&every_page_is_listed(&tree)),
            [
                "docs/guide/src/SUMMARY.md: does not list docs/guide/src/two.md",
                "ARCHITECTURE.md: does not list docs/decisions/01-a.md",
            ]
        );
    }
}
