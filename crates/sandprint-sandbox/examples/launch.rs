//! Runs a command as a recorder does, without recording: `launch [OPTION]... PROGRAM [ARGUMENT]...`.
//!
//! - `--user USER[:GROUP]`: run it as that user.
//! - `--set NAME=VALUE`: a variable for it.
//! - `--pause MILLISECONDS`: wait between the fork and the execve, as long as a recorder takes to attach.
//! - `--hold FILE`: say that the child waits, and hold its execve back until there is that file.
//! - `--linger`: after its end, say so, wait for a signal that ends us, and say which.
//!
//! The exit status is the command's; 128+N for signal N; 125, 126 and 127 as for env(1).

#![expect(clippy::print_stderr, reason = "a program for people and tests, not part of the library")]

use std::error::Error;
use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::time::Duration;

use sandprint_model::Exit;
use sandprint_sandbox::foreground::Foreground;
use sandprint_sandbox::launch::{Failure, Launch, LaunchError};
use sandprint_sandbox::poll;
use sandprint_sandbox::process::{Ended, descends};
use sandprint_sandbox::user::User;

fn main() -> ExitCode {
    match run() {
        Ok(ended) => ExitCode::from(status(ended.exit)),
        Err(error) => {
            eprint!("launch: failed to {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprint!(": {error}");
                cause = error.source();
            }
            eprintln!();
            ExitCode::from(match error.downcast_ref().map(LaunchError::failure) {
                Some(Failure::NotFound) => 127,
                Some(Failure::NotRunnable) => 126,
                Some(Failure::Ended(exit)) => status(exit),
                Some(Failure::Ours) | None => 125,
            })
        }
    }
}

fn status(exit: Exit) -> u8 {
    match exit {
        Exit::Code(code) => code,
        Exit::Signal(signal) => 128_u8.saturating_add(signal),
    }
}

fn run() -> Result<Ended, Box<dyn Error>> {
    let mut launch = Launch::new("", [] as [OsString; 0]);
    let mut pause = Duration::ZERO;
    let mut hold = None;
    let mut linger = false;
    let mut words = std::env::args_os().skip(1);
    let value = |words: &mut dyn Iterator<Item = OsString>| {
        words.next().and_then(|word| word.into_string().ok()).ok_or("understand an option without its value")
    };
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--user") => launch.user = Some(User::resolve(&value(&mut words)?)?),
            Some("--set") => {
                let text = value(&mut words)?;
                let (name, value) = text.split_once('=').ok_or("find = in --set")?;
                launch.variables.push((name.into(), Some(value.into())));
            }
            Some("--pause") => pause = Duration::from_millis(value(&mut words)?.parse()?),
            Some("--hold") => hold = Some(value(&mut words)?),
            Some("--linger") => linger = true,
            _ => {
                launch.program = word;
                launch.arguments.extend(words.by_ref());
            }
        }
    }

    let mut foreground = Foreground::install()?;
    let suspended = launch.suspend()?;
    // Here a recorder attaches to suspended.pid().
    std::thread::sleep(pause);
    if let Some(file) = hold {
        eprintln!("launch: holds {}", suspended.pid());
        while !std::fs::exists(&file)? {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let mut running = suspended.release()?;
    let pid = running.pid();
    let ended = loop {
        let [signals, end] = poll::readable([foreground.as_fd(), running.end()], None)?;
        if signals {
            foreground.attend(Some(&mut running), |sender| descends(sender, pid))?;
        }
        if end {
            break running.wait()?;
        }
    };
    if linger {
        // From here on a signal is for us: what came before the end was noted was the workload's.
        eprintln!("launch: lingers");
    }
    while linger {
        poll::readable([foreground.as_fd()], None)?;
        if let Some(signal) = foreground.attend(Some(&mut running), |_| false)? {
            eprintln!("launch: ended by {signal}");
            linger = false;
        }
    }
    Ok(ended)
}
