//! Answerers that fail: no call is left waiting, and the failure is told.

use std::sync::mpsc::{Sender, channel};

use sandprint_model::Exit;
use sandprint_sandbox::guardian::Orders;
use sandprint_sandbox::launch::Launch;
use sandprint_sandbox::notify::Reported;
use sandprint_sandbox::poll;

use super::*;

/// Longer than any answer takes.
const LONG: Duration = Duration::from_mins(1);

/// How an answerer stops answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Panic,
    Error,
    /// It does answer, but for one call, which it forgets.
    Forgets,
}

/// Lets calls go on until there were so many.
struct Faulty {
    left: usize,
    fault: Fault,
    told: Sender<Option<String>>,
}

impl Answerer for Faulty {
    fn answer(&mut self, waiting: Waiting<'_>) -> io::Result<()> {
        if self.left == 0 {
            match self.fault {
                Fault::Panic => panic!("a test has the answerer panic"),
                Fault::Error => return Err(io::Error::other("no more")),
                Fault::Forgets => {}
            }
        }
        if self.left != 0 || self.fault != Fault::Forgets {
            waiting.go_on()?;
        }
        self.left = self.left.wrapping_sub(1);
        Ok(())
    }

    fn ended(&mut self, failed: Option<io::Error>) {
        // Nobody listens any more where nothing is to be told.
        self.told.send(failed.map(|error| error.to_string())).unwrap_or_default();
    }
}

/// What becomes of a shell that an answerer fails after so many calls, `None` where it was never executed; and what was
/// told of it. That all is over is not waited for: before 6.11 nothing tells a receiver.
fn under(left: usize, fault: Fault, orders: Orders, is_armed: bool) -> (Option<Exit>, Option<String>) {
    // cd makes a call of its own, whose answer the status tells.
    let launch =
        Launch { notified: Some(Reported::Every), ..Launch::new("/bin/sh", ["-c", "cd /usr || exit 7"]) };
    let mut suspended = launch.suspend().unwrap();
    let listener = suspended.notifications().unwrap();
    let inbox = Inbox::new().unwrap();
    let guardian = Arc::new(Guardian::start(&listener, &inbox, Arc::new(orders)).unwrap());
    if is_armed {
        guardian.arm().unwrap();
    }
    let (told, hear) = channel();
    start("faulty", listener, inbox, guardian, Faulty { left, fault, told }).unwrap();
    let exit = suspended.release().ok().map(|mut running| {
        let [has_ended] = poll::readable([running.end()], Some(LONG)).unwrap();
        assert!(has_ended, "a call waits for its answer");
        running.wait().unwrap().exit
    });
    let told = if fault == Fault::Forgets { None } else { hear.recv_timeout(LONG).unwrap() };
    (exit, told)
}

/// `chdir` fails with EPERM, all else goes on.
fn without_chdir() -> Orders {
    let chdir = if cfg!(target_arch = "x86_64") { 80 } else { 49 };
    let instruction = |code: u16, then: u8, otherwise: u8, k: u32| {
        let ([c0, c1], [k0, k1, k2, k3]) = (code.to_ne_bytes(), k.to_ne_bytes());
        [c0, c1, then, otherwise, k0, k1, k2, k3]
    };
    let program = [
        instruction(0x20, 0, 0, 0),
        instruction(0x15, 0, 1, chdir),
        instruction(0x06, 0, 0, 0x0005_0001),
        instruction(0x06, 0, 0, 0x7fff_0000),
    ];
    Orders::of(program.as_flattened()).unwrap()
}

#[test]
fn calls_of_a_failed_answerer_are_answered_by_the_orders_and_that_is_told() {
    for (fault, words) in [(Fault::Panic, "the answering thread panicked"), (Fault::Error, "no more")] {
        let told = Some(words.to_owned());
        let all = Orders::all_go_on().unwrap();
        assert_eq!(under(5, fault, all, true), (Some(Exit::Code(0)), told.clone()), "{fault:?}");
        assert_eq!(under(5, fault, without_chdir(), true), (Some(Exit::Code(7)), told), "{fault:?}");
    }
}

#[test]
fn a_call_that_is_forgotten_is_answered_by_the_orders() {
    for left in [0, 3] {
        let answered = under(left, Fault::Forgets, Orders::all_go_on().unwrap(), true);
        assert_eq!(answered, (Some(Exit::Code(0)), None), "{left}");
    }
}

#[test]
fn what_has_not_executed_does_not_begin_without_its_answerer() {
    for fault in [Fault::Panic, Fault::Error] {
        let (exit, told) = under(0, fault, Orders::all_go_on().unwrap(), false);
        assert_eq!(exit, None, "{fault:?}");
        assert!(told.is_some(), "{fault:?}");
    }
}
