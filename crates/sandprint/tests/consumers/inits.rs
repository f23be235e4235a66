//! tini and catatonit run under the workload's filter, start the workload, and hand signals on to it.
//!
//! bubblewrap loads the filter and executes them as PID 1. The default of the filters kills, so that whatever an init
//! calls and no rule allows would end it.

use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::bwrap::{bwrap, command, filter, startable};
use crate::workload::{INITS, LISTED};
use testkit::expect::skip;
use testkit::process::{children, is_running};
use testkit::shell::find;
use testkit::wait::until;

/// How often each is started: a call that is made in few starts only must be allowed too.
const STARTS: usize = 10;

/// How bubblewrap is to start an init.
const AS_PID_1: &[&str] = &["--unshare-pid", "--as-pid-1", "--die-with-parent"];

/// The inits that are here, each as `--runtime` calls it and as a program of the workload's tree.
fn inits() -> Vec<(&'static str, String)> {
    let (here, missing): (Vec<&str>, Vec<&str>) = INITS.iter().partition(|init| find(init).is_some());
    if !missing.is_empty() {
        skip("inits", &format!("there is no {} in PATH", missing.join(" and no ")));
    }
    here.into_iter().map(|program| (program.trim_end_matches("-static"), format!("/bin/{program}"))).collect()
}

/// What kills for everything but the workload, the launcher and these.
fn killing(options: &[&'static str]) -> Vec<&'static str> {
    [&["--default-action", "kill", "--runtime", "bwrap"], options].concat()
}

#[test]
fn what_an_init_needs_is_all_in_the_filter() {
    let Some(workload) = startable() else { return };
    for (init, program) in inits() {
        let filter = filter(workload, &format!("{init}.bpf"), &killing(&["--runtime", init]));
        for start in 0..STARTS {
            let ended = bwrap(workload, Some(&filter), AS_PID_1, &[&program, "--", "ls", "/list"]);
            assert!(ended.status.success(), "{init}, start {start}: {ended}");
            assert_eq!(ended.stdout, LISTED, "{init}, start {start}: {ended}");
            assert_eq!(ended.stderr, "", "{init}, start {start}: {ended}");
        }
        let killed = bwrap(workload, Some(&filter), AS_PID_1, &[&program, "--", "mkdir", "/tmp/made"]);
        // 128 and SIGSYS, as the init reports the workload's end.
        assert_eq!(killed.status.code(), Some(128 + 31), "{init}: {killed}");
    }
}

/// The table is what makes the others pass.
#[test]
fn without_what_an_init_needs_the_workload_does_not_start() {
    let Some(workload) = startable() else { return };
    let filter = filter(workload, "no-init.bpf", &killing(&[]));
    for (init, program) in inits() {
        let ended = bwrap(workload, Some(&filter), AS_PID_1, &[&program, "--", "ls", "/list"]);
        assert!(!ended.status.success(), "{init}: {ended}");
        assert_eq!(ended.stdout, "", "{init}: {ended}");
    }
}

#[test]
fn a_signal_to_the_init_reaches_the_workload() {
    let Some(workload) = startable() else { return };
    workload.record("sleep.json", &["sleep", "0.01"]);
    let slept = workload.beside("sleep.json");
    for (init, program) in inits() {
        let mut options = killing(&["--runtime", init, "--input"]);
        let slept = slept.to_str().unwrap();
        options.push(slept);
        let filter = filter(workload, &format!("{init}-sleep.bpf"), &options);
        for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::USR1] {
            let words = [program.as_str(), "--", "sleep", "1000"];
            let code = signalled(&mut command(workload, Some(&filter), AS_PID_1, &words), signal);
            // As the init reports that the workload died of it.
            assert_eq!(code, Some(128 + signal.as_raw()), "{init}, {signal:?}");
        }
    }
}

/// Starts bubblewrap with an init, sends a signal to the init once the workload runs, and gives bubblewrap's status.
fn signalled(bwrap: &mut Command, signal: Signal) -> Option<i32> {
    let mut launcher = bwrap.stdin(Stdio::null()).spawn().expect("bwrap is there");
    let init = until("its workload", || {
        let init = only_child(launcher.id())?;
        is_running(only_child(init)?, "sleep").then_some(init)
    });
    testkit::signals::send(init, signal);
    until("its end", || launcher.try_wait().expect("it is our child")).code()
}

fn only_child(of: u32) -> Option<u32> {
    <[u32; 1]>::try_from(children(of)).ok().map(|[child]| child)
}
