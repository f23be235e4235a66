//! What `profile run` and `profile attach` share: where the trace goes, and what is said at the end.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::{ValueEnum, ValueHint};
use sandprint_model::{Exit, FactKind, Run, Trace};
use sandprint_policy::bystanders::{self, Client};
use sandprint_record::detail::Detail;
use sandprint_record::ebpf::{Hooks, Tasks};
use sandprint_record::session::{SessionError, Why};
use sandprint_sandbox::foreground::Foreground;
use sandprint_view::trace::summary;

use crate::commands::not_started;
use crate::exit::{Deciding, ExitStatus};
use crate::output;
use crate::trace_file::TraceOutput;

/// Where the trace goes.
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Write the trace to this file (a new one has mode 0600)
    ///
    /// Without this option no trace is written. The file is replaced in one step: a recording that fails leaves the
    /// old one as it was. An existing file keeps its owner and mode. Under sudo, a new one belongs to the user who
    /// called sudo, if that user could have made it there. Symbolic links are followed.
    #[arg(short, long, value_name = "TRACE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Merge into the existing trace instead of replacing it
    ///
    /// Any number of commands may append to one file at the same time, as the parts of a test suite do. The file is
    /// made if there is none.
    #[arg(long, requires = "output")]
    pub(crate) append: bool,
}

impl OutputArgs {
    /// Checks, before anything is started, that the trace can be written.
    ///
    /// `owns_stdout` says whether standard output is ours: while a workload runs, it is the workload's.
    pub(crate) fn prepare(&self, owns_stdout: bool) -> anyhow::Result<Option<TraceOutput>> {
        let Some(path) = &self.output else { return Ok(None) };
        let output = TraceOutput::prepare(path, self.append)?;
        if output.is_stdout() && !owns_stdout {
            return Err(Deciding::usage(
                format!("the trace cannot go to {}: it belongs to the command", shown(path)),
                "give a file to `-o`, or a pipe of its own: `-o >(gzip > trace.json.gz)`",
            )
            .into());
        }
        Ok(Some(output))
    }
}

fn shown(path: &Path) -> String {
    if path == Path::new("-") { "standard output".to_owned() } else { output::quote(path) }
}

/// Ends a recording: a trace file is written first, while signals are still `taken`, so that none loses it. Then what
/// was observed is said, also when the trace could not be written.
pub(crate) fn finish(
    trace: &Trace,
    why: Option<Why>,
    output: Option<&TraceOutput>,
    taken: Foreground,
) -> anyhow::Result<()> {
    finish_saying(
        trace,
        output,
        taken,
        &mut |taken| {
            drop(taken);
            if let Some(why) = why {
                say_why(why);
            }
        },
        &mut output::talk,
    )
}

/// `taken` is what `release` gives back once nothing can be lost any more.
fn finish_saying<T>(
    trace: &Trace,
    output: Option<&TraceOutput>,
    taken: T,
    release: &mut dyn FnMut(T),
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    // Whoever reads a pipe may be slow, and Ctrl-C is to end that.
    let written = output.filter(|output| output.is_file()).map(|output| output.write(trace));
    release(taken);
    say(&summary(trace));
    match output {
        Some(output) => {
            written.unwrap_or_else(|| output.write(trace))?;
            if !output.is_stdout() {
                say(&format!("\nTrace written to {}.", output.describe()));
            }
        }
        None => say("\nNo trace was written: `-o FILE` writes one, from which profiles are made."),
    }
    Ok(())
}

/// How the command ended, once the trace is safe. What the time limit could not end is a failure: nobody knows how the
/// command will end, or when.
pub(crate) fn end(exit: Option<Exit>, survivors: &[String]) -> anyhow::Result<ExitStatus> {
    if survivors.is_empty() {
        return Ok(status_of(exit));
    }
    let survivors = survivors.join("; ");
    if exit.is_some() {
        output::warn(&format!("the time was up, and SIGKILL did not end {survivors}"));
        return Ok(status_of(exit));
    }
    Err(Deciding {
        status: ExitStatus::RecorderFailed,
        message: format!("failed to end the command after its time: SIGKILL did not end {survivors}"),
        hint: "it was left as it is, and SIGKILL ends it as soon as it can".to_owned(),
    }
    .into())
}

