//! Traces and policies for property tests: small pools, so that facts, runs and images meet, and hostile
//! text throughout.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::array::uniform6;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::arguments::Selected;
use crate::errno::Errno;
use crate::sockets::Address;
use crate::{
    Abi, Action, Arch, ArgumentsSeen, ByteString, CallRules, CallSeen, Capability, Comparison, Condition,
    Count, Date, Doubt, Exit, FactKind, Facts, Family, FileSeen, FirstSeen, Gap, GapKind, Host, Image, Join,
    KernelVersion, Key, Meaning, Memory, MemoryKind, Name, Note, Operation, Outcomes, Peak, Policy, Reason,
    Recorder, Right, Rights, Rule, Run, RunId, Socket, SocketType, Subject, Syscall, Trace, Width,
};

const HOSTILE: [&str; 6] = ["", "ls", "a b", "\u{1b}[31m\"\\x\r\n", "x|y`<b>&amp;\u{202e}", "\u{feff}ünï 漢"];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![select(&HOSTILE[..]).prop_map(str::to_owned), ".{0,6}"]
}

fn bytes() -> impl Strategy<Value = ByteString> {
    prop_oneof![
        select(&HOSTILE[..]).prop_map(ByteString::from),
        vec(any::<u8>(), 0..6).prop_map(ByteString::new)
    ]
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0..5_u64, Just(u64::MAX), any::<u64>()]
}

pub(crate) fn run_id() -> impl Strategy<Value = RunId> {
    (1..6_u128).prop_map(RunId::from_bits)
}

pub(crate) fn syscall() -> impl Strategy<Value = Syscall> {
    let nr = prop_oneof![8 => 0..12_u32, 1 => Just(u32::MAX), 1 => Just(100_000)];
    (select(&Abi::ALL[..]), nr).prop_map(|(abi, nr)| Syscall { abi, nr })
}

fn image() -> impl Strategy<Value = Image> {
    let path = prop_oneof![select(&["", "/bin/sh", "/bin/ls"][..]).prop_map(ByteString::from), bytes()];
    (path, option::of(select(&["00", "ff"][..])), option::weighted(0.2, bytes()))
        .prop_map(|(path, build_id, script)| Image { path, build_id: build_id.map(str::to_owned), script })
}

fn subject() -> impl Strategy<Value = Subject> {
    let scope = option::weighted(0.2, select(&["start", "serve \u{7f}"][..]));
    (image(), scope)
        .prop_map(|(image, scope)| Subject { image: Arc::new(image), scope: scope.map(Arc::from) })
}

/// A table of facts with one or two runs each.
fn facts<K: Key + std::fmt::Debug, V: Join + std::fmt::Debug>(
    key: impl Strategy<Value = K>,
    value: impl Strategy<Value = V>,
) -> impl Strategy<Value = Facts<K, V>> {
    vec((subject(), key, vec((run_id(), value), 1..3)), 0..10).prop_map(|rows| {
        let mut facts = Facts::default();
        for (subject, key, runs) in rows {
            for (run, value) in runs {
                facts.join(subject.clone(), key.clone(), run, value);
            }
        }
        facts
    })
}

fn call_seen() -> impl Strategy<Value = CallSeen> {
    let first = (count(), 0..3_u32, 0..3_u32, bytes()).prop_map(|(after_ns, tgid, tid, comm)| FirstSeen {
        after_ns,
        tgid,
        tid,
        comm,
    });
    (count(), option::of(first), option::of(arguments_seen()))
        .prop_map(|(count, first, arguments)| CallSeen { count, first, arguments })
}

/// A few values, or so many that joining two of them is too much.
fn arguments_seen() -> impl Strategy<Value = ArgumentsSeen> {
    let value = prop_oneof![4 => option::of(0..3_u64), 1 => option::of(any::<u64>())];
    let few = vec((uniform6(value).prop_map(Selected), count()), 1..4);
    let many = (0..4_u64, 30..=64_u64).prop_map(|(from, count)| {
        let value = |at| (Selected([Some(from * 40 + at), None, None, None, None, None]), at);
        (0..count).map(value).collect()
    });
    prop_oneof![
        6 => few,
        2 => many,
        1 => Just(Vec::new()),
    ]
    .prop_map(|values| {
        let mut values = values.into_iter();
        let Some((value, count)) = values.next() else { return ArgumentsSeen::too_many() };
        let mut seen = ArgumentsSeen::new(value, count);
        values.for_each(|(value, count)| seen.add(value, count));
        seen
    })
}

