//! Which BPF programs the kernel takes from this process.

mod sys;

pub use sys::load_smallest_program;
