//! A diff as text, as JSON and as Markdown.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{CallDiff, TraceDiff};
use crate::errno::{self, Errno};
use crate::printable::json_pretty;
use crate::trace::render::{Table, call_cells, counted, gap_sentence, markdown_text, one_line};
use crate::{Gap, Image, Syscall};

impl TraceDiff {
    /// For people at a terminal. The labels say what A and B are, such as their file names.
    pub fn to_text(&self, label_a: &str, label_b: &str) -> String {
        let (label_a, label_b) = (one_line(label_a), one_line(label_b));
        let mut out: Vec<String> = Vec::new();
        let only = [(&label_a, &self.calls.only_in_a), (&label_b, &self.calls.only_in_b)];
        for (label, calls) in only {
            let count = if calls.is_empty() { "none".to_owned() } else { counted(calls.len(), "call") };
            out.push(format!("Only in {label}: {count}\n"));
            if !calls.is_empty() {
                out.push(one_sided(calls).text("  "));
            }
            out.push("\n".to_owned());
        }
        out.push(format!("In both: {}\n", counted(self.calls.in_both.len(), "call")));
        if !self.calls.in_both.is_empty() {
            out.push(two_sided(&self.calls.in_both).text("  "));
        }
        for (program, calls) in self.changed_programs() {
            out.push(format!("\n{program} differs:\n{}", marked(calls).text("  ")));
        }
        for (label, failures) in self.failed_only(&label_a, &label_b) {
            out.push(format!("\nFailed so only in {label}:\n{}", failed(failures).text("  ")));
        }
        for (label, gaps) in [(&label_a, &self.blocking_in_a), (&label_b, &self.blocking_in_b)] {
            for (gap, count) in gaps {
                out.push(format!("\n{label} is incomplete: {}\n", gap_sentence(gap, *count)));
            }
        }
        out.concat()
    }

    /// For a pull request or a document.
    pub fn to_markdown(&self, label_a: &str, label_b: &str) -> String {
        let (label_a, label_b) = (markdown_text(&one_line(label_a)), markdown_text(&one_line(label_b)));
        let mut out = vec![format!("# System calls: {label_a} and {label_b}\n\n")];
        if self.is_empty() {
            let count = counted(self.calls.in_both.len(), "call");
            out.push(format!("No difference: both have the same {count}.\n\n"));
        }
        for (label, calls) in [(&label_a, &self.calls.only_in_a), (&label_b, &self.calls.only_in_b)] {
            if !calls.is_empty() {
                out.push(format!("## Only in {label}\n\n{}\n", one_sided(calls).markdown()));
            }
        }
        if !self.calls.in_both.is_empty() {
            out.push(format!("## In both\n\n{}\n", two_sided(&self.calls.in_both).markdown()));
        }
        for (program, calls) in self.changed_programs() {
            let program = markdown_text(&program.to_string());
            out.push(format!("## {program} differs\n\n{}\n", marked(calls).markdown()));
        }
        for (label, failures) in self.failed_only(&label_a, &label_b) {
            out.push(format!("## Failed so only in {label}\n\n{}\n", failed(failures).markdown()));
        }
        for (label, gaps) in [(&label_a, &self.blocking_in_a), (&label_b, &self.blocking_in_b)] {
            for (gap, count) in gaps {
                let sentence = markdown_text(&gap_sentence(gap, *count));
                out.push(format!("**{label} is incomplete:** {sentence}\n\n"));
            }
        }
        format!("{}\n", out.concat().trim_end())
    }

    /// For programs. Paths and details are in their escaped form.
    pub fn to_json(&self, label_a: &str, label_b: &str) -> String {
        let programs = self.programs.iter().map(|(program, calls)| program_json(program, calls));
        let document = json!({
            "a": one_line(label_a),
            "b": one_line(label_b),
            "equal": self.is_empty(),
            "calls": calls_json(&self.calls),
            "programs": programs.collect::<Vec<_>>(),
            "failures": self.failures.as_ref().map(|failures| json!({
                "only_in_a": failures_json(&failures.only_in_a),
                "only_in_b": failures_json(&failures.only_in_b),
            })),
            "blocking_gaps_in_a": gaps_json(&self.blocking_in_a),
            "blocking_gaps_in_b": gaps_json(&self.blocking_in_b),
        });
        // A value of strings and numbers cannot fail to serialize.
        json_pretty(&document).unwrap_or_default() + "\n"
    }
}

impl TraceDiff {
    /// Which failures one side alone has, if any.
    fn failed_only<'d>(
        &'d self,
        label_a: &'d str,
        label_b: &'d str,
    ) -> impl Iterator<Item = (&'d str, &'d BTreeMap<(Syscall, Errno), u64>)> {
        let sides = self
            .failures
            .iter()
            .flat_map(move |failures| [(label_a, &failures.only_in_a), (label_b, &failures.only_in_b)]);
        sides.filter(|(_, failures)| !failures.is_empty())
    }
}