/// Half of them differ only in what orders the states of one run.
fn run() -> impl Strategy<Value = Run> {
    let exit = prop_oneof![any::<u8>().prop_map(Exit::Code), any::<u8>().prop_map(Exit::Signal)];
    let host = (text(), select(&Arch::ALL[..])).prop_map(|(kernel, arch)| Host { kernel, arch });
    let states =
        (option::of(0..3_u64), option::of(Just(Exit::Code(0)))).prop_map(|(duration_ms, exit)| Run {
            duration_ms,
            exit,
            name: None,
            command: Vec::new(),
            target: None,
            recorder: Recorder::Ebpf,
            started_unix_ms: None,
            host: None,
            tool_version: String::new(),
            facts: BTreeSet::new(),
            peaks: std::collections::BTreeMap::new(),
        });
    let any = (
        (option::of(0..3_u64), option::of(exit), option::of(text()), vec(bytes(), 0..3)),
        (option::of(text()), select(&Recorder::ALL[..]), option::of(count()), option::of(host), text()),
        (btree_set(select(&FactKind::ALL[..]), 0..3), btree_map(select(&Peak::ALL[..]), count(), 0..3)),
    )
        .prop_map(
            |(
                (duration_ms, exit, name, command),
                (target, recorder, started_unix_ms, host, tool_version),
                (facts, peaks),
            )| {
                Run {
                    duration_ms,
                    exit,
                    name,
                    command,
                    target,
                    recorder,
                    started_unix_ms,
                    host,
                    tool_version,
                    facts,
                    peaks,
                }
            },
        );
    prop_oneof![states, any]
}

fn gap() -> impl Strategy<Value = Gap> {
    let kind = prop_oneof![Just(GapKind::Unfinished), select(&GapKind::ALL[..])];
    (kind, run_id(), option::of(text())).prop_map(|(kind, run, detail)| Gap { kind, run, detail })
}

fn some_rights() -> impl Strategy<Value = Rights> {
    vec(select(&Right::ALL[..]), 1..4).prop_map(|rights| rights.into_iter().collect())
}

fn rights() -> impl Strategy<Value = Rights> {
    vec(select(&Right::ALL[..]), 0..4).prop_map(|rights| rights.into_iter().collect())
}

fn file_seen(errno: impl Strategy<Value = Errno>) -> impl Strategy<Value = FileSeen> {
    // There are no greater ones (MAX_ERRNO).
    let errno = errno.prop_map(|Errno(number)| Errno(number % 4096));
    let failed = btree_map(errno, some_rights(), 0..3);
    let doubts = vec(select(&Doubt::ALL[..]), 0..3).prop_map(|doubts| doubts.into_iter().collect());
    let any = (rights(), failed, rights(), option::of(bytes()), any::<bool>(), doubts);
    let any = any.prop_map(|(succeeded, failed, tried, written, by_kernel, doubts)| FileSeen {
        succeeded,
        failed: failed.into_iter().collect(),
        tried,
        written,
        by_kernel,
        doubts,
    });
    // Of what nothing was done to, there is no fact.
    any.prop_filter("a right", |seen| !seen.all().is_empty())
}

fn socket() -> impl Strategy<Value = Socket> {
    let address =
        prop_oneof![Just(Address::None), vec(any::<u8>(), 0..32).prop_map(|bytes| Address::read(&bytes))];
    (0..20_u16, 0..7_u32, 0..3_u32, select(&Operation::ALL[..]), address).prop_map(
        |(family, kind, protocol, operation, address)| Socket {
            family: Family(family),
            kind: SocketType(kind),
            protocol,
            operation,
            address,
        },
    )
}

fn name() -> impl Strategy<Value = Name> {
    let ip = any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from(bits)).to_canonical());
    let meaning = prop_oneof![
        (1..3_u16).prop_map(Meaning::Connect),
        ip.clone().prop_map(Meaning::Dns),
        ip.prop_map(Meaning::Hosts),
    ];
    (bytes(), meaning).prop_map(|(name, meaning)| Name { name, meaning })
}

