//! The columns: what a workload runs under.

use anyhow::{Context as _, ensure};

use super::companion::Companion;
use super::policies::{self, LIST, OURS, TREE};
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
    /// Empty BPF programs where whoever watches for refused calls, or records all of each call, must have them; beside the
    /// workload.
    Floors,
    /// Our recorder in the kernel.
    Sandprint,
    /// The same, with all that it can record of each call.
    Full,
    /// Our recorder without BPF that traces.
    Ptrace,
    /// Our recorder without BPF that is notified.
    Notify,
    /// `strace -f -c`
    Strace,
    /// `perf trace -s`
    Perf,
    /// bpftrace, counting.
    Bpftrace,
    /// `sandprint watch --system`, beside the workload.
    Watch,
    /// `sandprint run`
    Confined,
    /// The filter that we make of a policy.
    Filter,
    /// The one that libseccomp makes of it where it is asked for a binary tree.
    Tree,
    /// The one that libseccomp makes of it by itself.
    List,
    /// Nothing: what is measured is sandprint.
    Itself,
}

impl Instrument {
    /// The head of its column.
    pub(super) fn title(self) -> &'static str {
        match self {
            Instrument::Bare => "bare",
            Instrument::Floor => "floor",
            Instrument::Sandprint | Instrument::Itself => "sandprint",
            Instrument::Full => "full",
            Instrument::Ptrace => "ptrace",
            Instrument::Notify => "notify",
            Instrument::Strace => "`strace -f -c`",
            Instrument::Perf => "`perf trace -s`",
            Instrument::Bpftrace => "bpftrace",
            Instrument::Floors => "floors",
            Instrument::Watch => "`watch --system`",
            Instrument::Confined => "`sandprint run`",
            Instrument::Filter => "sandprint's filter",
            Instrument::Tree => "libseccomp's binary tree",
            Instrument::List => "libseccomp's list",
        }
    }

    /// The tool whose version matters, and how to ask it.
    pub(super) fn version(self, workshop: &Workshop) -> Option<String> {
        let line = match self {
            Instrument::Sandprint => vec![workshop.sandprint.display().to_string(), "--version".to_owned()],
            Instrument::Strace => words(&["strace", "-V"]),
            Instrument::Perf => words(&["perf", "--version"]),
            Instrument::Bpftrace => words(&["bpftrace", "--version"]),
            // One version for all that are of one program.
            _ => return None,
        };
        version(&workshop.run(&line).ok()?.output)
    }

    /// Those whose version is told.
    pub(super) const VERSIONED: [Instrument; 4] =
        [Instrument::Sandprint, Instrument::Strace, Instrument::Perf, Instrument::Bpftrace];

    /// Those under which a call costs dozens or hundreds of bare ones.
    pub(super) const SLOW: [Instrument; 4] =
        [Instrument::Ptrace, Instrument::Notify, Instrument::Strace, Instrument::Perf];

    /// Whether it is one of [`Instrument::SLOW`].
    pub(super) fn is_slow(self) -> bool {
        Instrument::SLOW.contains(&self)
    }

    /// Whether it leaves a trace of ours, in [`TRACE`].
    pub(super) fn records(self) -> bool {
        matches!(self, Instrument::Sandprint | Instrument::Full | Instrument::Ptrace | Instrument::Notify)
    }

    /// The command under this instrument. What it prints besides goes to files.
    pub(super) fn wrap(self, workshop: &Workshop, mut argv: Vec<String>) -> Vec<String> {
        let sandprint = workshop.sandprint.display().to_string();
        let recorder = |kind, detail| {
            let options = ["--recorder", kind, "--detail", detail, "-o", TRACE, "--"];
            words(&[&[&sandprint, "profile", "run"], &options[..]].concat())
        };
        let mut line = match self {
            // Those that watch are beside what they watch.
            Instrument::Bare | Instrument::Floors | Instrument::Watch | Instrument::Itself => return argv,
            Instrument::Floor => words(&["./floor"]),
            Instrument::Sandprint => recorder("ebpf", "calls"),
            Instrument::Full => recorder("ebpf", "full"),
            Instrument::Ptrace => recorder("ptrace", "calls"),
            Instrument::Notify => recorder("notify", "calls"),
            Instrument::Confined => words(&[&sandprint, "run", "-p", policies::TRUE, "--"]),
            Instrument::Filter => words(&["./filtered", OURS]),
            Instrument::Tree => words(&["./filtered", TREE]),
            Instrument::List => words(&["./filtered", LIST]),
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

    /// Whether it works here at all, after making what it needs; in words, why not.
    pub(super) fn probe(self, workshop: &Workshop) -> Result<(), String> {
        match self {
            Instrument::Bare => return Ok(()),
            Instrument::Floor | Instrument::Floors => workshop.floor()?,
            Instrument::Strace => installed("strace")?,
            Instrument::Perf => installed("perf")?,
            // Its start alone takes longer than all that a quick run measures.
            Instrument::Bpftrace if workshop.quick => {
                return Err("bpftrace has no part in --quick".to_owned());
            }
            Instrument::Bpftrace => installed("bpftrace")?,
            _ if !workshop.sandprint.is_file() => {
                return Err("the binary of sandprint is not built".to_owned());
            }
            _ => {}
        }
        self.try_out(workshop).map_err(|error| workshop.reason(&error))
    }

    fn try_out(self, workshop: &Workshop) -> anyhow::Result<()> {
        match self {
            Instrument::Confined => policies::of_true(workshop)?,
            Instrument::Filter | Instrument::Tree | Instrument::List => return policies::filters(workshop),
            Instrument::Itself => policies::large(workshop)?,
            _ => {}
        }
        let companion = Companion::start(workshop, self)?;
        workshop.run(&self.wrap(workshop, vec![path_of("true")?]))?;
        companion.map_or(Ok(()), Companion::end)
    }
}

fn installed(program: &str) -> Result<(), String> {
    find(program).map(drop).ok_or_else(|| format!("{program} is not installed"))
}

/// Where a command is: bpftrace refuses a name that is in two directories of PATH, though they be one.
pub(super) fn path_of(program: &str) -> anyhow::Result<String> {
    Ok(find(program).with_context(|| format!("{program} is not installed"))?.display().to_string())
}

/// Checks that a recorder of ours recorded a call as often as it was made, in its last run: a recorder that sees
/// nothing is quick.
pub(super) fn expect_recorded(
    workshop: &Workshop,
    instrument: Instrument,
    name: &str,
    count: u32,
) -> anyhow::Result<()> {
    if !instrument.records() {
        return Ok(());
    }
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
