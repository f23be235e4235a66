//! What is done with a unit while it is recorded: it is restarted, and at the end perhaps reloaded and stopped.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::Duration;

use sandprint_record::session::{Errand, Stage};
use sandprint_sandbox::poll;

use super::settling::Settling;
use super::{Found, UnitArgs};
use crate::systemd::{Call, Footing, Unit};

/// One thing to do.
#[derive(Debug, Clone)]
enum Step {
    /// Have the manager do this with that unit.
    Ask(&'static str, String),
    /// Wait until the unit's processes have done what they were asked for.
    Settle,
}

/// What is under way.
#[derive(Debug)]
enum UnderWay {
    Asked(&'static str, Call),
    Settling(Settling),
}

/// The steps of one recording, as its errand.
#[derive(Debug)]
pub(super) struct Steps {
    unit: String,
    /// The service of a socket: an active one keeps the socket from being started.
    service: Option<String>,
    /// The cgroup of the unit whose programs are recorded.
    directory: PathBuf,
    /// What is still to be done, in its order.
    next: VecDeque<Step>,
    at_the_end: Vec<&'static str>,
    under_way: Option<UnderWay>,
    /// Why the unit counts as failed when the recording was to end.
    failed: Option<String>,
}

impl Steps {
    pub(super) fn new(found: &Found, args: &UnitArgs, directory: PathBuf) -> Steps {
        let unit = found.asked.id.clone();
        let service = found.service.as_ref().map(|service| service.id.clone());
        let stop_first = service.clone().map(|service| Step::Ask("stop", service));
        let next = stop_first.into_iter().chain([Step::Ask("restart", unit.clone())]).collect();
        let wanted = [(args.reload, "reload"), (args.stop, "stop")];
        let at_the_end = wanted.into_iter().filter(|(asked, _)| *asked).map(|(_, verb)| verb).collect();
        Steps { unit, service, directory, next, at_the_end, under_way: None, failed: None }
    }

    /// Why the unit counts as failed, if it does.
    pub(super) fn has_failed(&self) -> Option<String> {
        self.failed.clone()
    }

    /// The unit whose programs are recorded.
    fn programs_of(&self) -> &str {
        self.service.as_deref().unwrap_or(&self.unit)
    }

    fn fails(&mut self, why: String) -> Stage {
        self.next.clear();
        self.failed = Some(why.clone());
        Stage::Failed(why)
    }

    /// Whether what is under way is over; why it failed.
    fn is_over(&mut self) -> Result<bool, String> {
        match &mut self.under_way {
            None => Ok(true),
            Some(UnderWay::Settling(settling)) => Ok(settling.is_over()),
            Some(UnderWay::Asked(verb, call)) => {
                if poll::readable([call.fd()], Some(Duration::ZERO)).unwrap_or([true]) == [false] {
                    return Ok(false);
                }
                match call.attend() {
                    None => Ok(false),
                    Some(Ok(())) => Ok(true),
                    Some(Err(said)) => Err(format!("failed to {verb} {}: {said}", self.unit)),
                }
            }
        }
    }

    fn begin(&self, step: Step) -> Result<UnderWay, String> {
        match step {
            Step::Ask(verb, unit) => match Call::begin(verb, &unit) {
                Ok(call) => Ok(UnderWay::Asked(verb, call)),
                Err(error) => Err(format!("failed to {verb} {unit}: {error}")),
            },
            Step::Settle => match Settling::begin(&self.directory) {
                Ok(settling) => Ok(UnderWay::Settling(settling)),
                Err(error) => Err(format!("failed to wait for {}: {error}", self.unit)),
            },
        }
    }
}

impl Errand for Steps {
    fn attend(&mut self) -> Stage {
        match self.is_over() {
            Ok(false) => return Stage::UnderWay,
            Ok(true) => self.under_way = None,
            Err(why) => {
                self.under_way = None;
                return self.fails(why);
            }
        }
        let Some(step) = self.next.pop_front() else { return Stage::Done };
        match self.begin(step) {
            Ok(under_way) => {
                self.under_way = Some(under_way);
                Stage::UnderWay
            }
            Err(why) => self.fails(why),
        }
    }

    fn end(&mut self) {
        self.under_way = None;
        self.next.clear();
        let unit = self.programs_of().to_owned();
        let Ok(now) = Unit::look_up(&unit) else { return };
        match now.footing() {
            Footing::Running => {
                for verb in &self.at_the_end {
                    self.next.push_back(Step::Ask(verb, unit.clone()));
                    // Most services are only told to reload, and do it afterwards.
                    self.next.extend((*verb == "reload").then_some(Step::Settle));
                }
            }
            Footing::Failed => self.failed = Some(format!("{} has failed: {}", now.shown(), now.result())),
            // It has ended by itself, or whoever ends the recording before it has started wants nothing more of it.
            Footing::Stopped | Footing::Starting => {}
        }
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self.under_way.as_ref()? {
            UnderWay::Asked(_, call) => Some(call.fd()),
            UnderWay::Settling(settling) => Some(settling.fd()),
        }
    }
}
