//! seccomp(2) itself, for the filters of [`confine`](crate::confine) and of [`notify`](crate::notify).
//!
//! Nothing here asks for memory, takes a lock or can panic: it may run between fork and execve. So results are plain
//! numbers.

mod sys;

pub(crate) use sys::{action_available, errno_of, install, no_new_privileges, try_filter};
