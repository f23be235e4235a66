//! The recorder agrees with strace on every path, every right, every address, of the other oracle's commands and more.
//!
//! Each command runs once under either, in the same folder, without random addresses: some programs map code where it is
//! near enough. [`super::shown`] says what follows from strace's lines.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use std::{fs, thread};

use super::commands::{DRAWN, LEFT_OUT, MORE};
use super::{files, shown, sockets};
use crate::oracle::case::Case;
use crate::oracle::{self, NOT_FOUND};
use crate::recorder::{self, FULL};
use crate::{run, turns};
use testkit::expect::skip;
use testkit::wait::DEADLINE;

#[test]
fn files_and_sockets_are_what_strace_shows_of_the_oracles_commands() {
    check(oracle::ALL.iter().copied().flatten(), &Servers::none());
}

#[test]
fn files_and_sockets_are_what_strace_shows_of_more_commands() {
    check(MORE, &Servers::start());
}

fn check<'c>(cases: impl IntoIterator<Item = &'c Case>, servers: &Servers) {
    if !FULL.can_record() {
        return;
    }
    for tool in ["strace", "setarch"] {
        if let Err(error) = Command::new(tool).arg("-V").output() {
            return skip("oracle", &format!("{tool}: {error}"));
        }
    }
    let wrong: Vec<String> = cases.into_iter().filter_map(|case| differing(case, servers)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// How a command's two runs differ.
fn differing(case: &Case, servers: &Servers) -> Option<String> {
    let _turn = turns::beside_others();
    let title = case.words().join(" ");
    let is_left_out = LEFT_OUT.iter().any(|(begin, _)| title.starts_with(begin));
    let words = servers.named(case.words());
    if is_left_out || case.mounted || !oracle::is_here(case) || words.is_none() {
        eprintln!("left out: {title}");
        return None;
    }
    let words = words?;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build folder is ours");
    let work = oracle::prepare(case, &folder);
    let before = below(&work);
    let log = folder.path().join("strace.log");
    let mut command = Command::new("setarch");
    command.args(["-R", "strace", "-f", "-y", "-xx", "-s", "4096", "-o"]).arg(&log).arg("--").args(&words);
    run::prepare(&mut command, &work);
    let status = run::to_the_end(&mut command).status.code();
    if status == Some(NOT_FOUND) && case.status != NOT_FOUND {
        eprintln!("not on this machine, or a part of it: {title}");
        return None;
    }
    oracle::prepare(case, &folder);
    let recording = recorder::record(&["setarch", "-R"], FULL, &words, &work);
    let statuses = (status, recording.status.code());
    assert_eq!(statuses, (Some(case.status), Some(case.status)), "{title}: {}", recording.stderr);
    assert_eq!(recording.trace.decoded().blocking_gaps().count(), 0, "{title}");

    let shown = shown::read(&log, &work, before);
    let mut seen = BTreeSet::new();
    for (path, rights) in files(&recording.trace) {
        for (rights, outcome) in rights.iter().zip(["yes", "no"]) {
            let rights = rights.split(',').filter(|right| !right.is_empty());
            seen.extend(rights.map(|right| format!("{path} {right} {outcome}")));
        }
    }
    for row in sockets(&recording.trace) {
        let (rest, failed) = row.rsplit_once(' ').expect("a row has fields");
        let (rest, succeeded) = rest.rsplit_once(' ').expect("a row has fields");
        seen.extend((succeeded == "yes").then(|| format!("{rest} yes")));
        seen.extend((failed == "yes").then(|| format!("{rest} no")));
    }
    let expected: BTreeSet<String> = shown.files.union(&shown.sockets).map(|line| comparable(line)).collect();
    let seen: BTreeSet<String> = seen.iter().map(|line| comparable(line)).collect();
    let missing = expected.difference(&seen).map(|line| format!("  only strace:   {line}"));
    let surplus = seen.difference(&expected).map(|line| format!("  only recorded: {line}"));
    let differing: Vec<String> = missing.chain(surplus).collect();
    (!differing.is_empty()).then(|| format!("{title}\n{}", differing.join("\n")))
}

/// The line without what differs from run to run: numbers of processes, and names that are drawn.
fn comparable(line: &str) -> String {
    let is_process = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let is_drawn = |name: &str, pattern: &str| {
        name.len() == pattern.len()
            && name
                .bytes()
                .zip(pattern.bytes())
                .all(|(byte, expected)| byte == expected || expected == b'?' && byte.is_ascii_alphanumeric())
    };
    let Some((path, rest)) = line
        .rsplit_once(' ')
        .and_then(|(line, _)| line.rsplit_once(' '))
        .map(|(path, _)| line.split_at(path.len()))
    else {
        return line.to_owned();
    };
    let mut above = "";
    let names = path.split('/').map(|name| {
        let is_process = is_process(name) && matches!(above, "proc" | "task");
        above = name;
        if is_process {
            return "PID";
        }
        DRAWN.iter().find(|pattern| is_drawn(name, pattern)).map_or(name, |pattern| *pattern)
    });
    names.collect::<Vec<_>>().join("/") + rest
}

/// Everything below a folder, and itself.
fn below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::from([folder.to_path_buf()]);
    for entry in fs::read_dir(folder).expect("the folder is ours") {
        let entry = entry.expect("the folder is ours");
        if entry.file_type().expect("it is there").is_dir() {
            found.append(&mut below(&entry.path()));
        } else {
            found.insert(entry.path());
        }
    }
    found
}

/// What our web server says.
const ANSWER: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";

/// What commands talk to, by the words that stand for its ports.
struct Servers {
    ports: BTreeMap<&'static str, u16>,
    redis: Option<Child>,
}

impl Servers {
    fn none() -> Servers {
        Servers { ports: BTreeMap::new(), redis: None }
    }

    fn start() -> Servers {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = |listener: &TcpListener| listener.local_addr().expect("it is bound").port();
        let web = listen();
        let mut servers = Servers { ports: BTreeMap::from([("PORT", port(&web))]), redis: None };
        thread::spawn(move || {
            for stream in web.incoming() {
                let mut stream: TcpStream = stream.expect("somebody came");
                // Whoever goes away before has what it wanted.
                if stream.read(&mut [0; 4096]).is_ok() {
                    drop(stream.write_all(ANSWER));
                }
            }
        });
        let free = port(&listen());
        let mut redis = Command::new("redis-server");
        redis.args(["--port", &free.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        if let Ok(child) = redis.stdin(Stdio::null()).stdout(Stdio::null()).spawn() {
            servers.redis = Some(child);
            servers.ports.insert("REDIS", free);
            let begin = Instant::now();
            while TcpStream::connect((Ipv4Addr::LOCALHOST, free)).is_err() {
                assert!(begin.elapsed() < DEADLINE, "redis-server does not listen");
                thread::sleep(std::time::Duration::from_millis(10));
            }
        }
        servers
    }

    /// The words with the ports; none where one is not there.
    fn named(&self, words: Vec<String>) -> Option<Vec<String>> {
        let mut words = words;
        for (name, port) in &self.ports {
            for word in &mut words {
                *word = word.replace(name, &port.to_string());
            }
        }
        let is_there = |word: &String| !word.contains("PORT") && word != "REDIS";
        words.iter().all(is_there).then_some(words)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if let Some(redis) = &mut self.redis {
            redis.kill().expect("it is our child, and does not end by itself");
            redis.wait().expect("it was killed");
        }
    }
}
