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
    let log = LOG.lock().map(|log| log.clone()).unwrap_or_default();
    let lines: Vec<_> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(3);
    lines.get(from..).unwrap_or_default().join("; ")
}
