//! A child that is confined just before its execve.

use sandprint_model::Exit;
use sandprint_sandbox::confine::{ConfineError, Confinement, Filter, Flags, Proof};
use sandprint_sandbox::launch::{Failure, Launch, LaunchError};

use crate::program::{ALLOW, ERRNO, MKDIR, deciding, invalid, refusing_mkdir};

const NUMBER: u32 = 0x3fff_5350;

fn shell(script: &str, filter: Filter, proof: Option<Proof>) -> Result<Exit, LaunchError> {
    let mut launch = Launch::new("sh", ["-c", script]);
    launch.confinement = Some(Confinement { filter, flags: Flags::NONE, proof });
    let mut running = launch.suspend()?.release()?;
    Ok(running.wait().unwrap().exit)
}

#[test]
fn a_confined_workload_is_refused_what_the_filter_refuses_and_its_launcher_is_not() {
    let scratch = tempfile::tempdir().unwrap();
    let script = format!("mkdir {0}/a 2> /dev/null || exit 7", scratch.path().display());
    let proof = Proof { number: NUMBER, errno: 3551 };
    let mut rules: Vec<_> = MKDIR.iter().map(|number| (*number, ERRNO + 1)).collect();
    rules.push((i64::from(NUMBER), ERRNO + 3551));
    let filter = deciding(&rules, ALLOW);
    assert_eq!(shell(&script, filter, Some(proof)).unwrap(), Exit::Code(7));
    assert_eq!(shell(&script, deciding(&[], ALLOW), None).unwrap(), Exit::Code(0));
    std::fs::create_dir(scratch.path().join("b")).unwrap();
}

#[test]
fn a_filter_that_the_kernel_refuses_runs_nothing() {
    let error = shell("exit 0", invalid(), None).unwrap_err();
    assert_eq!(error.failure(), Failure::Ours);
    assert!(matches!(&error, LaunchError::Confine { source: ConfineError::Install { .. } }), "{error:?}");
}

#[test]
fn a_filter_that_does_not_answer_its_proof_runs_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let script = format!("echo > {}/ran", scratch.path().display());
    let proof = Proof { number: NUMBER, errno: 3551 };
    let error = shell(&script, refusing_mkdir(1), Some(proof)).unwrap_err();
    let LaunchError::Confine { source: ConfineError::NotInForce { answer } } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(answer.raw_os_error(), Some(libc::ENOSYS));
    assert!(!scratch.path().join("ran").exists());
}

#[test]
fn a_filter_without_execve_runs_nothing_and_says_so_where_it_may() {
    let error = shell("exit 0", deciding(&[(libc::SYS_execve, ERRNO + 3004)], ALLOW), None).unwrap_err();
    let LaunchError::Execute { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.raw_os_error(), Some(3004));
    // Here not even the message: how the child ended is all that is known.
    let silent = shell("exit 0", deciding(&[(libc::SYS_exit_group, ALLOW)], ERRNO + 1), None).unwrap_err();
    assert_eq!(silent.failure(), Failure::Ended(Exit::Code(125)), "{silent:?}");
}
