//! The pass that explains: refused calls are reported to us by seccomp user notification, looked into while they wait,
//! and then answered as the policy says, as far as a supervisor can.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use sandprint_model::errno::ENOSYS;
use sandprint_model::{Action, Arch, ByteString, Call, Condition, Policy, Reason, Rule, Syscall};
use sandprint_policy::{cbpf, enforce, suggest};
use sandprint_record::tracer::Shield;
use sandprint_sandbox::guardian::{Guardian, Orders};
use sandprint_sandbox::launch::Launch;
use sandprint_sandbox::notify::{Inbox, Listener, Notification, Reported};
use sandprint_sandbox::process::{self, Process};
use sandprint_sandbox::signals::Signal;

use crate::asking::Asking;
use crate::denial::{Denial, Location, Next};
use crate::draft::Standing;
use crate::error::TrialError;
use crate::origin::Origins;
use crate::trial::{Feeding, Trial};
use crate::verdict::Pass;
use crate::wait::{Wait, Waited};

/// A process that still lives after this time has not ended for a refused call.
pub(crate) const WENT_ON: Duration = Duration::from_millis(200);

/// How many kinds of calls are kept: a workload can make as many as it likes.
pub(crate) const MOST_KINDS: usize = 10_000;

/// What is said of the calls that are not kept.
pub(crate) fn untold(calls: u64) -> Option<String> {
    let s = if calls == 1 { "" } else { "s" };
    (calls > 0)
        .then(|| format!("{calls} more call{s} of other kinds: more than {MOST_KINDS} kinds are not kept"))
}

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

/// What makes calls alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    syscall: Syscall,
    conditions: Vec<Condition>,
    image: ByteString,
    location: Result<Location, String>,
}

/// What the answering thread and the watching one share.
#[derive(Debug)]
struct Books {
    policy: Policy,
    arch: Arch,
    first: u32,
    answering: Answering,
    origins: Origins,
    denials: BTreeMap<Key, Denial>,
    /// Processes of which it is not known yet what they did after a denial.
    pending: Vec<Pending>,
    /// Calls whose answer came after a signal, by task: number, arguments and place.
    too_late: BTreeMap<u32, Place>,
    /// Whether the last call is among those that are counted.
    is_counted: bool,
    /// Calls of kinds beyond [`MOST_KINDS`].
    untold: u64,
    approximated: bool,
    failed: Option<io::Error>,
}

/// What a call has in common with itself when it is made again: number, arguments and place.
#[derive(Debug, PartialEq, Eq)]
struct Place(u32, [u64; 6], u64);

impl Place {
    fn of(notification: &Notification) -> Place {
        Place(notification.nr, notification.args, notification.instruction_pointer)
    }
}

#[derive(Debug)]
struct Pending {
    key: Key,
    tgid: u32,
    process: Process,
    since: Instant,
}

/// Whether calls that no rule names run, and are logged.
pub(crate) fn defaults_log(policy: &Policy) -> bool {
    [policy.default_action, policy.foreign_action].contains(&Action::Log)
}

/// The policy with every refusal made a report, and what its defaults log where `logged`.
pub(crate) fn reporting(policy: &Policy, logged: bool) -> Policy {
    let report = |action: Action| {
        // Nobody is there to be asked: the kernel answers ENOSYS to what would go to a tracer or a supervisor.
        if enforce::runs(action) { action } else { Action::Notify }
    };
    let mut policy = policy.clone();
    let by_default = |action| if logged && action == Action::Log { Action::Notify } else { report(action) };
    policy.default_action = by_default(policy.default_action);
    policy.foreign_action = by_default(policy.foreign_action);
    for rule in policy.rules.values_mut().flatten() {
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
    let books = Arc::new(Mutex::new(Books {
        policy: policy.clone(),
        arch,
        first: suspended.pid(),
        answering,
        origins: Origins::default(),
        denials: BTreeMap::new(),
        pending: Vec::new(),
        too_late: BTreeMap::new(),
        is_counted: false,
        untold: 0,
        approximated: false,
        failed: None,
    }));
    let guardian = serve(&listener, &books, orders).map_err(TrialError::Wait)?;
    let others = [guardian.pid()].into_iter().chain(trial.others(reader)).collect();
    let wait = Wait::begin(trial.timeout, others)?;
    // From its execve on, the workload does not depend on us; before that, it ends with us.
    guardian.arm().map_err(TrialError::Wait)?;
    let mut running = trial.foreground.release(suspended)?;
    let waited = wait.until_ended(&mut running, &mut trial.foreground, || {
        let mut books = lock(&books);
        if let Some(error) = books.failed.take() {
            return Err(TrialError::Wait(error));
        }
        books.look_after_pending();
        listener.is_hung_up().map_err(TrialError::Wait)
    })?;
    if listener.is_hung_up().unwrap_or(false) {
        // Nobody is left: neither is the guardian, as soon as it has noticed.
        guardian.wait_ended().unwrap_or_default();
    }
    let mut books = lock(&books);
    let mut caveats = Vec::new();
    if let Err(error) = shielded {
        caveats.push(format!(
            "the command could not be traced ({error}): a signal may have made a call fail with EINTR in the pass that \
             explains"
        ));
    }
    if books.approximated {
        caveats.push(
            "signals of the policy's actions trap and kill were sent by sandprint in the pass that explains: a handler \
             of SIGSYS sees another si_code there"
                .to_owned(),
        );
    }
    caveats.extend(untold(books.untold));
    let mut denials: Vec<Denial> = std::mem::take(&mut books.denials).into_values().collect();
    denials.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.call.syscall.cmp(&b.call.syscall)));
    Ok(Explained { pass: Pass::Explained { exit: waited.exit, let_go_on }, waited, denials, caveats })
}

fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
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
    (policy.default_action, policy.foreign_action) = (Action::Allow, Action::Allow);
    policy.rules.clear();
    policy
}

/// Starts the thread that answers, until nobody has the filter any more, and a guardian for when this process is gone.
fn serve(listener: &Listener, books: &Arc<Mutex<Books>>, orders: Orders) -> io::Result<Guardian> {
    let (inbox, orders) = (Inbox::new()?, Arc::new(orders));
    let guardian = Guardian::start(listener, &inbox, Arc::clone(&orders))?;
    let (listener, books) = (listener.try_clone()?, Arc::clone(books));
    let answer = move || {
        let ending = Ending(&books);
        if let Err(error) = answer_all(&listener, inbox, &books, &orders) {
            lock(&books).failed = Some(error);
        }
        drop(ending);
    };
    thread::Builder::new().name("denials".to_owned()).spawn(answer)?;
    Ok(guardian)
}

/// Tells of a thread that ends without saying why: every call would wait for it.
struct Ending<'a>(&'a Mutex<Books>);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            lock(self.0).failed = Some(io::Error::other("the answering thread panicked"));
        }
    }
}

fn answer_all(
    listener: &Listener,
    mut inbox: Inbox,
    books: &Mutex<Books>,
    orders: &Orders,
) -> io::Result<()> {
    loop {
        let Some(notification) = listener.receive(&mut inbox)? else {
            if listener.is_hung_up()? {
                return Ok(());
            }
            continue;
        };
        let entered = lock(books).enter(&notification, listener);
        let response = match entered {
            Entered::Answered(response) => response,
            Entered::Open(open) => {
                // Nobody else waits for the books while somebody thinks.
                // A traced task does not end of a deadly signal before it has its answer.
                let still_waits =
                    || listener.still_waits(&notification) && !process::is_about_to_end(notification.tid);
                open.asking.ask(&open.denial, &still_waits);
                if let Ok(program) = cbpf::compile(&open.asking.unattended()) {
                    orders.replace(&program.to_bytes())?;
                }
                lock(books).answer_open(&open)
            }
        };
        let sent = match response {
            Response::GoOn => listener.go_on(&mut inbox, &notification)?,
            Response::Fail(errno) => listener.refuse(&mut inbox, &notification, errno)?,
        };
        if !sent {
            // Unless that signal ends it, the task makes the call again, which is one.
            lock(books).came_too_late(&notification);
        }
    }
}

enum Response {
    GoOn,
    Fail(u16),
}

enum Entered {
    Answered(Response),
    Open(Box<Open>),
}

/// A call that is to be decided about.
struct Open {
    asking: Asking,
    /// With this very call, not the first of those like it.
    denial: Denial,
    key: Key,
    tgid: u32,
    is_new: bool,
}

