//! A directory of a test's own, and the program under test, run there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sandprint_model::wire::{self, PolicyFile};
use sandprint_model::{Policy, Trace};
use tempfile::TempDir;

use crate::ended::Ended;
use crate::signals;

/// What the caller of the tests may have set, and sandprint would heed.
const VARIABLES: [&str; 8] = [
    "COLUMNS",
    "NO_COLOR",
    "SANDPRINT_CHECKPOINT_MS",
    "SANDPRINT_TASKS",
    "SUDO_GID",
    "SUDO_UID",
    "SUDO_USER",
    "TERM",
];

/// The directory. It goes with this.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
    sandprint: &'static str,
}

impl Scratch {
    /// A new one for the program at this path: `env!("CARGO_BIN_EXE_sandprint")`, which only its package's tests have.
    pub fn of(sandprint: &'static str) -> Scratch {
        signals::have_default_actions();
        Scratch { directory: tempfile::tempdir().unwrap(), sandprint }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// A file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// What is in a file.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// What is in a file by now: nothing, if it is not there.
    pub fn so_far(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The trace in a file.
    pub fn trace(&self, name: &str) -> Trace {
        let bytes = fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        wire::decode_trace(&bytes).unwrap()
    }

    /// Writes a policy to the file `policy`.
    pub fn policy(&self, policy: &Policy) {
        self.write("policy", wire::encode_policy(policy));
    }

    /// What a policy file says.
    pub fn policy_file(&self, name: &str) -> Policy {
        PolicyFile::read(&self.read(name)).unwrap().policy
    }

    /// The files there, with their content.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(self.root())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    }

    /// sandprint with these arguments, in this directory, without input, without a terminal and without sudo.
    pub fn sandprint(&self, arguments: &[&str]) -> Command {
        self.program(self.sandprint, arguments)
    }

    /// Another program in the same surroundings.
    pub fn program(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.root()).stdin(Stdio::null());
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        command
    }

    /// sandprint with these arguments, and what came of it.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.sandprint(arguments).output().unwrap())
    }

    /// `sandprint profile`, and what came of it.
    pub fn profile(&self, words: &[&str]) -> Ended {
        self.run(&[&["profile"], words].concat())
    }
}
