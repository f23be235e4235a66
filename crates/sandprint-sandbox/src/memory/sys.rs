//! The allocator: std's own, which says why the process ends when there is nothing left.
#![expect(unsafe_code, reason = "an allocator is made of unsafe functions")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::Ordering;

use super::STATUS;

/// What is said.
const WORDS: &[u8] = b"error: failed to get more memory\n\
    hint: `ulimit -v` shows the limit of this process, and `free` what the machine has; give less at once, or more memory\n";

/// std's allocator. Without memory it says so and ends the process, in place of an abort.
#[derive(Debug, Clone, Copy, Default)]
pub struct LastWords;

// SAFETY: all is left to std's allocator; what it could not give is never given on.
unsafe impl GlobalAlloc for LastWords {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that std's allocator wants.
        or_end(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        or_end(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above: the memory came from it.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        or_end(unsafe { System.realloc(memory, layout, size) })
    }
}

fn or_end(memory: *mut u8) -> *mut u8 {
    if memory.is_null() {
        end();
    }
    memory
}

#[cold]
fn end() -> ! {
    // SAFETY: the bytes are ours, and the call is told how many.
    unsafe { libc::write(2, WORDS.as_ptr().cast(), WORDS.len()) };
    // SAFETY: no memory is involved, and nothing of ours runs any more.
    unsafe { libc::_exit(STATUS.load(Ordering::Relaxed)) }
}
