//! `cargo xtask bpf`: compiles the recorder's BPF objects, which are committed, or checks that they are current.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use anyhow::{Context as _, bail};

use crate::{Command, repository_root};

/// The entry in the list of commands.
pub(crate) const COMMAND: Command = Command {
    name: "bpf",
    summary: "compile the BPF objects; --check compares them with the committed ones",
    run,
};

/// Each is compiled from the source of its name.
const OBJECTS: [&str; 2] = ["raw.bpf.o", "perf.bpf.o"];
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
    let mut report = String::new();
    for object in OBJECTS {
        let committed = directory.join(object);
        // Never compiled in place: a source with an error in it must not cost the object that works.
        let scratch = repository_root().join("target").join(object);
        compile(&directory, object, &scratch)?;
        if !check {
            std::fs::copy(&scratch, &committed).with_context(|| format!("write {object}"))?;
            writeln!(report, "wrote {object}")?;
            continue;
        }
        let fresh = std::fs::read(&scratch).with_context(|| format!("read the fresh {object}"))?;
        let old = std::fs::read(&committed).with_context(|| format!("read the committed {object}"))?;
        if fresh == old {
            writeln!(report, "{object} is what its source gives")?;
        } else if clang.contains(REFERENCE) {
            bail!("{object} is not what its source gives; run `make bpf` and commit the result");
        } else {
            bail!(
                "{object} differs, but only {REFERENCE} gives the same bytes, and this is: {}",
                clang.trim()
            );
        }
    }
    Ok(report)
}

/// Compiles without a path of this machine in the result, so that it is the same everywhere.
fn compile(directory: &Path, object: &str, scratch: &PathBuf) -> anyhow::Result<()> {
    let source = object.replace(".o", ".c");
    let triple = output(Process::new("cc").arg("-print-multiarch"))?;
    let here = directory.to_str().context("the repository's path is not UTF-8")?;
    output(
        Process::new("clang")
            .current_dir(directory)
            .args(["-O2", "-g", "-target", "bpf", "-mcpu=v2", "-Wall", "-Wextra", "-Werror"])
            .args(["-Wno-unused-parameter", "-fdebug-compilation-dir=."])
            .arg(format!("-ffile-prefix-map={here}=."))
            .arg(format!("-I/usr/include/{}", triple.trim()))
            .args(["-c", &source, "-o"])
            .arg(scratch),
    )?;
    output(Process::new("llvm-strip").arg("-g").arg(scratch))?;
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
