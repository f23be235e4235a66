//! At a terminal: Ctrl-C, Ctrl-Z and `fg`, programs with a screen, shells inside, with bash outside.

mod sys;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::program;

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_Z: &str = "\x1a";
const CTRL_BACKSLASH: &str = "\x1c";

/// An interactive shell with job control at a terminal of its own, whose variable `L` is the launcher.
struct Terminal {
    shell: Child,
    folder: tempfile::TempDir,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// What was shown and not expected yet.
    unseen: String,
    /// All that was shown, for when a test fails.
    all: String,
}

impl Terminal {
    fn open() -> Terminal {
        let (master, slave) = sys::open().unwrap();
        let program_side = || Stdio::from(File::options().read(true).write(true).open(&slave).unwrap());
        let shell = Command::new("setsid")
            .args(["--ctty", "bash", "--norc", "--noprofile", "--noediting", "-i"])
            .env("PS1", "READY\n")
            .env("L", program::path())
            .env("TERM", "dumb")
            .env_remove("HISTFILE")
            .env_remove("PROMPT_COMMAND")
            .stdin(program_side())
            .stdout(program_side())
            .stderr(program_side())
            .spawn()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let keyboard = master.try_clone().unwrap();
        let (shown, screen) = channel();
        std::thread::spawn(move || {
            let mut master = master;
            let mut bytes = [0; 4096];
            // A terminal that nobody has open any more gives an error (EIO).
            while let Ok(length @ 1..) = master.read(&mut bytes) {
                if shown.send(bytes[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        let mut terminal =
            Terminal { shell, folder, keyboard, screen, unseen: String::new(), all: String::new() };
        terminal.expect("READY");
        // What we type would be on the screen twice, and be taken for an answer.
        terminal.command("stty -echo");
        terminal
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn enter(&mut self, line: &str) {
        self.press(&format!("{line}\n"));
    }

    /// Enters a command for the shell and gives what it shows until the next prompt.
    fn command(&mut self, line: &str) -> String {
        self.enter(line);
        self.expect("READY")
    }

    /// Waits until this is shown, and gives what was shown before it.
    fn expect(&mut self, text: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(place) = self.unseen.find(text) {
                let before = self.unseen[..place].to_owned();
                self.unseen.drain(..place + text.len());
                return before;
            }
            match self.screen.recv_timeout(program::PATIENCE.saturating_sub(start.elapsed())) {
                Ok(bytes) => {
                    let shown = String::from_utf8_lossy(&bytes).replace('\r', "");
                    self.unseen += &shown;
                    self.all += &shown;
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("{text:?} was not shown, but:\n{}", self.all)
                }
            }
        }
    }

    /// The launcher that the shell runs now, and its workload.
    fn job(&self, name: &str) -> (u32, u32) {
        let launcher = program::child_running(self.shell.id(), "launch");
        (launcher, program::child_running(launcher, name))
    }

    /// Runs `echo EXECUTED` and holds its execve back; gives the number of the child that waits.
    fn hold(&mut self) -> u32 {
        self.enter(&format!("$L --hold {} echo EXE''CUTED", self.go().display()));
        self.expect("launch: holds ");
        self.expect("\n").parse().unwrap()
    }

    /// Lets the held child execute, if it still can.
    fn let_go(&self) {
        std::fs::write(self.go(), "").unwrap();
    }

    fn go(&self) -> PathBuf {
        self.folder.path().join("go")
    }

    /// The exit status of the last command.
    fn status(&mut self) -> String {
        self.command("echo status=$?").trim().to_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The shell leads the session of all that the test started, and keeps its number until it is reaped.
        let session = self.shell.id().to_string();
        program::kill_those(|fields| fields[6 - 3] == session);
        self.shell.wait().unwrap();
    }
}

#[test]
fn ctrl_c_belongs_to_the_workload() {
    let mut terminal = Terminal::open();
    for (key, signal, status) in [(CTRL_C, "INT", "status=130"), (CTRL_BACKSLASH, "QUIT", "status=131")] {
        // By default it ends it.
        terminal.enter("ulimit -c 0; $L sh -c 'echo started; exec sleep 1000'");
        terminal.expect("started");
        terminal.press(key);
        terminal.expect("READY");
        assert_eq!(terminal.status(), status);

        // A handler gets it, once, and decides. The last sleep gives what must not come the time to.
        terminal.enter(&format!(
            "$L sh -c 'n=0; trap \"n=\\$((n+1)); echo got \\$n\" {signal}; echo started; \
             while [ $n != 2 ]; do sleep 0.01; done; sleep 0.2; echo end $n; exit 7'"
        ));
        terminal.expect("started");
        terminal.press(key);
        terminal.expect("got 1");
        terminal.press(key);
        terminal.expect("got 2");
        terminal.expect("end 2");
        terminal.expect("READY");
        assert_eq!(terminal.status(), "status=7");
    }
}

#[test]
fn ctrl_c_while_it_waits_ends_it_unexecuted() {
    let mut terminal = Terminal::open();
    let child = terminal.hold();
    // Until the child has its own dispositions back, everything is blocked in it; then it acts.
    terminal.press(CTRL_C);
    program::wait_for_state(child, 'Z');
    terminal.let_go();
    let shown = terminal.expect("READY");
    assert!(shown.contains("it was ended before it executed anything (Signal(2))"), "{shown}");
    assert!(!shown.contains("EXECUTED"), "{shown}");
    assert_eq!(terminal.status(), "status=130");
}

#[test]
fn ctrl_z_while_it_waits_stops_both_and_fg_goes_on() {
    let mut terminal = Terminal::open();
    let child = terminal.hold();
    terminal.press(CTRL_Z);
    program::wait_for_state(child, 'T');
    terminal.let_go();
    let shown = terminal.expect("READY");
    assert!(shown.contains("Stopped"), "{shown}");
    assert!(!shown.contains("EXECUTED"), "{shown}");
    let shown = terminal.command("fg");
    assert!(shown.contains("EXECUTED"), "{shown}");
    assert_eq!(terminal.status(), "status=0");
}

#[test]
fn ctrl_z_stops_both_and_fg_continues_both() {
    let mut terminal = Terminal::open();
    terminal.enter("$L sh -c 'echo started; read line; echo \"read $line\"; exit 3'");
    terminal.expect("started");
    let (launcher, workload) = terminal.job("sh");
    for _ in 0..5 {
        terminal.press(CTRL_Z);
        let shown = terminal.expect("READY");
        assert!(shown.contains("Stopped"), "{shown}");
        assert_eq!((program::state(launcher), program::state(workload)), (Some('T'), Some('T')));
        terminal.enter("fg");
        program::wait_for("both to go on", || {
            [launcher, workload].iter().all(|&pid| program::state(pid) == Some('S')).then_some(())
        });
    }
    terminal.enter("a line");
    terminal.expect("read a line");
    terminal.expect("READY");
    assert_eq!(terminal.status(), "status=3");
}

#[test]
fn a_stopped_job_may_go_on_in_the_background() {
    let mut terminal = Terminal::open();
    let mut gate = program::Gate::new();
    let script = format!("echo started; read line < {}; echo finished; exit 3", gate.path());
    terminal.enter(&format!("$L sh -c '{script}'"));
    terminal.expect("started");
    terminal.press(CTRL_Z);
    terminal.expect("Stopped");
    terminal.expect("READY");
    terminal.command("bg");
    gate.open();
    terminal.expect("finished");
    terminal.command("wait");
    // And without having been in the foreground at all.
    terminal.enter("$L sh -c 'sleep 0.2; exit 4' & wait $!; echo \"status=$?\"");
    terminal.expect("status=4");
}

#[test]
fn a_program_may_put_its_terminal_in_order_before_it_stops() {
    if program::skips_without("perl") {
        return;
    }
    let mut terminal = Terminal::open();
    let script = r#"
        use POSIX;
        $| = 1;
        my $t = POSIX::Termios->new; $t->getattr(0); my $cooked = $t->getlflag;
        my $raw = sub { $t->setlflag($cooked & ~ICANON); $t->setattr(0, TCSANOW) };
        $SIG{TTOU} = sub { print "too late\n" };
        $SIG{TSTP} = sub {
            # Time for us to stop too early, which would be wrong.
            select(undef, undef, undef, 0.3);
            $t->setlflag($cooked); $t->setattr(0, TCSANOW); print "cleaned\n";
            $SIG{TSTP} = "DEFAULT";
            POSIX::sigprocmask(SIG_UNBLOCK, POSIX::SigSet->new(SIGTSTP));
            kill "TSTP", $$;
            $raw->(); print "back\n";
        };
        $raw->();
        print "started\n";
        my $key; sysread(STDIN, $key, 1) until $key;
        $t->setlflag($cooked); $t->setattr(0, TCSANOW);
        print "key $key\n";
        exit 5;
    "#;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    terminal.command("before=$(stty -g)");
    terminal.enter(&format!("$L perl {}", file.path().display()));
    terminal.expect("started");
    terminal.press(CTRL_Z);
    let shown = terminal.expect("READY");
    // In this order: had we stopped first, the shell would have taken the terminal from the program.
    let (cleaned, stopped) = (shown.find("cleaned"), shown.find("Stopped"));
    assert!(cleaned.is_some() && stopped.is_some() && cleaned < stopped, "{shown}");
    assert!(!shown.contains("too late"), "{shown}");
    assert_eq!(terminal.command("test \"$before\" = \"$(stty -g)\" && echo same").trim(), "same");
    terminal.enter("fg");
    terminal.expect("back");
    terminal.press("x");
    terminal.expect("key x");
    terminal.expect("READY");
    assert_eq!(terminal.status(), "status=5");
}

#[test]
fn a_program_that_ignores_ctrl_z_is_not_stopped_and_neither_are_we() {
    let mut terminal = Terminal::open();
    terminal.enter("$L sh -c 'trap \"\" TSTP; echo started; read line; echo \"read $line\"'");
    terminal.expect("started");
    let (launcher, _) = terminal.job("sh");
    terminal.press(CTRL_Z);
    // If we stopped, it would be by now, or soon: too short a wait could only hide that.
    std::thread::sleep(Duration::from_millis(200));
    assert_ne!(program::state(launcher), Some('T'));
    terminal.enter("it");
    terminal.expect("read it");
    terminal.expect("READY");
}

#[test]
fn a_workload_that_stops_itself_gives_the_shell_its_prompt() {
    let mut terminal = Terminal::open();
    for signal in ["STOP", "TSTP"] {
        let shown = terminal.command(&format!("$L sh -c 'kill -{signal} $$; echo resumed; exit 6'"));
        assert!(shown.contains("Stopped"), "{shown}");
        let shown = terminal.command("fg");
        assert!(shown.contains("resumed"), "{shown}");
        assert_eq!(terminal.status(), "status=6");
    }
}

#[test]
fn a_background_job_that_reads_is_stopped_until_it_is_in_the_foreground() {
    let mut terminal = Terminal::open();
    terminal.command("$L sh -c 'read line; echo \"read $line\"; exit 2' &");
    let (launcher, workload) = terminal.job("sh");
    program::wait_for_state(workload, 'T');
    program::wait_for_state(launcher, 'T');
    // The shell hears of it a little later.
    program::wait_for("a stopped job", || terminal.command("jobs").contains("Stopped").then_some(()));
    terminal.enter("fg");
    program::wait_for_state(workload, 'S');
    terminal.enter("something");
    terminal.expect("read something");
    terminal.expect("READY");
    assert_eq!(terminal.status(), "status=2");
}

#[test]
fn an_interactive_shell_inside_has_its_own_job_control() {
    let mut terminal = Terminal::open();
    terminal.command("before=$(stty -g)");
    terminal.enter("PS1='INNER\n' $L bash --norc --noprofile --noediting -i");
    terminal.expect("INNER");
    let (launcher, inner) = terminal.job("bash");

    // The inner shell has the terminal, and we are in the background.
    let group = |pid| program::stat(pid).unwrap()[5 - 3].clone();
    let foreground = |pid| program::stat(pid).unwrap()[8 - 3].clone();
    assert_eq!(foreground(inner), inner.to_string());
    assert_eq!((group(inner), group(launcher)), (inner.to_string(), launcher.to_string()));

    // Ctrl-C and Ctrl-Z are for its jobs.
    terminal.enter("sleep 1000");
    program::child_running(inner, "sleep");
    terminal.press(CTRL_C);
    terminal.expect("INNER");
    terminal.enter("echo inner status=$?");
    terminal.expect("inner status=130");
    terminal.expect("INNER");
    terminal.enter("sleep 1000");
    let sleep = program::child_running(inner, "sleep");
    terminal.press(CTRL_Z);
    terminal.expect("Stopped");
    terminal.expect("INNER");
    assert_ne!(program::state(launcher), Some('T'));
    terminal.enter("fg");
    program::wait_for_state(sleep, 'S');
    terminal.press(CTRL_C);
    terminal.expect("INNER");

    // It may suspend itself: the outer shell has its prompt, and gives it the terminal again.
    for _ in 0..3 {
        terminal.enter("suspend");
        terminal.expect("Stopped");
        terminal.expect("READY");
        assert_eq!((program::state(launcher), program::state(inner)), (Some('T'), Some('T')));
        terminal.enter("fg");
        program::wait_for_state(inner, 'S');
        terminal.enter("echo inner again");
        terminal.expect("inner again");
        terminal.expect("INNER");
        assert_eq!(foreground(inner), inner.to_string());
    }

    terminal.enter("exit 9");
    terminal.expect("READY");
    assert_eq!(terminal.status(), "status=9");
    assert_eq!(terminal.command("test \"$before\" = \"$(stty -g)\" && echo same").trim(), "same");
}

#[test]
fn a_program_with_a_screen_works_as_without_us() {
    if program::skips_without("vim") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("text");
    let mut terminal = Terminal::open();
    terminal.command("stty rows 24 cols 80; export TERM=xterm; before=$(stty -g)");
    terminal.enter(&format!("$L vim -u NONE -i NONE -n {}", file.display()));
    let (launcher, vim) = terminal.job("vim");
    terminal.expect("[New File]");
    terminal.press("ifirst\x1b");
    for command in ["\x1a", ":stop\n"] {
        // It answers once it reads keys.
        terminal.press(":echo 111*111\n");
        terminal.expect("12321");
        terminal.press(command);
        terminal.expect("Stopped");
        terminal.expect("READY");
        assert_eq!((program::state(launcher), program::state(vim)), (Some('T'), Some('T')));
        assert_eq!(terminal.command("test \"$before\" = \"$(stty -g)\" && echo same").trim(), "same");
        terminal.enter("fg");
        program::wait_for_state(vim, 'S');
    }
    terminal.press(":wq\n");
    terminal.expect("READY");
    assert_eq!(terminal.status(), "status=0");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "first\n");
}

#[test]
fn pipes_and_the_end_of_input_are_the_workloads() {
    let mut terminal = Terminal::open();
    terminal.enter("$L cat; echo \"status=$?\"");
    terminal.enter("one line");
    terminal.expect("one line");
    terminal.press(CTRL_D);
    terminal.expect("status=0");
    terminal.expect("READY");
    let shown = terminal.command("printf 'b\\na\\n' | $L sort | $L tr ab xy");
    assert_eq!(shown.trim(), "x\ny");
    // Ctrl-Z and fg with two of us in one job.
    let mut gate = program::Gate::new();
    terminal.enter(&format!("$L sh -c 'echo started >&2; read line < {}; echo one' | $L cat", gate.path()));
    terminal.expect("started");
    terminal.press(CTRL_Z);
    terminal.expect("Stopped");
    terminal.expect("READY");
    terminal.enter("fg");
    gate.open();
    terminal.expect("one");
    terminal.expect("READY");
}

#[test]
fn a_script_between_the_shell_and_us_stops_with_us() {
    let mut terminal = Terminal::open();
    // Here we do not lead the job: the script does.
    terminal.enter("sh -c '$L sh -c \"echo started; read line; exit 3\"; echo script $?'");
    terminal.expect("started");
    let script = program::child_running(terminal.shell.id(), "sh");
    let launcher = program::child_running(script, "launch");
    let workload = program::child_running(launcher, "sh");
    for _ in 0..3 {
        terminal.press(CTRL_Z);
        terminal.expect("Stopped");
        terminal.expect("READY");
        for pid in [script, launcher, workload] {
            program::wait_for_state(pid, 'T');
        }
        terminal.enter("fg");
        for pid in [script, launcher, workload] {
            program::wait_for_state(pid, 'S');
        }
    }
    terminal.enter("on");
    terminal.expect("script 3");
    terminal.expect("READY");
}

#[test]
fn a_program_that_leaves_our_group_is_still_the_job() {
    if program::skips_without("perl") {
        return;
    }
    let mut terminal = Terminal::open();
    terminal.command("before=$(stty -g)");
    // In our place it would lead its group already, and nothing would happen.
    let reads = "setpgrp; $| = 1; print \"started\\n\"; $line = <STDIN>; print \"read $line\"; exit 3";
    terminal.command(&format!("READS='{reads}'"));
    for _ in 0..3 {
        terminal.enter("$L perl -e \"$READS\"");
        terminal.expect("started");
        let (launcher, workload) = terminal.job("perl");
        // It is stopped when it reads, given the terminal, and continued. A key in between would be lost, as it would
        // with `fg` of any shell: its SIGTSTP is forgotten by the SIGCONT.
        program::wait_for("its read", || {
            let has_it = program::stat(workload)?[8 - 3] == workload.to_string();
            (has_it && program::state(workload) == Some('S')).then_some(())
        });
        terminal.press(CTRL_Z);
        terminal.expect("Stopped");
        terminal.expect("READY");
        for pid in [launcher, workload] {
            program::wait_for_state(pid, 'T');
        }
        terminal.enter("fg");
        program::wait_for_state(workload, 'S');
        terminal.enter("one");
        terminal.expect("read one");
        terminal.expect("READY");
        assert_eq!(terminal.status(), "status=3");
    }

    // When it has ended, the rest of the job has the terminal.
    let mut gate = program::Gate::new();
    let second = format!("(read line < {}; read line < /dev/tty; echo \"then $line\")", gate.path());
    terminal.enter(&format!("$L perl -e \"$READS\" | {second}"));
    program::wait_for("the terminal", || {
        let launcher = program::children(terminal.shell.id())
            .into_iter()
            .find(|&pid| program::is_running(pid, "launch"))?;
        let workload = program::children(launcher).first()?.to_string();
        (program::stat(launcher)?[8 - 3] == workload).then_some(())
    });
    terminal.enter("one");
    program::wait_for("the end of the first", || {
        let children = program::children(terminal.shell.id());
        (!children.iter().any(|&pid| program::is_running(pid, "launch"))).then_some(())
    });
    gate.open();
    terminal.enter("two");
    terminal.expect("then two");
    terminal.expect("READY");

    // What does not read is in the background of the terminal, and hears of it by us.
    terminal.enter("$L timeout 1000 sh -c 'echo started; sleep 1000'");
    terminal.expect("started");
    let (launcher, timeout) = terminal.job("timeout");
    let shell = program::child_running(timeout, "sh");
    program::child_running(shell, "sleep");
    for _ in 0..3 {
        terminal.press(CTRL_Z);
        terminal.expect("Stopped");
        terminal.expect("READY");
        for pid in [launcher, timeout, shell] {
            program::wait_for_state(pid, 'T');
        }
        terminal.enter("fg");
        for pid in [launcher, timeout, shell] {
            program::wait_for_state(pid, 'S');
        }
    }
    terminal.press(CTRL_C);
    terminal.expect("READY");
    assert_eq!(terminal.status(), "status=130");
    assert_eq!(terminal.command("test \"$before\" = \"$(stty -g)\" && echo same").trim(), "same");
}

#[test]
fn a_hangup_ends_a_suspended_shell_and_us() {
    let mut terminal = Terminal::open();
    terminal.enter("PS1='INNER\n' $L bash --norc --noprofile --noediting -i");
    terminal.expect("INNER");
    let (launcher, inner) = terminal.job("bash");
    terminal.enter("suspend");
    terminal.expect("READY");
    program::wait_for_state(launcher, 'T');
    program::wait_for_state(inner, 'T');
    terminal.shell.kill().unwrap();
    for pid in [inner, launcher] {
        program::wait_for("the end of both", || {
            matches!(program::state(pid), None | Some('Z')).then_some(())
        });
    }
}

#[test]
fn a_terminal_that_goes_away_is_for_the_workload_to_hear() {
    let directory = tempfile::tempdir().unwrap();
    let said = directory.path().join("said");
    let mut terminal = Terminal::open();
    terminal.enter(&format!(
        "$L sh -c 'trap \"echo hangup >> {0}; exit 1\" HUP; echo started; while :; do sleep 0.01; done'",
        said.display()
    ));
    terminal.expect("started");
    let (launcher, workload) = terminal.job("sh");
    // The end of the session's leader hangs its terminal up.
    terminal.shell.kill().unwrap();
    for pid in [workload, launcher] {
        program::wait_for("the end of both", || {
            matches!(program::state(pid), None | Some('Z')).then_some(())
        });
    }
    assert_eq!(std::fs::read_to_string(said).unwrap(), "hangup\n");
}
