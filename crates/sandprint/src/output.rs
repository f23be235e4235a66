//! The terminal: stdout is data, stderr is talk, and hostile bytes reach neither as they are.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use sandprint_model::ByteString;

/// Data could not be written to standard output.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    /// The reader closed the pipe: it has what it wanted.
    #[error("the reader of standard output has closed it")]
    ReaderGone,
    /// Anything else: a full disk behind a redirection, for one.
    #[error("failed to write to standard output")]
    Write(#[source] io::Error),
}

/// Writes data to standard output.
pub(crate) fn data(bytes: &[u8]) -> Result<(), OutputError> {
    data_by(|out| out.write_all(bytes))
}

/// Writes data to standard output, as it comes.
pub(crate) fn data_by(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), OutputError> {
    if sandprint_sandbox::stdout_was_closed() {
        return Err(OutputError::Write(io::Error::other("it is closed")));
    }
    let mut stdout = io::stdout().lock();
    write(&mut stdout).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => OutputError::ReaderGone,
        _ => OutputError::Write(error),
    })
}

/// Whether only warnings and errors are said.
static QUIET: AtomicBool = AtomicBool::new(false);

/// How much is said.
#[derive(Debug, clap::Args)]
pub(crate) struct QuietArgs {
    /// Print only warnings and errors
    #[arg(short, long)]
    quiet: bool,
}

impl QuietArgs {
    /// From here on.
    pub(crate) fn apply(&self) {
        QUIET.store(self.quiet, Ordering::Relaxed);
    }
}

/// Writes talk to standard error: a paragraph that ends with one newline.
///
/// Control characters, and those that reorder or hide text, are escaped, except newlines. Nobody listening
/// is no failure.
pub(crate) fn talk(text: &str) {
    if QUIET.load(Ordering::Relaxed) {
        return;
    }
    write_stderr(&format!("{}\n", escape(text.trim_end_matches('\n'))));
}

/// Says something that the user should know, though nothing failed.
pub(crate) fn warn(text: &str) {
    labelled("warning", YELLOW, text);
}

/// Says something that is worth knowing.
pub(crate) fn note(text: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        labelled("note", CYAN, text);
    }
}

/// How many of a list that a workload can lengthen are told; data have all.
const TOLD: usize = 10;

/// Says the first few of many, and how many more there are.
pub(crate) fn say_few(sentences: &[String], say: fn(&str), more: &str) {
    let (told, rest) = sentences.split_at(sentences.len().min(TOLD));
    for sentence in told {
        say(sentence);
    }
    if !rest.is_empty() {
        say(&format!("and {} more {more}", rest.len()));
    }
}

/// The first few lines of many, and how many more there are.
pub(crate) fn few_lines(lines: &[String]) -> Vec<String> {
    let (told, rest) = lines.split_at(lines.len().min(TOLD));
    let more = (!rest.is_empty()).then(|| format!("and {} more", rest.len()));
    told.iter().cloned().chain(more).collect()
}

/// Says an error, and what to do about it.
pub(crate) fn error(message: &str, hint: &str) {
    labelled("error", RED, message);
    labelled("hint", CYAN, hint);
}

/// A path as it can be shown: escaped, in backquotes.
pub(crate) fn quote(path: &Path) -> String {
    format!("`{}`", ByteString::new(path.as_os_str().as_encoded_bytes()))
}

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const CYAN: &str = "\u{1b}[1;36m";
const RESET: &str = "\u{1b}[0m";

fn labelled(label: &str, colour: &str, text: &str) {
    let text = escape(text.trim_end_matches('\n'));
    if wants_colour() {
        write_stderr(&format!("{colour}{label}:{RESET} {text}\n"));
    } else {
        write_stderr(&format!("{label}: {text}\n"));
    }
}

/// Whether stderr is a terminal that shows colour, and the user has not asked for none
/// (<https://no-color.org>).
fn wants_colour() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal()
        && !set("NO_COLOR")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn write_stderr(text: &str) {
    let mut stderr = io::stderr().lock();
    // There is nobody left to tell when stderr itself cannot be written.
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

/// The text with everything that could move a cursor, hide or reorder text written as `\xNN`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\\' => out.push(c),
            c if c.is_ascii() && !c.is_control() => out.push(c),
            c => out.push_str(&ByteString::from(c.encode_utf8(&mut [0; 4]) as &str).escaped()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_cannot_reach_the_terminal() {
        for (text, expected) in [
            ("plain `a\\x1b` text\nline", "plain `a\\x1b` text\nline"),
            ("\u{1b}[2J", "\\x1b[2J"),
            ("a\rb\tc\u{7}", "a\\x0db\\x09c\\x07"),
            ("\u{202e}gpj.exe", "\\xe2\\x80\\xaegpj.exe"),
            ("naïve ⊆ 漢", "naïve ⊆ 漢"),
        ] {
            assert_eq!(escape(text), expected);
        }
    }

    #[test]
    fn paths_are_quoted_and_escaped() {
        assert_eq!(quote(Path::new("a b\n.json")), "`a b\\x0a.json`");
    }
}
