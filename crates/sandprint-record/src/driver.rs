//! The recorders behind one interface: what a session asks of whichever one it has.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;

use sandprint_model::{FactKind, Peak, Recorder as Kind, RunId, Trace};
use sandprint_sandbox::launch::Suspended;

use crate::ebpf::{self, Options, RecorderError, TargetId};
use crate::followed::Followed;
use crate::host::HostFacts;
use crate::notify::{self, NotifyError};
use crate::reader::Reader;
use crate::session::error::SessionError;
use crate::target::Target;
use crate::tracer::{self, TracerError};

/// Which recorder is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// eBPF where it can be loaded, else tracing where that is allowed, and notification where not.
    #[default]
    Auto,
    /// eBPF.
    Ebpf,
    /// Seccomp user notification.
    Notify,
    /// Tracing (ptrace).
    Ptrace,
}

/// Why it is not the recorder that was wanted first.
#[derive(Debug)]
pub struct FellBack {
    /// Why not eBPF.
    pub not_ebpf: RecorderError,
    /// Why not tracing either, where it is notification.
    pub not_ptrace: Option<TracerError>,
}

/// A recorder, before there is a workload.
pub(crate) enum Prepared {
    Ebpf(Box<ebpf::Recorder>),
    Notify,
    Ptrace,
}

