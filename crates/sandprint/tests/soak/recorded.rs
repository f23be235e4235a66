//! One program's recording, made once in each test process, and what it prints when nothing watches it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::programs::{PROGRAMS, Program};

pub(crate) const SANDPRINT: &str = env!("CARGO_BIN_EXE_sandprint");

/// How often a program is recorded before its policy is made: what depends on timing may need more than one run.
const RECORDINGS: usize = 4;

/// Where programs are looked for, and what they find in their environment.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// How often each program runs under its policy.
pub(crate) fn rounds() -> usize {
    std::env::var("SANDPRINT_SOAK").map_or(1, |rounds| rounds.parse().expect("SANDPRINT_SOAK is a number"))
}

/// Where a program is.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    PATH.split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.exists())
}

/// How a program ended, and what it printed: lines in any order where the program has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Done {
    status: Option<i32>,
    lines: Vec<String>,
}

impl Done {
    pub(crate) fn new(program: &Program, status: Option<i32>, stdout: &str) -> Done {
        let mut lines: Vec<String> = stdout.lines().map(str::to_owned).collect();
        if program.unordered {
            lines.sort();
        }
        Done { status, lines }
    }

    pub(crate) fn of(program: &Program, output: &Output) -> Done {
        Done::new(program, output.status.code(), &String::from_utf8_lossy(&output.stdout))
    }
}

/// What programs find in their environment, in their folder.
pub(crate) fn environment(folder: &str) -> [(&'static str, String); 4] {
    let folder = || folder.to_owned();
    [("PATH", PATH.to_owned()), ("LC_ALL", "C".to_owned()), ("HOME", folder()), ("TMPDIR", folder())]
}

/// A folder for one program to run in, beside what sandprint makes of its recording.
pub(crate) struct Place {
    pub(crate) program: &'static Program,
    scratch: TempDir,
}

impl Place {
    pub(crate) fn new(program: &'static Program, recording: &Recording) -> Place {
        let place = Place::empty(program);
        fs::write(place.path("trace.json"), &recording.trace).expect("the folder is ours");
        place
    }

    fn empty(program: &'static Program) -> Place {
        let place = Place { program, scratch: tempfile::tempdir().expect("a temporary folder") };
        fs::create_dir(place.work()).expect("the folder is ours");
        place
    }

    /// Where the program runs.
    pub(crate) fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// A file of ours beside that.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub(crate) fn prepare(&self) {
        prepare(self.program, &self.work());
    }

    /// Runs sandprint where the program runs.
    pub(crate) fn sandprint(&self, words: &[&str]) -> Output {
        // A program that is refused what it waits for may wait for ever: that fails the test instead.
        output(&self.work(), &[&["timeout", "--foreground", "-k", "5", "100", SANDPRINT], words].concat())
    }

    /// The policy in that language, as a file of that name.
    pub(crate) fn profile(&self, name: &str, format: &str, options: &[&str]) -> PathBuf {
        let file = self.path(name);
        let path = file.to_str().expect("it has a plain name");
        let words = ["profile", "generate", "-i", "../trace.json", "-f", format, "-o", path];
        let generated = self.sandprint(&[&words, options].concat());
        assert!(generated.status.success(), "{}", String::from_utf8_lossy(&generated.stderr));
        file
    }
}

/// Puts a folder, which may be there, into the program's first state.
pub(crate) fn prepare(program: &Program, folder: &Path) {
    if folder.exists() {
        fs::remove_dir_all(folder).expect("the folder is ours");
    }
    fs::create_dir(folder).expect("the folder above is ours");
    // Some servers give up root, and have to get here.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("the folder is ours");
    let prepared = output(folder, &["sh", "-ec", program.prepare]);
    assert!(prepared.status.success(), "prepare: {}", String::from_utf8_lossy(&prepared.stderr));
}

fn output(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(folder).stdin(Stdio::null()).env_clear();
    command.envs(environment(folder.to_str().expect("it has a plain name")));
    command.output().unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// What the tests of one program share.
pub(crate) struct Recording {
    /// What it does when nothing watches it.
    pub(crate) bare: Done,
    trace: Vec<u8>,
}

/// A program; `None` where it is not installed.
pub(crate) fn installed(name: &str) -> Option<&'static Program> {
    let program = PROGRAMS.iter().find(|program| program.name == name).expect("it is in the table");
    if let Some(missing) = program.needs.iter().find(|needed| find(needed).is_none()) {
        // Whether enough of them are there is a test of its own.
        eprintln!("not run: {missing} is not installed");
        return None;
    }
    Some(program)
}

/// A program and its recording; `None` where it is not installed.
pub(crate) fn recorded(name: &str) -> Option<(&'static Program, &'static Recording)> {
    static RECORDED: [OnceLock<Recording>; PROGRAMS.len()] = [const { OnceLock::new() }; PROGRAMS.len()];
    let program = installed(name)?;
    let index = PROGRAMS.iter().position(|program| program.name == name).expect("it is in the table");
    Some((program, RECORDED[index].get_or_init(|| record(program))))
}

fn record(program: &'static Program) -> Recording {
    let place = Place::empty(program);
    place.prepare();
    let bare = Done::of(program, &output(&place.work(), program.run));
    assert_eq!(bare.status, Some(0), "{bare:?}");
    for _ in 0..RECORDINGS {
        place.prepare();
        let words = ["profile", "run", "-o", "../trace.json", "--append", "--"];
        let recorded = place.sandprint(&[&words, program.run].concat());
        assert_eq!(Done::of(program, &recorded), bare, "{}", String::from_utf8_lossy(&recorded.stderr));
    }
    Recording { bare, trace: fs::read(place.path("trace.json")).expect("it was written") }
}
