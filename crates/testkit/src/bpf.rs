//! Which BPF programs the kernel takes from this process.

use crate::expect::skip;

mod sys;

pub use sys::load_smallest_program;

/// Whether the kernel takes any; says that a test is skipped where it does not.
pub fn can_load() -> bool {
    let loaded = load_smallest_program();
    if let Err(error) = &loaded {
        skip("ebpf", &format!("the kernel refuses the smallest BPF program: {error}"));
    }
    loaded.is_ok()
}
