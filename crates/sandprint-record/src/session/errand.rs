//! What is done with a target while it is recorded: a unit is restarted, and perhaps reloaded and stopped at the end.

use std::os::fd::BorrowedFd;

/// Who does it. Nothing here waits.
pub trait Errand {
    /// Goes on with it. Called once calls are counted, whenever [`Errand::fd`] is readable, and now and then.
    fn attend(&mut self) -> Stage;

    /// The recording is to end: what belongs to the end begins, and [`Errand::attend`] says when that is done.
    fn end(&mut self);

    /// What becomes readable when there is something to attend to; none where nothing is under way.
    fn fd(&self) -> Option<BorrowedFd<'_>>;
}

/// None: there is nothing to do.
impl Errand for () {
    fn attend(&mut self) -> Stage {
        Stage::Done
    }

    fn end(&mut self) {}

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// How far an errand is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Something is under way.
    UnderWay,
    /// Nothing is to be done now.
    Done,
    /// It failed, and there is nothing more to record: why, in words.
    Failed(String),
}
