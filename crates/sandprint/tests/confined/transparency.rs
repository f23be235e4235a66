//! The command is what it would be without us: its process, its status, its terminal, its signals, its descriptors.

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use sandprint_model::Action;

use crate::SANDPRINT;
use crate::machine::has_landlock;
use crate::under::{run, run_command, run_under};
use testkit::ended::Ended;
use testkit::policies::native::{self, all_but};
use testkit::process::is_running;
use testkit::scratch::Scratch;
use testkit::users::{AS_NOBODY, NOBODY, can_become};
use testkit::wait::until;

#[test]
fn the_status_is_the_commands_own_and_so_is_the_signal() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.policy(&all_but(&[]));
    for (script, how) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("exit 125", 125),
        ("exit 255", 255),
        ("kill -TERM $$", -15),
        ("kill -KILL $$", -9),
    ] {
        assert_eq!(run(&scratch, &["--", "sh", "-c", script]).status, how, "{script}");
    }
}

#[test]
fn the_process_is_the_commands_and_no_other_stays() {
    let scratch = Scratch::of(SANDPRINT);
    // Something that Landlock can refuse as well.
    scratch.policy(&all_but(&[("bind", Action::Errno(1))]));
    for options in [&["--"][..], &["--landlock", "--"], &["--log-denials", "--"]] {
        if options == ["--landlock", "--"] && !has_landlock() {
            continue;
        }
        let command = ["sh", "-c", "echo $$ $PPID; cat /proc/$$/task/$$/children; exec sleep 60"];
        let mut child =
            run_command(&scratch, &[options, &command].concat()).stdout(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        // What `cat` is asked by is the only child that there is.
        let mut text = [0; 64];
        let mut said = String::new();
        let mut stdout = child.stdout.take().unwrap();
        while said.lines().count() < 2 {
            let length = stdout.read(&mut text).unwrap();
            assert_ne!(length, 0, "{said}");
            said.push_str(std::str::from_utf8(&text[..length]).unwrap());
        }
        let children = said.lines().nth(1).unwrap().split_whitespace().count();
        assert_eq!(said.lines().next().unwrap(), format!("{pid} {}", std::process::id()), "{options:?}");
        assert_eq!(children, 1, "{said}");
        until("its execve", || is_running(pid, "sleep").then_some(()));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}

/// Everything that a process can see of what it was given. What must differ is left out: the filter and the domain,
/// what /proc numbers anew, and how much memory was used.
const LOOK: &str = r#"
    echo "arguments: $0 $*"
    env | sort
    umask; pwd
    grep -E '^(SigP|SigB|SigI|SigC|Shd|Cap|Uid|Gid|Groups|Umask|Threads|Cpus_allowed_list)' /proc/self/status
    cat /proc/self/limits /proc/self/oom_score_adj
    for fd in /proc/self/fd/*; do echo "$fd $(readlink $fd)"; done | grep -v /proc/ | sed 's/pipe:.*/pipe/'
    cut -d ' ' -f 5-8 /proc/self/stat
"#;

#[test]
fn the_command_sees_what_it_would_see_without_us() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.policy(&all_but(&[("bind", Action::Errno(1))]));
    scratch.write("look", LOOK);
    scratch.write("before", "");
    // Each is a way of starting what follows it in an unusual state.
    for around in [
        "exec",
        "trap '' PIPE HUP; exec",
        "trap '' CHLD; exec",
        "exec env --block-signal=USR1,TERM --ignore-signal=INT --default-signal=PIPE",
        "umask 077; ulimit -n 100; ulimit -c 0; exec",
        "exec 9< before; exec",
        "exec 0<&-; exec",
        "exec 0<&- 2>&-; exec",
    ] {
        let look = |prefix: &str| {
            let script = format!("{around} {prefix} sh look one 'two  words' ''");
            let mut command = scratch.program("bash", &["-c", &script]);
            command.env_clear().env("PATH", "/usr/bin:/bin").env("ODD", "a\nb");
            Ended::of(&command.output().unwrap())
        };
        let bare = look("");
        assert!(bare.stdout.contains("SigIgn"), "{bare:?}");
        assert_eq!(look(&format!("{SANDPRINT} run -p policy --")), bare, "{around}");
        if has_landlock() {
            let landlocked = look(&format!("{SANDPRINT} run -p policy --landlock --"));
            assert_eq!(landlocked.stdout, bare.stdout, "{around}");
        }
    }
}

#[test]
fn nothing_is_said_where_nothing_is_to_be_said() {
    let scratch = Scratch::of(SANDPRINT);
    let ended = run_under(&scratch, &all_but(&[]), &[], &["sh", "-c", "echo data; echo talk >&2"]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("data\n", "talk\n"));
}

#[test]
fn no_privilege_is_needed() {
    let scratch = Scratch::of(SANDPRINT);
    if !can_become(&AS_NOBODY, SANDPRINT) {
        return;
    }
    let policy = scratch.path("policy");
    scratch
        .policy(&native::policy(Action::Allow, &[("execve", Action::Allow), ("symlink", Action::Errno(1))]));
    std::os::unix::fs::chown(scratch.path(""), Some(NOBODY), None).unwrap();
    for options in [&[][..], &["--landlock"], &["--log-denials"]] {
        if options == ["--landlock"] && !has_landlock() {
            continue;
        }
        let words = [
            &[SANDPRINT, "run", "-p", policy.to_str().unwrap()],
            options,
            &["--", "sh", "-c", "id -u; exit 9"],
        ];
        let words = [&AS_NOBODY[1..], &words.concat()].concat();
        let ended = Ended::of(&scratch.program(AS_NOBODY[0], &words).output().unwrap());
        assert_eq!((ended.status, ended.stdout.as_str()), (9, "61234\n"), "{}", ended.stderr);
    }
}