impl Prepared {
    /// What was chosen; with eBPF loaded and attached, since only that tells whether it can be, and otherwise with the
    /// reason why it cannot, where another is to take its place.
    pub(crate) fn choose(
        choice: Choice,
        options: &Options,
        facts: &HostFacts,
    ) -> Result<(Prepared, Option<RecorderError>), SessionError> {
        match choice {
            Choice::Notify => return Ok((Prepared::Notify, None)),
            Choice::Ptrace => return Ok((Prepared::Ptrace, None)),
            Choice::Auto | Choice::Ebpf => {}
        }
        let tried = ebpf::Recorder::load(options, facts).and_then(|mut recorder| {
            recorder.attach()?;
            Ok(recorder)
        });
        match tried {
            Ok(recorder) => Ok((Prepared::Ebpf(Box::new(recorder)), None)),
            Err(error) if choice == Choice::Auto && options.targets == [Target::Command] => {
                Ok((Prepared::Ptrace, Some(error)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it looks up in /proc whose a thread is.
    pub(crate) fn needs_proc(&self) -> bool {
        matches!(self, Prepared::Notify | Prepared::Ptrace)
    }

    /// Whether the workload has to be launched under a filter that reports its calls.
    pub(crate) fn wants_notifications(&self) -> bool {
        matches!(self, Prepared::Notify)
    }

    /// Waits for the execve of a suspended child.
    pub(crate) fn expect(
        self,
        suspended: &mut Suspended,
        options: &Options,
        facts: &HostFacts,
        reader: &mut Option<Reader>,
    ) -> Result<Driver, SessionError> {
        // One that was refused leaves it to the next.
        let mut take = || reader.take().unwrap_or_else(Reader::none);
        match self {
            Prepared::Ebpf(mut recorder) => {
                recorder.expect_launch(suspended.pid())?;
                recorder.read_by(take());
                Ok(Driver::Ebpf(recorder))
            }
            Prepared::Ptrace => {
                let follow = (options.follow_children, options.detail);
                Ok(Driver::Ptrace(tracer::Recorder::start_with(suspended, follow, facts, &mut take)?))
            }
            Prepared::Notify => {
                let listener = suspended.notifications().ok_or(NotifyError::NoListener)?;
                let first = suspended.pid();
                let follow = (options.follow_children, options.detail);
                Ok(Driver::Notify(notify::Recorder::start(listener, first, follow, facts, take())?))
            }
        }
    }
}

/// A recorder at work.
#[derive(Debug)]
pub(crate) enum Driver {
    Ebpf(Box<ebpf::Recorder>),
    Notify(notify::Recorder),
    Ptrace(tracer::Recorder),
}

impl Driver {
    /// What a trace calls it.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Driver::Ebpf(_) => Kind::Ebpf,
            Driver::Notify(_) => Kind::Notify,
            Driver::Ptrace(_) => Kind::Ptrace,
        }
    }

    /// What it records beside the calls.
    pub(crate) fn facts(&self) -> BTreeSet<FactKind> {
        match self {
            Driver::Ebpf(recorder) => recorder.facts(),
            Driver::Ptrace(recorder) => recorder.facts(),
            Driver::Notify(recorder) => recorder.facts(),
        }
    }

    /// The most that there was of something, as far as it records that.
    pub(crate) fn peaks(&self) -> Result<BTreeMap<Peak, u64>, SessionError> {
        match self {
            Driver::Ebpf(recorder) => Ok(recorder.peaks()?),
            Driver::Ptrace(recorder) => Ok(recorder.peaks()),
            // Of a task that has made no call yet it has not heard.
            Driver::Notify(_) => Ok(BTreeMap::new()),
        }
    }

    /// What it follows.
    pub(crate) fn target(&self) -> &Target {
        match self {
            Driver::Ebpf(recorder) => {
                recorder.targets().next().map_or(&Target::Command, |(_, target)| target)
            }
            Driver::Notify(_) | Driver::Ptrace(_) => &Target::Command,
        }
    }

    /// Becomes readable when [`Driver::attend`] has something to do.
    pub(crate) fn events_fd(&self) -> Result<OwnedFd, SessionError> {
        match self {
            Driver::Ebpf(recorder) => Ok(recorder.events_fd()?),
            Driver::Notify(recorder) => Ok(recorder.events_fd()?),
            Driver::Ptrace(recorder) => Ok(recorder.events_fd()?),
        }
    }

    /// Takes what arrived, and looks at new images while their processes live.
    pub(crate) fn attend(&mut self) -> Result<(), SessionError> {
        match self {
            Driver::Ebpf(recorder) => drop(recorder.events()?),
            Driver::Notify(recorder) => recorder.events()?,
            Driver::Ptrace(recorder) => recorder.events()?,
        }
        Ok(())
    }

    /// When the execve of the launched target succeeded, nanoseconds of `CLOCK_MONOTONIC`; the caller knows that it
    /// has. `None` where the recorder did not see it.
    pub(crate) fn launched_ns(&self) -> Result<Option<u64>, SessionError> {
        match self {
            Driver::Ebpf(recorder) => Ok(Some(recorder.state()?.launched_ns).filter(|&at| at > 0)),
            Driver::Notify(recorder) => Ok(recorder.launched_ns()),
            Driver::Ptrace(recorder) => Ok(recorder.launched_ns()),
        }
    }

    /// What is known of the recording as a whole.
    pub(crate) fn followed(&self) -> Result<Followed, SessionError> {
        match self {
            Driver::Ebpf(recorder) => {
                let ebpf::State { admitted, last_new_ns, .. } = recorder.state()?;
                Ok(Followed { live: recorder.live()?, admitted, last_new_ns })
            }
            Driver::Notify(recorder) => Ok(recorder.followed()?),
            Driver::Ptrace(recorder) => Ok(recorder.followed()),
        }
    }

    /// The followed processes. Some may have ended just now.
    pub(crate) fn processes(&self) -> Result<BTreeSet<u32>, SessionError> {
        match self {
            Driver::Ebpf(recorder) => Ok(recorder.processes()?),
            Driver::Notify(recorder) => Ok(recorder.processes()),
            Driver::Ptrace(recorder) => Ok(recorder.processes()),
        }
    }

    /// How many calls were counted, roughly, and how many distinct ones.
    pub(crate) fn approximate_calls(&self) -> Result<(u64, usize), SessionError> {
        match self {
            Driver::Ebpf(recorder) => Ok(recorder.approximate_calls()?),
            Driver::Notify(recorder) => Ok(recorder.approximate_calls()),
            Driver::Ptrace(recorder) => Ok(recorder.approximate_calls()),
        }
    }

    /// Counts no more calls: from here on counts are final.
    pub(crate) fn stop(&mut self) -> Result<(), SessionError> {
        match self {
            Driver::Ebpf(recorder) => recorder.stop()?,
            Driver::Notify(recorder) => recorder.stop(),
            Driver::Ptrace(recorder) => recorder.stop(),
        }
        Ok(())
    }

    /// Adds to `trace` what was observed in `run`, which began at `started_ns`.
    pub(crate) fn collect(
        &mut self,
        run: &RunId,
        started_ns: u64,
        trace: &mut Trace,
    ) -> Result<(), SessionError> {
        match self {
            Driver::Ebpf(recorder) => recorder.collect(TargetId::FIRST, run, started_ns, trace)?,
            Driver::Notify(recorder) => recorder.collect(run, started_ns, trace),
            Driver::Ptrace(recorder) => recorder.collect(run, started_ns, trace),
        }
        Ok(())
    }
}
