//! The transcripts of README and guide: each command is run as it stands there, and has to succeed.
//!
//! Each document has a directory of its own. What is printed is compared on the machine that the documents say it is
//! from: all lines but for numbers, and all calls by number and name. `SANDPRINT_TRANSCRIPTS=write` puts what is
//! printed now into the documents instead.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::document::{pages, root, text, transcripts};
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

/// The command in that directory, as somebody without any setting of their own gives it.
fn shell(command: &str, directory: &Path) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_sandprint"));
    let own = program.parent().unwrap().display();
    Command::new("bash")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(directory)
        .env_clear()
        .env("PATH", format!("{own}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
        .env("HOME", directory)
        .output()
        .unwrap()
}

/// What the command prints in that directory.
fn run(command: &str, directory: &Path) -> Vec<String> {
    let output = shell(command, directory);
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
    let line = line.replace("within a millisecond", "0 ms later");
    let words = line.split_whitespace().map(|word| {
        let inner = word.trim_matches(['(', ')']);
        if inner.len() == 8 && inner.chars().all(|c| c.is_ascii_hexdigit()) {
            return word.replace(inner, "ID");
        }
        if let Some((before, hex)) = word.split_once("0x") {
            return format!("{before}0x{}", hex.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
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
fn is_the_machine_of_the_documents() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let debian = release.lines().any(|line| line == "VERSION_CODENAME=bookworm");
    if !debian || !cfg!(target_arch = "x86_64") {
        skip("debian12", "the transcripts were run and not compared: they are from Debian 12 on x86_64");
        return false;
    }
    true
}

fn can_run(need: &str, directory: &Path) -> bool {
    match need {
        "pure" => true,
        "ebpf" => match bpf::load_smallest_program() {
            Ok(()) => true,
            Err(error) => {
                skip("ebpf", &format!("the kernel refuses the smallest BPF program: {error}"));
                false
            }
        },
        "ptrace" => {
            let output = shell("sandprint profile run -q --recorder ptrace -- true", directory);
            if !output.status.success() {
                skip("ptrace", &String::from_utf8_lossy(&output.stdout));
            }
            output.status.success()
        }
        _ => panic!("no transcript can need {need:?}"),
    }
}

/// Runs the transcripts of a document, up to the first that this machine cannot, and gives the document as it would
/// be with what is printed now, and each step with that.
fn rerun(page: &str) -> (String, Vec<(Step, Vec<String>)>) {
    let mut document = text(page);
    let scratch = tempfile::tempdir().unwrap();
    let mut compared = Vec::new();
    for transcript in transcripts(&document) {
        if !can_run(&transcript.need, scratch.path()) {
            break;
        }
        for command in &transcript.setup {
            run(command, scratch.path());
        }
        let mut new = String::new();
        for step in steps(&transcript.lines) {
            let printed = run(&step.command, scratch.path());
            new.extend(
                [&format!("# {}", step.command)].into_iter().chain(&printed).flat_map(|line| [line, "\n"]),
            );
            compared.push((step, printed));
        }
        let old = transcript.lines.join("\n");
        document = document.replace(&format!("```console\n{old}\n```\n"), &format!("```console\n{new}```\n"));
    }
    (document, compared)
}

#[test]
fn every_transcript_can_be_run_and_is_true() {
    assert!(pages().iter().any(|page| !transcripts(&text(page)).is_empty()));
    for page in pages() {
        let (document, compared) = rerun(&page);
        if compared.is_empty() {
            continue;
        }
        if !is_the_machine_of_the_documents() {
            return;
        }
        if env::var("SANDPRINT_TRANSCRIPTS").is_ok_and(|value| value == "write") {
            fs::write(root().join(&page), document).unwrap();
            continue;
        }
        for (step, printed) in &compared {
            let all = printed.join("\n");
            assert_eq!(calls(printed), calls(&step.printed), "{page}: `{}` calls:\n{all}", step.command);
            assert_eq!(words(printed), words(&step.printed), "{page}: `{}` prints:\n{all}", step.command);
        }
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
