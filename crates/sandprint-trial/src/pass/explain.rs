//! The pass that explains: refused calls are reported to us by seccomp user notification, looked into while they wait,
//! and then answered as the policy says, as far as a supervisor can.

use std::io;
use std::sync::Arc;

use sandprint_model::errno::ENOSYS;
use sandprint_model::{Action, Arch, Denial, Next, Pass, Policy};
use sandprint_policy::{cbpf, enforce};
use sandprint_record::notify::serve::{self, Answerer, Waiting};
use sandprint_record::tracer::Shield;
use sandprint_sandbox::guardian::{Guardian, Orders};
use sandprint_sandbox::launch::Launch;
use sandprint_sandbox::notify::{Inbox, Listener, Reported};

use super::ask::Asker;
use super::findings::{Entered, Findings, Response, Shared};
use crate::asking::Asking;
use crate::error::TrialError;
use crate::trial::{Feeding, Trial};
use crate::wait::{Wait, Waited};

/// How refused calls are answered.
#[derive(Debug)]
pub(crate) enum Answering {
    /// As the policy says.
    AsThePolicySays,
    /// They go on, to see what comes after them.
    LetGoOn,
    /// As is decided while they wait.
    Asking(Asking),
}

/// What the pass found.
#[derive(Debug)]
pub(crate) struct Explained {
    pub(crate) pass: Pass,
    pub(crate) waited: Waited,
    pub(crate) denials: Vec<Denial>,
    pub(crate) caveats: Vec<String>,
}

/// Whether calls that no rule names run, and are logged.
pub(crate) fn defaults_log(policy: &Policy) -> bool {
    [policy.calls.default_action, policy.calls.foreign_action].contains(&Action::Log)
}

/// The policy with every refusal made a report, and what its defaults log where `logged`.
pub(crate) fn reporting(policy: &Policy, logged: bool) -> Policy {
    let report = |action: Action| {
        // Nobody is there to be asked: the kernel answers ENOSYS to what would go to a tracer or a supervisor.
        if enforce::runs(action) { action } else { Action::Notify }
    };
    let mut policy = policy.clone();
    let by_default = |action| if logged && action == Action::Log { Action::Notify } else { report(action) };
    policy.calls.default_action = by_default(policy.calls.default_action);
    policy.calls.foreign_action = by_default(policy.calls.foreign_action);
    for rule in policy.calls.rules.values_mut().flatten() {
        rule.action = report(rule.action);
    }
    policy
}

/// Runs it.
pub(crate) fn run(
    trial: &mut Trial,
    policy: &Policy,
    answering: Answering,
    feeding: Feeding,
) -> Result<Explained, TrialError> {
    let let_go_on = matches!(answering, Answering::LetGoOn);
    let arch = Arch::from_name(std::env::consts::ARCH).ok_or(TrialError::UnknownArch)?;
    let logged = !matches!(answering, Answering::Asking(_));
    let program = cbpf::compile(&reporting(policy, logged)).map_err(TrialError::Compile)?;
    let orders = Orders::of(&orders(policy, &answering)?).map_err(TrialError::Wait)?;
    let fed = trial.feed(feeding)?;
    let program = program.to_bytes();
    let notified = Some(Reported::Program(program.clone()));
    let tracer = trial.shield.as_ref().ok().map(Shield::pid);
    let launch = Launch { notified, tracer, stdin: fed.stdin.clone(), ..trial.launch.clone() };
    let mut suspended = launch.suspend()?;
    let reader = fed.reader;
    // The reader is to notice when nobody has the other end any more.
    drop((launch, fed));
    let mut listener = suspended.notifications().ok_or(TrialError::NoListener)?;
    let shielded = match &mut trial.shield {
        Ok(shield) => shield.trace(suspended.pid(), &program).map(|heard| listener.note_in(heard)),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    };
    let findings = Shared::new(Findings::new(policy.clone(), arch, suspended.pid()));
    let guardian = serve(&listener, &findings, answering, orders).map_err(TrialError::Wait)?;
    let others = [guardian.pid()].into_iter().chain(trial.others(reader)).collect();
    let wait = Wait::begin(trial.timeout, others)?;
    // From its execve on, the workload does not depend on us; before that, it ends with us.
    guardian.arm().map_err(TrialError::Wait)?;
    let mut running = trial.foreground.release(suspended)?;
    let waited = wait.until_ended(&mut running, &mut trial.foreground, || {
        let mut findings = findings.lock();
        if let Some(error) = findings.failed.take() {
            return Err(TrialError::Wait(error));
        }
        findings.look_after_pending();
        listener.is_hung_up().map_err(TrialError::Wait)
    })?;
    if listener.is_hung_up().unwrap_or(false) {
        // Nobody is left: neither is the guardian, as soon as it has noticed.
        guardian.wait_ended().unwrap_or_default();
    }
    let mut findings = findings.lock();
    let mut caveats = Vec::new();
    if let Err(error) = shielded {
        caveats.push(format!(
            "the command could not be traced ({error}): a signal may have made a call fail with EINTR in the pass that \
             explains"
        ));
    }
    if findings.approximated {
        caveats.push(
            "signals of the policy's actions trap and kill were sent by sandprint in the pass that explains: a handler \
             of SIGSYS sees another si_code there"
                .to_owned(),
        );
    }
    let denials = std::mem::take(&mut findings.denials);
    caveats.extend(denials.untold());
    let denials = denials.into_sorted();
    Ok(Explained { pass: Pass::Explained { exit: waited.exit, let_go_on }, waited, denials, caveats })
}

