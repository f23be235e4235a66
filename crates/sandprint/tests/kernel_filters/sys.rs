//! A child under filters that makes calls and nothing else, and asking the kernel for a filter.
#![expect(unsafe_code, reason = "std has no fork, no calls by number, no shared memory and no seccomp")]

use std::ffi::{c_int, c_long};
use std::io;
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

/// `SECCOMP_FILTER_FLAG_NEW_LISTENER` (linux/seccomp.h).
const NEW_LISTENER: u32 = 1 << 3;

/// How long a child may live, in seconds, whatever happens to us.
const LIFETIME: u32 = 60;

/// A call: its number and its argument registers.
pub(crate) type Call = (u32, [u64; 6]);

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It made all calls.
    Finished,
    /// One of them, or something else, ended it by this signal.
    Signal(i32),
}

/// What the child tells of itself in the first cell; a larger number is the errno with which a filter was refused.
const RUNNING: i32 = 0;
const FINISHED: i32 = -1;

/// Makes the calls in a child, under programs of which the first is installed first. The errno of each call that was
/// made, 0 where it succeeded; and how the child ended.
///
/// The caller sees to it that the kernel carries out none of the calls that would touch memory: the filters refuse
/// it, no kernel has it, or it takes no addresses.
pub(crate) fn make_calls(programs: &[Vec<u64>], calls: &[Call]) -> (Vec<i32>, Ended) {
    let shared = Shared::new(calls.len() + 1);
    let programs: Vec<libc::sock_fprog> = programs.iter().map(|words| program(words)).collect();
    // SAFETY: the child only makes system calls and stores numbers, until it ends.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", io::Error::last_os_error());
    if pid == 0 {
        be_the_child(&programs, calls, shared.cells());
    }
    let ended = wait(pid, &shared.cells()[0]);
    let [state, answers @ ..] = shared.cells() else { panic!("there is a first cell") };
    let state = state.load(Ordering::Acquire);
    assert!(state == RUNNING || state == FINISHED, "the kernel refused a filter: errno {state}");
    let made = answers.iter().map(|answer| answer.load(Ordering::Acquire)).take_while(|answer| *answer > 0);
    (made.map(|answer| answer - 1).collect(), ended)
}

/// What seccomp(2) says to a program and to the wish for a listener, in a thread that has a listener: EBUSY where it
/// takes the program, which it looks at before. Nothing is installed in any case.
pub(crate) fn ask(words: &[u64]) -> i32 {
    let program = program(words);
    // SAFETY: the kernel only reads the program, whose address and length are of one slice.
    errno_of(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, NEW_LISTENER, ptr::from_ref(&program))
    })
}

/// An instruction is as large as a word.
fn program(words: &[u64]) -> libc::sock_fprog {
    let length = u16::try_from(words.len()).expect("a program has fewer instructions");
    libc::sock_fprog { len: length, filter: words.as_ptr().cast_mut().cast() }
}

fn be_the_child(programs: &[libc::sock_fprog], calls: &[Call], shared: &[AtomicI32]) -> ! {
    let [state, answers @ ..] = shared else { spin() };
    // SAFETY: no memory is involved. It ends the child if nobody else does.
    unsafe { libc::alarm(LIFETIME) };
    // SAFETY: no memory is involved. Nobody wants its core.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    // SAFETY: no memory is involved.
    unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    for program in programs {
        // SAFETY: the kernel only reads the program, which was this process's before the fork.
        let errno = errno_of(unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0_u32, ptr::from_ref(program))
        });
        if errno != 0 {
            state.store(errno, Ordering::Release);
            spin();
        }
    }
    for (cell, (number, args)) in answers.iter().zip(calls) {
        // SAFETY: the caller of make_calls() upholds that none touches memory.
        let result = unsafe {
            libc::syscall(c_long::from(*number), args[0], args[1], args[2], args[3], args[4], args[5])
        };
        cell.store(1 + errno_of(result), Ordering::Release);
    }
    state.store(FINISHED, Ordering::Release);
    spin();
}

/// Until the parent ends us: the filter may refuse every call by which we could end ourselves.
fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn wait(pid: libc::pid_t, state: &AtomicI32) -> Ended {
    loop {
        // Asked before: what is stored after it shows the next time.
        let is_over = state.load(Ordering::Acquire) != RUNNING;
        if is_over {
            // SAFETY: a child of ours that nobody else reaps.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        let mut status: c_int = 0;
        let options = if is_over { 0 } else { libc::WNOHANG };
        // SAFETY: the kernel writes one word of ours.
        match unsafe { libc::waitpid(pid, &raw mut status, options) } {
            0 => thread::sleep(Duration::from_micros(50)),
            _ if is_over => return Ended::Finished,
            reaped if reaped == pid => {
                assert!(libc::WIFSIGNALED(status), "the child ended by itself: {status:#x}");
                // What it stored last, before it died, is there by now.
                return Ended::Signal(libc::WTERMSIG(status));
            }
            _ => panic!("waitpid: {}", io::Error::last_os_error()),
        }
    }
}

/// The errno of a call that has failed, else 0. Nothing is allocated.
fn errno_of(result: c_long) -> i32 {
    if result < 0 { io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO) } else { 0 }
}

/// Numbers that a child stores and we read.
struct Shared {
    start: *mut AtomicI32,
    length: usize,
}

impl Shared {
    fn new(length: usize) -> Shared {
        let bytes = length * size_of::<AtomicI32>();
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: new memory, where the kernel likes.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
        assert!(start != libc::MAP_FAILED, "mmap: {}", io::Error::last_os_error());
        Shared { start: start.cast(), length }
    }

    fn cells(&self) -> &[AtomicI32] {
        // SAFETY: the mapping has this length, is aligned to a page and zeroed, and lives as long as this does.
        unsafe { slice::from_raw_parts(self.start, self.length) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping that new() made; the cells were borrowed from this.
        unsafe { libc::munmap(self.start.cast(), self.length * size_of::<AtomicI32>()) };
    }
}
