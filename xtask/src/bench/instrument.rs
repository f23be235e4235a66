//! The columns: what a workload runs under.

use anyhow::{Context as _, ensure};

use super::workshop::{Workshop, find, words};

/// The trace that a run under sandprint leaves in the scratch directory.
pub(super) const TRACE: &str = "trace.json";
/// What bpftrace is asked: a count by process name and call number, of the whole machine, for it follows no tree.
pub(super) const BPFTRACE_PROGRAM: &str =
    "tracepoint:raw_syscalls:sys_enter { @[comm, args->id] = count(); }";

/// What a workload runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Instrument {
    /// Nothing.
    Bare,
    /// An empty BPF program where every recorder must have one.
    Floor,
    /// Ours.
    Sandprint,
    /// `strace -f -c`
    Strace,
    /// `perf trace -s`
    Perf,
    /// bpftrace, counting.
    Bpftrace,
}

impl Instrument {
    /// All, in the order of the columns, which is the order within a round.
    pub(super) const ALL: [Instrument; 6] = [
        Instrument::Bare,
        Instrument::Floor,
        Instrument::Sandprint,
        Instrument::Strace,
        Instrument::Perf,
        Instrument::Bpftrace,
    ];

    /// The head of its column.
    pub(super) fn title(self) -> &'static str {
        match self {
            Instrument::Bare => "bare",
            Instrument::Floor => "floor",
            Instrument::Sandprint => "sandprint",
            Instrument::Strace => "`strace -f -c`",
            Instrument::Perf => "`perf trace -s`",
            Instrument::Bpftrace => "bpftrace",
        }
    }

    /// The tool whose version matters, and how to ask it.
    pub(super) fn version(self, workshop: &Workshop) -> Option<String> {
        let line = match self {
            Instrument::Bare | Instrument::Floor => return None,
            Instrument::Sandprint => vec![workshop.sandprint.display().to_string(), "--version".to_owned()],
            Instrument::Strace => words(&["strace", "-V"]),
            Instrument::Perf => words(&["perf", "--version"]),
            Instrument::Bpftrace => words(&["bpftrace", "--version"]),
        };
        version(&workshop.run(&line).ok()?.output)
    }

    /// Whether a call under it costs some hundred times a bare one.
    pub(super) fn is_slow(self) -> bool {
        matches!(self, Instrument::Strace | Instrument::Perf)
    }

    /// The command under this instrument. What it prints besides goes to files.
    pub(super) fn wrap(self, workshop: &Workshop, mut argv: Vec<String>) -> Vec<String> {
        let mut line = match self {
            Instrument::Bare => return argv,
            Instrument::Floor => words(&["./floor"]),
            Instrument::Sandprint => {
                let mut line = vec![workshop.sandprint.display().to_string()];
                line.extend(words(&["profile", "run", "--recorder", "ebpf", "-o", TRACE, "--"]));
                line
            }
            Instrument::Strace => words(&["strace", "-f", "-c", "-o", "strace.txt"]),
            Instrument::Perf => words(&["perf", "trace", "-s", "-o", "perf.txt", "--"]),
            Instrument::Bpftrace => {
                // It splits the command at spaces itself.
                let command = argv.join(" ");
                argv.clear();
                words(&["bpftrace", "-o", "bpftrace.txt", "-e", BPFTRACE_PROGRAM, "-c", &command])
            }
        };
        line.append(&mut argv);
        line
    }

    /// Whether it works here at all; in words, why not.
    pub(super) fn probe(self, workshop: &Workshop) -> Result<(), String> {
        match self {
            Instrument::Bare => return Ok(()),
            Instrument::Floor => workshop.floor()?,
            Instrument::Sandprint if !workshop.sandprint.is_file() => {
                return Err("the binary of sandprint is not built".to_owned());
            }
            Instrument::Sandprint => {}
            Instrument::Strace => installed("strace")?,
            Instrument::Perf => installed("perf")?,
            // Its start alone takes longer than all that a quick run measures.
            Instrument::Bpftrace if workshop.quick => {
                return Err("bpftrace has no part in --quick".to_owned());
            }
            Instrument::Bpftrace => installed("bpftrace")?,
        }
        let quiet = path_of("true").map(|path| self.wrap(workshop, vec![path]));
        quiet.and_then(|line| workshop.run(&line)).map(drop).map_err(|error| workshop.reason(&error))
    }
}

fn installed(program: &str) -> Result<(), String> {
    find(program).map(drop).ok_or_else(|| format!("{program} is not installed"))
}

/// Where a command is: bpftrace refuses a name that is in two directories of PATH, though they be one.
pub(super) fn path_of(program: &str) -> anyhow::Result<String> {
    Ok(find(program).with_context(|| format!("{program} is not installed"))?.display().to_string())
}

/// Checks that the last run under sandprint recorded a call as often as it was made: a recorder that sees nothing
/// is quick.
pub(super) fn expect_recorded(workshop: &Workshop, name: &str, count: u32) -> anyhow::Result<()> {
    let recorded = recorded(workshop, Some(name))?;
    ensure!(recorded == u64::from(count), "the trace has {recorded} of {count} calls of {name}");
    Ok(())
}

/// How many calls of that name the last trace has; without a name, of all.
pub(super) fn recorded(workshop: &Workshop, name: Option<&str>) -> anyhow::Result<u64> {
    let sandprint = workshop.sandprint.display().to_string();
    let table = workshop.run(&words(&[&sandprint, "profile", "show", TRACE, "--format", "tsv"]))?.output;
    let mut total = 0;
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [_, _, call, count] = cells[..] else { anyhow::bail!("`show` printed the line {line:?}") };
        if name.is_none_or(|name| name == call) {
            total += count.parse::<u64>().context("`show` printed a count that is none")?;
        }
    }
    Ok(total)
}

/// The first word of the text that looks like a version.
pub(super) fn version(text: &str) -> Option<String> {
    let mut candidates =
        text.split_whitespace().map(|word| word.trim_start_matches("v=").trim_start_matches('v'));
    candidates
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_print() {
        for (text, expected) in [
            ("sandprint 0.1.0\n", Some("0.1.0")),
            ("strace -- version 6.1\nCopyright (c) 1991-2022\n", Some("6.1")),
            ("perf version 6.1.192", Some("6.1.192")),
            ("bpftrace v0.17.0", Some("0.17.0")),
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0", Some("7.0.15")),
            ("none", None),
        ] {
            assert_eq!(version(text).as_deref(), expected, "{text}");
        }
    }
}
