//! The programs: what each does when it is recorded, and what it then tries that was not.

/// A program in a folder of its own.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// The commands that must be installed.
    pub(crate) needs: &'static [&'static str],
    /// A shell script that puts the folder into its first state, run before each run of the program.
    pub(crate) prepare: &'static str,
    /// What is recorded, and then run under the policy.
    pub(crate) run: &'static [&'static str],
    /// Whether the lines of its output come in any order.
    pub(crate) unordered: bool,
    /// Calls that depend on how threads meet, with the reason: a recording need not show them, and they may be refused.
    pub(crate) sometimes: &'static [(&'static str, &'static str)],
    /// What is refused under that policy, where there is something that only this program would do.
    pub(crate) beyond: Option<Beyond>,
}

/// Something that was not recorded.
pub(crate) struct Beyond {
    pub(crate) run: &'static [&'static str],
    /// A call that is refused.
    pub(crate) call: &'static str,
    /// Part of the path of the program that makes it.
    pub(crate) program: &'static str,
}

const DATA: &str =
    "rm -rf data; mkdir data; seq 1 500 > data/numbers; echo banana > data/text; echo apple >> data/text";

const fn program(
    name: &'static str,
    needs: &'static [&'static str],
    run: &'static [&'static str],
    beyond: Option<Beyond>,
) -> Program {
    Program { name, needs, prepare: DATA, run, unordered: false, sometimes: &[], beyond }
}

const fn beyond(run: &'static [&'static str], call: &'static str, program: &'static str) -> Beyond {
    Beyond { run, call, program }
}

// The servers' scripts wait for them: what they do while they wait is done once in any case, so that whether it is
// recorded does not depend on who is faster; and no wait is endless.

