//! The table of operands in a snapshot, and held against the table of arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::*;
use crate::arguments::{self, Kind};

mod meaning;

fn call(abi: Abi, name: &str) -> Syscall {
    Syscall::from_name(abi, name).unwrap_or_else(|| panic!("{abi} {name}"))
}

/// Every call of every ABI.
fn calls() -> impl Iterator<Item = Syscall> {
    Abi::ALL.into_iter().flat_map(Syscall::all)
}

fn condition(when: &Condition) -> String {
    let values: Vec<String> = when.values.iter().map(|value| format!("{value:#x}")).collect();
    format!("if {} & {:#x} is {}", when.argument, when.mask, values.join(" or "))
}

fn path(path: &PathOperand) -> String {
    let mut text = format!("{:?} {}", path.role, path.path);
    if let Some(dir) = path.dir {
        write!(text, " at {dir}").unwrap();
    }
    match path.last_link {
        LastLink::Followed => {}
        LastLink::Kept => text.push_str(", the link itself"),
        LastLink::FollowedUnless(bits) => write!(text, ", the link itself by {bits:#x}").unwrap(),
        LastLink::FollowedIf(bits) => write!(text, ", the link itself unless {bits:#x}").unwrap(),
        LastLink::AsOpened => text.push_str(", the link itself as open says"),
    }
    match path.empty {
        Empty::Refused => {}
        Empty::Itself => text.push_str(", empty"),
        Empty::ItselfIf(bits) => write!(text, ", empty by {bits:#x}").unwrap(),
    }
    if path.null {
        text.push_str(", NULL");
    }
    path.when.iter().for_each(|when| write!(text, ", {}", condition(when)).unwrap());
    text
}

fn words(operands: &Operands) -> String {
    let mut parts: Vec<String> = operands.paths.iter().map(path).collect();
    if let Some(descriptor) = operands.descriptor {
        let mut text = format!("descriptor {}: {}", descriptor.argument, descriptor.right.name());
        if descriptor.devices_only {
            text.push_str(" of devices");
        }
        descriptor.when.iter().for_each(|when| write!(text, ", {}", condition(when)).unwrap());
        parts.push(text);
    }
    if operands.opens {
        parts.push("opens".to_owned());
    }
    match operands.flags {
        Flags::None => {}
        Flags::Argument(index) => parts.push(format!("flags {index}")),
        Flags::OpenHow(index) => parts.push(format!("flags in memory at {index}")),
        Flags::Implied(bits) => parts.push(format!("flags are {bits:#o}")),
    }
    if operands.in_memory {
        parts.push("arguments in memory".to_owned());
    }
    parts.join("; ")
}

#[test]
fn the_table_as_it_is_read() {
    let mut lines: BTreeMap<(&str, String), Vec<Abi>> = BTreeMap::new();
    for call in calls() {
        if let Some(operands) = operands(call) {
            lines.entry((call.name().unwrap(), words(operands))).or_default().push(call.abi);
        }
    }
    let mut text = String::new();
    for ((name, words), abis) in lines {
        let abis: Vec<&str> = abis.into_iter().map(Abi::name).collect();
        writeln!(text, "{name} ({}): {words}", abis.join(" ")).unwrap();
    }
    insta::assert_snapshot!("table", text);
}

#[test]
fn rows_are_sorted_used_and_of_one_meaning() {
    assert!(table::ROWS.is_sorted_by_key(|row| row.name));
    for row in table::ROWS {
        let used = calls()
            .filter(|call| operands(*call).is_some_and(|found| std::ptr::eq(found, &raw const row.operands)));
        assert!(used.count() > 0, "{} {:?}", row.name, row.only);
        let operands = &row.operands;
        assert!(operands.paths.len() <= 2, "{}", row.name);
        assert!(operands.descriptor.is_none() || operands.paths.is_empty(), "{}", row.name);
        assert!(
            operands.descriptor.is_some() || operands.opens || !operands.paths.is_empty(),
            "{}",
            row.name
        );
        // What depends on flags has them, and who has them depends on them.
        let depends = operands.paths.iter().any(|path| {
            !matches!(path.last_link, LastLink::Followed | LastLink::Kept)
                || matches!(path.empty, Empty::ItselfIf(_))
                || path.role == Role::NodeMade
        });
        assert_eq!(depends || operands.opens, operands.flags != Flags::None, "{}", row.name);
        // A path that may be left away leaves a descriptor.
        for path in operands.paths {
            assert!(path.dir.is_some() || (path.empty == Empty::Refused && !path.null), "{}", row.name);
        }
        let of_paths = operands.paths.iter().filter_map(|path| path.when.as_ref());
        for when in of_paths.chain(operands.descriptor.iter().flat_map(|one| one.when)) {
            assert!(when.values.iter().all(|value| value & !when.mask == 0), "{}", row.name);
            assert_eq!(when.mask >> 32, 0, "{}", row.name);
        }
    }
}

