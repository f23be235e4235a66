//! What libbpf says. It has one print callback for the whole process.

use std::sync::Mutex;

use libbpf_rs::PrintLevel;

/// What libbpf printed since the last load began.
static LOG: Mutex<String> = Mutex::new(String::new());
/// Most bytes of it that are kept.
const LOG_KEPT: usize = 2000;

#[expect(clippy::needless_pass_by_value, reason = "libbpf-rs fixes the signature")]
fn remember(_level: PrintLevel, message: String) {
    if let Ok(mut log) = LOG.lock() {
        log.push_str(&message);
        if log.len() > LOG_KEPT * 2 {
            let cut = log.len() - LOG_KEPT;
            let cut = (cut..log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(0);
            log.drain(..cut);
        }
    }
}

/// Forgets what libbpf said before, and listens to what it says from now on.
pub(super) fn listen() {
    if let Ok(mut log) = LOG.lock() {
        log.clear();
    }
    libbpf_rs::set_print(Some((PrintLevel::Warn, remember)));
}

/// The last thing libbpf had to say, on one line.
pub(super) fn last_words() -> String {
    words_of(&LOG.lock().map(|log| log.clone()).unwrap_or_default())
}

/// The end of a log; of one that has the verifier's, what that said before it counted instructions, and which program
/// it was about.
fn words_of(log: &str) -> String {
    const COUNTS: &str = "processed ";
    let lines: Vec<_> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = |count: usize| lines.get(lines.len().saturating_sub(count)..).unwrap_or_default();
    let counted = lines.iter().rposition(|line| line.starts_with(COUNTS));
    let reason = counted.and_then(|at| lines.get(at.checked_sub(1)?));
    reason
        .into_iter()
        .chain(last(if reason.is_some() { 2 } else { 3 }))
        .copied()
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_verifier_refuses_is_said() {
        let log = "libbpf: prog 'a': BPF program load failed: -EACCES\n0: R1=ctx()\nR1 off=8 disallowed\n\
                   processed 3 insns (limit 1000000)\n-- END PROG LOAD LOG --\nlibbpf: prog 'a': failed to load\n";
        assert_eq!(
            words_of(log),
            "R1 off=8 disallowed; -- END PROG LOAD LOG --; libbpf: prog 'a': failed to load"
        );
        assert_eq!(words_of("one\n\ntwo\nthree\nfour\n"), "two; three; four");
        assert_eq!(words_of("processed 0 insns\n"), "processed 0 insns");
        assert_eq!(words_of(""), "");
    }
}
