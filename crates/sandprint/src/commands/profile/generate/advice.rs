//! What to do about calls that may be missing from a recording: each gap has a cause of its own, and its own remedy.

use sandprint_model::GapKind;

/// How many remedies a hint has.
const TOLD: usize = 3;

/// The hint for a recording with these gaps: how to record without them, or to accept them.
pub(super) fn hint(gaps: impl Iterator<Item = GapKind>) -> String {
    let mut remedies: Vec<&str> = gaps.filter_map(remedy).collect();
    remedies.dedup();
    remedies.truncate(TOLD);
    remedies.push("or accept what is missing with `--allow-incomplete`");
    remedies.join("; ")
}

/// How to record without this gap. None for what hides no call.
fn remedy(gap: GapKind) -> Option<&'static str> {
    match gap {
        GapKind::AttachedMidRun => Some(
            "record it from its start: with `profile run`, a unit with `profile run --unit`, a container with \
             `profile attach` while it restarts",
        ),
        GapKind::AdmissionFailed => Some("record it again with another `--recorder`"),
        GapKind::CallsLost => Some("record its parts in runs of their own (`profile run --append`)"),
        GapKind::ProgramMissed => {
            Some("run `sandprint doctor`, which says how this kernel misses nothing, and record it again")
        }
        GapKind::SeccompActive => Some(
            "record it again without that filter (a container with `--security-opt seccomp=unconfined`, a unit \
             without SystemCallFilter=)",
        ),
        GapKind::IoUringOperations => Some(
            "record it with io_uring disabled, so that it makes system calls instead (`sysctl \
             kernel.io_uring_disabled=2`, from Linux 6.6 on)",
        ),
        GapKind::IoUringUnseen => Some("record it with `--recorder ebpf`, which sees io_uring"),
        GapKind::PrivilegesWithheld => {
            Some("record it as root, or with `--recorder ebpf`, so that it gets its privileges")
        }
        GapKind::SeccompRefused => {
            Some("record it with `--recorder ebpf` or `ptrace`, which leave seccomp to the workload")
        }
        GapKind::CallsInterrupted => {
            Some("record it with `--recorder ebpf` or `ptrace`, which interrupt no call")
        }
        GapKind::LeftToTracer => {
            Some("record it with `--recorder ebpf` or `notify`, beside which it can trace")
        }
        GapKind::Unfinished => Some("record it again, to its end"),
        GapKind::ImportIncomplete => {
            Some("record it with `profile run`, or with `strace -f` from its start to its end")
        }
        GapKind::ImportSampled => Some("record it with `profile run`, which counts every call"),
        GapKind::ArgumentsLost
        | GapKind::FilesLost
        | GapKind::LinksUnfollowed
        | GapKind::SocketsLost
        | GapKind::NamesLost
        | GapKind::CapabilitiesLost
        | GapKind::ResultsLost
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
        | GapKind::ImportAssumed => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_gap_that_blocks_has_a_remedy_of_its_own() {
        let remedies: BTreeSet<_> = GapKind::ALL.into_iter().filter_map(remedy).collect();
        let blocking = GapKind::ALL.into_iter().filter(|kind| kind.is_blocking());
        assert_eq!(remedies.len(), blocking.clone().count());
        for kind in GapKind::ALL {
            assert_eq!(remedy(kind).is_some(), kind.is_blocking(), "{kind:?}");
        }
    }

    #[test]
    fn a_hint_names_a_few_remedies_and_the_way_out() {
        assert_eq!(
            hint([GapKind::Unfinished, GapKind::EndedEarly].into_iter()),
            "record it again, to its end; or accept what is missing with `--allow-incomplete`"
        );
        assert_eq!(hint(GapKind::ALL.into_iter()).matches("; ").count(), TOLD);
    }
}
