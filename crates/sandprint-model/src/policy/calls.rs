//! The part of a policy that is about system calls: [`CallRules`], and what they mean.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Reason;
use crate::{Abi, Syscall, errno};

/// Which system calls run, and what happens to the others.
///
/// [`CallRules::decide`] is the only meaning it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRules {
    /// What happens to a call that no rule matches, in an ABI that has rules.
    pub default_action: Action,
    /// What happens to any call of an ABI that has no rules.
    pub foreign_action: Action,
    /// The rules of each call, in order: the first that matches decides. No list is empty.
    pub rules: BTreeMap<Syscall, Vec<Rule>>,
}

impl CallRules {
    /// What the rules say of one call.
    ///
    /// The first rule of that call whose conditions all hold decides; else the default action, or, for an
    /// ABI without any rule, the foreign action.
    pub fn decide(&self, call: &Call) -> Action {
        match self.deciding_rule(call) {
            Some((_, rule)) => rule.action,
            None if self.has_rules_for(call.syscall.abi) => self.default_action,
            None => self.foreign_action,
        }
    }

    /// The rule that decides a call, and which of its call's rules that is, from 0; none where a default decides.
    pub fn deciding_rule(&self, call: &Call) -> Option<(usize, &Rule)> {
        let rules = self.rules.get(&call.syscall)?;
        rules.iter().enumerate().find(|(_, rule)| rule.matches(&call.args))
    }

    /// Whether any call of this ABI has a rule, so that [`CallRules::default_action`] and not
    /// [`CallRules::foreign_action`] holds for the others.
    pub fn has_rules_for(&self, abi: Abi) -> bool {
        let of_abi = Syscall { abi, nr: 0 }..=Syscall { abi, nr: u32::MAX };
        self.rules.range(of_abi).next().is_some()
    }

    /// The calls that some rule allows, whatever its conditions.
    pub fn allowed(&self) -> impl Iterator<Item = Syscall> {
        self.rules
            .iter()
            .filter(|(_, rules)| rules.iter().any(|rule| rule.action == Action::Allow))
            .map(|(syscall, _)| *syscall)
    }
}

/// A system call as a filter sees it: its number, its ABI and six argument registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Call {
    /// Which call.
    pub syscall: Syscall,
    /// The argument registers, as `struct seccomp_data` holds them.
    pub args: [u64; 6],
}

/// One way in which a call is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// All of these must hold; none means always.
    pub conditions: Vec<Condition>,
    /// What happens then.
    pub action: Action,
    /// Why the rule is there. Never empty in a policy that synthesis made.
    pub reasons: BTreeSet<Reason>,
}

impl Rule {
    /// Whether every condition holds for these arguments.
    pub fn matches(&self, args: &[u64; 6]) -> bool {
        self.conditions.iter().all(|condition| condition.holds(args))
    }
}

/// A comparison of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Condition {
    /// Which argument, 0 to 5.
    pub index: u8,
    /// How many bits of it are looked at.
    pub width: Width,
    /// How it is compared.
    pub comparison: Comparison,
}

impl Condition {
    /// Whether it holds. An index above 5 never holds.
    pub fn holds(&self, args: &[u64; 6]) -> bool {
        let Some(raw) = args.get(usize::from(self.index)) else { return false };
        let cut = |value: u64| match self.width {
            Width::Bits32 => value & 0xffff_ffff,
            Width::Bits64 => value,
        };
        let value = cut(*raw);
        match self.comparison {
            Comparison::Equal(other) => value == cut(other),
            Comparison::NotEqual(other) => value != cut(other),
            Comparison::Less(other) => value < cut(other),
            Comparison::LessOrEqual(other) => value <= cut(other),
            Comparison::Greater(other) => value > cut(other),
            Comparison::GreaterOrEqual(other) => value >= cut(other),
            Comparison::MaskedEqual { mask, value: other } => value & cut(mask) == cut(other),
        }
    }
}

impl fmt::Display for Condition {
    /// As it is written in a policy file: `arg0.u32 == 2`, `arg1.u32 & 0xf == 0x1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = match self.width {
            Width::Bits32 => "u32",
            Width::Bits64 => "u64",
        };
        write!(f, "arg{}.{width} ", self.index)?;
        let (operator, value) = match self.comparison {
            Comparison::Equal(value) => ("==", value),
            Comparison::NotEqual(value) => ("!=", value),
            Comparison::Less(value) => ("<", value),
            Comparison::LessOrEqual(value) => ("<=", value),
            Comparison::Greater(value) => (">", value),
            Comparison::GreaterOrEqual(value) => (">=", value),
            Comparison::MaskedEqual { mask, value } => return write!(f, "& {mask:#x} == {value:#x}"),
        };
        // Small numbers as people count, large ones as bits.
        if value < 4096 { write!(f, "{operator} {value}") } else { write!(f, "{operator} {value:#x}") }
    }
}

/// How many bits of an argument register the kernel looks at for this argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// `int`, `unsigned int`, flags: the upper half is ignored.
    Bits32,
    /// `long`, pointers, sizes.
    Bits64,
}