/// How calls are to be answered once nobody of this process is left to do it.
fn orders(policy: &Policy, answering: &Answering) -> Result<Vec<u8>, TrialError> {
    let unattended = match answering {
        Answering::AsThePolicySays => policy.clone(),
        Answering::LetGoOn => all_let_go_on(policy),
        Answering::Asking(asking) => asking.unattended(),
    };
    match cbpf::compile(&unattended) {
        Ok(program) => Ok(program.to_bytes()),
        // The policy itself is shorter than with all that somebody would allow.
        Err(_) => Ok(cbpf::compile(policy).map_err(TrialError::Compile)?.to_bytes()),
    }
}

/// The policy with every refusal taken back.
fn all_let_go_on(policy: &Policy) -> Policy {
    let mut policy = policy.clone();
    (policy.calls.default_action, policy.calls.foreign_action) = (Action::Allow, Action::Allow);
    policy.calls.rules.clear();
    policy
}

/// Starts the thread that answers, until nobody has the filter any more, and a guardian for when this process is gone.
fn serve(
    listener: &Listener,
    findings: &Shared,
    answering: Answering,
    orders: Orders,
) -> io::Result<Arc<Guardian>> {
    let (inbox, orders) = (Inbox::new()?, Arc::new(orders));
    let guardian = Arc::new(Guardian::start(listener, &inbox, Arc::clone(&orders))?);
    let (listener, findings, stand_in) = (listener.try_clone()?, findings.clone(), Arc::clone(&guardian));
    match answering {
        Answering::Asking(asking) => {
            serve::start("denials", listener, inbox, stand_in, Asker { findings, asking, orders })?;
        }
        Answering::AsThePolicySays | Answering::LetGoOn => {
            let let_go_on = matches!(answering, Answering::LetGoOn);
            serve::start("denials", listener, inbox, stand_in, Explainer { findings, let_go_on })?;
        }
    }
    Ok(guardian)
}

/// Answers as the policy says, or lets go on what it refuses.
struct Explainer {
    findings: Shared,
    let_go_on: bool,
}

impl Answerer for Explainer {
    fn answer(&mut self, waiting: Waiting<'_>) -> io::Result<()> {
        let mut findings = self.findings.lock();
        let (call, is_again) = findings.begin(&waiting.call());
        let response = match findings.enter(&waiting, call, is_again) {
            Entered::Gone => Response::Fail(ENOSYS),
            Entered::Untold { action, .. } if enforce::runs(action) || self.let_go_on => Response::GoOn,
            Entered::Untold { action, tgid } => findings.answer_as(action, tgid),
            Entered::Denied(entry) if enforce::runs(entry.action) => findings.let_go_on(&entry, Next::Logged),
            Entered::Denied(entry) if self.let_go_on => findings.let_go_on(&entry, Next::Allowed),
            Entered::Denied(entry) => findings.refuse(entry),
        };
        drop(findings);
        self.findings.send(waiting, response)
    }

    fn ended(&mut self, failed: Option<io::Error>) {
        self.findings.lock().failed = failed;
    }
}
