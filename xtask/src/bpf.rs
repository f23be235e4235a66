//! `cargo xtask bpf`: compiles the recorder's BPF object, which is committed, or checks that it is current.

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use anyhow::{Context as _, bail};

use crate::{Command, repository_root};

/// The entry in the list of commands.
pub(crate) const COMMAND: Command = Command {
    name: "bpf",
    summary: "compile the BPF object; --check compares it with the committed one",
    run,
};

const SOURCE: &str = "recorder.bpf.c";
const OBJECT: &str = "recorder.bpf.o";
/// The compiler whose output is committed: another one's is as good and not the same byte for byte.
const REFERENCE: &str = "clang version 14.0.6";

fn run(arguments: &[String]) -> anyhow::Result<String> {
    let check = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => bail!("usage: cargo xtask bpf [--check]"),
    };
    let directory = repository_root().join("crates/sandprint-record/src/ebpf/bpf");
    let clang = output(Process::new("clang").arg("--version"))?;
    let committed = directory.join(OBJECT);
    // Never compiled in place: a source with an error in it must not cost the object that works.
    let scratch = repository_root().join("target").join(OBJECT);
    compile(&directory, &scratch)?;
    if !check {
        std::fs::copy(&scratch, &committed).context("write the object")?;
        return Ok(format!("wrote {OBJECT}\n"));
    }
    let fresh = std::fs::read(&scratch).context("read the fresh object")?;
    let old = std::fs::read(&committed).context("read the committed object")?;
    if fresh == old {
        return Ok(format!("{OBJECT} is what its source gives\n"));
    }
    if clang.contains(REFERENCE) {
        bail!("{OBJECT} is not what its source gives; run `make bpf` and commit the result");
    }
    bail!("{OBJECT} differs, but only {REFERENCE} gives the same bytes, and this is: {}", clang.trim());
}

/// Compiles without a path of this machine in the result, so that it is the same everywhere.
fn compile(directory: &Path, object: &PathBuf) -> anyhow::Result<()> {
    let triple = output(Process::new("cc").arg("-print-multiarch"))?;
    let here = directory.to_str().context("the repository's path is not UTF-8")?;
    output(
        Process::new("clang")
            .current_dir(directory)
            .args(["-O2", "-g", "-target", "bpf", "-mcpu=v2", "-Wall", "-Wextra", "-Werror"])
            .args(["-Wno-unused-parameter", "-fdebug-compilation-dir=."])
            .arg(format!("-ffile-prefix-map={here}=."))
            .arg(format!("-I/usr/include/{}", triple.trim()))
            .args(["-c", SOURCE, "-o"])
            .arg(object),
    )?;
    output(Process::new("llvm-strip").arg("-g").arg(object))?;
    Ok(())
}

/// Runs a program and returns what it printed.
fn output(command: &mut Process) -> anyhow::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("start {program}; `scripts/install-packages test` installs it"))?;
    if !output.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
