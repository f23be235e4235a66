//! Compiling the C programs of tests.
//!
//! Where lab/test-kernels runs them there is no compiler, but a script in its place (lab/guest/gcc), which hands out what
//! was compiled outside: it goes by the last word, and by what stands behind `-o`.

use std::path::Path;
use std::process::{Command, Output, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, io};

use crate::expect::skip;

/// What every program is compiled with.
const STRICT: &[&str] = &["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"];

/// What a program needs that makes its own system calls and no others: it has no C library.
const FREESTANDING: &[&str] = &[
    "-fno-stack-protector",
    "-fno-pie",
    "-no-pie",
    "-fno-asynchronous-unwind-tables",
    "-ffreestanding",
    "-nostdlib",
    "-static",
];

/// Compiles a program, with these options too; `Err` says why this machine's compiler could not.
pub fn try_build(source: &Path, program: &Path, options: &[&str]) -> Result<(), String> {
    let output = compile(source, program, options).map_err(|error| format!("gcc: {error}"))?;
    let said = || format!("{}: {}", source.display(), String::from_utf8_lossy(&output.stderr));
    output.status.success().then_some(()).ok_or_else(said)
}

/// The same; `Err` says why there is no compiler.
///
/// # Panics
///
/// If the compiler refuses the source.
pub fn build(source: &Path, program: &Path, options: &[&str]) -> Result<(), String> {
    let output = compile(source, program, options).map_err(|error| format!("gcc: {error}"))?;
    assert!(output.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The same; says that a test is skipped where there is no compiler.
pub fn can_build(source: &Path, program: &Path, options: &[&str]) -> bool {
    build(source, program, options).map_err(|why| skip("gcc", &why)).is_ok()
}

/// The same of a program without a C library, which includes the header of the witnesses.
pub fn can_build_witness(source: &Path, program: &Path) -> bool {
    let witnesses = concat!("-I", env!("CARGO_MANIFEST_DIR"), "/../../corpus/programs");
    let mut options = [FREESTANDING, &[witnesses]].concat();
    // Without a C library there is nobody to choose between kinds of atomic instructions at run time.
    options.extend((env::consts::ARCH == "aarch64").then_some("-mno-outline-atomics"));
    can_build(source, program, &options)
}

fn compile(source: &Path, program: &Path, options: &[&str]) -> io::Result<Output> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    // Others may make the same one, or run it: each puts a whole one in place.
    let unfinished = program.with_extension(format!("{}-{}", id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
    let mut gcc = Command::new("gcc");
    let output = gcc.args(STRICT).args(options).arg("-o").args([&unfinished, source]).output()?;
    if output.status.success() {
        fs::rename(&unfinished, program)?;
    }
    Ok(output)
}
