//! The fields of each kind of fact, and its rows.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::arguments::{render_selected, render_value};
use sandprint_model::errno::{self, Errno};

use sandprint_model::{
    Address, ArgumentsSeen, ByteString, Capability, Count, FactKind, Facts, FileSeen, Join as _, Key, Name,
    Outcomes, Peak, Rights, Syscall, Trace,
};

use super::{Cell, Column, Kind, Rows, Shown};

const fn column(name: &'static str) -> Column {
    Column { name, shown: Shown::Everywhere }
}

const ABI: Column = column("abi");
const NAME: Column = column("name");
const COUNT: Column = column("count");
/// A call's number, for programs.
const NR: Column = Column { name: "nr", shown: Shown::InJson };
/// Why a path may be another one.
const DOUBTS: Column = Column { name: "doubts", shown: Shown::NotInTsv };

/// How a kind is shown.
pub(super) fn of(kind: FactKind) -> Kind {
    let (columns, long, rows): (Vec<Column>, _, Rows) = match kind {
        FactKind::Arguments => (vec![ABI, NR, NAME, column("arguments"), COUNT], "arguments", arguments),
        FactKind::Capabilities => {
            (vec![column("capability"), column("granted"), column("refused")], "capability", capabilities)
        }
        FactKind::Files => {
            let outcomes = [column("succeeded"), column("failed"), DOUBTS];
            ([column("path"), column("rights")].into_iter().chain(outcomes).collect(), "path", files)
        }
        FactKind::IoUring => (vec![column("opcode"), COUNT], "opcode", uring),
        FactKind::Memory => (vec![column("kind"), column("path"), COUNT], "path", memory),
        FactKind::Names => (vec![column("name"), column("address"), column("source")], "name", names),
        FactKind::Namespaces => (vec![column("call"), column("flags"), COUNT], "flags", namespaces),
        FactKind::Peaks => (vec![column("what"), column("value")], "what", peaks),
        FactKind::Refused => {
            (vec![ABI, NR, NAME, column("errno"), COUNT], "errno", |trace| errors(trace.refusals()))
        }
        FactKind::Results => {
            (vec![ABI, NR, NAME, column("errno"), COUNT], "errno", |trace| errors(trace.failures()))
        }
        FactKind::Sockets => (
            vec![
                column("family"),
                column("type"),
                column("protocol"),
                column("operation"),
                column("address"),
                column("succeeded"),
                column("failed"),
            ],
            "address",
            sockets,
        ),
    };
    Kind { columns, long, rows }
}

/// The first fields of what is about a call. One without a name has its number there.
fn call_cells(call: Syscall) -> [Cell; 3] {
    let name = call.name().map_or_else(|| call.nr.to_string(), str::to_owned);
    [Cell::Text(call.abi.to_string()), Cell::Number(call.nr.into()), Cell::Text(name)]
}

fn arguments(trace: &Trace) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for (call, seen) in trace.arguments(|_, _| true) {
        let mut row = |what: String, count| {
            rows.push(call_cells(call).into_iter().chain([Cell::Text(what), count]).collect());
        };
        for (value, where_seen) in &seen.values {
            let count = where_seen.iter().fold(0_u64, |sum, (_, _, count)| sum.saturating_add(*count));
            row(render_selected(call, value), Cell::Number(count));
        }
        if !seen.too_many.is_empty() {
            row(format!("more than {}", ArgumentsSeen::MOST), Cell::Nothing);
        }
    }
    rows
}

fn errors(counts: BTreeMap<(Syscall, Errno), u64>) -> Vec<Vec<Cell>> {
    let word = |Errno(number)| errno::name(number).map_or_else(|| number.to_string(), str::to_owned);
    let row = |((call, error), count): ((Syscall, Errno), u64)| {
        call_cells(call).into_iter().chain([Cell::Text(word(error)), Cell::Number(count)]).collect()
    };
    counts.into_iter().map(row).collect()
}

/// What was done to each path, over runs, programs and scopes.
fn by_path(trace: &Trace) -> BTreeMap<&ByteString, FileSeen> {
    let mut all: BTreeMap<&ByteString, FileSeen> = BTreeMap::new();
    for (_, path, runs) in trace.files.iter() {
        let known = all.entry(path).or_default();
        runs.values().for_each(|seen| known.join(seen.clone()));
    }
    all
}

/// How many paths may be others than they look.
pub(super) fn doubtful(trace: &Trace) -> usize {
    by_path(trace).values().filter(|seen| !seen.doubts.is_empty()).count()
}

/// A line for a path, a second one where what failed is not what succeeded, and a third for what was tried beside that,
/// whose end nobody saw.
fn files(trace: &Trace) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for (path, seen) in by_path(trace) {
        let (succeeded, failed) = (seen.succeeded, seen.all_failed());
        let doubts = || {
            if seen.doubts.is_empty() { Cell::Nothing } else { Cell::Text(seen.doubts.to_string()) }
        };
        let mut row = |rights: Rights, outcomes: Outcomes| {
            rows.push(vec![
                Cell::Text(path.escaped()),
                Cell::Text(rights.to_string()),
                Cell::YesNo(outcomes.succeeded),
                Cell::YesNo(outcomes.failed),
                doubts(),
            ]);
        };
        let rows = if succeeded == failed {
            vec![(succeeded, Outcomes { succeeded: true, failed: true })]
        } else {
            vec![(succeeded, Outcomes::SUCCEEDED), (failed, Outcomes::FAILED)]
        };
        let beside = seen.tried.without(succeeded).without(failed);
        for (rights, outcomes) in rows.into_iter().chain([(beside, Outcomes::default())]) {
            if !rights.is_empty() {
                row(rights, outcomes);
            }
        }
    }
    rows
}

