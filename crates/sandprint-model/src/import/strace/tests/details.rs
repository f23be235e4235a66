//! What calls were made with and did: real logs in every style, and lines that are hard to read.

use std::fmt::Write as _;

use super::*;
use crate::FactKind;
use crate::arguments::{Selecting, render_selected};

/// Every fact beside calls and results, one a line.
fn facts(trace: &Trace) -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    for (subject, call, runs) in trace.calls.iter().filter(|(_, call, _)| Selecting::of(**call).is_some()) {
        let image = &subject.image;
        for seen in runs.values() {
            match seen.arguments.as_ref().map(|seen| seen.values().expect("few")) {
                None => drop(rows.insert(format!("arguments\t{image}\t{call}\tunknown"))),
                Some(values) => rows.extend(values.iter().map(|(values, count)| {
                    format!("arguments\t{image}\t{call}\t{}\t{count}", render_selected(*call, values))
                })),
            }
        }
    }
    for (subject, path, runs) in trace.files.iter() {
        for seen in runs.values() {
            let mut row = format!("file\t{}\t{path}\t{}", subject.image, seen.succeeded);
            for (error, rights) in seen.failed.iter() {
                write!(row, "\t{error} {rights}").unwrap();
            }
            if let Some(written) = &seen.written {
                write!(row, "\twritten {written}").unwrap();
            }
            if seen.by_kernel {
                row.push_str("\tby the kernel");
            }
            row.extend(seen.doubts.iter().map(|doubt| format!("\t{}", doubt.name())));
            rows.insert(row);
        }
    }
    for (subject, socket, runs) in trace.sockets.iter() {
        let (family, protocol) = (socket.family, socket.family.protocol_name(socket.protocol));
        for seen in runs.values() {
            let ends = [(seen.succeeded, "succeeded"), (seen.failed, "failed")];
            let ends: Vec<&str> = ends.into_iter().filter(|(was, _)| *was).map(|(_, word)| word).collect();
            let (image, kind, operation, address) =
                (&subject.image, socket.kind, socket.operation, &socket.address);
            rows.insert(format!(
                "socket\t{image}\t{family} {kind} {protocol}\t{operation}\t{address}\t{}",
                ends.join(" ")
            ));
        }
    }
    for (subject, memory, runs) in trace.memory.iter() {
        let count: u64 = runs.values().map(|count| count.0).sum();
        rows.insert(format!("memory\t{}\t{}\t{count}", subject.image, memory.kind.name()));
    }
    for (subject, (call, flags), runs) in trace.namespaces.iter() {
        let count: u64 = runs.values().map(|count| count.0).sum();
        rows.insert(format!("flags\t{}\t{call}\t{flags:#x}\t{count}", subject.image));
    }
    rows
}

/// What is known to be lost beside calls.
fn lost(trace: &Trace) -> Vec<(&'static str, u64)> {
    let gaps = trace.gaps.iter().filter(|(gap, _)| is_of_details(gap.kind));
    gaps.map(|(gap, count)| (gap.kind.name(), *count)).collect()
}

fn kinds(trace: &Trace) -> BTreeSet<FactKind> {
    trace.runs.values().next().expect("a run").facts.clone()
}

fn lines(text: &'static str) -> impl Iterator<Item = String> {
    text.lines().map(str::to_owned)
}

const WITHOUT_FILES: &str = include_str!("../../../../tests/data/strace/details.tsv");
const FILES: &str = include_str!("../../../../tests/data/strace/details-files.tsv");
const FILES_BY_KERNEL: &str = include_str!("../../../../tests/data/strace/details-files-y.tsv");

#[test]
fn a_log_has_the_same_facts_in_every_style() {
    for ((log, bytes), files) in [
        (log!("details.log"), FILES),
        (log!("details-raw.log"), FILES),
        (log!("details-y.log"), FILES_BY_KERNEL),
        (log!("details-yy.log"), FILES_BY_KERNEL),
        (log!("details-verbose.log"), FILES_BY_KERNEL),
        (log!("details-hex.log"), FILES_BY_KERNEL),
    ] {
        let trace = read(bytes);
        let expected: BTreeSet<String> = lines(WITHOUT_FILES).chain(lines(files)).collect();
        assert_eq!(facts(&trace), expected, "{log}");
        assert_eq!(lost(&trace), [], "{log}");
        assert_eq!(kinds(&trace), Source::Strace.facts(), "{log}");
    }
}