/// Any trace, also one that mentions runs of which it knows nothing.
pub(crate) fn trace() -> impl Strategy<Value = Trace> {
    let calls = facts(syscall(), call_seen());
    let errno = prop_oneof![0..4_u16, 512..515_u16, any::<u16>()].prop_map(Errno);
    let results = || facts((syscall(), errno.clone()), count().prop_map(Count));
    let (results, refused) = (results(), results());
    let outcomes =
        (any::<bool>(), any::<bool>()).prop_map(|(succeeded, failed)| Outcomes { succeeded, failed });
    let uses = (
        facts(bytes(), file_seen(errno)),
        facts(socket(), outcomes.clone()),
        facts(name(), Just(())),
        facts(
            (any::<u8>().prop_filter_map("a capability", Capability::numbered), option::of(syscall())),
            outcomes,
        ),
        facts(
            (select(&MemoryKind::ALL[..]), option::of(bytes()))
                .prop_map(|(kind, path)| Memory { kind, path }),
            count().prop_map(Count),
        ),
        facts((syscall(), count()), count().prop_map(Count)),
        facts(any::<u8>(), count().prop_map(Count)),
    );
    (btree_map(run_id(), run(), 0..4), calls, (results, refused), uses, btree_map(gap(), count(), 0..4))
        .prop_map(
            |(
                runs,
                calls,
                (results, refused),
                (files, sockets, names, capabilities, memory, namespaces, uring),
                gaps,
            )| {
                Trace {
                    runs,
                    calls,
                    results,
                    refused,
                    files,
                    sockets,
                    names,
                    capabilities,
                    memory,
                    namespaces,
                    uring,
                    gaps,
                }
            },
        )
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Allow),
        Just(Action::Log),
        (0..=4095_u16).prop_map(Action::Errno),
        any::<u16>().prop_map(Action::Trace),
        Just(Action::Notify),
        Just(Action::Trap),
        Just(Action::KillThread),
        Just(Action::KillProcess),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let comparison = prop_oneof![
        count().prop_map(Comparison::Equal),
        count().prop_map(Comparison::NotEqual),
        count().prop_map(Comparison::Less),
        count().prop_map(Comparison::LessOrEqual),
        count().prop_map(Comparison::Greater),
        count().prop_map(Comparison::GreaterOrEqual),
        (count(), count()).prop_map(|(mask, value)| Comparison::MaskedEqual { mask, value }),
    ];
    (0..6_u8, select(&[Width::Bits32, Width::Bits64][..]), comparison)
        .prop_map(|(index, width, comparison)| Condition { index, width, comparison })
}

fn reason() -> impl Strategy<Value = Reason> {
    prop_oneof![
        (count(), 0..9_usize, vec(image().prop_map(Arc::new), 0..3))
            .prop_map(|(count, runs, images)| Reason::Observed { count, runs, images }),
        text().prop_map(Reason::Baseline),
        (syscall(), text()).prop_map(|(of, why)| Reason::Portability { of, why }),
        (text(), text()).prop_map(|(runtime, why)| Reason::Runtime { runtime, why }),
        text().prop_map(Reason::Fallback),
        text().prop_map(Reason::ByHand),
        (text(), 0..253_402_300_800_000_u64, text()).prop_map(|(words, ms, by)| Reason::Decided {
            words,
            on: Date::from_unix_ms(ms),
            by,
        }),
        text().prop_map(Reason::Imported),
    ]
}

/// Any policy whose actions and conditions are within their documented ranges.
pub(crate) fn policy() -> impl Strategy<Value = Policy> {
    let rule = (vec(condition(), 0..3), action(), btree_set(reason(), 0..3))
        .prop_map(|(conditions, action, reasons)| Rule { conditions, action, reasons });
    let rules: BoxedStrategy<BTreeMap<Syscall, Vec<Rule>>> =
        btree_map(syscall(), vec(rule, 1..4), 0..6).boxed();
    let kernel =
        option::of((any::<u16>(), any::<u16>()).prop_map(|(major, minor)| KernelVersion { major, minor }));
    let notes: BoxedStrategy<BTreeSet<Note>> = btree_set(text().prop_map(Note::Words), 0..3).boxed();
    (kernel, action(), action(), rules, notes).prop_map(
        |(kernel, default_action, foreign_action, rules, notes)| Policy {
            kernel,
            calls: CallRules { default_action, foreign_action, rules },
            notes,
        },
    )
}