impl Books {
    /// Enters a refused call, and says how it is to be answered.
    fn enter(&mut self, notification: &Notification, listener: &Listener) -> Entered {
        let syscall = Syscall::entered(self.arch, notification.audit_arch, notification.nr);
        let call = Call { syscall, args: notification.args };
        let is_again = self.too_late.remove(&notification.tid) == Some(Place::of(notification));
        self.is_counted = is_again;
        let asking = match &self.answering {
            Answering::Asking(asking) => Some(asking.clone()),
            Answering::AsThePolicySays | Answering::LetGoOn => None,
        };
        let standing = asking.as_ref().map(|asking| asking.standing(&call));
        if standing == Some(Standing::Allowed) {
            // Since it was decided: the filter in force is older than that.
            return Entered::Answered(Response::GoOn);
        }
        let action = self.policy.decide(&call);
        let origin = self.origins.look(notification.tid, self.first, notification.instruction_pointer);
        if !listener.still_waits(notification) {
            // Its number may be another task's by now: what was read says nothing.
            return Entered::Answered(Response::Fail(ENOSYS));
        }
        for pending in &self.pending {
            if pending.tgid == origin.tgid
                && let Some(denial) = self.denials.get_mut(&pending.key)
            {
                denial.next = Next::WentOn;
            }
        }
        self.pending.retain(|pending| pending.tgid != origin.tgid);
        let rule = suggested(&call);
        let key = Key {
            syscall: call.syscall,
            conditions: rule.conditions.clone(),
            image: origin.image.clone(),
            location: origin.location.clone(),
        };
        let is_new = !self.denials.contains_key(&key);
        if is_new && self.denials.len() >= MOST_KINDS {
            // Nor is anybody asked about them: answers would have no end either.
            self.untold = self.untold.saturating_add(1);
            let goes_on = standing == Some(Standing::Once) || matches!(self.answering, Answering::LetGoOn);
            let runs = enforce::runs(action) || goes_on;
            let response = if runs { Response::GoOn } else { self.refuse(key, action, origin.tgid, false) };
            return Entered::Answered(response);
        }
        let denial = self.denials.entry(key.clone()).or_insert_with(|| Denial {
            call,
            action,
            count: 0,
            image: origin.image,
            ancestry: origin.ancestry,
            location: origin.location,
            next: Next::Unknown,
            rule,
        });
        denial.count = denial.count.saturating_add(u64::from(!is_again));
        self.is_counted = true;
        if enforce::runs(action) {
            denial.next = Next::Logged;
            return Entered::Answered(Response::GoOn);
        }
        if standing == Some(Standing::Once) || matches!(self.answering, Answering::LetGoOn) {
            denial.next = Next::Allowed;
            return Entered::Answered(Response::GoOn);
        }
        if let Some(asking) = asking
            && standing == Some(Standing::Open)
        {
            let denial = Denial { call, ..denial.clone() };
            let open = Open { asking, denial, key, tgid: origin.tgid, is_new };
            return Entered::Open(Box::new(open));
        }
        Entered::Answered(self.refuse(key, action, origin.tgid, is_new))
    }

    /// Takes note of an answer that nobody waited for any more.
    fn came_too_late(&mut self, notification: &Notification) {
        if self.is_counted {
            self.too_late.insert(notification.tid, Place::of(notification));
        }
    }

    /// Answers a call that was asked about.
    fn answer_open(&mut self, open: &Open) -> Response {
        match open.asking.standing(&open.denial.call) {
            Standing::Allowed | Standing::Once => {
                if let Some(denial) = self.denials.get_mut(&open.key) {
                    denial.next = Next::Allowed;
                }
                Response::GoOn
            }
            Standing::Refused | Standing::Open => {
                self.refuse(open.key.clone(), open.denial.action, open.tgid, open.is_new)
            }
        }
    }

    /// Answers a call as the action says, as far as a supervisor can.
    fn refuse(&mut self, key: Key, action: Action, tgid: u32, is_new: bool) -> Response {
        let signal = match action {
            Action::Trap => Signal::from_number(SIGSYS),
            Action::KillThread | Action::KillProcess => Some(Signal::KILL),
            _ => None,
        };
        let is_killed = signal == Some(Signal::KILL);
        if let Some(signal) = signal {
            self.approximated = true;
            // It may be gone already, which is what was to come of it.
            process::kill_process(tgid, signal).unwrap_or_default();
        }
        if is_killed && let Some(denial) = self.denials.get_mut(&key) {
            denial.next = Next::Killed;
        }
        if is_new
            && !is_killed
            && let Ok(Some(process)) = Process::open(tgid)
        {
            self.pending.push(Pending { key, tgid, process, since: Instant::now() });
        }
        match action {
            Action::Errno(errno) => Response::Fail(errno),
            _ => Response::Fail(ENOSYS),
        }
    }

    /// Finds out what processes did after a denial.
    fn look_after_pending(&mut self) {
        let Books { pending, denials, .. } = self;
        pending.retain(|pending| {
            let elapsed = pending.since.elapsed();
            let ended = pending.process.wait_ended(Duration::ZERO).unwrap_or(false);
            let next = if ended {
                Next::Ended(elapsed)
            } else if elapsed >= WENT_ON {
                Next::WentOn
            } else {
                return true;
            };
            if let Some(denial) = denials.get_mut(&pending.key) {
                denial.next = next;
            }
            false
        });
    }
}

/// signal(7): the same number on all our machines.
const SIGSYS: i32 = 31;

/// The smallest rule, with nothing said yet of who wants it.
fn suggested(call: &Call) -> Rule {
    let mut rule = suggest::allowing(call, Reason::ByHand(String::new()));
    rule.reasons.clear();
    rule
}
