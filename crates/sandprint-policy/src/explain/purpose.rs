//! What a system call is for: one purpose a call.

use std::collections::BTreeMap;

use sandprint_model::Syscall;

/// Call, tab, purpose, tab, source; `#` begins a comment.
static PURPOSES: &str = include_str!("../../data/purposes.tsv");

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// `io`: reads, writes and duplicates what is open.
    Io,
    /// `files`: opens, looks up, changes and names files.
    Files,
    /// `network`: sockets: connects, listens, sends, receives.
    Network,
    /// `events`: waits for descriptors.
    Events,
    /// `async-io`: queues of operations, `io_uring` included, which filters do not see.
    AsyncIo,
    /// `ipc`: pipes, shared memory, message queues, semaphores.
    Ipc,
    /// `memory`: maps, protects and places memory.
    Memory,
    /// `processes`: starts, waits for and ends processes.
    Processes,
    /// `threads`: locks and data of threads.
    Threads,
    /// `signals`: sends, takes and blocks signals.
    Signals,
    /// `time`: reads clocks, sleeps, sets timers.
    Time,
    /// `scheduling`: priorities, processors, limits, use of resources.
    Scheduling,
    /// `identity`: users, groups and capabilities of the process.
    Identity,
    /// `system`: asks for facts about the system, and for random numbers.
    System,
    /// `confinement`: confines the process itself.
    Confinement,
    /// `mounts`: mounts, namespaces and other roots.
    Mounts,
    /// `keys`: the kernel's keyrings.
    Keys,
    /// `tracing`: looks into and changes other processes.
    Tracing,
    /// `processor`: modes of the processor and of the kernel's emulations.
    Processor,
    /// `clock-setting`: sets the system's clocks.
    ClockSetting,
    /// `administration`: loads code into the kernel and administers the machine.
    Administration,
    /// `obsolete`: what no current kernel does, or nothing uses any more.
    Obsolete,
    /// `unnamed`: numbers without a name.
    Unnamed,
}

impl Purpose {
    /// Every purpose: everyday ones first.
    pub const ALL: [Purpose; 23] = [
        Purpose::Io,
        Purpose::Files,
        Purpose::Network,
        Purpose::Events,
        Purpose::AsyncIo,
        Purpose::Ipc,
        Purpose::Memory,
        Purpose::Processes,
        Purpose::Threads,
        Purpose::Signals,
        Purpose::Time,
        Purpose::Scheduling,
        Purpose::Identity,
        Purpose::System,
        Purpose::Confinement,
        Purpose::Mounts,
        Purpose::Keys,
        Purpose::Tracing,
        Purpose::Processor,
        Purpose::ClockSetting,
        Purpose::Administration,
        Purpose::Obsolete,
        Purpose::Unnamed,
    ];

    /// The stable name, as the table has it.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Io => "io",
            Purpose::Files => "files",
            Purpose::Network => "network",
            Purpose::Events => "events",
            Purpose::AsyncIo => "async-io",
            Purpose::Ipc => "ipc",
            Purpose::Memory => "memory",
            Purpose::Processes => "processes",
            Purpose::Threads => "threads",
            Purpose::Signals => "signals",
            Purpose::Time => "time",
            Purpose::Scheduling => "scheduling",
            Purpose::Identity => "identity",
            Purpose::System => "system",
            Purpose::Confinement => "confinement",
            Purpose::Mounts => "mounts",
            Purpose::Keys => "keys",
            Purpose::Tracing => "tracing",
            Purpose::Processor => "processor",
            Purpose::ClockSetting => "clock-setting",
            Purpose::Administration => "administration",
            Purpose::Obsolete => "obsolete",
            Purpose::Unnamed => "unnamed",
        }
    }

    /// What such calls do, in half a line.
    pub fn summary(self) -> &'static str {
        match self {
            Purpose::Io => "reads, writes and duplicates what is open",
            Purpose::Files => "opens, looks up, changes and names files",
            Purpose::Network => "sockets: connects, listens, sends, receives",
            Purpose::Events => "waits for descriptors",
            Purpose::AsyncIo => "queues of operations, io_uring included, which filters do not see",
            Purpose::Ipc => "pipes, shared memory, message queues, semaphores",
            Purpose::Memory => "maps, protects and places memory",
            Purpose::Processes => "starts, waits for and ends processes",
            Purpose::Threads => "locks and data of threads",
            Purpose::Signals => "sends, takes and blocks signals",
            Purpose::Time => "reads clocks, sleeps, sets timers",
            Purpose::Scheduling => "priorities, processors, limits, use of resources",
            Purpose::Identity => "users, groups and capabilities of the process",
            Purpose::System => "asks for facts about the system, and for random numbers",
            Purpose::Confinement => "confines the process itself",
            Purpose::Mounts => "mounts, namespaces and other roots",
            Purpose::Keys => "the kernel's keyrings",
            Purpose::Tracing => "looks into and changes other processes",
            Purpose::Processor => "modes of the processor and of the kernel's emulations",
            Purpose::ClockSetting => "sets the system's clocks",
            Purpose::Administration => "loads code into the kernel and administers the machine",
            Purpose::Obsolete => "what no current kernel does, or nothing uses any more",
            Purpose::Unnamed => "numbers without a name",
        }
    }
}

