//! Memory that this process shares with those that it forks: one writes what the other is to know after a death.

mod sys;

pub(crate) use sys::SharedWords;
