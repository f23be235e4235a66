//! A user without rights, whom root can become.

use std::process::{Command, Stdio};

use crate::expect::skip;

/// A user that nobody is.
pub const NOBODY: u32 = 61234;

/// What goes before a command that is to run as [`NOBODY`], without any right.
pub const AS_NOBODY: [&str; 8] = [
    "setpriv",
    "--reuid=61234",
    "--regid=61234",
    "--clear-groups",
    "--inh-caps=-all",
    "--ambient-caps=-all",
    "--bounding-set=-all",
    "--",
];

/// The same, but for these capabilities.
pub fn as_nobody_with(capabilities: &[&str]) -> Vec<String> {
    let list: String = capabilities.iter().flat_map(|name| [",+", name]).collect();
    let word =
        |word: &&str| if word.ends_with("=-all") { format!("{word}{list}") } else { (*word).to_owned() };
    AS_NOBODY.iter().map(word).collect()
}

/// Whether the program can be run behind these words; says that a test is skipped where it cannot.
pub fn can_become(words: &[impl AsRef<str>], program: &str) -> bool {
    let mut command = Command::new(words[0].as_ref());
    command.args(words[1..].iter().map(AsRef::as_ref)).args([program, "--version"]).stdin(Stdio::null());
    let why = match command.output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    skip("root", &format!("only root can become a user without rights, who must reach {program}: {why}"));
    false
}
