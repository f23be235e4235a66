//! What a loss is about: calls, ABIs, or a word of a profile.

use std::collections::BTreeSet;
use std::fmt;

use crate::{Abi, KernelVersion, Part, Syscall};

/// What a loss concerns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    /// Calls that no rule decides.
    DefaultAction,
    /// Calls through every ABI for which the policy has no rules.
    WithoutRules,
    /// Calls through every ABI that the profile has no place for.
    OtherAbis,
    /// All that the policy says of one kind of request.
    Part(Part),
    /// Every call of an ABI.
    Abi(Abi),
    /// One call of one ABI.
    Call(Syscall),
    /// A call in every ABI that has it.
    Name(&'static str),
    /// These calls of one ABI.
    Calls(Abi, BTreeSet<Syscall>),
    /// Calls that came after a kernel.
    Newer {
        /// Their ABI; without one, any.
        abi: Option<Abi>,
        /// The kernel.
        than: KernelVersion,
        /// The calls, in the order of their names.
        names: Vec<&'static str>,
    },
    /// The numbers of an ABI from the first to the last.
    Numbers(Abi, u32, u32),
    /// A word or a line of a profile, or what else only its language has; safe to print.
    Word(String),
}

impl About {
    /// Whether it concerns this call by itself. The default action, and ABIs without rules, concern calls that only
    /// the policy knows.
    pub fn covers(&self, syscall: Syscall) -> bool {
        let is_named = |name: &str| syscall.name() == Some(name);
        match self {
            About::Call(call) => *call == syscall,
            About::Abi(abi) => *abi == syscall.abi,
            About::Name(name) => is_named(name),
            About::Calls(_, calls) => calls.contains(&syscall),
            About::Newer { abi, names, .. } => {
                abi.is_none_or(|abi| abi == syscall.abi) && names.iter().any(|name| is_named(name))
            }
            About::Numbers(abi, first, last) => *abi == syscall.abi && (*first..=*last).contains(&syscall.nr),
            About::Part(part) => *part == Part::Calls,
            About::DefaultAction | About::WithoutRules | About::OtherAbis | About::Word(_) => false,
        }
    }

    /// The same with the calls that it stands for.
    pub fn in_full(&self) -> String {
        match self {
            About::Calls(_, calls) => {
                let mut names: Vec<String> = calls.iter().map(Syscall::to_string).collect();
                names.sort_unstable();
                format!("{self} ({})", names.join(", "))
            }
            About::Newer { names, .. } => format!("{self} ({})", names.join(", ")),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            About::DefaultAction => f.write_str("default action"),
            About::WithoutRules => f.write_str("ABIs without rules"),
            About::OtherAbis => f.write_str("other ABIs"),
            About::Part(part) => write!(f, "{part}"),
            About::Abi(abi) => write!(f, "all of {abi}"),
            About::Call(syscall) => match syscall.name() {
                Some(name) => write!(f, "{} {name}", syscall.abi),
                None => write!(f, "{} number {}", syscall.abi, syscall.nr),
            },
            About::Name(name) => f.write_str(name),
            About::Calls(abi, _) => write!(f, "calls of {abi}"),
            About::Newer { abi: None, than, .. } => write!(f, "calls newer than Linux {than}"),
            About::Newer { abi: Some(abi), than, .. } => write!(f, "{abi} calls newer than Linux {than}"),
            About::Numbers(abi, first, last) => write!(f, "{abi} numbers {first} to {last}"),
            About::Word(word) => f.write_str(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_covers_the_calls_that_it_names_and_no_others() {
        let call = |abi, name| Syscall::from_name(abi, name).unwrap();
        let (read, write) = (call(Abi::X86_64, "read"), call(Abi::X86_64, "write"));
        let other_read = call(Abi::I386, "read");
        let than = KernelVersion::new(5, 17);
        let nameless = Syscall { abi: Abi::X86_64, nr: 5000 };
        for (about, words, covered) in [
            (About::Call(read), "x86_64 read", [true, false, false, false]),
            (About::Call(nameless), "x86_64 number 5000", [false, false, false, true]),
            (About::Name("read"), "read", [true, false, true, false]),
            (About::Abi(Abi::X86_64), "all of x86_64", [true, true, false, true]),
            (About::Numbers(Abi::X86_64, 1, 5000), "x86_64 numbers 1 to 5000", [false, true, false, true]),
            (
                About::Calls(Abi::X86_64, [read, write].into()),
                "calls of x86_64 (read, write)",
                [true, true, false, false],
            ),
            (
                About::Newer { abi: None, than, names: vec!["read"] },
                "calls newer than Linux 5.17 (read)",
                [true, false, true, false],
            ),
            (
                About::Newer { abi: Some(Abi::I386), than, names: vec!["read"] },
                "i386 calls newer than Linux 5.17 (read)",
                [false, false, true, false],
            ),
            (About::Part(Part::Calls), "system calls", [true; 4]),
            (About::DefaultAction, "default action", [false; 4]),
            (About::WithoutRules, "ABIs without rules", [false; 4]),
            (About::OtherAbis, "other ABIs", [false; 4]),
            (About::Word("read".to_owned()), "read", [false; 4]),
        ] {
            assert_eq!(about.in_full(), words);
            let covers = [read, write, other_read, nameless].map(|syscall| about.covers(syscall));
            assert_eq!(covers, covered, "{words}");
        }
    }
}
