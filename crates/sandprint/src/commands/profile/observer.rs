//! What `profile run` and `profile attach` show and save while they record.

mod status;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use rustix::termios::{self, LocalModes};
use sandprint_model::{Arch, Syscall, Trace};
use sandprint_record::ebpf::RecorderError;
use sandprint_record::session::{FellBack, Observer, Progress};
use sandprint_record::tracer::TracerError;

use crate::exit::Deciding;
use crate::output;

/// How often a recording is put into safety: what a SIGKILL costs at most.
const CHECKPOINT_EVERY: Duration = Duration::from_mins(1);
/// How often the status line is drawn anew.
const DRAW_EVERY: Duration = Duration::from_secs(1);

/// How often a recording is put into safety: `SANDPRINT_CHECKPOINT_MS` says another number of milliseconds
/// than a minute's.
///
/// For tests, which have no minute to wait.
pub(crate) fn checkpoint_every() -> anyhow::Result<Duration> {
    let Some(text) = std::env::var_os("SANDPRINT_CHECKPOINT_MS").filter(|text| !text.is_empty()) else {
        return Ok(CHECKPOINT_EVERY);
    };
    match text.to_str().and_then(|text| text.parse().ok()) {
        Some(milliseconds) if milliseconds > 0 => Ok(Duration::from_millis(milliseconds)),
        _ => Err(Deciding::usage(
            format!("SANDPRINT_CHECKPOINT_MS is {}", output::quote(Path::new(&text))),
            "set it to a number of milliseconds above 0, or unset it",
        )
        .into()),
    }
}

/// Draws the status line and saves checkpoints.
pub(crate) struct Screen<'a> {
    save: &'a mut dyn FnMut(Trace) -> anyhow::Result<()>,
    /// Whether the terminal is shared with a workload.
    shared: bool,
    drawn: bool,
    save_failed: bool,
}

impl<'a> Screen<'a> {
    /// `shared` says whether a workload may write to the same terminal.
    pub(crate) fn new(shared: bool, save: &'a mut dyn FnMut(Trace) -> anyhow::Result<()>) -> Screen<'a> {
        Screen { save, shared, drawn: false, save_failed: false }
    }

    /// How often progress is wanted; `None` where nobody would see it.
    pub(crate) fn draw_every() -> Option<Duration> {
        io::stderr().is_terminal().then_some(DRAW_EVERY)
    }

    /// Takes the status line away.
    fn clear(&mut self) {
        if self.drawn {
            self.drawn = false;
            put("\r\u{1b}[K");
        }
    }

    /// Whether a line can be drawn without spoiling what a workload shows: not while a program has the
    /// terminal in a mode of its own (an editor, a shell's line editor), nor while one waits for input,
    /// perhaps behind a prompt.
    fn may_draw(&self) -> bool {
        if !self.shared {
            return true;
        }
        let plain = termios::tcgetattr(io::stderr())
            .is_ok_and(|modes| modes.local_modes.contains(LocalModes::ICANON | LocalModes::ECHO));
        plain && !foreground_reads_terminal()
    }
}

impl Observer for Screen<'_> {
    fn attached(&mut self) {
        // On a terminal the status line says so; a script waits for this one.
        if !io::stderr().is_terminal() {
            output::note("the recording has begun");
        }
    }

    fn progress(&mut self, progress: Progress) {
        if !self.may_draw() {
            // What is drawn scrolls away with the workload's own output.
            self.drawn = false;
            return;
        }
        // A terminal whose size nobody has set says 0.
        let columns = termios::tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
        let width = if columns == 0 { 80 } else { columns };
        // The cursor goes back to the first column, so that output of the workload covers the line.
        put(&format!("\r\u{1b}[K{}\r", status::line(progress, width.saturating_sub(1))));
        self.drawn = true;
    }

    fn checkpoint(&mut self, trace: Trace) {
        if let Err(error) = (self.save)(trace)
            && !self.save_failed
        {
            self.save_failed = true;
            self.clear();
            output::warn(&format!("the recording goes on, but could not be saved meanwhile: {error:#}"));
        }
    }

