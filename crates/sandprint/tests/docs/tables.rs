//! Tables of the documents, which are tables of the program.

use std::collections::BTreeSet;
use std::process::Command;

use sandprint_policy::emit::FORMATS;
use sandprint_policy::synth::Additions;

use crate::document::{pages, table, text};
use testkit::expect::NEEDS;

fn help(command: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sandprint")).args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Name and summary of each command that `--help` lists, in its order.
fn listed(command: &[&str]) -> Vec<[String; 2]> {
    let help = help(command);
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let entries = lines.take_while(|line| !line.is_empty()).map(|line| {
        let (name, summary) = line.trim().split_once(' ').expect("a name and a summary");
        [name.to_owned(), summary.trim().to_owned()]
    });
    entries.filter(|[name, _]| name != "help").collect()
}

#[test]
fn the_guide_lists_the_commands_as_their_help_does() {
    let mut expected = Vec::new();
    for [name, summary] in listed(&[]) {
        if name == "profile" || name == "policy" {
            let commands = listed(&[&name]).into_iter();
            let rows =
                commands.map(|[command, summary]| vec![format!("sandprint {name} {command}"), summary]);
            expected.extend(rows);
        } else {
            expected.push(vec![format!("sandprint {name}"), summary]);
        }
    }
    assert_eq!(table(&text("docs/guide/src/commands.md"), "| command | does |"), expected);
}

#[test]
fn the_guide_lists_the_formats_of_the_table() {
    let expected: Vec<Vec<String>> =
        FORMATS.iter().map(|format| vec![format.name().to_owned(), format.summary().to_owned()]).collect();
    assert_eq!(table(&text("docs/guide/src/formats.md"), "| `--format` | what |"), expected);
}

#[test]
fn the_guide_says_what_is_added_and_what_that_gives_away() {
    let expected: Vec<Vec<String>> =
        Additions::read().unwrap().groups().map(|group| group.map(str::to_owned).to_vec()).collect();
    assert_eq!(table(&text("docs/guide/src/generating.md"), "| group | calls | gives away |"), expected);
}

#[test]
fn the_guide_names_the_calls_that_are_never_added_whole() {
    let page = text("docs/guide/src/generating.md");
    let (_, list) = page.split_once("are never added with any: ").unwrap();
    let (list, _) = list.split_once(';').unwrap();
    let named: BTreeSet<&str> = list.split('`').skip(1).step_by(2).collect();
    assert_eq!(named, Additions::read().unwrap().never_whole());
}

#[test]
fn the_guide_lists_the_exit_statuses_as_the_help_does() {
    let help = help(&[]);
    let (_, statuses) = help.split_once("Exit status:\n").unwrap();
    let expected: Vec<Vec<String>> = statuses
        .lines()
        .filter_map(|line| line.trim().split_once("  "))
        .map(|(status, meaning)| vec![status.to_owned(), meaning.trim().replace('`', "")])
        .collect();
    assert_eq!(expected.len(), 8, "all of them: {expected:?}");
    let page = text("docs/guide/src/exit-status.md");
    let mut tables = page.match_indices("| status | means |").map(|(at, head)| table(&page[at..], head));
    let found = [tables.next().unwrap(), tables.next().unwrap()].concat();
    assert_eq!(found, expected);
    assert_eq!(tables.next(), None);
}

#[test]
fn contributing_lists_what_tests_may_need() {
    let expected: Vec<Vec<String>> =
        NEEDS.iter().map(|(name, what)| vec![(*name).to_owned(), (*what).to_owned()]).collect();
    let head = "| name in `SANDPRINT_EXPECT` | what the test needs |";
    assert_eq!(table(&text("CONTRIBUTING.md"), head), expected);
}

#[test]
fn ci_expects_only_what_a_test_may_need() {
    let script = text(".ci/run");
    let (_, list) = script.split_once("SANDPRINT_EXPECT:-").unwrap();
    let (list, _) = list.split_once('}').unwrap();
    for name in list.split(',') {
        assert!(NEEDS.iter().any(|(known, _)| *known == name), "no test needs {name}");
    }
}

#[test]
fn the_make_targets_that_documents_name_exist() {
    let makefile = text("Makefile");
    let others = ["CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md"];
    for document in pages().into_iter().chain(others.map(str::to_owned)) {
        let document_text = text(&document);
        for piece in document_text.split('`').skip(1).step_by(2) {
            let Some(target) = piece.strip_prefix("make ") else { continue };
            let rule = format!("\n{target}:");
            assert!(makefile.contains(&rule), "{document} names `make {target}`");
        }
    }
}

#[test]
fn the_changelog_has_a_section_for_what_is_not_released() {
    let changelog = text("CHANGELOG.md");
    let first = changelog.lines().find(|line| line.starts_with("## "));
    assert_eq!(first, Some("## Unreleased"));
}

#[test]
fn the_documents_that_are_read_first_are_short() {
    let too_long = |name: &str, most: usize| text(name).lines().count() > most;
    assert!(!too_long("README.md", 120), "README.md has more than 120 lines");
    assert!(!too_long("ARCHITECTURE.md", 250), "ARCHITECTURE.md has more than 250 lines");
}
