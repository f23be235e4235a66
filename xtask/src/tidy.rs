//! `xtask tidy`: the rules of the repository's layout that no compiler and no linter holds.
//!
//! Each rule is a function from the repository, read into memory, to its faults; [`RULES`] lists them. They run as a
//! test of this package too. What a rule wants and why is said where the rule is.

use std::fmt;

use anyhow::bail;

mod documents;
mod edges;
mod manifests;
mod purity;
mod rust_text;
mod sources;
mod strings;
mod tree;
mod unsafety;

pub(crate) use tree::Tree;

/// The command's line in the table of commands.
pub(crate) const COMMAND: crate::Command = crate::Command {
    name: "tidy",
    summary: "check the layout: edges between crates, unsafe, file names and sizes, manifests, documents",
    run,
};

/// Every rule.
const RULES: &[fn(&Tree) -> Vec<Fault>] = &[
    documents::documents_name_what_is_there,
    documents::every_page_is_listed,
    edges::only_drawn_edges_exist,
    manifests::shared_dependencies_say_why,
    manifests::members_take_lints_and_versions_from_the_root,
    purity::pure_crates_have_their_bans,
    purity::pure_crates_stay_in_memory,
    sources::files_open_with_their_purpose,
    sources::files_are_short,
    sources::files_are_named_for_what_they_hold,
    strings::nothing_names_this_machine,
    unsafety::unsafe_stays_in_its_files,
];

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    path: String,
    /// From 1; none where the whole file is at fault.
    line: Option<usize>,
    what: String,
}

impl Fault {
    fn file(path: &str, what: impl Into<String>) -> Fault {
        Fault { path: path.to_owned(), line: None, what: what.into() }
    }

    fn line(path: &str, line: usize, what: impl Into<String>) -> Fault {
        Fault { path: path.to_owned(), line: Some(line), what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.what),
            None => write!(f, "{}: {}", self.path, self.what),
        }
    }
}

fn run(arguments: &[String]) -> anyhow::Result<String> {
    if let Some(argument) = arguments.first() {
        bail!("unknown argument `{argument}`: tidy takes none");
    }
    let tree = Tree::read(&crate::repository_root())?;
    let faults = faults(&tree);
    if faults.is_empty() {
        return Ok(format!("{} files are tidy\n", tree.len()));
    }
    bail!("the repository is not tidy:\n{}", faults.join("\n"))
}

fn faults(tree: &Tree) -> Vec<String> {
    let mut faults: Vec<Fault> = RULES.iter().flat_map(|rule| rule(tree)).collect();
    faults.sort();
    faults.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let tree = Tree::read(&crate::repository_root()).unwrap();
        assert_eq!(faults(&tree), Vec::<String>::new());
    }

    #[test]
    fn every_rule_is_run_and_faults_are_shown_by_place() {
        let tree = Tree::of(&[
            ("xtask/src/utils.rs", "fn f() {\n    unsafe { g() }\n}\n"),
            ("Cargo.toml", "[workspace.dependencies]\nlibc = \"0.2\"\n"),
            ("crates/sandprint-model/Cargo.toml", "[package]\nname = \"sandprint-model\"\n"),
            ("crates/sandprint-model/src/lib.rs", "//! Nouns.\nuse std::fs;\n"),
            ("crates/sandprint-model/src/long.rs", &format!("//! Long.\n{}", "\n".repeat(900))),
            ("crates/extra/Cargo.toml", "[package]\nname = \"extra\"\n[lints]\nworkspace = true\n"),
            ("notes.md", concat!("see /wo", "rk/main\n")),
        ]);
        assert_eq!(
            faults(&tree),
            [
                "Cargo.toml:2: libc has no comment that says what it is for".to_owned(),
                "crates/extra/Cargo.toml: extra has no row in the table of crates (xtask/src/tidy/edges.rs)"
                    .to_owned(),
                "crates/sandprint-model/Cargo.toml: lints are not those of the workspace".to_owned(),
                "crates/sandprint-model/clippy.toml: is missing: a pure crate bans what it must not touch"
                    .to_owned(),
                "crates/sandprint-model/src/lib.rs:2: std::fs in a pure crate".to_owned(),
                "crates/sandprint-model/src/long.rs: 901 lines, where 800 is the limit".to_owned(),
                concat!("notes.md:1: names this machine or a place outside the repository: /wo", "rk/")
                    .to_owned(),
                "xtask/src/utils.rs: `utils` says nothing about what is in it".to_owned(),
                "xtask/src/utils.rs: does not open with `//!` and its purpose".to_owned(),
                "xtask/src/utils.rs:2: unsafe outside sys.rs and generated code".to_owned(),
            ]
        );
    }
}
