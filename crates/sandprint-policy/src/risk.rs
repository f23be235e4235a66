//! What a call lets a hostile program try, in one sentence, for whoever decides about it.

use std::fmt;

use sandprint_model::Syscall;

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
