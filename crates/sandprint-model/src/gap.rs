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

/// Whether calls that the workload needs may be missing.
#[derive(PartialEq, Eq)]
enum Weight {
    /// They may.
    Blocking,
    /// They are not.
    Note,
}

/// Makes the kinds of a table with one row each: the name, its weight, what happened, and what follows from it.
macro_rules! gap_kinds {
    ($($(#[$more:meta])* $kind:ident, $name:literal, $weight:ident, $what:literal $(, $so:literal)?;)+) => {
        /// The ways in which a recording can be incomplete.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum GapKind {
            $(#[doc = concat!($what, ".")] $(#[$more])* $kind,)+
        }

        impl GapKind {
            /// Every kind, in declaration order.
            pub const ALL: [GapKind; [$($name),+].len()] = [$(GapKind::$kind),+];

            /// The stable name used in traces.
            pub fn name(self) -> &'static str {
                match self { $(GapKind::$kind => $name,)+ }
            }

            fn weight(self) -> Weight {
                match self { $(GapKind::$kind => Weight::$weight,)+ }
            }

            /// What happened: a clause for one line, without a full stop.
            pub fn happening(self) -> &'static str {
                match self { $(GapKind::$kind => $what,)+ }
            }

            /// What it means, in plain words: one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(GapKind::$kind => concat!($what $(, "; ", $so)?, "."),)+ }
            }
        }
    };
}

gap_kinds! {
    AttachedMidRun, "attached-mid-run", Blocking,
        "The target ran before the recording began",
        "calls made only at its start are missing";
    /// There was no memory for its storage, or it was kept from tracers.
    AdmissionFailed, "admission-failed", Blocking,
        "A new task could not be followed",
        "its calls are missing";
    CallsLost, "calls-lost", Blocking,
        "A map of the recorder was full",
        "some calls were not counted";
    /// The calls were counted.
    ResultsLost, "results-lost", Note,
        "The ends of some calls were not recorded",
        "how they failed is missing";
    /// A log that was imported did not have them, or names no number for them.
    ArgumentsLost, "arguments-lost", Note,
        "The arguments of some calls were not recorded",
        "these calls are counted, and what their arguments say is missing";
    /// They are full where there are very many files, or the reader could not keep up.
    FilesLost, "files-lost", Note,
        "Some uses of files were not recorded",
        "paths may be missing, and no call is";
    /// It is seen through processes that have it, and they had all ended.
    LinksUnfollowed, "links-unfollowed", Note,
        "Nobody had the root any more from which some paths were seen",
        "where their symbolic links lead is not known";
    /// As above.
    SocketsLost, "sockets-lost", Note,
        "Some uses of sockets were not recorded",
        "addresses may be missing, and no call is";
    /// As above; or an answer was no DNS, came in parts, or was too long.
    NamesLost, "names-lost", Note,
        "Some of what tells names of addresses could not be read",
        "names may be missing, and no call or address is";
    /// As above; or the kernel skipped the program that is told.
    CapabilitiesLost, "capabilities-lost", Note,
        "Some questions for capabilities were not recorded",
        "capabilities may be missing, and no call is";
    ProgramMissed, "program-missed", Blocking,
        "The kernel skipped a BPF program on some events",
        "calls may be missing";
    SeccompActive, "seccomp-active", Blocking,
        "The target already had a seccomp filter",
        "calls that it refused are missing";
    SeccompInstalled, "seccomp-installed", Note,
        "The workload installed a seccomp filter",
        "calls that it refused are not among the calls";
    IoUringOperations, "io-uring-operations", Blocking,
        "Operations were submitted through io_uring",
        "no system call and no seccomp filter sees them";
    IoUringProbe, "io-uring-probe", Note,
        "io_uring was set up, but no operation was submitted through it";
    IoUringUnseen, "io-uring-unseen", Blocking,
        "io_uring was used",
        "its operations could not be seen";
    /// The recorder needs it.
    NoNewPrivileges, "no-new-privileges", Note,
        "The workload ran with no_new_privs",
        "set-user-id programs and file capabilities gained nothing";
    /// The recorder needs `no_new_privs`.
    PrivilegesWithheld, "privileges-withheld", Blocking,
        "A program did not get the privileges of its file",
        "it may have done less than usual";
    /// It asked for something that it cannot have beside the recorder's filter.
    SeccompRefused, "seccomp-refused", Blocking,
        "The workload was refused a seccomp operation",
        "it may have behaved differently";
    CallsInterrupted, "calls-interrupted", Blocking,
        "Signals came before calls were seen",
        "because of the recorder, some may have failed with EINTR";
    LeftToTracer, "left-to-tracer", Blocking,
        "The workload traces a process itself",
        "the recorder left it, and its further calls are missing";
    RefusedCounted, "refused-counted", Note,
        "A seccomp filter was in force",
        "calls that it refused are counted as made, with its errors as their own";
    /// It has no final counts.
    Unfinished, "unfinished", Blocking,
        "The recording was cut off",
        "this is its last checkpoint, and later calls are missing";
    ImageUnreadable, "image-unreadable", Note,
        "The path or the build id of a program could not be read in full";
    ImagesMerged, "images-merged", Note,
        "More programs ran than the recorder keeps apart",
        "the rest count as one unknown program";
    CountsInexact, "counts-inexact", Note,
        "Some counts are not exact",
        "no call is missing";
    FirstSeenLost, "first-seen-lost", Note,
        "The time of a call's first use was not recorded",
        "the call itself is counted";
    /// A signal or a time limit ended it.
    EndedEarly, "ended-early", Note,
        "The recording ended before everything that it recorded had ended";
    ImportIncomplete, "import-incomplete", Blocking,
        "Parts of the imported recording are missing or not understood";
    ImportAmbiguous, "import-ambiguous", Note,
        "The imported recording names a call that may be one of two",
        "both are kept";
    ImportAssumed, "import-assumed", Note,
        "The imported recording does not say whether it is complete",
        "it is assumed to be";
    /// Audit records are rate-limited.
    ImportSampled, "import-sampled", Blocking,
        "The imported recording holds samples",
        "calls may be missing";
}

impl GapKind {
    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<GapKind> {
        GapKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether system calls that the workload needs may be missing. Otherwise the gap is a note.
    pub fn is_blocking(self) -> bool {
        self.weight() == Weight::Blocking
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

    #[test]
    fn the_words_of_every_kind() {
        let row = |kind: GapKind| {
            let weight = if kind.is_blocking() { "blocking" } else { "note" };
            format!("{}, {weight}: {}\n", kind.name(), kind.meaning())
        };
        insta::assert_snapshot!("words", GapKind::ALL.map(row).concat());
    }
}
