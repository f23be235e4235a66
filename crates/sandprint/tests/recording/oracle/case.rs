//! One command of the oracle: what is run, and what of it may differ from run to run.

/// One command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// The command: words with spaces between, started as they are.
    pub(crate) line: &'static str,
    /// Instead of words: a script for the shell that `line` names.
    pub(crate) script: Option<&'static str>,
    /// A shell script that prepares the folder in which it runs.
    pub(crate) setup: &'static str,
    /// Its exit status.
    pub(crate) status: i32,
    /// Calls whose counts differ from run to run, and why.
    pub(crate) varying: &'static [(&'static str, Why)],
    /// Calls that some runs make and others do not, and why.
    pub(crate) sometimes: &'static [(&'static str, Why)],
    /// Whether the root must be a mount, which it is not in a chroot.
    pub(crate) mounted: bool,
}

/// Why a call's count, or whether it is made at all, differs from run to run, under strace too.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Why {
    /// Threads wait for each other and for work: who comes first decides who has to wait, and how often.
    Threads,
    /// Processes run at once: whether one has ended, or written, when another looks.
    Race,
    /// Signals of one kind that are pending together are delivered as one.
    Signals,
    /// A name for a temporary file is drawn, and drawn again from getrandom where the draw was out of range
    /// (glibc's mkstemp: one in 22).
    TemporaryName,
    /// A random seed of its hash tables decides how much memory it needs.
    HashSeed,
    /// It looks into a file again that is as new as what it noted of it.
    Clock,
    /// It reads a list that grows with what else goes on on this machine: mounts.
    Machine,
}

/// A command that is started as it is written.
pub(crate) const fn run(line: &'static str) -> Case {
    Case { line, script: None, setup: "", status: 0, varying: &[], sometimes: &[], mounted: false }
}

/// A script that is given to an interpreter by its option: `interpreter -c script`, or `-e`.
pub(crate) const fn script(line: &'static str, script: &'static str) -> Case {
    Case { script: Some(script), ..run(line) }
}

impl Case {
    /// With a shell script that prepares its folder.
    pub(crate) const fn setup(self, setup: &'static str) -> Case {
        Case { setup, ..self }
    }

    /// With an exit status that is not 0.
    pub(crate) const fn exits(self, status: i32) -> Case {
        Case { status, ..self }
    }

    /// With calls whose counts are not compared.
    pub(crate) const fn varying(self, varying: &'static [(&'static str, Why)]) -> Case {
        Case { varying, ..self }
    }

    /// With calls that may be missing on either side.
    pub(crate) const fn sometimes(self, sometimes: &'static [(&'static str, Why)]) -> Case {
        Case { sometimes, ..self }
    }

    /// Where the root is a mount: of other roots no mount namespace can be made.
    pub(crate) const fn mounted(self) -> Case {
        Case { mounted: true, ..self }
    }

    /// The command's words.
    pub(crate) fn words(&self) -> Vec<String> {
        let words = self.line.split_whitespace().chain(self.script);
        words.map(str::to_owned).collect()
    }
}
