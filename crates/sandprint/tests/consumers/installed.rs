//! The filters that a process really has, and what they decide: what an imported profile is held against.

mod sys;

use std::collections::{BTreeMap, BTreeSet};
use std::{fmt, io};

use sandprint_model::{Abi, Action, Arch, Call, Condition, Policy, Syscall};
use sandprint_policy::cases;
use sandprint_policy::cbpf::{Program, SeccompData, returned_action, simulate};
use sandprint_policy::import::{Format, Site, import};

/// The machine.
pub(crate) const ARCH: Arch = if cfg!(target_arch = "aarch64") { Arch::Aarch64 } else { Arch::X86_64 };

/// Numbers that every table ends below, and some beyond.
const NUMBERS: std::ops::Range<u32> = 0..600;
const BEYOND: [u32; 4] = [1023, 4999, 0x0f_0005, 0x3fff_ffff];

/// The filters of a process, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stack(Vec<Program>);

impl Stack {
    /// Reads them.
    pub(crate) fn of(pid: u32) -> io::Result<Stack> {
        let program =
            |bytes: Vec<[u8; 8]>| Program::from_bytes(bytes.as_flattened()).expect("whole instructions");
        Ok(Stack(sys::filters(pid)?.into_iter().map(program).collect()))
    }

    /// Without the filters that were there before: those of `below`.
    pub(crate) fn above(mut self, below: &Stack) -> Stack {
        assert_eq!(self.0.get(..below.0.len()), Some(&below.0[..]), "filters are inherited");
        Stack(self.0.split_off(below.0.len()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they decide together: the strictest answer, and of equally strict ones the newest (`seccomp_run_filters`).
    fn decide(&self, call: &Call) -> Action {
        let data = SeccompData::from(call);
        let strictness = |value: u32| i32::from_ne_bytes((value & 0xffff_0000).to_ne_bytes());
        let answers = self.0.iter().rev().map(|program| simulate(program, &data));
        answers.min_by_key(|value| strictness(*value)).map_or(Action::Allow, returned_action)
    }

    /// Where the filters and a policy decide differently: of each call and pair of answers the first arguments. The
    /// arguments that are tried are those at which a condition of the filters or of the policy changes its answer.
    pub(crate) fn differences(&self, policy: &Policy) -> Vec<Difference> {
        self.differences_from(policy, |call| policy.calls.decide(call))
    }

    /// The same, of what somebody expects who adds no conditions to those of a policy.
    pub(crate) fn differences_from(
        &self,
        policy: &Policy,
        expects: impl Fn(&Call) -> Action,
    ) -> Vec<Difference> {
        let mut policies: Vec<Policy> = Vec::new();
        for program in &self.0 {
            let read = import(Format::Bpf, &program.to_bytes(), &Site::new(ARCH));
            policies.push(read.expect("programs of libseccomp can be read").policy);
        }
        policies.push(policy.clone());
        let mut found = BTreeMap::new();
        let calls = |abi: Abi| NUMBERS.chain(BEYOND).map(move |nr| Syscall { abi, nr });
        for syscall in ARCH.abis().iter().copied().flat_map(calls) {
            let rules = policies.iter().filter_map(|policy| policy.calls.rules.get(&syscall)).flatten();
            let conditions: BTreeSet<Condition> = rules.flat_map(|rule| rule.conditions.clone()).collect();
            for args in cases::arguments(&conditions).0 {
                let is_narrow = matches!(syscall.abi, Abi::I386 | Abi::Arm);
                let args = if is_narrow { args.map(|arg| arg & 0xffff_ffff) } else { args };
                let call = Call { syscall, args };
                let (really, expected) = (self.decide(&call), expects(&call));
                if really != expected {
                    found.entry((syscall, really, expected)).or_insert(Difference { call, really, expected });
                }
            }
        }
        found.into_values().collect()
    }
}

/// A call that filters decide otherwise than expected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Difference {
    pub(crate) call: Call,
    pub(crate) really: Action,
    pub(crate) expected: Action,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Call { syscall, args } = self.call;
        write!(
            f,
            "{} {syscall} {args:x?}: really {}, by the policy {}",
            syscall.abi, self.really, self.expected
        )
    }
}