fn failed(failures: &BTreeMap<(Syscall, Errno), u64>) -> Table {
    let row = |((syscall, error), count): (&(Syscall, Errno), &u64)| {
        let mut row = call_cells(*syscall);
        row.extend([error.to_string(), count.to_string()]);
        row
    };
    Table {
        headings: &[("ABI", false), ("NR", true), ("NAME", false), ("ERROR", false), ("COUNT", true)],
        rows: failures.iter().map(row).collect(),
    }
}

fn failures_json(failures: &BTreeMap<(Syscall, Errno), u64>) -> Vec<Value> {
    let row = |((call, error), count): (&(Syscall, Errno), &u64)| {
        json!({
            "abi": call.abi.name(), "nr": call.nr, "name": call.name(),
            "errno": error.0, "error": errno::name(error.0), "count": count,
        })
    };
    failures.iter().map(row).collect()
}

fn one_sided(calls: &BTreeMap<Syscall, u64>) -> Table {
    let with_count = |(syscall, count): (&Syscall, &u64)| {
        let mut row = call_cells(*syscall);
        row.push(count.to_string());
        row
    };
    Table {
        headings: &[("ABI", false), ("NR", true), ("NAME", false), ("COUNT", true)],
        rows: calls.iter().map(with_count).collect(),
    }
}

fn two_sided(calls: &BTreeMap<Syscall, (u64, u64)>) -> Table {
    let with_counts = |(syscall, (a, b)): (&Syscall, &(u64, u64))| {
        let mut row = call_cells(*syscall);
        row.extend([a.to_string(), b.to_string()]);
        row
    };
    Table {
        headings: &[("ABI", false), ("NR", true), ("NAME", false), ("COUNT A", true), ("COUNT B", true)],
        rows: calls.iter().map(with_counts).collect(),
    }
}

/// The calls of one side only, `-` for A and `+` for B.
fn marked(calls: &CallDiff) -> Table {
    let sides = [("-", &calls.only_in_a), ("+", &calls.only_in_b)];
    let rows = sides.into_iter().flat_map(|(mark, calls)| {
        calls.iter().map(move |(syscall, count)| {
            let mut row = vec![mark.to_owned()];
            row.extend(call_cells(*syscall));
            row.push(count.to_string());
            row
        })
    });
    Table {
        headings: &[("", false), ("ABI", false), ("NR", true), ("NAME", false), ("COUNT", true)],
        rows: rows.collect(),
    }
}

fn calls_json(calls: &CallDiff) -> Value {
    let one_sided = |calls: &BTreeMap<Syscall, u64>| {
        let row = |(call, count): (&Syscall, &u64)| json!({"abi": call.abi.name(), "nr": call.nr, "name": call.name(), "count": count});
        calls.iter().map(row).collect::<Vec<_>>()
    };
    let in_both = calls.in_both.iter().map(|(call, (a, b))| {
        json!({"abi": call.abi.name(), "nr": call.nr, "name": call.name(), "count_a": a, "count_b": b})
    });
    json!({
        "only_in_a": one_sided(&calls.only_in_a),
        "only_in_b": one_sided(&calls.only_in_b),
        "in_both": in_both.collect::<Vec<_>>(),
    })
}

fn program_json(program: &Image, calls: &CallDiff) -> Value {
    let script = program.script.as_ref().map(crate::ByteString::escaped);
    json!({"path": program.path.escaped(), "script": script, "calls": calls_json(calls)})
}

