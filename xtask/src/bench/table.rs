//! The tables: which workloads are measured under which instruments, beside each other.

use super::full;
use super::instrument::Instrument;
use super::redis::{REDIS, REDIS_WATCHED};
use super::rules;
use super::traces;
use super::workload::{self, Workload};

/// Rows and columns that are measured and shown together.
pub(super) struct Table {
    /// What `--only` calls it.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// In the order within a round.
    pub(super) columns: &'static [Instrument],
    /// The column that others are compared with.
    pub(super) base: Option<Instrument>,
    pub(super) workloads: &'static [Workload],
    /// What a reader must know of how it was measured; Markdown.
    pub(super) method: &'static str,
}

/// What `--only` calls the last table, of memory and traces, which has other columns.
pub(super) const MEMORY: &str = "memory";

/// All, in their order.
pub(super) const ALL: &[Table] = &[
    Table {
        name: "recorders",
        title: "Recording",
        columns: &[
            Instrument::Bare,
            Instrument::Floor,
            Instrument::Sandprint,
            Instrument::Ptrace,
            Instrument::Notify,
            Instrument::Strace,
            Instrument::Perf,
            Instrument::Bpftrace,
        ],
        base: Some(Instrument::Floor),
        workloads: &[
            workload::TRACKED,
            workload::PROCESSOR,
            workload::UNTRACKED,
            workload::THREADS,
            workload::FORK_STORM,
            workload::DD,
            workload::TRUE,
            REDIS,
            workload::PYTHON,
        ],
        method: RECORDING,
    },
    Table {
        name: "full",
        title: "Recording everything",
        columns: &[Instrument::Bare, Instrument::Floors, Instrument::Sandprint, Instrument::Full],
        base: Some(Instrument::Floors),
        workloads: &[
            full::TRACKED_FULL,
            full::UNTRACKED_FULL,
            full::TRUE_FULL,
            full::REDIS_FULL,
            full::PYTHON_FULL,
            full::FIND,
            full::BUILD,
        ],
        method: full::METHOD,
    },
    Table {
        name: "watch",
        title: "Watching the whole machine",
        columns: &[Instrument::Bare, Instrument::Floors, Instrument::Watch],
        base: Some(Instrument::Floors),
        workloads: &[workload::WATCHED, REDIS_WATCHED],
        method: "floors: empty BPF programs on `tp_btf/sys_enter` and `tp_btf/sys_exit`.\n\
                 `watch --system`: `--format json`, from before the workload starts until after it has ended, while \
                 no filter refuses anything.\n",
    },
    Table {
        name: "run",
        title: "Starting under a policy",
        columns: &[Instrument::Bare, Instrument::Confined],
        base: None,
        workloads: &[workload::CONFINED],
        method: "`sandprint run`: under the policy that `profile generate` makes of a recording of `true`.\n",
    },
    Table {
        name: "filter",
        title: "Calls under a filter",
        columns: &[Instrument::Bare, Instrument::Filter, Instrument::Tree, Instrument::List],
        base: Some(Instrument::Tree),
        workloads: &[rules::CACHED, rules::HOT, rules::COLD],
        method: rules::METHOD,
    },
    Table {
        name: "commands",
        title: "Working on policies and traces",
        columns: &[Instrument::Itself],
        base: None,
        workloads: &[
            rules::COMPILE,
            rules::EXPLAIN,
            traces::LARGE_PEAK,
            traces::LARGE_FACT,
            traces::MERGE,
            traces::MERGE_PAIR,
        ],
        method: WORKING,
    },
];

const WORKING: &str = "\
The policy of 400 rules is the same; compiling it is timed within one process, as the median of 201 times, and \
explaining from outside, with the start and the end of the process.\n\
Traces: `profile merge -o`, of one trace of 1,000 programs with 100 calls each, and of 10,000 traces of one program with \
23 calls, as `ls` makes; from outside, and memory with all that the process has.\n";

const RECORDING: &str = "\
bare: nothing attached.\n\
floor: an empty BPF program on `tp_btf/sys_enter`, attached by the smallest loader that libbpf gives (bench/floor.c), \
which starts the workload and ends with it.\n\
sandprint: `profile run --recorder ebpf --detail calls -o`; ptrace and notify: the same with `--recorder ptrace` and \
`--recorder notify`. The counts in their traces are checked against the calls that were made.\n\
bpftrace: `tracepoint:raw_syscalls:sys_enter { @[comm, args->id] = count(); }`, which counts the whole machine, since \
bpftrace follows no tree.\n\
Processor time is that of the instrument, from its start to its end, and of all that it ran, together.\n\
Untracked: the instrument runs a process that sleeps, and the loop runs beside it.\n";

impl Table {
    /// The rows that were asked for: all of a table by its name, or each by a part of its title that is no such name.
    pub(super) fn wanted(&self, only: &[String]) -> Vec<&'static Workload> {
        let of_titles = || only.iter().filter(|word| ALL.iter().all(|table| table.name != word.as_str()));
        let named = |workload: &Workload| of_titles().any(|word| workload.title.contains(word.as_str()));
        let whole = only.is_empty() || only.iter().any(|word| word == self.name);
        self.workloads.iter().filter(|workload| whole || named(workload)).collect()
    }
}

/// Whether the footprints were asked for.
pub(super) fn wants_memory(only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|word| word == MEMORY)
}

/// The names that `--only` knows.
pub(super) fn names() -> String {
    ALL.iter().map(|table| table.name).chain([MEMORY]).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::instrument::BPFTRACE_PROGRAM;
    use super::*;

    #[test]
    fn rows_are_chosen_by_table_or_title() {
        let titles = |words: &[&str]| {
            let only: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let rows = ALL.iter().flat_map(|table| table.wanted(&only));
            (rows.map(|workload| workload.title).collect::<Vec<_>>(), wants_memory(&only))
        };
        let (all, memory) = titles(&[]);
        assert_eq!((all.len(), memory), (ALL.iter().map(|table| table.workloads.len()).sum(), true));
        assert_eq!(titles(&["run"]), (vec![workload::CONFINED.title], false));
        // Though "filter" is in the title of a row of another.
        assert_eq!(titles(&["filter"]).0, [rules::CACHED.title, rules::HOT.title, rules::COLD.title]);
        assert_eq!(titles(&["commands"]).0.len(), 6);
        assert_eq!(titles(&["merge"]).0, [traces::MERGE.title, traces::MERGE_PAIR.title]);
        assert_eq!(titles(&["fork storm", "memory"]), (vec![workload::FORK_STORM.title], true));
        assert_eq!(titles(&["no such row"]), (vec![], false));
    }

    #[test]
    fn a_figure_is_found_by_its_title_and_a_cell_by_its_column() {
        let mut titles: Vec<_> =
            ALL.iter().flat_map(|table| table.workloads).map(|workload| workload.title).collect();
        let count = titles.len();
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(titles.len(), count);
        for table in ALL {
            // The cells of a row are kept in the order of instruments, and measured in it.
            assert!(table.columns.is_sorted(), "{}", table.name);
            assert!(table.base.is_none_or(|base| table.columns.contains(&base)), "{}", table.name);
        }
    }

    #[test]
    fn readers_are_told_what_bpftrace_is_asked() {
        assert!(RECORDING.contains(&format!("`{BPFTRACE_PROGRAM}`")));
    }
}