#[test]
fn a_log_claims_no_facts_that_it_does_not_hold() {
    let (_, raw) = log!("details-e-raw.log");
    let trace = read(raw);
    let mut expected = Source::Strace.facts();
    expected.remove(&FactKind::Files);
    assert_eq!(kinds(&trace), expected);
    assert!(trace.files.is_empty());
    assert_eq!(lost(&trace), [("files-lost", 5), ("files-lost", 29), ("sockets-lost", 12)]);
    let (_, network) = log!("details-e-network.log");
    expected.remove(&FactKind::Memory);
    let trace = read(network);
    assert_eq!(kinds(&trace), expected);
    assert_eq!(lost(&trace), [("sockets-lost", 1)], "its descriptor is from dup, which is not there");
    assert!(trace.files.iter().all(|(_, _, runs)| {
        runs.values().all(|seen| seen.succeeded.iter().all(|right| right == crate::Right::Execute))
    }));
}

/// The rows of some lines of a process, without the program's name; and what is lost.
fn of_lines(lines: &str) -> (Vec<String>, Vec<(&'static str, u64)>) {
    let trace = read(format!("1 execve(\"/a\", [], 0x1 /* 0 vars */) = 0\n{lines}").as_bytes());
    let rows = facts(&trace).into_iter().filter(|row| row != "file\t/a\t/a\texecute");
    (rows.map(|row| row.replace("\t/a\t", " ").replace('\t', " ")).collect(), lost(&trace))
}

fn check(lines: &str, expected: &[&str], expected_lost: &[(&'static str, u64)]) {
    let (rows, lost) = of_lines(lines);
    assert_eq!(rows, expected, "{lines}");
    assert_eq!(lost, expected_lost, "{lines}");
}

#[test]
fn arguments_are_known_or_unknown_and_never_wrong() {
    for (lines, expected) in [
        // A name that nobody knows makes all calls of that name unknown, also those that can be read.
        ("1 madvise(0x1, 4096, MADV_NEW) = 0\n1 madvise(0x1, 4096, MADV_DONTNEED) = 0\n", "madvise unknown"),
        // Halves of a number are printed as one, registers are not.
        ("1 preadv2(3, [{iov_base=\"x\", iov_len=1}], 1, 0, RWF_NOWAIT) = 1\n", "preadv2 flags=RWF_NOWAIT 1"),
        ("1 preadv2(0x3, 0x7f01, 0x1, 0, 0, 0x8) = 0x1\n", "preadv2 flags=RWF_NOWAIT 1"),
        ("1 fcntl(3, F_SETLK, {l_type=F_RDLCK, l_whence=SEEK_SET}) = 0\n", "fcntl cmd=F_SETLK 1"),
        ("1 fcntl(3, F_SETFD) = -1 EINVAL (Invalid argument)\n", "fcntl unknown"),
        ("1 openat(3, \"x\", O_RDWR|O_CREAT) = -1 ENOENT (No such file)\n", "openat unknown"),
        ("1 shutdown(3, SHUT_WR <unfinished ...>\n1 <... shutdown resumed>) = 0\n", "shutdown how=SHUT_WR 1"),
        ("1 shutdown(3, SHUT_WR <unfinished ...>\n1 +++ killed by SIGKILL +++\n", "shutdown how=SHUT_WR 1"),
        (
            "1 wait4(-1,  <unfinished ...>\n1 <... wait4 resumed>NULL, WNOHANG, NULL) = 0\n",
            "wait4 options=WNOHANG 1",
        ),
        ("1 wait4(-1,  <unfinished ...>\n1 +++ killed by SIGKILL +++\n", "wait4 unknown"),
        ("1 <... wait4 resumed>NULL, WNOHANG, NULL) = 0\n", "wait4 unknown"),
        ("1 getrandom(\"\\x00, 8, \\\")\"..., 8, GRND_NONBLOCK) = 8\n", "getrandom flags=GRND_NONBLOCK 1"),
        ("1 kill(7<a, 1) = >, SIGRT_3) = 0\n", "kill sig=SIGRT_3 1"),
        ("1 setresuid(-1, 0, -1) = 0\n", "setresuid ruid=-1, euid=0, suid=-1 1"),
    ] {
        let (rows, lost) = of_lines(lines);
        let rows: Vec<&str> = rows.iter().filter_map(|row| row.strip_prefix("arguments ")).collect();
        assert_eq!(rows, [expected], "{lines}");
        let unknown = lost.iter().any(|(kind, _)| *kind == "arguments-lost");
        assert_eq!(unknown, expected.ends_with("unknown"), "{lines}: {lost:?}");
    }
}

#[test]
fn paths_have_any_bytes_and_may_be_cut() {
    check(
        "1 unlink(\"a\\n\\\"b\\\\, c) = -1 X\\377\\0019\") = 0\n1 unlink(\"cut\"...) = 0\n1 unlink(0x8) = -1 EFAULT (Bad address)\n1 unlink(NULL) = -1 EFAULT (Bad address)\n",
        &["file a\\x0a\"b\\\\, c) = -1 X\\xff\\x019 delete unplaced"],
        &[("files-lost", 1)],
    );
    // A result that looks like the end of a call.
    check(
        "1 openat(AT_FDCWD</>, \"/x\", O_PATH) = 3</y) = -1 ENOENT (q)>\n",
        &[
            "arguments openat flags=O_RDONLY|O_PATH 1",
            "file /x metadata",
            "file /y) = -1 ENOENT (q) metadata written /x by the kernel",
        ],
        &[],
    );
}

#[test]
fn relative_paths_begin_where_the_process_is() {
    check(
        "1 chmod(\"0\", 0) = 0
1 chdir(\"/srv/x\") = 0
1 chmod(\"1\", 0) = 0
1 clone(child_stack=NULL, flags=SIGCHLD) = 2
2 chdir(\"../y\") = 0
2 chmod(\"2\", 0) = 0
1 chmod(\"3\", 0) = 0
1 clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD) = 4
4 chdir(\"z\") = 0
1 chmod(\"4\", 0) = 0
1 chdir(\"/no\") = -1 ENOENT (No such file or directory)
1 unshare(CLONE_FS) = 0
1 getcwd(\"/k\", 4096) = 3
4 chmod(\"5\", 0) = 0
1 chmod(\"6\", 0) = 0
1 openat(AT_FDCWD, \"d\", O_PATH|O_CLOEXEC) = 3
1 dup(3) = 5
1 fchmodat(3, \"7\", 0) = 0
1 execve(\"/a\", [], 0x1) = 0
1 fchmodat(3, \"8\", 0) = 0
1 fchmodat(5, \"9\", 0) = 0
1 chroot(\"/jail\") = 0
1 fchmodat(AT_FDCWD</jail>, \"a\", 0) = 0
1 chmod(\"b\", 0) = 0
",
        &[
            "arguments chmod mode=0 8",
            "arguments clone clone_flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD 1",
            "arguments clone clone_flags=SIGCHLD 1",
            "arguments fchmodat mode=0 4",
            "arguments openat flags=O_RDONLY|O_CLOEXEC|O_PATH 1",
            "arguments unshare unshare_flags=CLONE_FS 1",
            "file /jail metadata",
            "file /k/6 metadata written 6",
            "file /k/d metadata written d",
            "file /k/d/7 metadata written 7",
            "file /k/d/9 metadata written 9",
            "file /no  ENOENT metadata",
            "file /srv/x metadata",
            "file /srv/x/1 metadata written 1",
            "file /srv/x/3 metadata written 3",
            "file /srv/x/z metadata written z",
            "file /srv/x/z/4 metadata written 4",
            "file /srv/x/z/5 metadata written 5",
            "file /srv/y metadata written ../y",
            "file /srv/y/2 metadata written 2",
            "file 0 metadata unplaced",
            "file 8 metadata unplaced",
            "file a metadata unplaced",
            "file b metadata unplaced",
            "flags clone 0x10f00 1",
            "flags clone 0x11 1",
            "flags unshare 0x200 1",
        ],
        &[],
    );
}

#[test]
fn the_parent_that_is_found_late_gives_what_it_holds() {
    check(
        "1 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3
1 fork() = 2
1 fork( <unfinished ...>
2 fork( <unfinished ...>
4 close(0) = 0
1 <... fork resumed>) = 4
2 <... fork resumed>) = 5
4 listen(3, 5) = 0
4 listen(0, 5) = -1 EBADF (Bad file descriptor)
4 listen(7, 5) = 0
",
        &[
            "arguments socket family=AF_INET, type=SOCK_STREAM, protocol=IPPROTO_IP 1",
            "socket AF_INET SOCK_STREAM IPPROTO_IP socket - succeeded",
            "socket AF_INET SOCK_STREAM IPPROTO_TCP listen - succeeded",
        ],
        &[("sockets-lost", 1)],
    );
}

#[test]
fn sockets_are_followed_or_lost() {
    check(
        "1 socketpair(AF_UNIX, SOCK_DGRAM, 0, [3, 4]) = 0
1 dup2(3, 9) = 9
1 close(3) = 0
1 connect(9, {sa_family=AF_UNIX, sun_path=\"/run/x\"}, 110) = -1 EINPROGRESS (Operation now in progress)
1 connect(3, {sa_family=AF_UNIX, sun_path=\"/run/y\"}, 110) = -1 EBADF (Bad file descriptor)
1 connect(5<TCPv6:[7]>, {sa_family=AF_INET6, sin6_port=htons(1), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, \"fe80::1\", &sin6_addr), sin6_scope_id=if_nametoindex(\"lo\")}, 28) = 0
1 accept4(6<TCP:[8]>, NULL, NULL, SOCK_CLOEXEC) = 7
1 bind(7, {sa_family=AF_UNSPEC, sa_data=\"\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\"}, 16) = 0
1 sendto(8, \"x\", 1, 0, NULL, 0) = 1
1 connect(9, {sa_family=AF_UNIX, sun_path=\"/z\"}, 110) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)
1 connect(9, {sa_family=AF_UNIX, sun_path=\"/z\"}, 110) = 0 (INJECTED)
",
        &[
            "arguments accept4 flags=SOCK_CLOEXEC 1",
            "arguments sendto flags=0 1",
            "arguments socketpair family=AF_UNIX, type=SOCK_DGRAM, protocol=0 1",
            "file /run/x socket",
            "socket AF_INET SOCK_STREAM IPPROTO_TCP bind unspecified succeeded",
            "socket AF_UNIX SOCK_DGRAM 0 connect /run/x succeeded",
        ],
        &[("sockets-lost", 1)],
    );
}

#[test]
fn what_makes_tasks_and_code_is_told() {
    check(
        "1 clone3({flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD, stack=0x1, stack_size=0x9000}, 88) = 2
1 clone3({flags=CLONE_VM|CLONE_PARENT_SETTID, exit_signal=0} => {parent_tid=[3]}, 88) = 3
1 clone3(0x7f00, 88) = 4
1 mmap(NULL, 4096, PROT_WRITE|PROT_EXEC, MAP_PRIVATE, 9, 0) = 0x1
1 mmap(NULL, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE, 9</lib/x>, 0) = 0x1
1 ioctl(1</dev/pts/0<char 136:0>>, TCGETS, {c_iflag=ICRNL|IXON, ...}) = 0
1 ioctl(2</etc/x>, FIONREAD, [0]) = -1 ENOTTY (Inappropriate ioctl for device)
1 fstat(9</etc/x>, {st_mode=S_IFREG|0644, st_size=1, ...}) = 0
1 execveat(3</bin/x>, \"\", [\"x\"], NULL, AT_EMPTY_PATH) = 0
",
        &[
            "arguments execveat flags=AT_EMPTY_PATH 1",
            "arguments ioctl cmd=FIONREAD 1",
            "arguments ioctl cmd=TCGETS 1",
            "arguments mmap prot=PROT_READ|PROT_EXEC, flags=MAP_PRIVATE 1",
            "arguments mmap prot=PROT_WRITE|PROT_EXEC, flags=MAP_PRIVATE 1",
            "file /bin/x execute by the kernel",
            "file /dev/pts/0 ioctl by the kernel",
            "file /lib/x map-exec by the kernel",
            "flags clone3 0x100100 1",
            "flags clone3 0x4100 1",
            "memory map-write-exec 1",
        ],
        &[("arguments-lost", 1), ("files-lost", 1)],
    );
}

#[test]
fn what_was_read_for_another_abi_is_not_taken() {
    // Its start may be of both ABIs, later it can only be of i386, where the path is another argument.
    let log = b"1 execve(\"/a\", [], 0x1) = 0
1 openat(AT_FDCWD, \"/x\", O_RDONLY|O_LARGEFILE) = 3
1 fanotify_mark(3, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, \"/w\") = 0
1 mmap2(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x1
1 fadvise64_64(3, 0, 0, POSIX_FADV_RANDOM) = 0
1 exit_group(0) = ?
";
    let rows: Vec<String> = facts(&read(log)).into_iter().collect();
    assert_eq!(
        rows,
        [
            "arguments\t/a\tfadvise64_64\tadvice=POSIX_FADV_RANDOM\t1",
            "arguments\t/a\tfanotify_mark\tflags=FAN_MARK_ADD\t1",
            "arguments\t/a\tmmap2\tprot=PROT_READ, flags=MAP_PRIVATE|MAP_ANONYMOUS\t1",
            "arguments\t/a\topenat\tflags=O_RDONLY|O_LARGEFILE\t1",
            "file\t/a\t/a\texecute",
            "file\t/a\t/w\tmetadata",
            "file\t/a\t/x\tread",
        ]
    );
    let native = read(log).totals().into_keys().filter(|call| call.abi != Abi::I386).count();
    assert_eq!(native, 1, "the execve is strace's own");
}
