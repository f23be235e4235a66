//! What a recording may have missed, as data.

use crate::RunId;

/// Something that may have been missed in one run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gap {
    /// What happened.
    pub kind: GapKind,
    /// In which run.
    pub run: RunId,
    /// On what, in plain words: a path, a program, opcodes. Hostile bytes in it are already escaped.
    pub detail: Option<String>,
}

/// The ways in which a recording can be incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapKind {
    /// The target ran before the recording began.
    AttachedMidRun,
    /// A new task could not be followed (no memory for its storage, or kept from tracers).
    AdmissionFailed,
    /// A map of the recorder was full, and calls were not counted.
    CallsLost,
    /// A map of the recorder was full, and errors of calls were not counted; the calls were.
    ResultsLost,
    /// The kernel did not run a BPF program of ours on some events.
    ProgramMissed,
    /// The target had a seccomp filter when the recording began: refused calls were not seen.
    SeccompActive,
    /// The workload installed a seccomp filter of its own: calls which it refused were not seen.
    SeccompInstalled,
    /// Operations were submitted through `io_uring`, which no seccomp filter sees.
    IoUringOperations,
    /// `io_uring` was set up, but nothing was submitted: a probe.
    IoUringProbe,
    /// This kernel cannot show `io_uring` operations, and `io_uring` was used.
    IoUringUnseen,
    /// The workload could gain no privileges, since the recorder needs `no_new_privs`.
    NoNewPrivileges,
    /// A program that would have gained privileges did not, since the recorder needs `no_new_privs`.
    PrivilegesWithheld,
    /// The workload asked something of seccomp that it cannot have beside the recorder's filter.
    SeccompRefused,
    /// Signals came before calls were received, and may have made them fail.
    CallsInterrupted,
    /// The workload traces a task of its own, which the recorder then traces no more.
    LeftToTracer,
    /// A seccomp filter was in force, and calls that it refused cannot be told from those that were made.
    RefusedCounted,
    /// The recording ended before the run did, without its final counts (a checkpoint).
    Unfinished,
    /// An image's path or build id could not be read, or was cut.
    ImageUnreadable,
    /// More images ran than the recorder keeps apart: the rest is counted under one unknown image.
    ImagesMerged,
    /// Some counts are not exact; no call is missing.
    CountsInexact,
    /// A first-seen fact was not delivered; the call itself is counted.
    FirstSeenLost,
    /// A signal or a time limit ended the recording before what it recorded.
    EndedEarly,
    /// An imported recording has parts that could not be understood or are known to be missing.
    ImportIncomplete,
    /// An imported recording names a call that may be one of two; both are kept.
    ImportAmbiguous,
    /// An imported recording does not say whether it is complete; it is taken for that.
    ImportAssumed,
    /// An imported recording holds samples, not every call (audit records are rate-limited).
    ImportSampled,
}

impl GapKind {
    /// Every kind, in declaration order.
    pub const ALL: [GapKind; 26] = [
        GapKind::AttachedMidRun,
        GapKind::AdmissionFailed,
        GapKind::CallsLost,
        GapKind::ResultsLost,
        GapKind::ProgramMissed,
        GapKind::SeccompActive,
        GapKind::SeccompInstalled,
        GapKind::IoUringOperations,
        GapKind::IoUringProbe,
        GapKind::IoUringUnseen,
        GapKind::NoNewPrivileges,
        GapKind::PrivilegesWithheld,
        GapKind::SeccompRefused,
        GapKind::CallsInterrupted,
        GapKind::LeftToTracer,
        GapKind::RefusedCounted,
        GapKind::Unfinished,
        GapKind::ImageUnreadable,
        GapKind::ImagesMerged,
        GapKind::CountsInexact,
        GapKind::FirstSeenLost,
        GapKind::EndedEarly,
        GapKind::ImportIncomplete,
        GapKind::ImportAmbiguous,
        GapKind::ImportAssumed,
        GapKind::ImportSampled,
    ];

