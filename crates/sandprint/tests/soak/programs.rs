//! The programs: what each does when it is recorded, and what it then tries that was not.

/// A program in a folder of its own.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// The commands that must be installed.
    pub(crate) needs: &'static [&'static str],
    /// A shell script that fills its empty folder, before each run of the program.
    pub(crate) prepare: &'static str,
    /// What is recorded, and then run under the policy.
    pub(crate) run: &'static [&'static str],
    /// Whether the lines of its output come in any order.
    pub(crate) unordered: bool,
    /// What is refused under that policy, where there is something that only this program would do.
    pub(crate) beyond: Option<Beyond>,
}

/// Something that was not recorded. It succeeds where nothing is refused, and fails where its call does.
pub(crate) struct Beyond {
    pub(crate) run: &'static [&'static str],
    /// A call that is refused, as a verdict writes it; `*` for an argument that is another each time.
    pub(crate) call: &'static str,
    /// The name of the process that makes it.
    pub(crate) process: &'static str,
    /// Part of the path of the program in it.
    pub(crate) image: &'static str,
    /// The exit status of the whole when the one who makes the call is killed for it.
    pub(crate) status: i32,
}

/// The exit status that stands for SIGSYS, as shells count: of a program that makes the refused call itself.
pub(crate) const KILLED: i32 = 128 + 31;

macro_rules! data {
    () => {
        "mkdir data; seq 1 500 > data/numbers; echo banana > data/text; echo apple >> data/text\n"
    };
}

/// Lines of a shell script that write a C program of this folder.
macro_rules! source {
    ($name:literal) => {
        concat!("cat > ", $name, ".c <<'E'\n", include_str!(concat!($name, ".c")), "E\n")
    };
}

const DATA: &str = data!();

/// For the shell of sqlite3: the number is the mode of a folder, 040755.
const MAKE_FOLDER: &str = "select writefile('new', null, 16877)";

const fn program(
    name: &'static str,
    needs: &'static [&'static str],
    run: &'static [&'static str],
    beyond: Option<Beyond>,
) -> Program {
    Program { name, needs, prepare: DATA, run, unordered: false, beyond }
}

const fn beyond(run: &'static [&'static str], call: &'static str, process: &'static str) -> Beyond {
    Beyond { run, call, process, image: process, status: KILLED }
}

// The servers' scripts wait for them: what they do while they wait is done once in any case, so that whether it is
// recorded does not depend on who is faster; and no wait is endless. What dash says of a child that was killed is not
// looked at: on a busy machine it does not always say it.

