//! Every action with everybody who may have answered, stacks of filters, and filters that cannot be read.

use sandprint_model::{Abi, Call, Syscall};
use sandprint_policy::cbpf::Instruction;

use super::super::tests::{filter, refused};
use super::*;

const ALLOW: u32 = 0x7fff_0000;
const LOG: u32 = 0x7ffc_0000;
const TRACE: u32 = 0x7ff0_0007;
const NOTIFY: u32 = 0x7fc0_0000;
const EPERM: u32 = 0x0005_0001;
const TRAP: u32 = 0x0003_0000;
const KILL_THREAD: u32 = 0;
const KILL_PROCESS: u32 = 0x8000_0000;

/// Who was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum There {
    Nobody,
    Tracer,
    Supervisor,
    Both,
}
use There::{Both, Nobody, Supervisor, Tracer};

/// A judgement of a call under filters (none for one that cannot be read), the newest first.
fn judged(values: &[Option<u32>], outcome: Outcome, there: There) -> Judgement {
    let programs: Vec<Option<Program>> = values.iter().map(|value| value.map(filter)).collect();
    let call = Refused {
        filters: (1..).take(values.len()).map(FilterId).collect(),
        traced: matches!(there, Tracer | Both),
        supervised: matches!(there, Supervisor | Both),
        ..refused("mkdir", outcome)
    };
    judge(&call, &programs.iter().map(Option::as_ref).collect::<Vec<_>>())
}

/// Shows a judgement in a line: what was said and by whom, with `?` behind where that is not certain.
fn show(judgement: Judgement) -> String {
    let doubt = if judgement.doubt.is_some() { "?" } else { "" };
    let words = match judgement.verdict {
        Verdict::Denied { action, by } => format!("{action} by {}", by.name()),
        Verdict::Emulated { by } => format!("emulated by {}", by.name()),
        other => format!("{other:?}"),
    };
    format!("{words}{doubt}")
}

const EPERM_RETURNED: Outcome = Outcome::Returned(-1);
const ENOSYS_RETURNED: Outcome = Outcome::Returned(-38);
const ZERO: Outcome = Outcome::Returned(0);

#[test]
fn every_action_with_everybody_who_may_have_answered() {
    for (value, outcome, there, expected) in [
        (EPERM, EPERM_RETURNED, Nobody, "errno EPERM by filter"),
        (EPERM, EPERM_RETURNED, Both, "errno EPERM by filter"),
        (EPERM, ZERO, Tracer, "emulated by tracer"),
        (EPERM, ENOSYS_RETURNED, Tracer, "emulated by tracer"),
        (EPERM, ENOSYS_RETURNED, Nobody, "errno ENOSYS by filter?"),
        (0x0005_0000, ZERO, Nobody, "errno 0 by filter"),
        (0x0005_ffff, Outcome::Returned(-4095), Nobody, "errno 4095 by filter"),
        (TRAP, Outcome::Trapped, Nobody, "trap by filter"),
        (TRAP, Outcome::Trapped, Both, "trap by filter"),
        (TRAP, ZERO, Tracer, "emulated by tracer"),
        (KILL_THREAD, Outcome::KilledThread, Nobody, "kill-thread by filter"),
        (KILL_THREAD, Outcome::KilledProcess, Tracer, "kill-thread by filter"),
        (KILL_PROCESS, Outcome::KilledProcess, Nobody, "kill-process by filter"),
        (KILL_PROCESS, Outcome::KilledThread, Supervisor, "kill-process by filter"),
        (0x1234_0000, Outcome::KilledProcess, Nobody, "kill-process by filter"),
        (TRACE, ENOSYS_RETURNED, Nobody, "trace 7 by filter"),
        (TRACE, ENOSYS_RETURNED, Tracer, "trace 7 by tracer?"),
        (TRACE, EPERM_RETURNED, Tracer, "trace 7 by tracer"),
        (TRACE, EPERM_RETURNED, Supervisor, "trace 7 by tracer?"),
        (TRACE, ZERO, Tracer, "emulated by tracer"),
        (TRACE, Outcome::Returned(42), Nobody, "emulated by tracer?"),
        (NOTIFY, ENOSYS_RETURNED, Nobody, "notify by filter"),
        (NOTIFY, ENOSYS_RETURNED, Tracer, "notify by filter?"),
        (NOTIFY, ENOSYS_RETURNED, Supervisor, "notify by supervisor"),
        (NOTIFY, EPERM_RETURNED, Supervisor, "notify by supervisor"),
        (NOTIFY, EPERM_RETURNED, Both, "notify by supervisor?"),
        (NOTIFY, EPERM_RETURNED, Nobody, "notify by supervisor?"),
        (NOTIFY, ZERO, Supervisor, "emulated by supervisor"),
        (NOTIFY, Outcome::Returned(3), Both, "emulated by supervisor?"),
        (NOTIFY, ZERO, Tracer, "emulated by tracer"),
        (NOTIFY, Outcome::Returned(-512), Supervisor, "BrokenOff"),
        (NOTIFY, Outcome::Returned(-512), Nobody, "BrokenOff"),
        (ALLOW, EPERM_RETURNED, Nobody, "NotRefused"),
        (ALLOW, EPERM_RETURNED, Supervisor, "NotRefused"),
        (ALLOW, EPERM_RETURNED, Tracer, "emulated by tracer"),
        (ALLOW, ZERO, Tracer, "emulated by tracer"),
        (ALLOW, Outcome::Trapped, Nobody, "NotRefused"),
        (ALLOW, Outcome::KilledProcess, Nobody, "NotRefused"),
        (LOG, ZERO, Nobody, "NotRefused"),
        (LOG, ZERO, Tracer, "emulated by tracer"),
    ] {
        let judgement = judged(&[Some(value)], outcome, there);
        assert_eq!(show(judgement), expected, "{value:#x} {outcome:?} {there:?}");
        let by_the_filter =
            matches!(judgement.verdict, Verdict::Denied { .. }) && expected != "errno ENOSYS by filter?";
        assert_eq!(judgement.filter, by_the_filter.then_some(FilterId(1)), "{expected}");
    }
}

