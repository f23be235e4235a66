//! The table of programs: what each is needed for, when it is loaded, and how it is attached.
//!
//! Loading, attaching, detaching, counting misses and the tests derive from it. A row stands for a hook of both
//! objects (`raw.bpf.c`, `perf.bpf.c`), in all its forms.

use std::borrow::Cow;

use sandprint_model::KernelVersion;

/// How followed tasks are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tasks {
    /// In task storage: each task has its own counters.
    Storage,
    /// In a hash by tid, counting in a shared map: slower, as exact, on every kernel.
    ByTid,
}

/// What the programs are attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hooks {
    /// Raw tracepoints: the fastest way, exact where they keep preemption off (before 7.0).
    RawTracepoints,
    /// Tracepoints through perf events, which keep preemption off on every kernel. Needs tracefs, and kernel
    /// functions that came with 6.12.
    Tracepoints,
}

/// What programs are needed for. A recording or a watch takes those of its concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Concern {
    /// Recording: who is followed.
    Follow,
    /// Recording: what is submitted through `io_uring`.
    Uring,
    /// Recording: which calls are made.
    Calls,
    /// Recording: what they are made with, and how they fail.
    Details,
    /// Recording: which capabilities are asked for.
    Capabilities,
    /// Recording: tasks that run already.
    Walk,
    /// Recording: counts that live tasks have not handed in. Loaded late: that costs as much as loading all the rest,
    /// and most recordings end with nothing left to gather.
    Gather,
    /// Both: which programs tasks run.
    Images,
    /// Both: cgroups that come and go.
    Cgroups,
    /// Watching: descendants of one process.
    Members,
    /// Watching: tasks that execute and end.
    WatchTasks,
    /// Watching: calls that do not run.
    WatchCalls,
}

/// What becomes of a loaded program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It is attached, in the order of the table; it is an error where that fails.
    Attach,
    /// The same, but it is one of several that do the same: what it misses is no loss.
    Spare,
    /// It is attached where the kernel has what it is for.
    Try,
    /// It is attached where the one before it could not be.
    Instead,
    /// It is run by reading from it, over all tasks.
    Walk,
    /// It is run by reading from it, over the entries of this map.
    Read(&'static str),
}

/// In which forms a program is there, of which one is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forms {
    /// One.
    Alone,
    /// One for each way to keep tasks.
    Tasks,
    /// Only where tasks are kept so.
    With(Tasks),
    /// With and without looking for code; perf events always look.
    Locating,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) concern: Concern,
    pub(super) way: Way,
    forms: Forms,
    /// The object that it is in, where it is not in both.
    hooks: Option<Hooks>,
    /// The first kernel that has what it is for, and the first that has something better.
    since: Option<KernelVersion>,
    until: Option<KernelVersion>,
}

const fn row(name: &'static str, concern: Concern, way: Way, forms: Forms) -> Program {
    Program { name, concern, way, forms, hooks: None, since: None, until: None }
}

const fn only(hooks: Hooks, name: &'static str, concern: Concern, way: Way, forms: Forms) -> Program {
    Program { name, concern, way, forms, hooks: Some(hooks), since: None, until: None }
}

use Concern::{
    Calls, Capabilities, Cgroups, Details, Follow, Gather, Images, Members, Uring, Walk, WatchCalls,
    WatchTasks,
};
use Forms::{Alone, Locating, With};
use Hooks::{RawTracepoints, Tracepoints};
use Way::{Attach, Instead, Read, Spare, Try};

/// The release that brought the tracepoint of capabilities (d48da4d5ed7e).
const CAPABILITY_TRACEPOINT: KernelVersion = KernelVersion::new(6, 14);

