//! The commands, by kind.

use super::case::{Case, Why, run, script};

/// A folder `tree` with folders, files, a link and a text.
const TREE: &str = "mkdir -p tree/a/b tree/c; seq 1 500 > tree/a/numbers; seq 500 -1 1 > tree/a/b/reversed;
    printf 'one\\ntwo\\nthree\\n' > tree/c/words; ln -s ../a/numbers tree/c/link; cp tree/c/words words";

const C_PROGRAM: &str =
    "printf '#include <stdio.h>\\nint main(void) { puts(\"hello\"); return 0; }\\n' > hello.c";

/// What a name for a temporary file costs.
const TEMPORARY: &[(&str, Why)] = &[("getrandom", Why::TemporaryName)];

/// What a shell does when children of it end together, or while it makes another one: the fork that a
/// signal interrupts is made again.
const CHILDREN: &[(&str, Why)] =
    &[("clone", Why::Signals), ("rt_sigreturn", Why::Signals), ("wait4", Why::Signals)];

/// What a pool of threads does, besides waiting: memory and a stack for each thread that is started.
const POOL: &[(&str, Why)] = &[
    ("clone3", Why::Threads),
    ("epoll_pwait", Why::Threads),
    ("futex", Why::Threads),
    ("gettid", Why::Threads),
    ("madvise", Why::Threads),
    ("mmap", Why::Threads),
    ("mprotect", Why::Threads),
    ("munmap", Why::Threads),
    ("nanosleep", Why::Threads),
    ("read", Why::Threads),
    ("rseq", Why::Threads),
    ("rt_sigprocmask", Why::Threads),
    ("set_robust_list", Why::Threads),
    ("sigaltstack", Why::Threads),
    ("write", Why::Threads),
];

/// Files and folders.
pub(crate) const FILES: &[Case] = &[
    run("ls -la /usr/bin"),
    run("ls -R tree").setup(TREE),
    run("cat words tree/a/numbers").setup(TREE),
    run("cp -a tree copy").setup(TREE),
    run("mv tree moved").setup(TREE),
    run("rm -r tree").setup(TREE),
    run("mkdir -p x/y/z"),
    run("ln -s words link").setup(TREE),
    run("touch a b c"),
    run("chmod -R u=rwX,go=rX tree").setup(TREE),
    run("stat words tree").setup(TREE),
    run("df /"),
    run("du -a tree").setup(TREE),
    run("dd if=/dev/zero of=zeros bs=1024 count=200 conv=fsync"),
    run("find tree -type f -size -100k -print").setup(TREE),
    script("sh -c", "find tree -type f | xargs -n 1 wc -l").setup(TREE).varying(CHILDREN),
    run("realpath tree/c/link").setup(TREE),
    run("install -m 640 words installed").setup(TREE),
    run("split -l 100 tree/a/numbers part.").setup(TREE),
    run("truncate -s 1M sparse"),
    run("cmp words tree/c/words").setup(TREE),
    run("mktemp -p .").varying(TEMPORARY),
];

/// Text.
pub(crate) const TEXTS: &[Case] = &[
    run("sort -n tree/a/b/reversed").setup(TREE),
    run("head -n 3 tree/a/numbers").setup(TREE),
    run("tail -n 3 tree/a/numbers").setup(TREE),
    run("wc tree/a/numbers words").setup(TREE),
    run("cut -c1-2 tree/a/numbers").setup(TREE),
    run("sed -i s/one/eins/ words").setup(TREE).varying(TEMPORARY),
    run("grep -rn thr tree").setup(TREE),
    run("awk {n+=$1}END{print(n)} tree/a/numbers").setup(TREE),
    run("diff tree/a/numbers tree/a/b/reversed").setup(TREE).exits(1),
    run("sha256sum tree/a/numbers words").setup(TREE),
    run("base64 words").setup(TREE),
    run("od -x words").setup(TREE),
    run("xxd words").setup(TREE),
    run("iconv -f UTF-8 -t UTF-16 words").setup(TREE),
    run("shuf -n 5 tree/a/numbers").setup(TREE),
    script("sh -c", "patch words < change").setup(
        "printf 'one\\ntwo\\n' > words; printf -- '--- words\\n+++ words\\n@@ -1,2 +1,2 @@\\n one\\n-two\\n+zwei\\n' > change",
    )
    .varying(TEMPORARY),
    script("sh -c", "echo '2^200' | bc").varying(CHILDREN),
    script("sh -c", "echo '{\"a\":[1,2,{\"b\":3}]}' | jq .a[2].b").varying(CHILDREN),
    script("sh -c", "printf 'a\\nhello\\n.\\nw file\\nq\\n' | ed -s").varying(&[
        ("clone", Why::Signals),
        ("getrandom", Why::TemporaryName),
        ("rt_sigreturn", Why::Signals),
        ("wait4", Why::Signals),
    ]),
];

