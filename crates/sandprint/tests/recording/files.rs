//! What is done to files and with sockets is recorded, all of it and nothing else.
//!
//! - [`witness`]: a program of ours has to do with files in every way that there is, and each row is known.
//! - [`back`]: what a `..` goes back over may be a link.
//! - [`oracle`]: programs of this machine, of which strace shows the same.
//! - [`many`]: more files than are kept. What was not kept is counted, and nothing is hurt.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::recorder::{SANDPRINT, TraceFile};

mod back;
mod commands;
mod many;
mod oracle;
mod shown;
mod witness;

/// What was done to each path: the rights that succeeded and those that failed, as words.
type Files = BTreeMap<String, [String; 2]>;

/// The rows of one kind of fact, without the head: the fields of each.
fn rows(trace: &TraceFile, only: &str, head: &str) -> Vec<Vec<String>> {
    let mut command = Command::new(SANDPRINT);
    command.args(["profile", "show"]).arg(&trace.0).args(["--only", only, "--format", "tsv"]);
    let output = command.output().expect("sandprint starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("a table is text");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(head), "{command:?}");
    lines.map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// What a trace has of files.
fn files(trace: &TraceFile) -> Files {
    let mut files = Files::new();
    for row in rows(trace, "files", "path\trights\tsucceeded\tfailed") {
        let [path, rights, succeeded, failed] = &row[..] else { panic!("not a row of the table: {row:?}") };
        let of_path = files.entry(path.clone()).or_default();
        for (slot, is_so) in of_path.iter_mut().zip([succeeded, failed]) {
            match is_so.as_str() {
                "yes" => {
                    assert_eq!(*slot, "", "two rows of one path: {row:?}");
                    slot.clone_from(rights);
                }
                "no" => {}
                _ => panic!("neither yes nor no: {row:?}"),
            }
        }
    }
    files
}

/// What a trace has of sockets, as lines with spaces.
fn sockets(trace: &TraceFile) -> BTreeSet<String> {
    let rows = rows(trace, "sockets", "family\ttype\tprotocol\toperation\taddress\tsucceeded\tfailed");
    rows.into_iter().map(|row| row.join(" ")).collect()
}
