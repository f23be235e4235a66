//! The signals that a caller of the tests may have had ignored (`&` in a script, nohup), with their default actions again:
//! what tests start inherits them, and is to hear them.
#![expect(unsafe_code, reason = "std wraps no signals")]

use std::sync::Once;

/// Gives them back, for this process and all that it starts.
pub fn have_default_actions() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGTERM] {
            // SAFETY: no handler is installed, and no memory is involved.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    });
}