/// Archives and compression.
pub(crate) const ARCHIVES: &[Case] = &[
    run("tar -czf tree.tgz tree").setup(TREE),
    run("tar -xf tree.tar").setup("mkdir tree; seq 1 100 > tree/numbers; tar -cf tree.tar tree; rm -r tree"),
    run("gzip -k tree/a/numbers").setup(TREE),
    run("bzip2 -k tree/a/numbers").setup(TREE),
    run("xz -k -T1 tree/a/numbers").setup(TREE),
    run("zstd -q tree/a/numbers").setup(TREE).varying(&[("futex", Why::Threads)]),
    run("zip -qr tree.zip tree").setup(TREE).varying(TEMPORARY),
    run("unzip -qo tree.zip").setup("seq 1 100 > numbers; zip -q tree.zip numbers"),
];

/// The system and its accounts.
pub(crate) const SYSTEM: &[Case] = &[
    run("true"),
    run("false").exits(1),
    run("id"),
    run("uname -a"),
    run("date"),
    run("env"),
    run("sleep 0.01"),
    run("timeout 5 true").varying(&[("wait4", Why::Race)]).sometimes(&[("rt_sigsuspend", Why::Race)]),
    run("nice -n 1 true"),
    run("setsid true"),
    run("getent passwd root"),
    run("unshare -r -p -f --mount-proc ps -e -o comm=").mounted(),
    run("ip -brief address"),
    run("ldconfig -p"),
    run("ldd /bin/ls").varying(&[("read", Why::Race)]),
    run("locale -a"),
    run("taskset -c 0 true"),
    run("flock lock true"),
    run("unshare -r id -u").mounted(),
    run("unshare -r -p -f --mount-proc sh -c true").mounted(),
    run("findmnt -n -o TARGET /").mounted(),
    run("lscpu"),
    run("free"),
    run("dpkg -l"),
    run("dpkg -L coreutils"),
    run("apt-cache policy").varying(TEMPORARY),
    run("systemd-analyze syscall-filter @clock"),
    run("file /bin/ls words").setup(TREE),
];

/// Shells and languages.
pub(crate) const LANGUAGES: &[Case] = &[
    script("sh -c", "for i in 1 2 3; do echo $i; done; cat words | tr a-z A-Z > upper; test -s upper")
        .setup(TREE)
        .varying(CHILDREN),
    script("bash -c", "x=$(echo inner); [[ $x == inner ]] && (exit 3); echo $?"),
    script("bash -c", "while read -r line; do echo \"$line\"; done < words; cat <(echo sub)")
        .setup(TREE)
        .varying(&[("rt_sigprocmask", Why::Race)])
        .sometimes(&[("rt_sigreturn", Why::Race), ("wait4", Why::Race)]),
    script("sh -c", "(sleep 0.05; echo late) & echo early; wait"),
    script("perl -e", "use POSIX; my %h = map { $_ => $_ ** 2 } 1..100; print join(',', sort keys %h)")
        .varying(&[("brk", Why::HashSeed)]),
    script("perl -e", "print `echo inner`; my $p = fork // die; exit 0 unless $p; waitpid $p, 0; print $?"),
    script("/usr/bin/python3 -c", "import json, re, sys; json.dump({'a': [1, 2]}, sys.stdout)"),
    script(
        "/usr/bin/python3 -c",
        "import subprocess; print(subprocess.run(['echo', 'x'], stdout=-1).stdout)",
    ),
    script(
        "/usr/bin/python3 -c",
        "import threading as t; x = t.Thread(target=print, args=(1,)); x.start(); x.join()",
    )
    .varying(&[("futex", Why::Threads), ("rt_sigprocmask", Why::Threads)])
    .sometimes(&[("exit", Why::Threads), ("madvise", Why::Threads)]),
    script(
        "/usr/bin/python3 -c",
        "import socket; a, b = socket.socketpair(); a.send(b'x'); print(b.recv(1))",
    ),
    script("/usr/bin/python3 -c", "import ctypes, mmap, select; p = select.epoll(); print(p.poll(0.01))"),
    run("tclsh script").setup("echo 'puts [expr {6 * 7}]; exec true' > script").varying(TEMPORARY),
    script("node -e", "console.log([1, 2, 3].map(x => x * x))")
        .varying(POOL)
        .sometimes(&[("sched_yield", Why::Threads)]),
    script("node -e", "require('fs').readFile('words', (e, d) => console.log(d.length))")
        .setup(TREE)
        .varying(POOL)
        .sometimes(&[("sched_yield", Why::Threads)]),
    run("sqlite3 data.db .schema").setup("sqlite3 data.db 'create table t(a)'"),
    script("sqlite3 data.db", "insert into t values (1), (2); select sum(a) from t")
        .setup("sqlite3 data.db 'create table t(a)'"),
];

