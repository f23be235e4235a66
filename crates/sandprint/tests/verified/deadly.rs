//! Under a filter that ends whoever makes one call: no command dies of it in silence.

use std::os::unix::process::ExitStatusExt as _;

use sandprint_model::Action;

use crate::SANDPRINT;
use crate::observers::can_notify;
use testkit::policies::native::all_but;
use testkit::scratch::Scratch;

/// Calls by which sandprint finds out what it may have.
const CALLS: [&str; 33] = [
    "bpf",
    "perf_event_open",
    "seccomp",
    "ptrace",
    "landlock_create_ruleset",
    "landlock_restrict_self",
    "socket",
    "pidfd_open",
    "pidfd_send_signal",
    "signalfd4",
    "waitid",
    "socketpair",
    "sendmsg",
    "recvmsg",
    "eventfd2",
    "epoll_create1",
    "process_vm_readv",
    "userfaultfd",
    "memfd_create",
    "io_uring_setup",
    "clone3",
    "fanotify_init",
    "capget",
    "faccessat2",
    "uname",
    "sysinfo",
    "getdents64",
    "readlink",
    "statx",
    "linkat",
    "flock",
    "fsync",
    "fchmod",
];

#[test]
fn a_call_that_is_deadly_is_named_or_another_way_is_taken() {
    if !can_notify() {
        return;
    }
    let own = std::process::id().to_string();
    let commands: [&[&str]; 10] = [
        &["doctor"],
        &["profile", "run", "--", "true"],
        &["profile", "run", "--recorder", "ebpf", "--", "true"],
        &["profile", "run", "--recorder", "ptrace", "--", "true"],
        &["profile", "run", "--recorder", "notify", "--", "true"],
        &["profile", "attach", "--pid", &own, "--duration", "10ms"],
        &["watch", "--pid", &own, "--duration", "10ms"],
        &["profile", "verify", "-p", "all", "--", "true"],
        &["profile", "refine", "--new", "--accept-all", "-p", "new.toml", "--rounds", "1", "--", "true"],
        &["run", "-p", "all", "--landlock", "--", "true"],
    ];
    let mut named = 0;
    // Each in one of the two ways in which a filter can end its caller.
    for (call, action) in CALLS.into_iter().zip([Action::KillProcess, Action::Trap].into_iter().cycle()) {
        let scratch = Scratch::of(SANDPRINT);
        scratch.policy(&all_but(&[]));
        std::fs::rename(scratch.path("policy"), scratch.path("all")).unwrap();
        scratch.policy(&all_but(&[(call, action)]));
        for command in commands {
            let line = [&["run", "-p", "policy", "--", SANDPRINT], command].concat();
            let output = scratch.sandprint(&line).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let context = format!("{call} {action}, {command:?}: {:?}\n{said}", output.status);
            assert_eq!(output.status.signal(), None, "{context}");
            if !matches!(output.status.code(), Some(0 | 3)) && command != ["doctor"] {
                assert!(said.contains("error: ") && said.contains("hint: "), "{context}");
                let is_named = said.contains(&format!("ends whoever calls {call}"))
                    || said.contains(&format!("call {call}"));
                named += usize::from(is_named);
            }
        }
    }
    assert!(named > 25, "{named} errors name the call");
}