    /// The stable name used in traces.
    pub fn name(self) -> &'static str {
        match self {
            GapKind::AttachedMidRun => "attached-mid-run",
            GapKind::AdmissionFailed => "admission-failed",
            GapKind::CallsLost => "calls-lost",
            GapKind::ResultsLost => "results-lost",
            GapKind::ProgramMissed => "program-missed",
            GapKind::SeccompActive => "seccomp-active",
            GapKind::SeccompInstalled => "seccomp-installed",
            GapKind::IoUringOperations => "io-uring-operations",
            GapKind::IoUringProbe => "io-uring-probe",
            GapKind::IoUringUnseen => "io-uring-unseen",
            GapKind::NoNewPrivileges => "no-new-privileges",
            GapKind::PrivilegesWithheld => "privileges-withheld",
            GapKind::SeccompRefused => "seccomp-refused",
            GapKind::CallsInterrupted => "calls-interrupted",
            GapKind::LeftToTracer => "left-to-tracer",
            GapKind::RefusedCounted => "refused-counted",
            GapKind::Unfinished => "unfinished",
            GapKind::ImageUnreadable => "image-unreadable",
            GapKind::ImagesMerged => "images-merged",
            GapKind::CountsInexact => "counts-inexact",
            GapKind::FirstSeenLost => "first-seen-lost",
            GapKind::EndedEarly => "ended-early",
            GapKind::ImportIncomplete => "import-incomplete",
            GapKind::ImportAmbiguous => "import-ambiguous",
            GapKind::ImportAssumed => "import-assumed",
            GapKind::ImportSampled => "import-sampled",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<GapKind> {
        GapKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether system calls that the workload needs may be missing. Otherwise the gap is a note.
    pub fn is_blocking(self) -> bool {
        match self {
            GapKind::AttachedMidRun
            | GapKind::AdmissionFailed
            | GapKind::CallsLost
            | GapKind::ProgramMissed
            | GapKind::SeccompActive
            | GapKind::IoUringOperations
            | GapKind::IoUringUnseen
            | GapKind::PrivilegesWithheld
            | GapKind::SeccompRefused
            | GapKind::CallsInterrupted
            | GapKind::LeftToTracer
            | GapKind::Unfinished
            | GapKind::ImportIncomplete
            | GapKind::ImportSampled => true,
            GapKind::ResultsLost
            | GapKind::SeccompInstalled
            | GapKind::RefusedCounted
            | GapKind::IoUringProbe
            | GapKind::NoNewPrivileges
            | GapKind::ImageUnreadable
            | GapKind::ImagesMerged
            | GapKind::CountsInexact
            | GapKind::FirstSeenLost
            | GapKind::EndedEarly
            | GapKind::ImportAmbiguous
            | GapKind::ImportAssumed => false,
        }
    }

    /// What it means, in plain words: one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            GapKind::AttachedMidRun => {
                "The target ran before the recording began; calls made only at its start are missing."
            }
            GapKind::AdmissionFailed => "A new task could not be followed; its calls are missing.",
            GapKind::CallsLost => "A map of the recorder was full; some calls were not counted.",
            GapKind::ResultsLost => "A map of the recorder was full; how some calls failed was not counted.",
            GapKind::ProgramMissed => {
                "The kernel skipped a BPF program on some events; calls may be missing."
            }
            GapKind::SeccompActive => {
                "The target already had a seccomp filter; calls that it refused are missing."
            }
            GapKind::SeccompInstalled => {
                "The workload installed a seccomp filter; calls that it refused are not shown."
            }
            GapKind::IoUringOperations => {
                "Operations were submitted through io_uring; no system call and no seccomp filter sees them."
            }
            GapKind::IoUringProbe => "io_uring was set up, but no operation was submitted through it.",
            GapKind::IoUringUnseen => "io_uring was used; its operations could not be seen.",
            GapKind::NoNewPrivileges => {
                "The workload ran with no_new_privs; set-user-id programs and file capabilities gained nothing."
            }
            GapKind::PrivilegesWithheld => {
                "A program did not get the privileges of its file, and may have done less than usual."
            }
            GapKind::SeccompRefused => {
                "The workload was refused a seccomp operation, and may have behaved differently."
            }
            GapKind::CallsInterrupted => {
                "Signals came before calls were seen; because of the recorder, some may have failed with EINTR."
            }
            GapKind::LeftToTracer => {
                "The workload traces a process itself; the recorder left it, and its further calls are missing."
            }
            GapKind::RefusedCounted => {
                "A seccomp filter was in force; calls that it refused are counted as made."
            }
            GapKind::Unfinished => {
                "The recording was cut off; this is its last checkpoint, and later calls are missing."
            }
            GapKind::ImageUnreadable => "The path or the build id of a program could not be read in full.",
            GapKind::ImagesMerged => {
                "More programs ran than the recorder keeps apart; the rest count as one unknown program."
            }
            GapKind::CountsInexact => "Some counts are not exact; no call is missing.",
            GapKind::FirstSeenLost => {
                "The time of a call's first use was not recorded; the call itself is counted."
            }
            GapKind::EndedEarly => "The recording ended before everything that it recorded had ended.",
            GapKind::ImportIncomplete => {
                "Parts of the imported recording are missing or could not be understood."
            }
            GapKind::ImportAmbiguous => {
                "The imported recording names a call that may be one of two; both are kept."
            }
            GapKind::ImportAssumed => {
                "The imported recording does not say whether it is complete; it is assumed to be."
            }
            GapKind::ImportSampled => "The imported recording holds samples; calls may be missing.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_read_back() {
        let names: BTreeSet<_> = GapKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), GapKind::ALL.len());
        for kind in GapKind::ALL {
            assert_eq!(GapKind::from_name(kind.name()), Some(kind));
        }
    }
}