/// Tools of developers, and of the network.
pub(crate) const TOOLS: &[Case] = &[
    run("gcc -o hello hello.c").setup(C_PROGRAM).varying(TEMPORARY),
    script("sh -c", "gcc -O2 -o hello hello.c && ./hello").setup(C_PROGRAM).varying(TEMPORARY),
    run("make -s").setup("printf 'all: a b\\na:\\n\\techo a > a\\nb: a\\n\\tcp a b\\n' > Makefile"),
    // Where no two recipes run at once, nobody waits for a token of the job server, and none gets a pipe that is
    // broken for its standard input.
    run("make -s -j4")
        .setup("printf 'all: a b c d\\n%%:\\n\\techo $@ > $@\\n' > Makefile")
        .varying(&[
            ("clone", Why::Signals),
            ("close", Why::Race),
            ("fcntl", Why::Race),
            ("pipe2", Why::Race),
            ("prlimit64", Why::Race),
            ("read", Why::Race),
            ("rt_sigreturn", Why::Signals),
            ("wait4", Why::Signals),
            ("write", Why::Race),
        ])
        .sometimes(&[("dup2", Why::Race), ("pselect6", Why::Race)]),
    // The first run on a machine, as root, compiles gdb's Python and writes it down.
    run("gdb -nx -batch -ex list ./hello").setup(
        "printf 'int main(void) { return 0; }\\n' > hello.c; gcc -g -o hello hello.c
        gdb -nx -batch -ex list ./hello > /dev/null",
    )
    .varying(POOL),
    run("readelf -hl /bin/ls"),
    run("nm -D /bin/ls"),
    run("objdump -d -j .plt /bin/ls"),
    run("strings /bin/true"),
    run("git init -q repository").varying(TEMPORARY),
    run("git status --short").setup("git init -q . && seq 1 10 > numbers && git add numbers"),
    run("git -c user.name=n -c user.email=e@example.org commit -q -m first")
        .setup("git init -q . && seq 1 10 > numbers && git add numbers")
        .varying(&[
            ("close", Why::Clock),
            ("getrandom", Why::TemporaryName),
            ("openat", Why::Clock),
            ("read", Why::Clock),
        ]),
    run("git log --oneline -p").setup(
        "git init -q . && seq 1 10 > n && git add n && git -c user.name=n -c user.email=e@example.org commit -qm f",
    ),
    run("openssl version -a"),
    run("openssl dgst -sha512 words").setup(TREE),
    run("openssl rand -hex 16"),
    run("openssl genpkey -algorithm ED25519 -out key.pem"),
    run("ssh -V"),
    script("sh -c", "ssh-keygen -q -t ed25519 -N '' -f key"),
    script("sh -c", "curl -s file://$PWD/words").setup(TREE),
    run("gpg --version"),
    run("tmux -V"),
    run("vim --version"),
    run("vim -es -u NONE -c %s/one/eins/ -c wq words").setup(TREE).varying(TEMPORARY),
    run("less --version"),
    run("redis-server --version"),
    run("redis-cli --version"),
    run("nginx -v"),
    run("bwrap --ro-bind / / --unshare-pid --dev /dev true").mounted().varying(&[("read", Why::Machine)]),
    run("crun --version").varying(TEMPORARY),
    run("runc --version").varying(POOL).sometimes(&[
        ("exit_group", Why::Threads),
        ("epoll_pwait", Why::Threads),
        ("getpid", Why::Threads),
        ("nanosleep", Why::Threads),
        ("rt_sigreturn", Why::Threads),
        ("sched_yield", Why::Threads),
        ("tgkill", Why::Threads),
    ]),
    run("perf --version"),
    run("man --version"),
];
