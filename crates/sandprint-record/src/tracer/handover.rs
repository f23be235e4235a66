//! Whom the workload wants to trace itself: a task has one tracer, and what works without us is to work with us. So the
//! recorder leaves it, and says that its further calls are missing.

use std::collections::HashMap;

use crate::books::task;

/// linux/ptrace.h.
const TRACEME: u64 = 0;
const ATTACH: u64 = 16;
const SEIZE: u64 = 0x4206;

/// The task that a ptrace(2) of the thread `tid` is to give a tracer, if we trace it, and if the kernel would allow it
/// without us. `traced` has all of these, and whose they are.
pub(super) fn wanted(tid: u32, args: &[u64; 6], traced: &HashMap<u32, u32>) -> Option<u32> {
    let [request, target, ..] = *args;
    match request {
        TRACEME => Some(tid),
        ATTACH | SEIZE => {
            let target = find(tid, u32::try_from(target).ok()?, traced)?;
            // A process may not trace itself, and others only as their owner or as root.
            (traced.get(&target) != traced.get(&tid) && task::may_trace(tid, target)).then_some(target)
        }
        _ => None,
    }
}

/// The traced task that `tid` calls `target`.
fn find(tid: u32, target: u32, traced: &HashMap<u32, u32>) -> Option<u32> {
    let levels = task::numbers(tid)?.len();
    if levels <= 1 {
        return traced.contains_key(&target).then_some(target);
    }
    // In a PID namespace below ours.
    let called = |other: &u32| task::numbers(*other).and_then(|numbers| numbers.get(levels - 1).copied());
    traced.keys().copied().find(|other| called(other) == Some(target))
}