fn sockets(trace: &Trace) -> Vec<Vec<Cell>> {
    let mut all = BTreeMap::new();
    for (_, socket, runs) in trace.sockets.iter() {
        let outcomes: &mut Outcomes = all.entry(socket).or_default();
        runs.values().for_each(|seen| outcomes.add(*seen));
    }
    let row = |(socket, outcomes): (&sandprint_model::Socket, Outcomes)| {
        vec![
            Cell::Text(socket.family.to_string()),
            Cell::Text(socket.kind.to_string()),
            Cell::Text(socket.family.protocol_name(socket.protocol)),
            Cell::Text(socket.operation.to_string()),
            if socket.address == Address::None {
                Cell::Nothing
            } else {
                Cell::Text(socket.address.to_string())
            },
            Cell::YesNo(outcomes.succeeded),
            Cell::YesNo(outcomes.failed),
        ]
    };
    all.into_iter().map(row).collect()
}

fn names(trace: &Trace) -> Vec<Vec<Cell>> {
    let all: BTreeSet<&Name> = trace.names.iter().map(|(_, name, _)| name).collect();
    let row = |Name { name, meaning }: &Name| {
        vec![
            Cell::Text(name.escaped()),
            Cell::Text(meaning.to_string()),
            Cell::Text(meaning.source().to_owned()),
        ]
    };
    all.into_iter().map(row).collect()
}

fn capabilities(trace: &Trace) -> Vec<Vec<Cell>> {
    let mut all: BTreeMap<Capability, Outcomes> = BTreeMap::new();
    for (_, (capability, _), runs) in trace.capabilities.iter() {
        runs.values().for_each(|seen| all.entry(*capability).or_default().add(*seen));
    }
    let row = |(capability, outcomes): (Capability, Outcomes)| {
        vec![
            Cell::Text(capability.to_string()),
            Cell::YesNo(outcomes.succeeded),
            Cell::YesNo(outcomes.failed),
        ]
    };
    all.into_iter().map(row).collect()
}

/// How often each fact of a table was seen, over runs, programs and scopes.
fn sums<K: Key>(facts: &Facts<K, Count>) -> BTreeMap<K, u64> {
    let mut sums: BTreeMap<K, u64> = BTreeMap::new();
    for (_, key, runs) in facts.iter() {
        let slot = sums.entry(key.clone()).or_default();
        *slot = runs.values().fold(*slot, |sum, count| sum.saturating_add(count.0));
    }
    sums
}

fn memory(trace: &Trace) -> Vec<Vec<Cell>> {
    let row = |(memory, count): (sandprint_model::Memory, u64)| {
        let path = memory.path.map_or(Cell::Nothing, |path| Cell::Text(path.escaped()));
        vec![Cell::Text(memory.kind.name().to_owned()), path, Cell::Number(count)]
    };
    sums(&trace.memory).into_iter().map(row).collect()
}

fn namespaces(trace: &Trace) -> Vec<Vec<Cell>> {
    let mut by_name: BTreeMap<(String, String), u64> = BTreeMap::new();
    for ((call, flags), count) in sums(&trace.namespaces) {
        let slot = by_name.entry((call.to_string(), flags_in_words(call, flags))).or_default();
        *slot = slot.saturating_add(count);
    }
    let row = |((call, flags), count)| vec![Cell::Text(call), Cell::Text(flags), Cell::Number(count)];
    by_name.into_iter().map(row).collect()
}

/// The flags of a call that makes tasks or namespaces. Those of clone3(2) have the names of those of clone(2).
fn flags_in_words(call: Syscall, flags: u64) -> String {
    let (name, index) = match call.name() {
        Some("clone3") => ("clone", 0),
        Some("setns") => ("setns", 1),
        Some(name) => (name, 0),
        None => return format!("{flags:#x}"),
    };
    Syscall::from_name(call.abi, name)
        .map_or_else(|| format!("{flags:#x}"), |call| render_value(call, index, flags))
}

fn uring(trace: &Trace) -> Vec<Vec<Cell>> {
    let row = |(opcode, count): (u8, u64)| vec![Cell::Number(opcode.into()), Cell::Number(count)];
    sums(&trace.uring).into_iter().map(row).collect()
}

/// The most of all runs.
fn peaks(trace: &Trace) -> Vec<Vec<Cell>> {
    let known: BTreeSet<Peak> = trace.runs.values().flat_map(|run| run.peaks.keys().copied()).collect();
    let most = |peak: Peak| trace.runs.values().filter_map(|run| run.peaks.get(&peak)).copied().max();
    let row =
        |peak: Peak| vec![Cell::Text(peak.name().to_owned()), most(peak).map_or(Cell::Nothing, Cell::Number)];
    known.into_iter().map(row).collect()
}