    fn fell_back(&mut self, why: &FellBack) {
        self.clear();
        let not_ebpf = match &why.not_ebpf {
            RecorderError::NoCapability(missing) => format!("{} missing", verb(missing)),
            RecorderError::UserNamespace => "which no root of a user namespace may load".to_owned(),
            error => format!("failed to {}", chain(error)),
        };
        let Some(not_ptrace) = &why.not_ptrace else {
            return output::note(&format!(
                "recording by tracing (ptrace), not by eBPF ({not_ebpf}): slower, without privileges"
            ));
        };
        let not_ptrace = match not_ptrace {
            TracerError::Seize(source) => format!("the command may not be traced: {source}"),
            error => format!("failed to {}", chain(error)),
        };
        output::note(&format!(
            "recording by seccomp notifications, not by eBPF ({not_ebpf}) nor by tracing ({not_ptrace}): slower, \
             and a call that a signal meets may fail with EINTR, which the trace then says"
        ));
    }

    fn waiting_for_tree(&mut self, live: u64) {
        self.clear();
        let others = if live == 1 {
            "1 task of its tree goes on".to_owned()
        } else {
            format!("{live} tasks of its tree go on")
        };
        output::note(&format!(
            "the command ended and {others}; recording until they end (Ctrl-C stops recording, not them)"
        ));
    }

    fn waiting_for_next(&mut self) {
        self.clear();
        output::note(
            "nothing runs there now; recording goes on with what starts there next (Ctrl-C ends it)",
        );
    }

    fn waiting_for_survivors(&mut self, survivors: &[String]) {
        self.clear();
        output::note(&format!(
            "the time is up; waiting for what SIGKILL has not ended: {}",
            survivors.join("; ")
        ));
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What is missing, with its verb.
fn verb(missing: &[&str]) -> String {
    format!("{} {}", missing.join(" and "), if missing.len() == 1 { "is" } else { "are" })
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |cause| cause.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn put(text: &str) {
    let mut stderr = io::stderr().lock();
    // A terminal that is gone is told nothing.
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

/// Most processes of the foreground that are looked at.
const MOST_LOOKED_AT: usize = 64;

/// Whether a process of the terminal's foreground process group waits in a read of a terminal, as far as
/// /proc tells.
fn foreground_reads_terminal() -> bool {
    let Ok(group) = termios::tcgetpgrp(io::stderr()) else { return false };
    let own = rustix::process::getpgrp();
    if group != own {
        return reads_terminal(&group.as_raw_nonzero().to_string());
    }
    // The workload is in our own group, which we lead: look at our descendants.
    let mut pending = vec![std::process::id().to_string()];
    let mut looked_at = 0;
    while let Some(pid) = pending.pop() {
        looked_at += 1;
        if looked_at > MOST_LOOKED_AT {
            return false;
        }
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        pending.extend(children.split_ascii_whitespace().map(str::to_owned));
        if reads_terminal(&pid) {
            return true;
        }
    }
    false
}

/// Whether the first thread of a process is in read(2) of a terminal: /proc/PID/syscall has the number of the
/// call that it sleeps in, and the arguments. `wchan` would not do: it names a function that sockets share.
fn reads_terminal(pid: &str) -> bool {
    let Ok(call) = fs::read_to_string(format!("/proc/{pid}/syscall")) else { return false };
    let mut words = call.split_ascii_whitespace();
    let (Some(number), Some(descriptor)) = (words.next(), words.next()) else { return false };
    let Ok(nr) = number.parse() else { return false };
    let native = Arch::from_name(std::env::consts::ARCH).map(Arch::native_abi);
    if native.and_then(|abi| Syscall { abi, nr }.name()) != Some("read") {
        return false;
    }
    let descriptor = descriptor.trim_start_matches("0x");
    let Ok(descriptor) = u32::from_str_radix(descriptor, 16) else { return false };
    fs::read_link(format!("/proc/{pid}/fd/{descriptor}"))
        .is_ok_and(|path| path.starts_with("/dev/pts") || path.to_string_lossy().starts_with("/dev/tty"))
}
