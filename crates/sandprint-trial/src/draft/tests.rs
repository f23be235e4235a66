//! What each answer makes of a policy.

use sandprint_model::{Abi, ByteString, CallRules, Code, Next};
use sandprint_policy::suggest::smallest_rule;

use super::*;

fn call(abi: Abi, name: &str, args: [u64; 6]) -> Call {
    Call { syscall: Syscall::from_name(abi, name).unwrap(), args }
}

fn denial(call: Call, action: Action) -> Denial {
    Denial {
        call,
        action,
        count: 1,
        image: ByteString::from("/bin/app"),
        ancestry: Vec::new(),
        location: Ok(Code { module: ByteString::from("/lib/libc.so"), inode: 1, offset: 0x10 }
            .within(Some("socket".to_owned()))),
        next: Next::Unknown,
        rule: smallest_rule(&call),
    }
}

const REFUSED: Action = Action::Errno(1);

fn draft(rules: &[(Call, Action)]) -> Draft {
    let mut policy = Policy {
        kernel: None,
        calls: CallRules {
            default_action: REFUSED,
            foreign_action: Action::KillProcess,
            rules: BTreeMap::new(),
        },
        notes: BTreeSet::new(),
    };
    for (call, action) in rules {
        let conditions = smallest_rule(call).conditions;
        let rule = Rule { conditions, action: *action, reasons: BTreeSet::new() };
        policy.calls.rules.entry(call.syscall).or_default().push(rule);
    }
    Draft::new(policy, "2026-11-22".parse().unwrap(), None)
}

const NATIVE: Abi = Abi::X86_64;
const NOTHING: [u64; 6] = [0; 6];

fn inet() -> Call {
    call(NATIVE, "socket", [2, 1, 0, 0, 0, 0])
}

fn netlink() -> Call {
    call(NATIVE, "socket", [16, 3, 0, 0, 0, 0])
}

#[test]
fn each_answer_does_what_it_says_and_no_more() {
    for (answer, asked, other, decisions, rules) in [
        (Answer::Allow, Standing::Allowed, Standing::Allowed, 1, 1),
        (Answer::AllowWithArguments, Standing::Allowed, Standing::Open, 1, 1),
        (Answer::Once, Standing::Once, Standing::Open, 1, 0),
        (Answer::Refuse, Standing::Refused, Standing::Refused, 1, 1),
        (Answer::Leave, Standing::Refused, Standing::Open, 0, 0),
        (Answer::Stop, Standing::Refused, Standing::Refused, 0, 0),
    ] {
        let mut draft = draft(&[(call(NATIVE, "execve", NOTHING), Action::Allow)]);
        assert_eq!(draft.standing(&inet()), Standing::Open);
        draft.enter(&denial(inet(), REFUSED), answer, "--accept-all");
        assert_eq!((draft.standing(&inet()), draft.standing(&netlink())), (asked, other), "{answer:?}");
        assert_eq!(draft.decisions.len(), decisions, "{answer:?}");
        assert_eq!(draft.policy.calls.rules.get(&inet().syscall).map_or(0, Vec::len), rules, "{answer:?}");
        assert_eq!(draft.stopped, answer == Answer::Stop);
    }
}

#[test]
fn a_written_rule_says_what_when_and_who() {
    let mut draft = draft(&[(call(NATIVE, "execve", NOTHING), Action::Allow)]);
    draft.enter(&denial(inet(), REFUSED), Answer::AllowWithArguments, "--accept socket");
    let rules = &draft.policy.calls.rules[&inet().syscall];
    let reasons: Vec<String> = rules[0].reasons.iter().map(ToString::to_string).collect();
    assert_eq!(
        reasons,
        [
            "decided on 2026-11-22 by --accept socket: allowed with these arguments: /bin/app made it, in socket of \
          /lib/libc.so"
        ]
    );
}

#[test]
fn what_a_rule_refuses_is_not_asked_and_not_weakened() {
    let mut draft = draft(&[(netlink(), Action::Errno(97))]);
    assert_eq!(draft.standing(&netlink()), Standing::Refused);
    draft.enter(&denial(inet(), REFUSED), Answer::Allow, "x");
    assert_eq!(draft.standing(&inet()), Standing::Allowed);
    assert_eq!(draft.policy.calls.decide(&netlink()), Action::Errno(97));
}

#[test]
fn arguments_that_were_allowed_stay_allowed_when_the_rest_is_refused() {
    let mut draft = draft(&[(call(NATIVE, "execve", NOTHING), Action::Allow)]);
    draft.enter(&denial(inet(), REFUSED), Answer::AllowWithArguments, "x");
    draft.enter(&denial(netlink(), REFUSED), Answer::Refuse, "x");
    assert_eq!(draft.policy.calls.decide(&inet()), Action::Allow);
    assert_eq!(draft.policy.calls.decide(&netlink()), REFUSED);
    assert_eq!(draft.standing(&call(NATIVE, "socket", [1, 1, 0, 0, 0, 0])), Standing::Refused);
}

#[test]
fn a_first_rule_of_an_abi_is_told_and_never_lets_the_others_run() {
    let foreign = call(Abi::I386, "getpid", NOTHING);
    let mut told = draft(&[(inet(), Action::Allow)]);
    told.enter(&denial(foreign, Action::KillProcess), Answer::Allow, "x");
    assert_eq!(told.standing(&foreign), Standing::Allowed);
    assert_eq!(told.notes.len(), 1, "{:?}", told.notes);

    let mut refused = draft(&[(inet(), Action::Allow)]);
    refused.policy.calls.default_action = Action::Allow;
    refused.enter(&denial(foreign, Action::KillProcess), Answer::Allow, "x");
    assert_eq!(refused.standing(&foreign), Standing::Refused);
    assert_eq!((refused.decisions.len(), refused.notes.len()), (0, 1));
    assert_eq!(refused.policy.calls.decide(&call(Abi::I386, "ptrace", NOTHING)), Action::KillProcess);
}

#[test]
fn many_alternatives_are_counted() {
    let mut draft = draft(&[(call(NATIVE, "execve", NOTHING), Action::Allow)]);
    for family in 1..=9 {
        let call = call(NATIVE, "socket", [family, 1, 0, 0, 0, 0]);
        draft.enter(&denial(call, REFUSED), Answer::AllowWithArguments, "x");
    }
    assert_eq!(draft.alternatives_beyond(8), BTreeMap::from([(inet().syscall, 9)]));
    assert_eq!(draft.alternatives_beyond(9), BTreeMap::new());
}