/// All programs. Within a concern they are attached in this order.
#[rustfmt::skip]
static PROGRAMS: [Program; 38] = [
    only(Tracepoints, "prepare_exec_1", Follow, Spare, Alone),
    only(Tracepoints, "prepare_exec_2", Follow, Spare, Alone),
    only(Tracepoints, "prepare_exec_3", Follow, Spare, Alone),
    row("follow_fork", Follow, Attach, Forms::Tasks),
    row("follow_exec", Follow, Attach, Forms::Tasks),
    row(FOLLOW_EXIT, Follow, Attach, Forms::Tasks),

    only(Tracepoints, "read_image", Images, Read("image_info"), Alone),

    row(URING_CREATE, Uring, Try, Forms::Tasks),
    row("uring_submit", Uring, Try, Forms::Tasks),
    // In this order: the kernel refuses the older form where it does not fit, not the newer.
    only(RawTracepoints, "uring_old_submit_sqe", Uring, Instead, With(Tasks::ByTid)),
    only(RawTracepoints, "uring_submit_sqe", Uring, Instead, With(Tasks::ByTid)),
    only(Tracepoints, "read_uring", Uring, Read("uring_ops"), Alone),

    row("count_call", Calls, Attach, Forms::Tasks),
    only(Tracepoints, "read_calls", Calls, Read("calls"), Alone),

    row("end_call", Details, Attach, Forms::Tasks),
    // After the one that follows execs.
    row("note_exec", Details, Attach, Forms::Tasks),
    only(Tracepoints, "read_arguments", Details, Read("arguments"), Alone),
    only(Tracepoints, "read_results", Details, Read("results"), Alone),

    Program { since: Some(CAPABILITY_TRACEPOINT), ..row("trace_capability", Capabilities, Try, Forms::Tasks) },
    Program { until: Some(CAPABILITY_TRACEPOINT), ..row(ASK_CAPABILITY, Capabilities, Try, Forms::Tasks) },
    only(Tracepoints, "read_asked", Capabilities, Read("asked"), Alone),

    row(WALK_RESOLVE, Walk, Way::Walk, Alone),
    row(WALK_ADMIT, Walk, Way::Walk, Forms::Tasks),

    row(WALK_LIST, Gather, Way::Walk, Forms::Tasks),
    row(WALK_DRAIN, Gather, Way::Walk, With(Tasks::Storage)),
    row(WALK_COLLECT, Gather, Way::Walk, With(Tasks::Storage)),

    row("cgroup_mkdir", Cgroups, Attach, Alone),
    row("cgroup_rmdir", Cgroups, Attach, Alone),
    row("cgroup_populated", Cgroups, Attach, Alone),

    row("watch_fork", Members, Attach, Alone),
    only(Tracepoints, "read_members", Members, Read("members"), Alone),

    row("watch_exec", WatchTasks, Attach, Alone),
    row("watch_exit", WatchTasks, Attach, Locating),
    row("watch_signal", WatchTasks, Attach, Alone),
    only(Tracepoints, "read_processes", WatchTasks, Read("processes"), Alone),

    // In this order: a call that started before its start is seen is one that nothing is known of.
    row("watch_start", WatchCalls, Attach, Alone),
    row("watch_end", WatchCalls, Attach, Locating),
    only(Tracepoints, "read_refused", WatchCalls, Read("refused"), Alone),
];

/// Sees tasks end.
pub(super) const FOLLOW_EXIT: &str = "follow_exit";
/// Sees `io_uring` instances being made.
pub(super) const URING_CREATE: &str = "uring_create";
/// Sees capabilities being asked for, at the end of the kernel's own function.
const ASK_CAPABILITY: &str = "ask_capability";
/// Finds the wanted processes, and the recorder, in the initial PID namespace.
pub(super) const WALK_RESOLVE: &str = "walk_resolve";
/// Follows the threads of the targets and of their descendants.
pub(super) const WALK_ADMIT: &str = "walk_admit";
/// Tells the tgids of followed tasks in our namespace: `u32` after `u32`, with repetitions.
pub(super) const WALK_LIST: &str = "walk_list";
/// Tells what live tasks have counted and not handed in: `struct sp_live` after `struct sp_live`.
pub(super) const WALK_DRAIN: &str = "walk_drain";
/// Moves what live tasks have counted into the calls map.
pub(super) const WALK_COLLECT: &str = "walk_collect";

/// Which programs are wanted, and in which form.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) hooks: Hooks,
    pub(super) tasks: Tasks,
    /// Whether the code that makes a call is looked for.
    pub(super) locates: bool,
    /// Whether maps are read by programs, where that is better; see [`Wanted::reader_of`].
    pub(super) readers: bool,
    pub(super) concerns: Vec<Concern>,
    /// Whether a program may be attached to a function of the kernel. One may be built to refuse that.
    pub(super) functions: bool,
    /// The kernel that they are for.
    pub(super) kernel: KernelVersion,
}