#[test]
fn of_several_filters_the_strictest_decides_and_of_equal_ones_the_newest() {
    for (values, outcome, expected, by) in [
        (&[ALLOW, EPERM][..], EPERM_RETURNED, "errno EPERM by filter", 2),
        (&[EPERM, ALLOW], EPERM_RETURNED, "errno EPERM by filter", 1),
        (&[EPERM, 0x0005_000d], EPERM_RETURNED, "errno EPERM by filter", 1),
        (&[0x0005_000d, EPERM], Outcome::Returned(-13), "errno EACCES by filter", 1),
        (&[EPERM, TRAP, NOTIFY], Outcome::Trapped, "trap by filter", 2),
        (&[KILL_THREAD, KILL_PROCESS, TRAP], Outcome::KilledProcess, "kill-process by filter", 2),
        (&[NOTIFY, TRACE, LOG], EPERM_RETURNED, "notify by supervisor?", 1),
        (&[TRACE, NOTIFY, LOG], EPERM_RETURNED, "notify by supervisor?", 2),
        (&[LOG, TRACE, ALLOW], ENOSYS_RETURNED, "trace 7 by filter", 2),
        (&[ALLOW, LOG], EPERM_RETURNED, "NotRefused", 0),
    ] {
        let values: Vec<Option<u32>> = values.iter().copied().map(Some).collect();
        let judgement = judged(&values, outcome, Nobody);
        assert_eq!(show(judgement), expected, "{values:x?}");
        assert_eq!(judgement.filter, (by > 0).then_some(FilterId(by)), "{values:x?}");
    }
    // Which of two filters has the supervisor is not known.
    assert_eq!(
        show(judged(&[Some(NOTIFY), Some(ALLOW)], ENOSYS_RETURNED, Supervisor)),
        "notify by supervisor?"
    );
}

