//! Every program as a service of a real systemd, with the policy as its drop-in: the same output, and what was not
//! recorded is refused.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

use testkit::expect::skip;
use testkit::shell::{Ended, run};
use testkit::systemd;

use crate::programs::{PROGRAMS, Program};
use crate::recorded::{self, Done, Place, Recording, environment, prepare, recorded, rounds};
use crate::root;

/// All in one boot for each round. What is beyond the recordings is tried in the first.
#[test]
fn under_systemd() {
    if !systemd::can_boot() {
        return;
    }
    if !root::is_enough() {
        return skip("soak", "not all programs are in /usr");
    }
    let here: Vec<(&Program, &Recording)> =
        PROGRAMS.iter().rev().filter_map(|program| recorded(program.name)).collect();
    let drop_ins: Vec<DropIns> =
        here.iter().map(|(program, recording)| DropIns::of(program, recording)).collect();
    let mut failures = Vec::new();
    for round in 0..rounds() {
        let Some(mut host) = Host::new() else { return };
        for (index, ((program, _), drop_ins)) in here.iter().zip(&drop_ins).enumerate() {
            // Half of the programs begin with it, so that a single boot has both.
            let no_new_privs = (index + round).is_multiple_of(2);
            host.add(Kind::Recorded, program, program.run, Some(&drop_ins.refusing), no_new_privs);
            if let (0, Some(beyond)) = (round, &program.beyond) {
                host.add(Kind::Refused, program, beyond.run, Some(&drop_ins.refusing), no_new_privs);
                host.add(Kind::Killed, program, beyond.run, Some(&drop_ins.killing), no_new_privs);
                // Nothing but the filter stood in its way.
                host.add(Kind::Free, program, beyond.run, None, no_new_privs);
            }
        }
        let boot = host.boot();
        for (program, recording) in &here {
            let found = host.check(program, recording, round == 0);
            failures.extend(found.into_iter().map(|failure| format!("round {round}: {failure}")));
        }
        assert!(failures.is_empty(), "{}\n{boot}", failures.join("\n"));
    }
}

/// A program's policy as systemd reads it.
struct DropIns {
    /// What is not allowed fails.
    refusing: String,
    /// What is not allowed kills. An exit status alone could have another cause.
    killing: String,
}

impl DropIns {
    fn of(program: &'static Program, recording: &Recording) -> DropIns {
        let place = Place::new(program, recording);
        let text = |options: &[&str]| {
            let options = [&["--runtime", "systemd"], options].concat();
            fs::read_to_string(place.profile("drop-in", "systemd", &options)).expect("it was written")
        };
        DropIns { refusing: text(&[]), killing: text(&["--default-action", "kill"]) }
    }
}

/// What a service does, and under which drop-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// What was recorded.
    Recorded,
    /// What was not, and is refused.
    Refused,
    /// The same, where that kills.
    Killed,
    /// The same without a drop-in.
    Free,
}

impl Kind {
    fn service(self, program: &Program) -> String {
        format!("{}-{self:?}", program.name).to_lowercase()
    }
}

/// A root for systemd: its units, and the folders where they work and leave what came of them.
struct Host {
    systemd: systemd::Host,
    services: Vec<String>,
    /// The reading ends of what the services print to.
    outputs: BTreeMap<String, File>,
}

impl Host {
    fn new() -> Option<Host> {
        let systemd = systemd::Host::new()?;
        // The users of the machine instead.
        fs::remove_file(systemd.path("etc/passwd")).expect("it was written");
        fs::remove_file(systemd.path("etc/group")).expect("it was written");
        root::lay_out(&systemd.path(""));
        Some(Host { systemd, services: Vec::new(), outputs: BTreeMap::new() })
    }

