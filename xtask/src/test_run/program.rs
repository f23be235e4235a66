//! The test programs that cargo builds, and one of them run as cargo runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

/// A test program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// What cargo calls it.
    pub(super) name: String,
    /// The directory of its package.
    pub(super) package: PathBuf,
    pub(super) path: PathBuf,
}

/// Builds the workspace's test programs, as `cargo test` does and lab/test-kernels too.
pub(super) fn build(cargo: &mut Command) -> anyhow::Result<Vec<Program>> {
    let output = cargo
        .args(["test", "--locked", "--workspace", "--no-run"])
        .args(["--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("start cargo")?;
    if !output.status.success() {
        bail!("cargo ended with {}", output.status);
    }
    let programs = built(&String::from_utf8_lossy(&output.stdout))?;
    if programs.is_empty() {
        bail!("cargo named no test program");
    }
    Ok(programs)
}

/// The test programs in what cargo says of its artifacts, one JSON object a line.
fn built(messages: &str) -> anyhow::Result<Vec<Program>> {
    let mut programs = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).with_context(|| format!("read of cargo: {line}"))?;
        let text = |at: &str| message.pointer(at).and_then(Value::as_str);
        let is_test = message.pointer("/profile/test").and_then(Value::as_bool) == Some(true);
        if text("/reason") != Some("compiler-artifact") || !is_test {
            continue;
        }
        let (Some(name), Some(path)) = (text("/target/name"), text("/executable")) else { continue };
        let manifest = text("/manifest_path").context("cargo names the package")?;
        let package = Path::new(manifest).parent().context("a manifest is in a directory")?.to_path_buf();
        programs.push(Program { name: name.to_owned(), package, path: path.into() });
    }
    Ok(programs)
}

impl Program {
    /// Whether its tests passed, and what it printed.
    pub(super) fn run(&self) -> anyhow::Result<(bool, String)> {
        let printed = tempfile::tempfile().context("make a temporary file")?;
        let status = Command::new(&self.path)
            .current_dir(&self.package)
            .env("CARGO_MANIFEST_DIR", &self.package)
            .stdin(Stdio::null())
            // A file holds what was printed in its order, and is not waited for where a test leaves somebody behind.
            .stdout(printed.try_clone().context("share a file")?)
            .stderr(printed.try_clone().context("share a file")?)
            .status()
            .with_context(|| format!("start {}", self.path.display()))?;
        let mut bytes = Vec::new();
        let mut printed = printed;
        std::io::Seek::rewind(&mut printed).context("read a temporary file")?;
        std::io::Read::read_to_end(&mut printed, &mut bytes).context("read a temporary file")?;
        Ok((status.success(), String::from_utf8_lossy(&bytes).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_tests_is_a_test_program() {
        let messages = r#"{"reason":"compiler-artifact","manifest_path":"/r/c/Cargo.toml","target":{"name":"cli"},"profile":{"test":true},"executable":"/r/t/cli-1"}
{"reason":"compiler-artifact","manifest_path":"/r/c/Cargo.toml","target":{"name":"c"},"profile":{"test":false},"executable":"/r/t/c"}
{"reason":"compiler-artifact","manifest_path":"/r/d/Cargo.toml","target":{"name":"d"},"profile":{"test":true},"executable":null}
{"reason":"build-finished","success":true}
"#;
        let cli = Program { name: "cli".into(), package: "/r/c".into(), path: "/r/t/cli-1".into() };
        assert_eq!(built(messages).unwrap(), [cli]);
        assert!(built("no JSON\n").is_err());
    }

    #[test]
    fn how_a_program_ends_and_all_that_it_prints_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        let program =
            Program { name: "program".into(), package: directory.path().into(), path: "/bin/pwd".into() };
        let here = format!("{}\n", directory.path().canonicalize().unwrap().display());
        assert_eq!(program.run().unwrap(), (true, here));
        assert_eq!(Program { path: "/bin/false".into(), ..program }.run().unwrap(), (false, String::new()));
        assert!(Program { name: String::new(), package: directory.path().into(), path }.run().is_err());
    }
}