/// Warns of programs that have their work done by others, but for the one that was told before.
pub(crate) fn warn_of_clients(trace: &Trace, told: Option<Client>) {
    for client in bystanders::clients_of_trace(trace) {
        if told != Some(client) {
            output::warn(&bystanders::in_words(&client));
        }
    }
}

/// The status to end with once the trace is safe.
pub(crate) fn status_of(exit: Option<Exit>) -> ExitStatus {
    exit.map_or(ExitStatus::Success, ExitStatus::Workload)
}

/// Says why a recording ended, where that is not what anybody would expect.
fn say_why(why: Why) {
    match why {
        Why::TreeEnded | Why::MainEnded | Why::DurationOver | Why::ErrandFailed => {}
        Why::TimedOut => output::note("the time was up, and the command and its descendants were ended"),
        Why::Interrupted(signal) => {
            output::note(&format!("{signal} ended the recording; what still runs was left running"));
        }
    }
}

/// How much is recorded of each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub(crate) struct DetailArgs {
    /// How much to record of each call
    ///
    /// `full`, which is what is done without this option, is all that a policy can be about: arguments, how often each
    /// call failed and with which error, what a seccomp filter answered with an error, files, sockets, capabilities,
    /// and more: see `profile show --only`. `calls` is only which calls are made and how often, by notification
    /// also their arguments, and by ptrace those and errors; it starts sooner and costs less, and keeps no paths and
    /// addresses. Capabilities and what filters answered only eBPF sees; how calls end, notification does not.
    #[arg(long, value_name = "LEVEL", value_enum)]
    detail: Option<DetailArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DetailArg {
    /// Which calls are made
    Calls,
    /// Also all that is done with them: arguments, errors, files, sockets, capabilities
    Full,
}

impl DetailArgs {
    /// The level.
    pub(crate) fn detail(self) -> Detail {
        match self.detail {
            Some(DetailArg::Calls) => Detail::Calls,
            Some(DetailArg::Full) | None => Detail::Full,
        }
    }
}

/// Says which kinds of facts were asked for and not recorded, since the recorder does not see them.
pub(crate) fn say_what_is_not_seen<'r>(detail: DetailArgs, runs: impl Iterator<Item = &'r Run>) {
    // Who did not ask for them has them where they can be had.
    if detail.detail != Some(DetailArg::Full) {
        return;
    }
    for run in runs {
        let missing =
            FactKind::ALL.into_iter().filter(|kind| !run.facts.contains(kind)).map(|kind| match kind {
                FactKind::Arguments => "arguments",
                FactKind::Capabilities => "capabilities",
                FactKind::Files => "files",
                FactKind::IoUring => "what is submitted through io_uring",
                FactKind::Memory => "writable code",
                FactKind::Names => "names of addresses",
                FactKind::Namespaces => "the flags of what makes tasks",
                FactKind::Peaks => "peaks",
                FactKind::Sockets => "sockets",
                FactKind::Refused => "what filters refused",
                FactKind::Results => "errors of calls",
            });
        let missing: Vec<&str> = missing.collect();
        if !missing.is_empty() {
            let recorder = run.recorder.name();
            output::note(&format!("the recorder {recorder} does not see {}", missing.join(" and ")));
        }
    }
}

/// How to keep tasks: `SANDPRINT_TASKS=storage|tid` chooses; unset, the best that the kernel has.
///
/// For tests and measurements of the way that older kernels need.
pub(crate) fn tasks() -> anyhow::Result<Option<Tasks>> {
    match std::env::var("SANDPRINT_TASKS").ok().as_deref() {
        None | Some("") => Ok(None),
        Some("storage") => Ok(Some(Tasks::Storage)),
        Some("tid") => Ok(Some(Tasks::ByTid)),
        Some(other) => Err(Deciding::usage(
            format!("SANDPRINT_TASKS is {other:?}"),
            "set it to `storage` or `tid`, or unset it to let sandprint choose",
        )
        .into()),
    }
}

