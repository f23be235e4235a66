//! What a tracer has to know of a tree's notifications, in memory that it shares with whoever answers them.
//!
//! A signal that comes before a notification is answered ends the call: where its handler was set without `SA_RESTART`,
//! it fails with EINTR, whether such a call can fail so or not (`seccomp_do_user_notification` in the kernel). A tracer
//! sees a call go in and come out, and can have it made again; for that it must know whether the call was reported at
//! all, and whether somebody let it go on: then what came of it is the call's own.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Notification;
use crate::guardian::Orders;
use crate::shared::SharedWords;

/// Tasks whose numbers differ by a multiple of this share a word: a call of the one is then not made again while the
/// other's are answered.
const TASKS: usize = 1 << 16;

/// How long an answer may be on its way. Its sender may have been killed.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// Which calls are reported, and what became of the last one that was to go on, by task.
#[derive(Debug)]
pub struct Heard {
    reported: Orders,
    answers: SharedWords,
}

/// A task's word: its number in the upper half, how many answers it had, and what became of the last in two bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Became {
    /// It is being sent.
    OnItsWay = 1,
    /// The call went on.
    WentOn = 2,
    /// The call had been ended before.
    TooLate = 3,
}

impl Answered {
    fn next(self, tid: u32) -> Answered {
        let sequence = (self.0 & u64::from(u32::MAX)) >> 2;
        let next = (sequence + 1) << 2 & u64::from(u32::MAX);
        Answered(u64::from(tid) << 32 | next)
    }

    fn with(self, became: Became) -> Answered {
        Answered(self.0 & !3 | became as u64)
    }

    fn is_of(self, tid: u32) -> bool {
        self.0 >> 32 == u64::from(tid)
    }

    fn is_another_than(self, before: Answered) -> bool {
        self.0 >> 2 != before.0 >> 2
    }

    fn became(self, what: Became) -> bool {
        self.0 & 3 == what as u64
    }
}

impl Heard {
    /// Of a tree of which nothing is reported yet.
    pub fn new() -> io::Result<Heard> {
        Ok(Heard { reported: Orders::all_go_on()?, answers: SharedWords::new(TASKS)? })
    }

    /// From now on, this program is the filter (see [`Reported::Program`](super::Reported)).
    pub fn report(&self, program: &[u8]) -> io::Result<()> {
        self.reported.replace(program)
    }

    /// Whether a call is reported.
    pub fn is_reported(&self, call: &Notification) -> bool {
        self.reported.decide(call) & libc::SECCOMP_RET_ACTION_FULL == libc::SECCOMP_RET_USER_NOTIF
    }

    /// What the task's last answer is: to be remembered when a call of it goes in.
    pub fn last(&self, tid: u32) -> Answered {
        Answered(self.word(tid).map_or(0, |word| word.load(Ordering::Acquire)))
    }

    /// Whether the call that went in then, and has come out, did go on. Waits for an answer that is on its way.
    pub fn went_on_since(&self, before: Answered, tid: u32) -> bool {
        let until = Instant::now() + ON_ITS_WAY;
        loop {
            let last = self.last(tid);
            if !last.is_another_than(before) {
                return false;
            }
            // Of what is not known, it is taken that it went on: then it ends as it has ended.
            if !last.is_of(tid) || !last.became(Became::OnItsWay) || Instant::now() > until {
                return !(last.is_of(tid) && last.became(Became::TooLate));
            }
            thread::sleep(Duration::from_micros(20));
        }
    }

    /// Sends an answer by which a call goes on, and takes note of it. One at a time does. Allocates nothing.
    pub(super) fn let_go_on(&self, tid: u32, send: impl FnOnce() -> io::Result<bool>) -> io::Result<bool> {
        let Some(word) = self.word(tid) else { return send() };
        let answer = self.last(tid).next(tid);
        word.store(answer.with(Became::OnItsWay).0, Ordering::Release);
        let arrived = send();
        let became = if matches!(arrived, Ok(true)) { Became::WentOn } else { Became::TooLate };
        word.store(answer.with(became).0, Ordering::Release);
        arrived
    }

    fn word(&self, tid: u32) -> Option<&AtomicU64> {
        self.answers.get(usize::try_from(tid).ok()? % TASKS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_went_on_since_a_call_went_in_is_its_own() {
        let heard = Heard::new().unwrap();
        let before = heard.last(7);
        assert!(!heard.went_on_since(before, 7));
        heard.let_go_on(7, || Ok(false)).unwrap();
        assert!(!heard.went_on_since(before, 7));
        heard.let_go_on(7, || Ok(true)).unwrap();
        assert!(heard.went_on_since(before, 7));
        assert!(!heard.went_on_since(heard.last(7), 7));
        // Another one's answer in the same word says nothing of this one.
        let before = heard.last(7);
        heard.let_go_on(7 + 65_536, || Ok(false)).unwrap();
        assert!(heard.went_on_since(before, 7));
    }

    #[test]
    fn an_answer_on_its_way_is_waited_for_and_not_for_ever() {
        let heard = Heard::new().unwrap();
        let before = heard.last(7);
        let went_on = heard.let_go_on(7, || {
            // Its sender may never come back.
            assert!(heard.went_on_since(before, 7));
            Ok(false)
        });
        assert!(!went_on.unwrap());
        thread::scope(|scope| {
            let before = heard.last(7);
            let (say, said) = std::sync::mpsc::channel();
            let answered = scope.spawn({
                let heard = &heard;
                move || {
                    heard.let_go_on(7, || {
                        say.send(()).unwrap();
                        thread::sleep(Duration::from_millis(20));
                        Ok(false)
                    })
                }
            });
            said.recv().unwrap();
            assert!(!heard.went_on_since(before, 7));
            answered.join().unwrap().unwrap();
        });
    }
}