impl Wanted {
    /// The programs that these concerns need, each with its name in the object.
    pub(super) fn of<'w>(
        &'w self,
        concerns: &'w [Concern],
    ) -> impl Iterator<Item = (&'static Program, Cow<'static, str>)> {
        let programs = PROGRAMS.iter().filter(|program| concerns.contains(&program.concern));
        programs.filter_map(|program| Some((program, self.name_of(program)?)))
    }

    /// The programs that are loaded at once, each with its name in the object.
    pub(super) fn at_once(&self) -> impl Iterator<Item = (&'static Program, Cow<'static, str>)> {
        self.of(&self.concerns)
    }

    /// Whether programs that read maps are among them.
    pub(super) fn has_readers(&self) -> bool {
        self.at_once().any(|(program, _)| matches!(program.way, Way::Read(_)))
    }

    /// The same without programs that read maps.
    pub(super) fn without_readers(self) -> Wanted {
        Wanted { readers: false, ..self }
    }

    /// Whether one that is attached to a function is among them.
    pub(super) fn has_functions(&self) -> bool {
        self.at_once().any(|(program, _)| program.name == ASK_CAPABILITY)
    }

    /// The same without such.
    pub(super) fn without_functions(self) -> Wanted {
        Wanted { functions: false, ..self }
    }

    /// The name in the object of the program in this row; `None` where it is not there in the form that is wanted.
    fn name_of(&self, program: &Program) -> Option<Cow<'static, str>> {
        if program.hooks.is_some_and(|hooks| hooks != self.hooks) {
            return None;
        }
        let is_late = program.until.is_some_and(|until| self.kernel >= until);
        if is_late || program.since.is_some_and(|since| self.kernel < since) {
            return None;
        }
        if !self.functions && program.name == ASK_CAPABILITY {
            return None;
        }
        if !self.readers && matches!(program.way, Way::Read(_)) {
            return None;
        }
        let suffix = match program.forms {
            Forms::With(tasks) if tasks != self.tasks => return None,
            Forms::Tasks if self.tasks == Tasks::ByTid => "_by_tid",
            Forms::Locating if self.locates || self.hooks == Hooks::Tracepoints => "_located",
            Forms::Alone | Forms::With(_) | Forms::Tasks | Forms::Locating => {
                return Some(program.name.into());
            }
        };
        Some(format!("{}{suffix}", program.name).into())
    }

    /// A walk's name in the object, and its concern; `None` where there is none for how tasks are kept.
    pub(super) fn walk(&self, name: &str) -> Option<(Concern, Cow<'static, str>)> {
        let program = PROGRAMS.iter().find(|program| program.name == name)?;
        Some((program.concern, self.name_of(program)?))
    }

    /// The program that reads this map without bpf(2), where it is to be read so.
    ///
    /// While bpf(2) reads or writes a map, the kernel runs no program of a perf event on that CPU
    /// (`bpf_disable_instrumentation`), and who does so can be preempted: what others do there meanwhile would
    /// not be recorded. Programs that are read from, and mapped memory, do without. A kernel may be built to refuse
    /// such programs to everybody (seen with 6.18.44); then bpf(2) it is, and what was not run meanwhile is counted
    /// ([`Programs::misses`](super::programs::Programs::misses)).
    pub(super) fn reader_of(&self, map: &str) -> Option<&'static str> {
        let is_there = |program: &&Program| self.readers && program.hooks == Some(self.hooks);
        let mut readers = PROGRAMS.iter().filter(is_there);
        readers
            .find(|program| matches!(program.way, Way::Read(read) if read == map))
            .map(|program| program.name)
    }

    /// The first kernel that takes all of these programs.
    pub(super) fn since(&self) -> KernelVersion {
        match (self.hooks, self.tasks, self.locates) {
            // bpf_task_from_pid in programs of tracepoints: bc638d8cb5be.
            (Hooks::Tracepoints, ..) => KernelVersion::new(6, 12),
            // bpf_loop: e6f2dd0f8067. bpf_find_vma: 7c7e3d31e785.
            (_, Tasks::Storage, _) | (.., true) => KernelVersion::new(5, 17),
            (_, Tasks::ByTid, false) => KernelVersion::new(5, 10),
        }
    }
}

/// All forms in which programs can be wanted, with every concern.
pub(super) fn every_form(kernel: KernelVersion) -> impl Iterator<Item = Wanted> {
    let all = vec![
        Follow,
        Uring,
        Calls,
        Details,
        Capabilities,
        Walk,
        Gather,
        Images,
        Cgroups,
        Members,
        WatchTasks,
        WatchCalls,
    ];
    let forms = [
        (Hooks::RawTracepoints, Tasks::ByTid, false),
        (Hooks::RawTracepoints, Tasks::Storage, true),
        (Hooks::Tracepoints, Tasks::ByTid, true),
        (Hooks::Tracepoints, Tasks::Storage, true),
    ];
    forms.into_iter().map(move |(hooks, tasks, locates)| Wanted {
        hooks,
        tasks,
        locates,
        readers: true,
        concerns: all.clone(),
        functions: true,
        kernel,
    })
}