    /// Adds a service that runs these words in the program's folder.
    fn add(
        &mut self,
        kind: Kind,
        program: &Program,
        words: &[&str],
        drop_in: Option<&str>,
        no_new_privs: bool,
    ) {
        let name = kind.service(program);
        let folder = format!("/place/{name}");
        prepare(program, &self.systemd.path(&folder[1..]));
        // A pipe, as it was when the program was recorded: programs treat files otherwise.
        let pipe = self.systemd.path("left").join(format!("{name}-stdout"));
        let made = run(Command::new("mkfifo").arg(&pipe));
        assert!(made.status.success(), "{made}");
        let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("it is a small flag");
        // Open for writing too, so that nobody waits for anybody, and what was written stays.
        let output = OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open(&pipe);
        self.outputs.insert(name.clone(), output.expect("it was made"));

        let file = recorded::find(words[0]).expect("it was recorded");
        let mut line = format!("@{}", file.display());
        for word in words {
            line.push(' ');
            line.push_str(&quoted(word));
        }
        let environment: Vec<String> = environment(&folder)
            .iter()
            .map(|(name, value)| format!("Environment={}\n", quoted(&format!("{name}={value}"))))
            .collect();
        let unit = format!("{name}.service");
        self.systemd.unit(
            &unit,
            &format!(
                "[Service]\nType=oneshot\nTimeoutStartSec=100\n\
                 NoNewPrivileges={no_new_privs}\nWorkingDirectory={folder}\n{}ExecStart={line}\n\
                 StandardOutput=file:/left/{name}-stdout\nStandardError=file:/left/{name}-stderr\n\
                 ExecStopPost=+/busybox sh -c 'echo $EXIT_CODE $EXIT_STATUS > /left/{name}-result'\n",
                environment.concat()
            ),
        );
        if let Some(drop_in) = drop_in {
            self.systemd.drop_in(&unit, drop_in);
        }
        self.services.push(unit);
    }

    /// Boots systemd; it powers off after the last service.
    fn boot(&self) -> Ended {
        self.systemd.run(&self.services)
    }

    /// What is not as it should be with the program's services.
    fn check(&self, program: &Program, recording: &Recording, with_beyond: bool) -> Vec<String> {
        let mut failures = Vec::new();
        let mut expect = |kind: Kind, holds: &dyn Fn(Option<i32>, &str) -> bool| {
            let name = kind.service(program);
            let left = |what: &str| self.systemd.left(&format!("{name}-{what}"));
            let result = left("result").unwrap_or_else(|| "no result\n".to_owned());
            let stdout = self.printed(&name);
            if !holds(status(&result), &stdout) {
                let stderr = left("stderr").unwrap_or_default();
                failures.push(format!("{name}: {result}stdout: {stdout}\nstderr: {stderr}"));
            }
        };
        expect(Kind::Recorded, &|status, stdout| Done::new(program, status, stdout) == recording.bare);
        if let (true, Some(beyond)) = (with_beyond, &program.beyond) {
            expect(Kind::Refused, &|status, _| status.is_some_and(|status| status != 0));
            expect(Kind::Killed, &|status, _| status == Some(beyond.status));
            expect(Kind::Free, &|status, _| status == Some(0));
        }
        failures
    }

    fn printed(&self, name: &str) -> String {
        let mut printed = Vec::new();
        match (&self.outputs[name]).read_to_end(&mut printed) {
            // There is nothing more in the pipe.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
            other => panic!("{name}: {other:?}"),
        }
        String::from_utf8_lossy(&printed).into_owned()
    }
}

/// An exit status, as shells count, of what systemd tells a service that cleans up after another.
fn status(result: &str) -> Option<i32> {
    match result.split_whitespace().collect::<Vec<_>>()[..] {
        ["exited", status] => status.parse().ok(),
        ["killed" | "dumped", "SYS"] => Some(crate::programs::KILLED),
        _ => None,
    }
}

/// A word of a command line of a unit: in quotes, with what is special in it escaped (systemd.service(5), "Command
/// lines").
fn quoted(word: &str) -> String {
    let mut quoted = String::from("\"");
    for character in word.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '$' | '%' => quoted.extend([character, character]),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
