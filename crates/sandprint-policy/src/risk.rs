//! What a call lets a hostile program try, in one sentence, for whoever decides about it.

use std::fmt;

use sandprint_model::Syscall;

use crate::import::groups::members;

/// The table: names joined by commas, a severity, a sentence.
const TABLE: &str = include_str!("../data/risk.tsv");

/// Why somebody might not want to allow a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Risk {
    /// How bad.
    pub severity: Severity,
    /// What can be tried with it.
    pub why: &'static str,
}

/// How bad, from the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It harms what the workload may reach anyway.
    Low,
    /// It makes attacks easier, or depends on the arguments.
    Medium,
    /// It has led out of sandboxes.
    High,
    /// It is the kernel, or other processes, that it gives away.
    Critical,
}

impl Severity {
    const ALL: [Severity; 4] = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    fn name(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is known of a call, by its name; nothing of most.
pub fn of(syscall: Syscall) -> Option<Risk> {
    let name = syscall.name()?;
    rows().find(|(names, _)| names.split(',').any(|known| known == name)).map(|(_, risk)| risk)
}

/// Whether a call may be allowed without a thought: the table knows nothing that can be tried with it, and systemd gives
/// it to every service (`@system-service`). Names that are in neither are rarely needed, and mostly want privileges.
pub fn is_harmless(syscall: Syscall) -> bool {
    let is_usual = |name: &str| members("@system-service").is_some_and(|usual| usual.contains(name));
    of(syscall).is_none() && syscall.name().is_some_and(is_usual)
}

fn rows() -> impl Iterator<Item = (&'static str, Risk)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut fields = line.split('\t');
        let names = fields.next()?;
        let severity = fields.next()?;
        let severity = Severity::ALL.into_iter().find(|known| known.name() == severity)?;
        Some((names, Risk { severity, why: fields.next()? }))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sandprint_model::Abi;

    use super::*;

    #[test]
    fn every_row_is_read_and_every_name_is_a_call_and_stands_once() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(rows().count(), lines);
        let mut seen = BTreeSet::new();
        for (names, risk) in rows() {
            assert!(!risk.why.is_empty() && !risk.why.ends_with('.'), "{names}");
            for name in names.split(',') {
                let exists = Abi::ALL.into_iter().any(|abi| Syscall::from_name(abi, name).is_some());
                assert!(exists, "{name}");
                assert!(seen.insert(name), "{name} stands twice");
            }
        }
    }

    #[test]
    fn calls_are_harmless_that_every_service_has_and_nothing_is_known_of() {
        let named = |name: &str| Syscall::from_name(Abi::X86_64, name).unwrap();
        for name in ["brk", "mmap", "openat", "read", "futex", "getrandom", "newfstatat", "exit_group"] {
            assert!(is_harmless(named(name)), "{name}");
        }
        for (names, _) in rows() {
            for syscall in names.split(',').filter_map(|name| Syscall::from_name(Abi::X86_64, name)) {
                assert!(!is_harmless(syscall), "{syscall}");
            }
        }
        for name in ["acct", "swapon", "settimeofday", "quotactl", "fanotify_init"] {
            assert!(!is_harmless(named(name)), "{name}");
        }
        assert!(!is_harmless(Syscall { abi: Abi::X86_64, nr: 100_000 }));
    }

    #[test]
    fn the_forms_of_a_call_for_other_widths_have_its_risk() {
        for abi in Abi::ALL {
            for (names, risk) in rows() {
                for name in names.split(',') {
                    let forms = ["32", "64"].map(|width| format!("{name}{width}"));
                    for form in forms.iter().filter_map(|form| Syscall::from_name(abi, form)) {
                        assert_eq!(of(form), Some(risk), "{abi} {form}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_call_has_the_risk_of_its_name_in_every_abi() {
        for (abi, name, expected) in [
            (Abi::X86_64, "bpf", Some(Severity::Critical)),
            (Abi::I386, "ptrace", Some(Severity::Critical)),
            (Abi::Aarch64, "setns", Some(Severity::High)),
            (Abi::X86_64, "getpid", None),
        ] {
            let syscall = Syscall::from_name(abi, name).unwrap();
            assert_eq!(of(syscall).map(|risk| risk.severity), expected, "{name}");
        }
        assert_eq!(of(Syscall { abi: Abi::X86_64, nr: 100_000 }), None);
    }
}
