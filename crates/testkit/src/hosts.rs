//! What tests of pure crates need of the machine that they run on: these may start and write nothing themselves.

use std::path::Path;
use std::process::{Command, Output};

use sandprint_model::Abi;

use crate::expect::skip;

/// The ABI that a compiler of this machine makes programs for.
pub const NATIVE: Abi = if cfg!(target_arch = "aarch64") { Abi::Aarch64 } else { Abi::X86_64 };

/// Runs a program; its output, or why it could not be started.
pub fn run(program: &str, arguments: &[&str]) -> Result<Output, String> {
    let output = Command::new(program).args(arguments).output();
    output.map_err(|error| format!("{program}: {error}"))
}

/// Runs a program that might never end; none where it has not after so many seconds.
pub fn run_within(seconds: &str, program: &str, arguments: &[&str]) -> Option<Output> {
    const TIMED_OUT: i32 = 124;

    let output = run("timeout", &[&[seconds, program], arguments].concat()).unwrap();
    (output.status.code() != Some(TIMED_OUT)).then_some(output)
}

/// Writes a file of a test.
pub fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// Makes a folder of a test, unless it is there.
pub fn make_folder(path: &Path) {
    std::fs::create_dir_all(path).unwrap();
}

/// Whether what a test needs is there; says that it is skipped where it is not.
pub fn has(need: &str, found: Result<(), String>) -> bool {
    found.map_err(|why| skip(need, &why)).is_ok()
}