/// How an argument is compared; all comparisons are unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comparison {
    /// Equal to the value.
    Equal(u64),
    /// Not equal to the value.
    NotEqual(u64),
    /// Below the value.
    Less(u64),
    /// At most the value.
    LessOrEqual(u64),
    /// Above the value.
    Greater(u64),
    /// At least the value.
    GreaterOrEqual(u64),
    /// The bits of `mask` equal `value`.
    MaskedEqual {
        /// The bits that are looked at.
        mask: u64,
        /// What they must be.
        value: u64,
    },
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// It runs.
    Allow,
    /// It runs and is logged (`SECCOMP_RET_LOG`).
    Log,
    /// It fails with this errno, 0 to 4095 (`SECCOMP_RET_ERRNO`).
    Errno(u16),
    /// The tracer decides, given this value; ENOSYS without one (`SECCOMP_RET_TRACE`).
    Trace(u16),
    /// The supervisor decides (`SECCOMP_RET_USER_NOTIF`).
    Notify,
    /// SIGSYS is sent to the thread (`SECCOMP_RET_TRAP`).
    Trap,
    /// The thread dies (`SECCOMP_RET_KILL_THREAD`).
    KillThread,
    /// The process dies (`SECCOMP_RET_KILL_PROCESS`).
    KillProcess,
}

impl Action {
    /// Whether the call is made; also where somebody else is asked first.
    pub fn lets_run(self) -> bool {
        matches!(self, Action::Allow | Action::Log | Action::Notify | Action::Trace(_))
    }

    /// For people, as it follows "to".
    pub fn in_words(self) -> String {
        match self {
            Action::Allow => "allow".to_owned(),
            Action::Log => "allow and log".to_owned(),
            Action::Errno(number) => format!("fail with {}", errno::in_words(number)),
            Action::Trace(value) => format!("ask the tracer ({value})"),
            Action::Notify => "ask the supervisor".to_owned(),
            Action::Trap => "send SIGSYS".to_owned(),
            Action::KillThread => "kill the thread".to_owned(),
            Action::KillProcess => "kill the process".to_owned(),
        }
    }
}

impl fmt::Display for Action {
    /// As it is written in a policy file: `allow`, `errno EPERM`, `kill-process`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Allow => f.write_str("allow"),
            Action::Log => f.write_str("log"),
            Action::Errno(number) => write!(f, "errno {}", errno::name_or_number(*number)),
            Action::Trace(value) => write!(f, "trace {value}"),
            Action::Notify => f.write_str("notify"),
            Action::Trap => f.write_str("trap"),
            Action::KillThread => f.write_str("kill-thread"),
            Action::KillProcess => f.write_str("kill-process"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(conditions: Vec<Condition>, action: Action) -> Rule {
        Rule { conditions, action, reasons: BTreeSet::new() }
    }

    #[test]
    fn conditions_compare_as_documented() {
        let holds =
            |width, comparison, arg0| Condition { index: 0, width, comparison }.holds(&[arg0, 0, 0, 0, 0, 0]);
        assert!(holds(Width::Bits32, Comparison::Equal(2), 0xffff_ffff_0000_0002));
        assert!(!holds(Width::Bits64, Comparison::Equal(2), 0xffff_ffff_0000_0002));
        assert!(holds(Width::Bits32, Comparison::Less(5), 1 << 32));
        assert!(!holds(Width::Bits64, Comparison::Less(5), 1 << 32));
        assert!(holds(Width::Bits64, Comparison::GreaterOrEqual(1 << 32), 1 << 32));
        assert!(holds(Width::Bits64, Comparison::MaskedEqual { mask: 0xf0, value: 0x10 }, 0x1f));
        assert!(!holds(Width::Bits64, Comparison::MaskedEqual { mask: 0xf0, value: 0x10 }, 0x2f));
        assert!(
            !Condition { index: 6, width: Width::Bits64, comparison: Comparison::Equal(0) }.holds(&[0; 6])
        );
    }

    #[test]
    fn first_matching_rule_decides_and_foreign_abis_are_apart() {
        let syscall = |abi, nr| Syscall { abi, nr };
        let only_one = Condition { index: 0, width: Width::Bits32, comparison: Comparison::Equal(1) };
        let calls = CallRules {
            default_action: Action::Errno(1),
            foreign_action: Action::KillProcess,
            rules: BTreeMap::from([(
                syscall(Abi::X86_64, 41),
                vec![rule(vec![only_one], Action::Allow), rule(vec![], Action::Errno(38))],
            )]),
        };
        let decide =
            |abi, nr, arg0| calls.decide(&Call { syscall: syscall(abi, nr), args: [arg0, 0, 0, 0, 0, 0] });
        assert_eq!(decide(Abi::X86_64, 41, 1), Action::Allow);
        assert_eq!(decide(Abi::X86_64, 41, 2), Action::Errno(38));
        assert_eq!(decide(Abi::X86_64, 42, 1), Action::Errno(1));
        assert_eq!(decide(Abi::I386, 41, 1), Action::KillProcess);
    }
}
