//! What the workload is refused because it is traced: a task has one tracer.

use std::collections::HashMap;

use crate::books::task;

/// linux/ptrace.h.
const TRACEME: u64 = 0;
const ATTACH: u64 = 16;
const SEIZE: u64 = 0x4206;
const EPERM: i64 = -1;

/// Whether a ptrace(2) of the thread `tid` that had this result would have been allowed without us.
///
/// `process_of` says whose a thread is that is traced; `traced` has all of these.
pub(super) fn is_ours(
    tid: u32,
    args: &[u64; 6],
    result: i64,
    process_of: &dyn Fn(u32) -> Option<u32>,
    traced: &HashMap<u32, u32>,
) -> bool {
    let [request, target, ..] = *args;
    match request {
        _ if result != EPERM => false,
        TRACEME => true,
        ATTACH | SEIZE => {
            let Some(target) = u32::try_from(target).ok().and_then(|target| find(tid, target, traced)) else {
                return false;
            };
            // A process may not trace itself, and others only as their owner or as root.
            process_of(target) != process_of(tid) && task::may_trace(tid, target)
        }
        _ => false,
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
