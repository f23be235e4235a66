//! Entering a Landlock domain: what it handles is refused, the rest is not, and a domain that is not there is found out.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::Command;

use sandprint_sandbox::confine::landlock::{self, Handled, LandlockError, Logging};
use sandprint_sandbox::confine::{self, Flags};
use sandprint_sandbox::process::{Process, ProcessError};
use sandprint_sandbox::signals::Signal;

use crate::program::{ALLOW, ERRNO, deciding, in_a_thread, make_directory};
use testkit::expect::skip;

const MAKE_DIR: Handled = Handled { filesystem: 1 << 7, network: 0, scopes: 0 };

/// Whether Landlock of at least that version is there; says that a test is skipped where it is not.
fn has_landlock(version: u32) -> bool {
    match landlock::abi() {
        Ok(abi) if abi >= version => true,
        other => {
            skip("landlock", &format!("ABI {version} is needed: {other:?}"));
            false
        }
    }
}

fn errno<T>(result: io::Result<T>) -> Result<(), i32> {
    result.map(drop).map_err(|error| error.raw_os_error().unwrap())
}

#[test]
fn a_domain_refuses_what_it_handles_in_its_thread_and_nothing_else() {
    if !has_landlock(1) {
        return;
    }
    for logging in [Logging::Default, Logging::AfterExec] {
        let refused = in_a_thread(move || {
            confine::no_new_privileges().unwrap();
            landlock::enter(MAKE_DIR, logging).unwrap();
            (make_directory(), errno(tempfile::NamedTempFile::new()))
        });
        assert_eq!(refused, (Err(libc::EACCES), Ok(())));
        assert_eq!(make_directory(), Ok(()));
    }
}

#[test]
fn ports_are_refused() {
    if !has_landlock(4) {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for (network, expected) in [
        (1, (Err(libc::EACCES), Ok(()))),
        (2, (Ok(()), Err(libc::EACCES))),
        (3, (Err(libc::EACCES), Err(libc::EACCES))),
    ] {
        let refused = in_a_thread(move || {
            confine::no_new_privileges().unwrap();
            landlock::enter(Handled { network, ..Handled::default() }, Logging::Default).unwrap();
            (errno(TcpListener::bind("127.0.0.1:0")), errno(TcpStream::connect(address)))
        });
        assert_eq!(refused, expected, "{network}");
    }
}

#[test]
fn processes_outside_are_out_of_reach() {
    if !has_landlock(6) {
        return;
    }
    let name = format!("sandprint-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let mut outside = Command::new("sleep").arg("60").spawn().unwrap();
    let process = Process::open(outside.id()).unwrap().unwrap();
    let (socket, signal) = in_a_thread(move || {
        confine::no_new_privileges().unwrap();
        landlock::enter(Handled { scopes: 3, ..Handled::default() }, Logging::Default).unwrap();
        (errno(UnixStream::connect_addr(&address)), process.signal(Signal::KILL))
    });
    assert_eq!(socket, Err(libc::EPERM));
    assert!(
        matches!(&signal, Err(ProcessError::Send { source, .. }) if source.raw_os_error() == Some(libc::EPERM)),
        "{signal:?}"
    );
    assert!(outside.try_wait().unwrap().is_none());
    outside.kill().unwrap();
    outside.wait().unwrap();
}

#[test]
fn sixteen_domains_can_be_entered_and_no_more() {
    if !has_landlock(1) {
        return;
    }
    in_a_thread(|| {
        confine::no_new_privileges().unwrap();
        for depth in 1..=16 {
            landlock::enter(MAKE_DIR, Logging::Default)
                .unwrap_or_else(|error| panic!("domain {depth}: {error}"));
        }
        let refused = landlock::enter(MAKE_DIR, Logging::Default);
        assert!(matches!(refused, Err(LandlockError::TooDeep)), "{refused:?}");
    });
}

#[test]
fn a_kernel_that_only_says_so_is_found_out() {
    if !has_landlock(1) {
        return;
    }
    let refused = in_a_thread(|| {
        confine::no_new_privileges().unwrap();
        // An answer of 0, and nothing was done.
        deciding(&[(libc::SYS_landlock_restrict_self, ERRNO)], ALLOW).install(Flags::NONE).unwrap();
        let refused = landlock::enter(MAKE_DIR, Logging::Default);
        assert_eq!(make_directory(), Ok(()));
        refused
    });
    assert!(matches!(refused, Err(LandlockError::NotInForce)), "{refused:?}");
}

#[test]
fn a_kernel_without_landlock_and_one_with_it_disabled_are_told_apart() {
    for (answer, expected) in [(libc::ENOSYS, "Absent"), (libc::EOPNOTSUPP, "Disabled")] {
        let refused = in_a_thread(move || {
            confine::no_new_privileges().unwrap();
            let answer = ERRNO + u32::try_from(answer).unwrap();
            deciding(&[(libc::SYS_landlock_create_ruleset, answer)], ALLOW).install(Flags::NONE).unwrap();
            landlock::enter(MAKE_DIR, Logging::Default)
        });
        assert_eq!(format!("{:?}", refused.unwrap_err()), expected);
    }
}

#[test]
fn nothing_of_the_proof_stays_behind() {
    if !has_landlock(1) {
        return;
    }
    let children = in_a_thread(|| {
        confine::no_new_privileges().unwrap();
        landlock::enter(MAKE_DIR, Logging::Default).unwrap();
        std::fs::read_to_string("/proc/thread-self/children").unwrap()
    });
    assert_eq!(children, "");
}
