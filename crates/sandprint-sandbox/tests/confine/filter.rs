//! Installing a filter: what it refuses is refused, and what the kernel refuses is named.

use std::os::fd::AsFd as _;
use std::sync::mpsc::channel;

use sandprint_sandbox::confine::{self, ConfineError, Flags};

use crate::program::{
    ALLOW, ERRNO, USER_NOTIF, deciding, in_a_thread, invalid, longest, make_directory, refusing_mkdir,
};

#[test]
fn a_filter_refuses_in_its_own_thread_and_nowhere_else() {
    for flags in [Flags::NONE, Flags::LOG] {
        let refused = in_a_thread(move || {
            confine::no_new_privileges().unwrap();
            assert!(refusing_mkdir(3001).install(flags).unwrap().is_none());
            make_directory()
        });
        assert_eq!(refused, Err(3001));
        assert_eq!(make_directory(), Ok(()));
    }
}

#[test]
fn a_listener_is_given_once_and_closed_on_exec() {
    in_a_thread(|| {
        confine::no_new_privileges().unwrap();
        let filter = deciding(&[(libc::SYS_uname, USER_NOTIF)], ALLOW);
        let flags = Flags::NEW_LISTENER | Flags::WAIT_KILLABLE_RECV;
        // Kernels before 5.19 lack the second flag, which is then named.
        let listener = match filter.install(flags) {
            Err(ConfineError::Missing { feature }) => {
                assert_eq!(feature, confine::feature::Feature::WaitKillable);
                filter.install(Flags::NEW_LISTENER)
            }
            installed => installed,
        };
        let listener = listener.unwrap().unwrap();
        let info = format!("/proc/self/fdinfo/{}", std::os::fd::AsRawFd::as_raw_fd(&listener.as_fd()));
        let flags = std::fs::read_to_string(info).unwrap();
        let flags = flags.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
        assert_ne!(i32::from_str_radix(flags, 8).unwrap() & libc::O_CLOEXEC, 0);
        let again = filter.install(Flags::NEW_LISTENER);
        assert!(matches!(again, Err(ConfineError::ListenerTaken)), "{again:?}");
    });
}

#[test]
fn a_thread_under_another_filter_is_named_and_nothing_is_installed() {
    let (stop, stopped) = channel::<()>();
    let (ready, is_ready) = channel();
    let other = std::thread::spawn(move || {
        confine::no_new_privileges().unwrap();
        deciding(&[], ALLOW).install(Flags::NONE).unwrap();
        ready.send(()).unwrap();
        stopped.recv().unwrap_err();
    });
    is_ready.recv().unwrap();
    in_a_thread(|| {
        confine::no_new_privileges().unwrap();
        // One of its own, so that no other thread can be under the same.
        deciding(&[], ALLOW).install(Flags::NONE).unwrap();
        let refused = refusing_mkdir(3002).install(Flags::TSYNC);
        assert!(matches!(refused, Err(ConfineError::Thread { tid }) if tid > 0), "{refused:?}");
        assert_eq!(make_directory(), Ok(()));
    });
    drop(stop);
    other.join().unwrap();
}

#[test]
fn what_the_kernel_refuses_is_named() {
    in_a_thread(|| {
        confine::no_new_privileges().unwrap();
        let refused = invalid().install(Flags::NONE);
        assert!(
            matches!(&refused, Err(ConfineError::Install { source }) if source.raw_os_error() == Some(libc::EINVAL)),
            "{refused:?}"
        );
        let (full, last) =
            (0..9).fold((0, None), |(installed, last), _| match longest().install(Flags::NONE) {
                Ok(_) => (installed + 1, last),
                Err(error) => (installed, Some(error)),
            });
        assert_eq!(full, 7, "8 times 4096 and what is added for each is more than 32768");
        assert!(matches!(last, Some(ConfineError::TooMuch)), "{last:?}");
    });
}

#[test]
fn a_kernel_without_seccomp_or_a_flag_is_told_from_one_that_refuses() {
    for (answer, flags, expected) in [
        (
            libc::ENOSYS,
            Flags::NONE,
            "use the system call seccomp, there since Linux 3.17: this kernel does not offer it",
        ),
        (
            libc::EINVAL,
            Flags::NONE,
            "use seccomp filters (CONFIG_SECCOMP_FILTER), there since Linux 3.5: this kernel does not offer it",
        ),
    ] {
        let said = in_a_thread(move || {
            confine::no_new_privileges().unwrap();
            let answer = ERRNO + u32::try_from(answer).unwrap();
            deciding(&[(libc::SYS_seccomp, answer)], ALLOW).install(Flags::NONE).unwrap();
            refusing_mkdir(3003).install(flags).unwrap_err().to_string()
        });
        assert_eq!(said, expected);
    }
}

#[test]
fn an_unknown_call_is_answered_by_the_kernel_or_by_the_filter_that_is_there() {
    const NUMBER: u32 = 0x3fff_5350;
    let number = i64::from(NUMBER);
    in_a_thread(move || {
        assert_eq!(confine::answer(NUMBER).unwrap(), libc::ENOSYS);
        confine::no_new_privileges().unwrap();
        deciding(&[(number, ERRNO + 3551)], ALLOW).install(Flags::NONE).unwrap();
        assert_eq!(confine::answer(NUMBER).unwrap(), 3551);
        deciding(&[(number, ERRNO + 3552)], ALLOW).install(Flags::NONE).unwrap();
        assert_eq!(confine::answer(NUMBER).unwrap(), 3552, "of two errnos, the newest filter's");
        deciding(&[(number, crate::program::KILL_PROCESS)], ALLOW).install(Flags::NONE).unwrap();
        let killed = confine::answer(NUMBER);
        assert!(
            matches!(killed, Err(ConfineError::OuterFilter { number: NUMBER, signal: libc::SIGSYS })),
            "{killed:?}"
        );
    });
}
