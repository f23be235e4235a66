//! How a process ended.

use sandprint_model::Exit;

/// In words that go on from its name.
pub(crate) fn in_words(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("ended with status {code}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
    }
}

/// For programs: the status, or the signal.
pub(crate) fn code_and_signal(exit: Option<Exit>) -> (Option<u8>, Option<u8>) {
    match exit {
        Some(Exit::Code(code)) => (Some(code), None),
        Some(Exit::Signal(signal)) => (None, Some(signal)),
        None => (None, None),
    }
}