const SERVE: &str = "
sleep 0.05 & wait $!
python3 -c 'import http.server,sys,threading
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer((\"127.0.0.1\", 0), Quiet)
print(server.server_address[1], flush=True)
server.serve_forever()' > port & server=$!
for try in $(seq 1 400); do test -s port && break; sleep 0.05; done
for n in 1 2 3; do curl -s http://127.0.0.1:$(cat port)/data/text; done
kill $server; wait $server || true";

const NGINX: &str = "
sleep 0.05 & wait $!
nginx -p \"$PWD\" -c nginx.conf -e error.log & server=$!
for try in $(seq 1 400); do test -S web.sock && break; sleep 0.05; done
for n in 1 2 3 4 5 6 7 8; do curl -s --unix-socket web.sock http://local/data/text; done
kill -QUIT $server; wait $server; rm -f web.sock";

const REDIS: &str = "
sleep 0.05 & wait $!; redis-cli -s redis.sock ping >/dev/null 2>&1
redis-server --port 0 --unixsocket redis.sock --save '' --appendonly no --logfile redis.log & server=$!
for try in $(seq 1 400); do redis-cli -s redis.sock ping >/dev/null 2>&1 && break; sleep 0.05; done
redis-benchmark -s redis.sock -n 2000 -c 8 -q -t set,get,lpush > benchmark.log
redis-cli -s redis.sock set fruit banana; redis-cli -s redis.sock get fruit
redis-cli -s redis.sock shutdown nosave; wait $server";

/// In name order.
pub(crate) const PROGRAMS: &[Program] = &[
    program(
        "awk",
        &["awk"],
        &["awk", "{ sum += $1 } END { print sum }", "data/numbers"],
        Some(beyond(&["awk", "BEGIN { system(\"true\") }"], "rt_sigaction", "awk")),
    ),
    program(
        "bash",
        &["bash"],
        &["bash", "-c", "for word in one two; do echo $word; done; echo $((6 * 7))"],
        Some(beyond(&["bash", "-c", "umask 077"], "umask", "/bash")),
    ),
    program(
        "cp",
        &["cp"],
        &["cp", "data/text", "data/copy"],
        Some(beyond(&["cp", "-l", "data/text", "data/link"], "linkat", "/cp")),
    ),
    Program {
        prepare: "rm -rf data port new; mkdir data; echo banana > data/text",
        ..program(
            "curl",
            &["curl", "python3"],
            &["sh", "-c", SERVE],
            Some(beyond(
                &["curl", "-s", "--create-dirs", "-o", "new/out", "file:///proc/version"],
                "mkdir",
                "/curl",
            )),
        )
    },
    program(
        "dash",
        &["dash"],
        &["dash", "-c", "echo one; cat data/text"],
        Some(beyond(&["dash", "-c", "umask 077"], "umask", "/dash")),
    ),
    program(
        "find",
        &["find"],
        &["find", "data", "-name", "t*"],
        Some(beyond(&["find", "data", "-name", "text", "-delete"], "unlinkat", "/find")),
    ),
    Program {
        prepare: "rm -f a.*; echo 'int main(void) { return 0; }' > a.c",
        ..program(
            "gcc",
            &["gcc"],
            &["gcc", "-c", "a.c", "-o", "a.o"],
            Some(beyond(&["gcc", "a.c", "-o", "a.out"], "umask", "/")),
        )
    },
    Program {
        prepare: "test -d repo || { git init -q repo; cd repo; git config user.name a; git config user.email a@b; \
                  echo 1 > f; git add f; git commit -qm one; }; rm -rf ../new new",
        ..program(
            "git",
            &["git"],
            &["git", "--no-pager", "-C", "repo", "log", "--format=%s"],
            Some(beyond(&["git", "init", "-q", "new"], "mkdir", "/git")),
        )
    },
    program("grep", &["grep"], &["grep", "-r", "an", "data"], None),
    program("ls", &["ls"], &["ls", "-l", "--time-style=+", "data/text"], None),
    Program {
        prepare: "printf 'all:\\n\\t@echo made\\nother:\\n\\t@mkdir new\\n' > Makefile; rm -rf new",
        ..program(
            "make",
            &["make"],
            &["make", "-s", "all"],
            Some(beyond(&["make", "-s", "other"], "mkdir", "/mkdir")),
        )
    },
    Program {
        prepare: "rm -rf data web.sock; mkdir -p data; echo banana > data/text; chmod 755 . data; cat > nginx.conf <<'E'
daemon off; worker_processes 2; pid nginx.pid; events { worker_connections 64; }
http { access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
scgi_temp_path t5; server { listen unix:web.sock; root .; } }
E
sed -i \"s|unix:web.sock|unix:$PWD/web.sock|; s|root [.]|root $PWD|\" nginx.conf",
        ..program("nginx", &["nginx", "curl"], &["sh", "-c", NGINX], None)
    },
    Program {
        sometimes: &[("sched_yield", "V8's threads yield where they find a lock taken")],
        ..program(
            "node",
            &["node"],
            &["node", "-e", "console.log([1, 2, 3].map(n => n * n).join())"],
            Some(beyond(&["node", "-e", "require('fs').linkSync('data/text', 'data/link')"], "link", "node")),
        )
    },
    program("openssl", &["openssl"], &["openssl", "dgst", "-sha256", "data/text"], None),
    program(
        "perl",
        &["perl"],
        &["perl", "-e", "print join(',', map { $_ * 2 } 1..5), \"\\n\""],
        Some(beyond(&["perl", "-e", "mkdir 'new' or die"], "mkdir", "/perl")),
    ),
    program(
        "python3",
        &["python3"],
        &["python3", "-c", "import json; print(json.dumps({'sum': sum(range(1000))}))"],
        Some(beyond(&["python3", "-c", "import os; os.mkfifo('fifo')"], "mknodat", "/python3")),
    ),
    Program {
        prepare: "rm -f redis.sock redis.log benchmark.log",
        ..program("redis", &["redis-server", "redis-benchmark", "redis-cli"], &["sh", "-c", REDIS], None)
    },
    program(
        "sed",
        &["sed"],
        &["sed", "s/an/AN/g", "data/text"],
        Some(beyond(&["sed", "-i", "s/a/b/", "data/text"], "umask", "/sed")),
    ),
    Program {
        prepare: "rm -f new.db*",
        ..program(
            "sqlite3",
            &["sqlite3"],
            &["sqlite3", ":memory:", "create table t(a); insert into t values (6 * 7); select a from t"],
            Some(beyond(&["sqlite3", "new.db", "create table t(a)"], "getcwd", "/sqlite3")),
        )
    },
    Program {
        prepare: "rm -rf data out; mkdir data out; echo banana > data/text; tar cf in.tar data",
        ..program(
            "tar",
            &["tar"],
            &["tar", "cf", "out.tar", "data"],
            Some(beyond(&["tar", "xf", "in.tar", "-C", "out"], "umask", "/tar")),
        )
    },
    Program {
        unordered: true,
        ..program(
            "workers",
            &["sh"],
            &["sh", "-c", "for n in 1 2 3 4 5 6 7 8; do (echo $n; exec cat data/text) & done; sleep 0.05 & wait"],
            Some(beyond(&["sh", "-c", "(umask 077) & wait"], "umask", "sh")),
        )
    },
    program(
        "xz",
        &["xz"],
        &["xz", "-c", "-1", "data/numbers"],
        Some(beyond(&["xz", "-1", "data/numbers"], "unlink", "/xz")),
    ),
];