/// The other table of this crate, which has each prototype from the kernel: what is a path there is one here, what is a
/// directory there is one here, and so on; and the other way round.
#[test]
fn paths_and_directories_are_those_of_the_table_of_arguments() {
    // Argument, and what the other table takes it for.
    let exceptions: BTreeSet<(&str, usize, &str)> = BTreeSet::from([
        ("fsconfig", 3, "Path"),  // an address there: what it is depends on the command
        ("fsconfig", 4, "DirFd"), // a number there
        ("mount", 0, "Path"),     // a string there: it need be no path
        ("open_by_handle_at", 0, "DirFd"), // a directory there, of a mount
        ("quotactl", 3, "Path"),  // an address there
        ("symlink", 0, "Path"),   // a path there, which nobody looks up
        ("symlinkat", 0, "Path"),
    ]);
    let mut differing = BTreeSet::new();
    for call in calls() {
        let name = call.name().unwrap();
        let paths = operands(call).map_or(&[][..], |operands| operands.paths);
        let mut ours = BTreeSet::new();
        for path in paths {
            ours.insert((usize::from(path.path), "Path"));
            ours.extend(path.dir.map(|dir| (usize::from(dir), "DirFd")));
        }
        let mut theirs = BTreeSet::new();
        for (index, argument) in arguments::of(call).iter().enumerate() {
            match argument.kind {
                Kind::Path => theirs.insert((index, "Path")),
                Kind::DirFd => theirs.insert((index, "DirFd")),
                _ => false,
            };
        }
        differing.extend(ours.symmetric_difference(&theirs).map(|(index, kind)| (name, *index, *kind)));
        // A descriptor and the flags are what their names say there.
        let Some(operands) = operands(call) else { continue };
        if let Some(descriptor) = operands.descriptor.filter(|_| !operands.in_memory) {
            let kind = arguments::of(call)[usize::from(descriptor.argument)].kind;
            assert_eq!(kind, Kind::Fd, "{} {name}", call.abi);
        }
        if let Flags::Argument(index) = operands.flags {
            let kind = arguments::of(call)[usize::from(index)].kind;
            assert!(matches!(kind, Kind::Flags(_) | Kind::One(_)), "{} {name} {kind:?}", call.abi);
        }
    }
    assert_eq!(differing, exceptions);
}

/// Calls that by their name or by their arguments might have operands, and have none, with the reason.
const NONE: &[(&str, &str)] = &[
    (
        "does what the descriptor was opened for, or moves in the file, or locks it",
        "_llseek arm_fadvise64_64 arm_sync_file_range cachestat copy_file_range fadvise64 fadvise64_64 fallocate \
         fdatasync flock fsync getdents getdents64 lseek pread64 preadv preadv2 pwrite64 pwritev pwritev2 read \
         readahead readdir readv sendfile sendfile64 splice sync_file_range syncfs tee vmsplice write writev",
    ),
    (
        "moves descriptors, or changes how one behaves",
        "close close_range dup dup2 dup3 fcntl fcntl64 pidfd_getfd",
    ),
    (
        "its descriptor is no file with a name: a socket, a message queue, an epoll, a timer, a process, a ring",
        "accept accept4 bind connect epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait \
         getpeername getsockname getsockopt inotify_init inotify_init1 inotify_rm_watch io_uring_enter \
         io_uring_register listen mq_getsetattr mq_notify mq_timedreceive mq_timedreceive_time64 mq_timedsend \
         mq_timedsend_time64 pidfd_open pidfd_send_signal process_madvise process_mrelease recv recvfrom recvmmsg \
         recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown signalfd signalfd4 \
         timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64",
    ),
    (
        "its string is no path: a name of a queue, a key, a module, a filesystem, a host",
        "add_key create_module delete_module fsopen init_module memfd_create mq_open mq_unlink query_module \
         request_key setdomainname sethostname sysfs",
    ),
    ("the kernel reads a file that was opened to be read", "finit_module kexec_file_load"),
    ("the descriptors in its attribute were opened with O_PATH", "landlock_add_rule"),
    ("it is about rules, not files", "fanotify_init landlock_create_ruleset landlock_restrict_self"),
    ("its paths, if any, lie in memory behind an attribute", "bpf perf_event_open"),
    (
        "it gives a path, or what is mounted by number, and takes none",
        "getcwd listmount lookup_dcookie statmount ustat",
    ),
    ("its descriptor is a filesystem's context, without a place", "fsmount"),
    ("its descriptor is a namespace or a process", "setns"),
    (
        "it changes a mapping that is there, which may be one of a file",
        "mprotect mremap munmap pkey_mprotect remap_file_pages",
    ),
    ("it is no longer or was never there", "afs_syscall nfsservctl"),
    (
        "its name alone is alike",
        "arch_prctl cacheflush kexec_load lsm_get_self_attr lsm_list_modules lsm_set_self_attr \
         map_shadow_stack migrate_pages modify_ldt sched_get_priority_max sched_get_priority_min \
         sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval \
         sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler \
         sched_yield setfsgid setfsgid32 setfsuid setfsuid32 shmat timer_create",
    ),
];

#[test]
fn no_call_that_might_have_operands_is_forgotten() {
    let parts = [
        "at", "path", "link", "dir", "xattr", "stat", "mount", "open", "ch", "file", "fs", "exec", "mk",
        "root", "swap", "acct", "rename", "trunc", "map", "quota", "handle", "lib", "mod", "watch", "notify",
        "cwd", "cookie", "protect", "bpf",
    ];
    let listed: Vec<&str> = NONE.iter().flat_map(|(_, names)| names.split_whitespace()).collect();
    let might: BTreeSet<&str> = calls()
        .filter(|call| operands(*call).is_none())
        .filter(|call| {
            let kinds = || arguments::of(*call).iter().map(|argument| argument.kind);
            parts.iter().any(|part| call.name().unwrap().contains(part))
                || kinds().any(|kind| matches!(kind, Kind::Fd | Kind::DirFd | Kind::Path | Kind::String))
        })
        .filter_map(Syscall::name)
        .collect();
    let once: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!(listed.len(), once.len(), "a name is there twice");
    let forgotten: Vec<&&str> = might.difference(&once).collect();
    let idle: Vec<&&str> = once.difference(&might).collect();
    assert!(forgotten.is_empty() && idle.is_empty(), "forgotten: {forgotten:?}, idle: {idle:?}");
}
