//! Calls of a child, reported and let go on.

use super::*;
use crate::guardian::{Guardian, Orders};
use crate::launch::Launch;
use crate::poll;
use std::thread;

use sandprint_model::Exit;

#[test]
fn a_key_is_two_arguments_and_four_words() {
    let key = Key([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0x80]);
    assert_eq!(key.words(), [1, 2, 3, 0x8000_0004]);
    assert_eq!(key.arguments(), [0x2_0000_0001, 0x8000_0004_0000_0003]);
}

fn notified(script: &str) -> (crate::launch::Suspended, Listener) {
    let launch = Launch { notified: Some(Reported::Every), ..Launch::new("/bin/sh", ["-c", script]) };
    let mut suspended = launch.suspend().unwrap();
    let listener = suspended.notifications().unwrap();
    assert!(suspended.notifications().is_none());
    (suspended, listener)
}

/// Answers until nobody is left; the numbers of the calls.
fn serve(listener: &Listener) -> Vec<u32> {
    let mut inbox = Inbox::new().unwrap();
    let mut calls = Vec::new();
    loop {
        // Before 6.11, a receiver that waits does not hear of the end.
        let [_ready] = poll::readable([listener.as_fd()], None).unwrap();
        if listener.is_hung_up().unwrap() {
            return calls;
        }
        if let Some(call) = listener.receive(&mut inbox).unwrap()
            && listener.go_on(&mut inbox, &call).unwrap()
        {
            calls.push(call.nr);
        }
    }
}

#[test]
fn the_first_reported_call_is_the_execve_and_the_last_the_exit() {
    let (suspended, listener) = notified("exit 3");
    let server = thread::spawn(move || serve(&listener));
    let mut running = suspended.release().unwrap();
    assert_eq!(running.wait().unwrap().exit, Exit::Code(3));
    let calls = server.join().unwrap();
    let number = |nr: libc::c_long| Some(u32::try_from(nr).unwrap());
    assert_eq!(calls.first().copied(), number(libc::SYS_execve));
    assert_eq!(calls.last().copied(), number(libc::SYS_exit_group));
    assert_eq!(calls.iter().filter(|&&nr| Some(nr) == number(libc::SYS_execve)).count(), 1);
}

#[test]
fn a_suspended_child_whose_listener_is_gone_can_still_be_ended_and_never_executes() {
    let scratch = tempfile::tempdir().unwrap();
    let begun = scratch.path().join("begun");
    let (suspended, listener) = notified(&format!("echo > {}", begun.display()));
    drop(listener);
    assert!(suspended.release().is_err());
    assert!(!begun.exists());
}

#[test]
fn an_armed_guardian_takes_over_when_the_receiver_is_gone() {
    for armed in [true, false] {
        let scratch = tempfile::tempdir().unwrap();
        let ended = scratch.path().join("ended");
        let (suspended, listener) = notified(&format!("sleep 0.05; echo > {}", ended.display()));
        let inbox = Inbox::new().unwrap();
        let guardian = Guardian::start(&listener, &inbox, Orders::all_go_on().unwrap().into()).unwrap();
        if armed {
            guardian.arm().unwrap();
        }
        drop((listener, inbox));
        guardian.abandon();
        let released = suspended.release();
        assert_eq!(released.is_ok(), armed);
        if let Ok(mut running) = released {
            assert_eq!(running.wait().unwrap().exit, Exit::Code(0));
        }
        assert_eq!(ended.exists(), armed);
    }
}