/// The table, read once for many calls.
#[derive(Debug)]
pub(super) struct Purposes(BTreeMap<&'static str, Purpose>);

impl Purposes {
    pub(super) fn read() -> Purposes {
        let named = Purpose::ALL.map(|purpose| (purpose.name(), purpose));
        let by_name: BTreeMap<&str, Purpose> = named.into_iter().collect();
        let rows = PURPOSES.lines().filter(|line| !line.starts_with('#'));
        Purposes(
            rows.filter_map(|row| {
                let mut cells = row.split('\t');
                Some((cells.next()?, *by_name.get(cells.next()?)?))
            })
            .collect(),
        )
    }

    /// What a call is for; [`Purpose::Unnamed`] for a number without a name.
    pub(super) fn of(&self, syscall: Syscall) -> Purpose {
        syscall.name().and_then(|name| self.0.get(name).copied()).unwrap_or(Purpose::Unnamed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sandprint_model::Abi;

    use super::*;

    fn rows() -> Vec<[&'static str; 3]> {
        let rows = PURPOSES.lines().filter(|line| !line.starts_with('#'));
        rows.map(|row| row.split('\t').collect::<Vec<_>>().try_into().unwrap()).collect()
    }

    #[test]
    fn every_named_call_of_every_abi_has_exactly_one_purpose() {
        let names: BTreeSet<&str> =
            Abi::ALL.into_iter().flat_map(Syscall::all).filter_map(Syscall::name).collect();
        let listed: Vec<&str> = rows().iter().map(|[name, ..]| *name).collect();
        assert!(listed.windows(2).all(|pair| pair[0] < pair[1]), "sorted, each once");
        assert_eq!(listed, names.into_iter().collect::<Vec<_>>());
        let purposes = Purposes::read();
        for syscall in Abi::ALL.into_iter().flat_map(Syscall::all) {
            assert_ne!(purposes.of(syscall), Purpose::Unnamed, "{syscall}");
        }
        assert_eq!(purposes.of(Syscall { abi: Abi::X86_64, nr: 400 }), Purpose::Unnamed);
    }

    #[test]
    fn every_purpose_but_that_of_numbers_is_one_of_the_tables() {
        let used: BTreeSet<&str> = rows().iter().map(|[_, purpose, _]| *purpose).collect();
        let known = Purpose::ALL.into_iter().filter(|purpose| *purpose != Purpose::Unnamed);
        assert_eq!(used, known.map(Purpose::name).collect());
    }

    #[test]
    fn the_source_is_a_group_that_holds_the_call_or_says_that_none_does() {
        let groups: BTreeSet<(&str, &str)> = include_str!("../../data/systemd-groups.tsv")
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .filter(|(group, _)| *group != "@known")
            .collect();
        for [name, _, source] in rows() {
            if source == "-" {
                let found = groups.iter().find(|(_, member)| *member == name);
                assert_eq!(found, None, "{name}");
            } else {
                assert!(groups.contains(&(source, name)), "{name} is not in {source}");
            }
        }
    }

    #[test]
    fn groups_of_one_purpose_are_kept_together() {
        for (group, purpose) in [
            ("@network-io", "network"),
            ("@timer", "time"),
            ("@io-event", "events"),
            ("@aio", "async-io"),
            ("@keyring", "keys"),
            ("@module", "administration"),
            ("@mount", "mounts"),
        ] {
            let others: Vec<_> = rows()
                .into_iter()
                .filter(|[_, of, source]| *source == group && *of != purpose)
                .map(|[name, ..]| name)
                .collect();
            let expected: &[&str] = if group == "@timer" { &["times"] } else { &[] };
            assert_eq!(others, expected, "{group}");
        }
    }
}