const SERVE: &str = "
sleep 0.05
python3 -c 'import http.server,sys,threading
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer((\"127.0.0.1\", 0), Quiet)
print(server.server_address[1], flush=True)
server.serve_forever()' > port & server=$!
for try in $(seq 1 400); do test -s port && break; sleep 0.05; done
for n in 1 2 3; do curl -s http://127.0.0.1:$(cat port)/data/text; done
kill $server; wait $server 2>/dev/null || true";

const NGINX: &str = "
sleep 0.05
nginx -p \"$PWD\" -c nginx.conf -e error.log & server=$!
for try in $(seq 1 400); do test -S web.sock && break; sleep 0.05; done
for n in 1 2 3 4 5 6 7 8; do curl -s --unix-socket web.sock http://local/data/text; done
kill -QUIT $server; wait $server; rm -f web.sock";

const REDIS: &str = "
sleep 0.05; redis-cli -s redis.sock ping >/dev/null 2>&1
redis-server --port 0 --unixsocket redis.sock --save '' --appendonly no --logfile redis.log & server=$!
for try in $(seq 1 400); do redis-cli -s redis.sock ping >/dev/null 2>&1 && break; sleep 0.05; done
redis-benchmark -s redis.sock -n 2000 -c 8 -q -t set,get,lpush > benchmark.log
redis-cli -s redis.sock set fruit banana; redis-cli -s redis.sock get fruit
redis-cli -s redis.sock shutdown nosave; wait $server";

/// A shell that handles signals, sends them, and waits for children that are killed and that end by themselves.
const SIGNALS: &str = "
trap 'echo caught' USR1; kill -USR1 $$
sleep 10 & sleeper=$!; kill $sleeper; wait $sleeper 2>/dev/null; echo $?
(sleep 0.05; exit 3) & wait $!; echo $?
(sleep 0.05; kill -USR1 $$) & for try in 1 2 3; do wait; done; echo end";

/// In name order.
pub(crate) const PROGRAMS: &[Program] = &[
    program(
        "awk",
        // Another awk calls other things.
        &["mawk"],
        &["mawk", "{ sum += $1 } END { print sum }", "data/numbers"],
        Some(beyond(&["mawk", "BEGIN { exit system(\"true\") }"], "rt_sigaction(SIGINT, *, *, 8)", "mawk")),
    ),
    program(
        "bash",
        &["bash"],
        &["bash", "-c", "for word in one two; do echo $word; done; echo $((6 * 7))"],
        Some(beyond(&["bash", "-c", "kill -0 $$"], "kill(*, 0)", "bash")),
    ),
    program(
        "busybox",
        &["busybox"],
        &[
            "busybox",
            "sh",
            "-c",
            "for file in data/*; do echo $file; done; tr a-z A-Z < data/text; wc -l data/text",
        ],
        None,
    ),
    program(
        "cp",
        &["cp"],
        &["cp", "data/text", "data/copy"],
        Some(beyond(
            &["cp", "-l", "data/text", "data/link"],
            "linkat(AT_FDCWD, *, AT_FDCWD, *, AT_SYMLINK_FOLLOW)",
            "cp",
        )),
    ),
    Program {
        prepare: "mkdir data; echo banana > data/text",
        ..program(
            "curl",
            &["curl", "python3"],
            &["sh", "-c", SERVE],
            Some(beyond(
                &["curl", "-s", "--create-dirs", "-o", "new/out", "file:///proc/version"],
                "mkdir(*, 0750)",
                "curl",
            )),
        )
    },
    program(
        "dash",
        &["dash"],
        &["dash", "-c", "echo one; cat data/text"],
        Some(beyond(&["dash", "-c", "kill -0 $$"], "kill(*, 0)", "dash")),
    ),
    program("date", &["date"], &["date", "-d", "@86400", "+%A %x %X %Z"], None),
    program(
        "find",
        &["find"],
        &["find", "data", "-name", "t*"],
        Some(beyond(&["find", "data", "-name", "text", "-delete"], "unlinkat(*, *, 0)", "find")),
    ),
    Program {
        prepare: "echo 'int main(void) { return 0; }' > a.c",
        ..program(
            "gcc",
            &["gcc"],
            &["gcc", "-c", "a.c", "-o", "a.o"],
            Some(Beyond {
                status: 4,
                ..beyond(&["gcc", "-pipe", "-c", "a.c", "-o", "a.o"], "dup2(*, 1)", "gcc")
            }),
        )
    },
    program("gdb", &["gdb"], &["gdb", "-nx", "-batch", "-ex", "print 6 * 7"], None),
    program("getent", &["getent"], &["getent", "hosts", "localhost"], None),
    Program {
        prepare: "git init -q repo; cd repo; git config user.name a; git config user.email a@b; \
                  echo 1 > f; git add f; git commit -qm one",
        ..program(
            "git",
            &["git"],
            &["git", "--no-pager", "-C", "repo", "log", "--format=%s"],
            Some(beyond(&["git", "init", "-q", "new"], "mkdir(*, 0777)", "git")),
        )
    },
    // runc is written in Go, and this starts nothing.
    program("go", &["runc"], &["sh", "-c", "runc spec && grep -c ociVersion config.json"], None),
    program("grep", &["grep"], &["grep", "-r", "an", "data"], None),
    program("gzip", &["gzip"], &["gzip", "-nc", "data/numbers"], None),
    program("head", &["head"], &["head", "-n", "1", "data/text"], None),
    program("id", &["id"], &["id", "-un"], None),
    program("ls", &["ls"], &["ls", "-l", "--time-style=+", "data/text"], None),
    Program {
        prepare: "printf 'all:\\n\\t@echo made\\nother:\\n\\t@mkdir new\\n' > Makefile",
        ..program(
            "make",
            &["make"],
            &["make", "-s", "all"],
            Some(Beyond { status: 2, ..beyond(&["make", "-s", "other"], "mkdir(*, 0777)", "mkdir") }),
        )
    },
    Program {
        prepare: "printf 'all: 1 2 3 4 5 6 7 8\\n%%:\\n\\t@echo made $@; seq 1 100 | tail -n 1\\n' > Makefile",
        unordered: true,
        ..program("make_parallel", &["make"], &["make", "-s", "-j4", "all"], None)
    },
    Program {
        prepare: concat!(data!(), source!("plain"), "musl-gcc plain.c -o plain"),
        ..program("musl", &["musl-gcc"], &["sh", "-c", "exec ./plain"], None)
    },
    Program {
        prepare: "mkdir data; echo banana > data/text; cat > nginx.conf <<'E'
daemon off; worker_processes 2; pid nginx.pid; events { worker_connections 64; }
http { access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
scgi_temp_path t5; server { listen unix:web.sock; root .; } }
E
",
        ..program("nginx", &["nginx", "curl"], &["sh", "-c", NGINX], None)
    },
    program(
        "node",
        &["node"],
        &["node", "-e", "console.log([1, 2, 3].map(n => n * n).join())"],
        Some(beyond(
            &["node", "-e", "require('fs').linkSync('data/text', 'data/link')"],
            "link(*, *)",
            "node",
        )),
    ),
    program("openssl", &["openssl"], &["openssl", "dgst", "-sha256", "data/text"], None),
    program(
        "perl",
        &["perl"],
        &["perl", "-e", "print join(',', map { $_ * 2 } 1..5), \"\\n\""],
        Some(beyond(&["perl", "-e", "mkdir 'new' or die"], "mkdir(*, 0777)", "perl")),
    ),
    program(
        "pipeline",
        &["dash"],
        &[
            "dash",
            "-c",
            "seq 1 200 | sort -r | head -n 3; tr a-z A-Z < data/text | sed s/A/x/ | tee data/copy | wc -c",
        ],
        None,
    ),
    program(
        "python3",
        &["python3"],
        &["python3", "-c", "import json; print(json.dumps({'sum': sum(range(1000))}))"],
        Some(beyond(
            &["python3", "-c", "import os; os.mkfifo('fifo')"],
            "mknodat(AT_FDCWD, *, S_IFIFO|0666, 0)",
            "python3",
        )),
    ),
    Program {
        prepare: "",
        ..program("redis", &["redis-server", "redis-benchmark", "redis-cli"], &["sh", "-c", REDIS], None)
    },
    program(
        "sed",
        &["sed"],
        &["sed", "s/an/AN/g", "data/text"],
        Some(beyond(&["sed", "-i", "s/a/b/", "data/text"], "unlink(*)", "sed")),
    ),
    program("signals", &["dash"], &["dash", "-c", SIGNALS], None),
    program("sort", &["sort"], &["sort", "-r", "data/text", "data/numbers"], None),
    Program {
        prepare: "",
        ..program(
            "sqlite3",
            &["sqlite3"],
            &["sqlite3", ":memory:", "create table t(a); insert into t values (6 * 7); select a from t"],
            Some(beyond(&["sqlite3", ":memory:", MAKE_FOLDER], "mkdir(*, 040755)", "sqlite3")),
        )
    },
    Program {
        prepare: concat!(data!(), source!("plain"), "gcc -static plain.c -o plain"),
        ..program("static_glibc", &["gcc"], &["sh", "-c", "exec ./plain"], None)
    },
    Program {
        prepare: concat!(data!(), source!("plain"), "musl-gcc -static plain.c -o plain"),
        ..program("static_musl", &["musl-gcc"], &["sh", "-c", "exec ./plain"], None)
    },
    Program {
        prepare: "mkdir data out; echo banana > data/text; tar cf in.tar data",
        ..program(
            "tar",
            &["tar"],
            &["tar", "cf", "out.tar", "data"],
            Some(beyond(&["tar", "xf", "in.tar", "-C", "out"], "mkdirat(*, *, 0700)", "tar")),
        )
    },
    Program {
        prepare: concat!(data!(), source!("threads"), "gcc -pthread threads.c -o threads"),
        ..program("threads", &["gcc"], &["sh", "-c", "exec ./threads"], None)
    },
    program("timeout", &["timeout"], &["timeout", "10", "sleep", "0.01"], None),
    Program {
        unordered: true,
        ..program(
            "workers",
            &["sh"],
            &["sh", "-c", "for n in 1 2 3 4 5 6 7 8; do (echo $n; exec cat data/text) & done; wait"],
            Some(Beyond {
                image: "/",
                ..beyond(&["sh", "-c", "(kill -0 $$) & wait $!"], "kill(*, 0)", "sh")
            }),
        )
    },
    program(
        "xz",
        &["xz"],
        &["xz", "-c", "-1", "data/numbers"],
        Some(beyond(&["xz", "-1", "data/numbers"], "unlink(*)", "xz")),
    ),
    Program {
        prepare: "mkdir data; seq 1 100000 > data/numbers",
        ..program(
            "xz_threads",
            &["xz"],
            &["xz", "-c", "-1", "-T2", "--block-size=65536", "data/numbers"],
            None,
        )
    },
];

/// One test for each program and each way to run it, so that they run beside each other and fail by themselves.
macro_rules! tests_of_programs {
    ($($name:ident,)*) => {
        mod by_itself {
            $(#[test]
            fn $name() {
                crate::trial::check(stringify!($name));
            })*
        }

        mod without_rights {
            $(#[test]
            fn $name() {
                crate::unprivileged::check(stringify!($name));
            })*
        }

        mod under_bwrap {
            $(#[test]
            fn $name() {
                crate::contained::check(stringify!($name), crate::contained::Launcher::Bwrap);
            })*
        }

        mod under_crun {
            $(#[test]
            fn $name() {
                crate::contained::check(stringify!($name), crate::contained::Launcher::Crun);
            })*
        }

        mod under_runc {
            $(#[test]
            fn $name() {
                crate::contained::check(stringify!($name), crate::contained::Launcher::Runc);
            })*
        }

        #[test]
        fn every_program_has_its_tests() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(tested.to_vec(), PROGRAMS.iter().map(|program| program.name).collect::<Vec<_>>());
        }
    };
}

tests_of_programs! {
    awk,
    bash,
    busybox,
    cp,
    curl,
    dash,
    date,
    find,
    gcc,
    gdb,
    getent,
    git,
    go,
    grep,
    gzip,
    head,
    id,
    ls,
    make,
    make_parallel,
    musl,
    nginx,
    node,
    openssl,
    perl,
    pipeline,
    python3,
    redis,
    sed,
    signals,
    sort,
    sqlite3,
    static_glibc,
    static_musl,
    tar,
    threads,
    timeout,
    workers,
    xz,
    xz_threads,
}