fn gaps_json(gaps: &BTreeMap<Gap, u64>) -> Vec<Value> {
    let row = |(gap, count): (&Gap, &u64)| {
        let detail = gap.detail.as_deref().map(one_line);
        json!({"kind": gap.kind.name(), "run": gap.run.to_string(), "detail": detail, "count": count})
    };
    gaps.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::import::{ImportConfig, Source, import};
    use crate::{Abi, Arch, CallSeen, GapKind, RunId, Subject, Trace, arbitrary};

    fn trace(path: &str, build_id: &str, calls: &[(&str, u64)]) -> Trace {
        let image = Arc::new(Image { path: path.into(), build_id: Some(build_id.to_owned()), script: None });
        let mut trace = Trace::default();
        for (name, count) in calls {
            let syscall = Syscall::from_name(Abi::X86_64, name).unwrap();
            trace.calls.join(Subject::of(&image), syscall, RunId::from_bits(1), CallSeen::times(*count));
        }
        trace
    }

    fn diff() -> TraceDiff {
        let a = trace("/bin/a|b\u{1b}", "0a", &[("read", 9), ("pread64", 4), ("brk", 3)]);
        let mut b = trace("/bin/a|b\u{1b}", "0b", &[("read", 12), ("brk", 3)]);
        let run = RunId::from_bits(1);
        b.note_gap(Gap { kind: GapKind::CallsLost, run, detail: Some("counts\u{1b}".to_owned()) }, 3);
        TraceDiff::between(&a, &b)
    }

    #[test]
    fn as_text() {
        assert_eq!(
            diff().to_text("a.json", "b\u{1b}.json"),
            "\
Only in a.json: 1 call
  ABI     NR  NAME     COUNT
  x86_64  17  pread64      4

Only in b\\x1b.json: none

In both: 2 calls
  ABI     NR  NAME  COUNT A  COUNT B
  x86_64   0  read        9       12
  x86_64  12  brk         3        3

/bin/a|b\\x1b differs:
     ABI     NR  NAME     COUNT
  -  x86_64  17  pread64      4

b\\x1b.json is incomplete: A map of the recorder was full; some calls were not counted. (counts\\x1b; 3 times)
"
        );
    }

    #[test]
    fn as_markdown() {
        assert_eq!(
            diff().to_markdown("a.json", "b|.json"),
            "\
# System calls: a.json and b\\|.json

## Only in a.json

| ABI | NR | NAME | COUNT |
| --- | ---: | --- | ---: |
| x86\\_64 | 17 | pread64 | 4 |

## In both

| ABI | NR | NAME | COUNT A | COUNT B |
| --- | ---: | --- | ---: | ---: |
| x86\\_64 | 0 | read | 9 | 12 |
| x86\\_64 | 12 | brk | 3 | 3 |

## /bin/a\\|b\\\\x1b differs

|  | ABI | NR | NAME | COUNT |
| --- | --- | ---: | --- | ---: |
| - | x86\\_64 | 17 | pread64 | 4 |

**b\\|.json is incomplete:** A map of the recorder was full; some calls were not counted. \\(counts\\\\x1b; 3 times\\)
"
        );
    }

    #[test]
    fn as_json() {
        let read = json!({"abi": "x86_64", "nr": 0, "name": "read", "count_a": 9, "count_b": 12});
        let brk = json!({"abi": "x86_64", "nr": 12, "name": "brk", "count_a": 3, "count_b": 3});
        let pread64 = json!({"abi": "x86_64", "nr": 17, "name": "pread64", "count": 4});
        let calls = json!({"only_in_a": [pread64], "only_in_b": [], "in_both": [read, brk]});
        let gap = json!({
            "kind": "calls-lost",
            "run": "00000000000000000000000000000001",
            "detail": "counts\\x1b",
            "count": 3,
        });
        let expected = json!({
            "a": "a.json",
            "b": "b.json",
            "equal": false,
            "calls": calls,
            "programs": [{"path": "/bin/a|b\\x1b", "script": null, "calls": calls}],
            "failures": null,
            "blocking_gaps_in_a": [],
            "blocking_gaps_in_b": [gap],
        });
        let text = diff().to_json("a.json", "b.json");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }

    #[test]
    fn what_failed_on_one_side_is_said_where_both_show_it() {
        let log = |error: &str| format!("1 execve(\"/a\", [], 0x1) = 0\n1 close(3) = -1 {error} (x)\n");
        let config = ImportConfig { arch: Arch::X86_64 };
        let read = |text: &str| import(Source::Strace, text.as_bytes(), &config).unwrap();
        let (a, b) = (read(&log("EBADF")), read(&log("EIO")));
        let diff = TraceDiff::between(&a, &b);
        assert!(diff.is_empty(), "the calls are the same");
        let text = diff.to_text("a", "b");
        let table = |label, error| {
            format!(
                "Failed so only in {label}:\n  ABI     NR  NAME   ERROR  COUNT\n  x86_64   3  close  {error}      1\n"
            )
        };
        assert!(text.contains(&table("a", "EBADF")) && text.contains(&table("b", "EIO  ")), "{text}");
        assert!(diff.to_markdown("a", "b").contains("| x86\\_64 | 3 | close | EBADF | 1 |"));
        let json: Value = serde_json::from_str(&diff.to_json("a", "b")).unwrap();
        let close =
            json!({"abi": "x86_64", "nr": 3, "name": "close", "errno": 9, "error": "EBADF", "count": 1});
        assert_eq!(json["failures"]["only_in_a"], json!([close]));
        assert_eq!(TraceDiff::between(&a, &super::tests::trace("/a", "0a", &[])).failures, None);
    }

    proptest! {
        #[test]
        fn no_control_character_reaches_the_reader(
            a in arbitrary::trace(),
            b in arbitrary::trace(),
            label in ".{0,8}",
        ) {
            let diff = TraceDiff::between(&a, &b);
            let all = [diff.to_text(&label, "b"), diff.to_markdown(&label, "b"), diff.to_json(&label, "b")];
            for text in all {
                let hostile = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
                prop_assert!(!text.chars().any(hostile));
            }
        }
    }
}
