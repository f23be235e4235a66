//! The transcripts of the README: each command is run as it stands there, and has to succeed.
//!
//! What it prints is compared on the machine that the README says it is from: all lines but for numbers, and all
//! calls by number and name. `SANDPRINT_TRANSCRIPTS=write` puts what is printed now into the README instead.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::document::{marked_fences, root, text};
use testkit::bpf;
use testkit::expect::skip;

/// A command with what it printed, stdout and stderr as they came.
struct Step {
    command: String,
    printed: Vec<String>,
}

/// Commands begin with the prompt of root, `# `, or of a user, `$ `.
fn steps(fence: &[String]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in fence {
        match line.strip_prefix("# ").or_else(|| line.strip_prefix("$ ")) {
            Some(command) => steps.push(Step { command: command.to_owned(), printed: Vec::new() }),
            None => steps.last_mut().expect("a command comes first").printed.push(line.clone()),
        }
    }
    steps
}

/// What the command prints in that directory.
fn run(command: &str, directory: &Path) -> Vec<String> {
    let program = Path::new(env!("CARGO_BIN_EXE_sandprint"));
    let own = program.parent().unwrap().display();
    let output = Command::new("bash")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(directory)
        .env_clear()
        .env("PATH", format!("{own}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
        .env("HOME", directory)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "`{command}` ends with {}:\n{printed}", output.status);
    printed.lines().map(str::to_owned).collect()
}

/// A call in the table that a recording ends with: its number and name.
fn call(line: &str) -> Option<(u32, &str)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [number, count, name] = words[..] else { return None };
    count.parse::<u64>().ok()?;
    Some((number.parse().ok()?, name))
}

fn calls(lines: &[String]) -> BTreeSet<(u32, &str)> {
    lines.iter().filter_map(|line| call(line)).collect()
}

/// The other lines, with each number written as 0, each run id as ID, and blanks as one.
fn words(lines: &[String]) -> Vec<String> {
    lines.iter().filter(|line| call(line).is_none()).map(|line| without_numbers(line)).collect()
}

fn without_numbers(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let inner = word.trim_matches(['(', ')']);
        if inner.len() == 8 && inner.chars().all(|c| c.is_ascii_hexdigit()) {
            return word.replace(inner, "ID");
        }
        let mut out = String::new();
        for c in word.chars() {
            match c {
                '0'..='9' if out.ends_with('0') => {}
                '0'..='9' => out.push('0'),
                _ => out.push(c),
            }
        }
        out
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether this is the machine of the transcripts; else the test is skipped from here on.
fn is_the_machine_of_the_readme() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let debian = release.lines().any(|line| line == "VERSION_CODENAME=bookworm");
    if !debian || !cfg!(target_arch = "x86_64") {
        skip("debian12", "the transcripts were run and not compared: they are from Debian 12 on x86_64");
        return false;
    }
    true
}

fn can_run(need: &str) -> bool {
    match (need, bpf::load_smallest_program()) {
        ("pure", _) | ("ebpf", Ok(())) => true,
        ("ebpf", Err(error)) => {
            skip("ebpf", &format!("the kernel refuses the smallest BPF program: {error}"));
            false
        }
        _ => panic!("no transcript can need {need:?}"),
    }
}

#[test]
fn every_transcript_of_the_readme_can_be_run_and_is_true() {
    let mut readme = text("README.md");
    let fences = marked_fences(&readme);
    assert!(!fences.is_empty());
    let scratch = tempfile::tempdir().unwrap();
    let mut compared = Vec::new();
    for (need, fence) in &fences {
        if !can_run(need) {
            return;
        }
        let mut new = String::new();
        for step in steps(fence) {
            let printed = run(&step.command, scratch.path());
            new.extend(
                [&format!("# {}", step.command)].into_iter().chain(&printed).flat_map(|line| [line, "\n"]),
            );
            compared.push((step, printed));
        }
        readme = readme
            .replace(&format!("```console\n{}\n```\n", fence.join("\n")), &format!("```console\n{new}```\n"));
    }
    if !is_the_machine_of_the_readme() {
        return;
    }
    if env::var("SANDPRINT_TRANSCRIPTS").is_ok_and(|value| value == "write") {
        fs::write(root().join("README.md"), readme).unwrap();
        return;
    }
    for (step, printed) in &compared {
        let all = printed.join("\n");
        assert_eq!(calls(printed), calls(&step.printed), "`{}` calls:\n{all}", step.command);
        assert_eq!(words(printed), words(&step.printed), "`{}` prints:\n{all}", step.command);
    }
}

#[test]
fn numbers_do_not_matter_and_words_do() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let transcript =
        lines("Observed 71 events (23 unique)\n\n   NR  COUNT  NAME\n    9   17  mmap\nlong (63b25ef9)   28");
    for (printed, same) in [
        ("Observed 146 events (24 unique)\n\n NR COUNT NAME\n    9  130  mmap\nlong (00000000)  5", true),
        (
            "Observed 71 events (23 unique)\n\n   NR  COUNT  NAME\n   10   17  mmap\nlong (63b25ef9)   28",
            false,
        ),
        (
            "Observed 71 events (23 unique)\n\n   NR  COUNT  NAME\n    9   17  brk\nlong (63b25ef9)   28",
            false,
        ),
        (
            "Observed some events (23 unique)\n\n   NR  COUNT  NAME\n    9   17  mmap\nlong (63b25ef9)   28",
            false,
        ),
        ("Observed 71 events (23 unique)\n   NR  COUNT  NAME\n    9   17  mmap\nlong (63b25ef9)   28", false),
    ] {
        let printed = lines(printed);
        let equal = calls(&printed) == calls(&transcript) && words(&printed) == words(&transcript);
        assert_eq!(equal, same, "{printed:?}");
    }
}