#[test]
fn what_cannot_be_read_is_judged_by_what_came_of_it() {
    for (values, outcome, there, expected) in [
        (&[None][..], EPERM_RETURNED, Nobody, "errno EPERM by filter?"),
        (&[None], EPERM_RETURNED, Supervisor, "errno EPERM by filter?"),
        (&[None], ENOSYS_RETURNED, Nobody, "errno ENOSYS by filter?"),
        (&[None], ZERO, Nobody, "errno 0 by filter?"),
        (&[None], ZERO, Supervisor, "emulated by supervisor?"),
        (&[None], ZERO, Tracer, "emulated by tracer?"),
        (&[None], Outcome::Returned(5), Nobody, "NotRefused?"),
        (&[None], Outcome::Returned(-512), Supervisor, "BrokenOff?"),
        (&[None], Outcome::Trapped, Nobody, "trap by filter?"),
        (&[None], Outcome::KilledThread, Nobody, "kill-thread by filter?"),
        (&[None], Outcome::KilledProcess, Both, "kill-process by filter?"),
        // What could be read explains it: no filter could have made another answer of it.
        (&[None, Some(EPERM)], EPERM_RETURNED, Nobody, "errno EPERM by filter"),
        (&[None, Some(TRAP)], Outcome::Trapped, Nobody, "trap by filter"),
        (&[None, Some(ALLOW)], EPERM_RETURNED, Nobody, "errno EPERM by filter?"),
        (&[Some(ALLOW), None], Outcome::Trapped, Nobody, "trap by filter?"),
        (&[None, Some(ALLOW)], ZERO, Tracer, "emulated by tracer?"),
    ] {
        assert_eq!(show(judged(values, outcome, there)), expected, "{values:x?} {outcome:?} {there:?}");
    }
    // Threads that have ended have none.
    for (outcome, expected) in [
        (Outcome::KilledThread, "kill-thread by filter"),
        (Outcome::KilledProcess, "kill-process by filter?"),
        (Outcome::Trapped, "NotRefused"),
        (EPERM_RETURNED, "NotRefused"),
    ] {
        assert_eq!(show(judged(&[], outcome, Nobody)), expected, "{outcome:?}");
    }
    // More filters than were read are as good as one that cannot be.
    let call = Refused { more_filters: true, ..refused("mkdir", EPERM_RETURNED) };
    assert_eq!(show(judge(&call, &[Some(&filter(ALLOW))])), "errno EPERM by filter?");
    assert_eq!(show(judge(&call, &[Some(&filter(EPERM))])), "errno EPERM by filter");
}

#[test]
fn filters_see_the_whole_call_with_its_abi_and_the_place_it_was_made_from() {
    let at = |offset, k| {
        let load = Instruction { code: 0x20, jump_true: 0, jump_false: 0, k: offset };
        let equal = Instruction { code: 0x15, jump_true: 0, jump_false: 1, k };
        let end = |k| Instruction { code: 0x06, jump_true: 0, jump_false: 0, k };
        Program(vec![load, equal, end(EPERM), end(ALLOW)])
    };
    let x32 = Call { syscall: Syscall { abi: Abi::X32, nr: 83 }, args: [1, 2, 3, 4, 5, 0x6_0000_0007] };
    let call =
        Refused { call: x32, instruction_pointer: 0x7f00_1234_5678, ..refused("mkdir", EPERM_RETURNED) };
    for (offset, k) in
        [(0, 83 | Abi::X32_BIT), (4, 0xc000_003e), (8, 0x1234_5678), (12, 0x7f00), (16, 1), (56, 7), (60, 6)]
    {
        assert_eq!(show(judge(&call, &[Some(&at(offset, k))])), "errno EPERM by filter", "{offset}");
        assert_eq!(show(judge(&call, &[Some(&at(offset, k ^ 1))])), "NotRefused", "{offset}");
    }
}

#[test]
fn a_call_whose_number_its_tracer_took_away_was_not_decided_by_what_filters_say_of_minus_one() {
    for (value, there, expected) in [
        (9, Tracer, "emulated by tracer"),
        (-1, Tracer, "errno EPERM by tracer?"),
        (-13, Tracer, "errno EACCES by tracer?"),
        (-1, Nobody, "errno EPERM by filter"),
    ] {
        let call = Call { syscall: Syscall { abi: Abi::X86_64, nr: u32::MAX }, args: [0; 6] };
        let call = Refused { call, traced: there == Tracer, ..refused("mkdir", Outcome::Returned(value)) };
        let judgement = judge(&call, &[Some(&filter(EPERM))]);
        assert_eq!(show(judgement), expected, "{value}");
    }
}

#[test]
fn the_probe_of_sandprint_is_no_denial_and_nothing_else_is_taken_for_it() {
    let nr = 0x3fff_5350;
    let probe = |answer: u16, nr| {
        let call = Call { syscall: Syscall { abi: Abi::X86_64, nr }, args: [0; 6] };
        let call = Refused { call, ..refused("mkdir", Outcome::Returned(-i64::from(answer))) };
        show(judge(&call, &[Some(&filter(0x0005_0000 | u32::from(answer)))]))
    };
    assert_eq!(probe(3551, nr), "Probe");
    assert_eq!(probe(3552, nr - 1), "Probe");
    assert_eq!(probe(38, nr), "errno ENOSYS by filter");
    assert_eq!(probe(3551, 83), "errno 3551 by filter");
    let killed = Refused {
        call: Call { syscall: Syscall { abi: Abi::X86_64, nr }, args: [0; 6] },
        ..refused("mkdir", Outcome::KilledProcess)
    };
    assert_eq!(show(judge(&killed, &[Some(&filter(KILL_PROCESS))])), "kill-process by filter");
}