/// What to attach to: `SANDPRINT_HOOKS=raw_tp|tracepoint` chooses; unset, what is exact on this kernel.
///
/// For tests and measurements, as above.
pub(crate) fn hooks() -> anyhow::Result<Option<Hooks>> {
    match std::env::var("SANDPRINT_HOOKS").ok().as_deref() {
        None | Some("") => Ok(None),
        Some("raw_tp") => Ok(Some(Hooks::RawTracepoints)),
        Some("tracepoint") => Ok(Some(Hooks::Tracepoints)),
        Some(other) => Err(Deciding::usage(
            format!("SANDPRINT_HOOKS is {other:?}"),
            "set it to `raw_tp` or `tracepoint`, or unset it to let sandprint choose",
        )
        .into()),
    }
}

/// A recording that failed by our own fault or the host's.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) SessionError);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "failed to {}", self.0)
    }
}

impl std::error::Error for Failed {
    /// The error's text is part of ours, so what comes next is its cause.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// The error of a recording, with the exit status that it means.
pub(crate) fn failure(error: SessionError, command: &OsStr) -> anyhow::Error {
    let SessionError::Launch(launch) = error else {
        return Failed(error).into();
    };
    match not_started::why(&launch, command) {
        Some(deciding) => deciding.into(),
        None => Failed(launch.into()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace_file;

    const SUMMARY: &str = "Observed 0 syscall events (0 unique syscalls)\n";

    fn said(output: Option<&TraceOutput>) -> (Vec<String>, anyhow::Result<()>) {
        let mut said = Vec::new();
        let say = &mut |text: &str| said.push(text.to_owned());
        let result = finish_saying(&Trace::default(), output, (), &mut |()| {}, say);
        (said, result)
    }

    #[test]
    fn without_an_output_the_user_learns_how_to_get_one() {
        let (said, result) = said(None);
        result.unwrap();
        assert_eq!(
            said,
            [SUMMARY, "\nNo trace was written: `-o FILE` writes one, from which profiles are made."]
        );
    }

    #[test]
    fn a_trace_that_could_not_be_written_is_still_summarized() {
        let output = OutputArgs { output: Some("/dev/full".into()), append: false };
        let (said, result) = said(output.prepare(false).unwrap().as_ref());
        assert_eq!(said, [SUMMARY]);
        assert_eq!(
            format!("{:#}", result.unwrap_err()),
            "failed to write `/dev/full`: No space left on device (os error 28)"
        );
    }

    #[test]
    fn a_trace_is_written_and_where_is_said() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t.json");
        let output = OutputArgs { output: Some(path.clone()), append: true };
        let (said, result) = said(output.prepare(false).unwrap().as_ref());
        result.unwrap();
        assert_eq!(said, [SUMMARY.to_owned(), format!("\nTrace written to `{}`.", path.display())]);
        assert_eq!(trace_file::read(&path).unwrap(), Trace::default());
    }

    #[test]
    fn standard_output_is_ours_only_when_nothing_else_writes_there() {
        let output = OutputArgs { output: Some("-".into()), append: false };
        assert!(output.prepare(true).unwrap().unwrap().is_stdout());
        let refused = output.prepare(false).unwrap_err();
        assert_eq!(crate::exit::status_of(&refused, ExitStatus::RecorderFailed), ExitStatus::Usage);
    }

    #[test]
    fn the_workload_decides_the_status() {
        assert_eq!(status_of(Some(Exit::Code(7))).code(), 7);
        assert_eq!(status_of(Some(Exit::Signal(15))).code(), 143);
        assert_eq!(status_of(None).code(), 0);
    }
}
