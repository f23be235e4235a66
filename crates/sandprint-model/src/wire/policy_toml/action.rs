//! An action as one word, or two.

use crate::{Action, errno};

/// What there is, for an error.
pub(super) const KNOWN: &str =
    "allow, log, errno NAME, trace NUMBER, notify, trap, kill-thread or kill-process";

/// Reads them; the error says what is wrong.
pub(super) fn read(text: &str) -> Result<Action, String> {
    let mut words = text.split_ascii_whitespace();
    let (first, second, third) = (words.next().unwrap_or_default(), words.next(), words.next());
    if third.is_some() {
        return Err("it has too many words".to_owned());
    }
    match (first, second) {
        ("errno", Some(word)) => {
            let number = errno::number(word).or_else(|| word.parse().ok());
            match number {
                // MAX_ERRNO of linux/err.h: seccomp cuts a larger errno down to it (seccomp(2), SECCOMP_RET_ERRNO).
                Some(number) if number <= 4095 => Ok(Action::Errno(number)),
                Some(number) => Err(format!("errno {number} is above 4095, the largest that there is")),
                None => Err("that errno is not known; use its C name or its number".to_owned()),
            }
        }
        ("errno", None) => Err("say which errno, such as `errno EPERM`".to_owned()),
        ("trace", Some(word)) => word
            .parse()
            .ok()
            .map(Action::Trace)
            .ok_or_else(|| "the value for the tracer is 0 to 65535".to_owned()),
        ("trace", None) => Err("say the value for the tracer, such as `trace 0`".to_owned()),
        (_, Some(_)) => Err("it has too many words".to_owned()),
        ("allow", None) => Ok(Action::Allow),
        ("log", None) => Ok(Action::Log),
        ("notify", None) => Ok(Action::Notify),
        ("trap", None) => Ok(Action::Trap),
        ("kill-thread", None) => Ok(Action::KillThread),
        ("kill-process", None) => Ok(Action::KillProcess),
        ("kill", None) => Err("say whether the process or only the thread is killed".to_owned()),
        _ => Err("there is no such action".to_owned()),
    }
}
