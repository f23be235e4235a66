//! `profile run`: record a command and everything that it starts.

mod unit;

use std::ffi::OsString;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ValueEnum, ValueHint};
use sandprint_model::{ByteString, FactKind, Facts, Memory, Trace};
use sandprint_policy::bystanders;
use sandprint_record::ebpf::Options;
use sandprint_record::session::{self, Choice, Plan, Recorded};
use sandprint_record::target::{Entry, Target};
use sandprint_sandbox::foreground::Foreground;
use sandprint_sandbox::launch::Launch;
use sandprint_sandbox::user::User;
use sandprint_view::count::counted;

use super::observer::{self, Screen};
use super::recording::{self, DetailArgs, OutputArgs};
use crate::exit::{self, ExitStatus};
use crate::output;
use crate::trace_file;
use crate::usage::{long_help, parse_duration};

/// Record a command or a unit of systemd, and everything that it starts
///
/// Counts every system call of the command and its descendants, from its execve on. Input, output, terminal and
/// signals stay the command's own. A summary goes to stderr at the end; `-o` keeps the trace, from which `profile
/// generate` makes a profile.
///
/// With `--unit` it restarts a service of systemd, or a socket, and records all of its programs in the unit's own
/// environment and sandbox, from their execve on: `ExecStartPre=`, `ExecStart=`, `ExecReload=`, `ExecStop=` and others. What
/// systemd does before that is left out.
///
/// With `CAP_BPF` and `CAP_PERFMON`, or as root, the kernel counts, and the command hardly feels it. Without them the
/// recording is slower: see `--recorder`. `sandprint doctor` says what this machine can do.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "sandprint profile run [OPTIONS] [--] <CMD>...\n       sandprint profile run [OPTIONS] --unit <NAME>",
    after_long_help = long_help(EXAMPLES, exit::HELP_RUN),
)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,

    #[command(flatten)]
    pub(crate) unit: unit::UnitArgs,

    /// Run the command as this user, with that user's groups (under sudo the command runs as root otherwise)
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Username)]
    pub(crate) user: Option<String>,

    /// How to record
    #[arg(long, value_name = "RECORDER", value_enum, default_value_t = RecorderArg::Auto)]
    pub(crate) recorder: RecorderArg,

    #[command(flatten)]
    pub(crate) detail: DetailArgs,

    /// Record only the command's own process, with all its threads
    #[arg(long)]
    pub(crate) no_children: bool,

    /// When to end the recording
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Until::Tree)]
    pub(crate) until: Until,

    /// End the command and all its descendants after this time: SIGTERM, then SIGKILL 5 seconds later
    ///
    /// 500ms, 30s, 5m, 1h; a plain number counts seconds.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,

    /// Name the run, for `coverage` and `show`
    #[arg(long, value_name = "RUN")]
    pub(crate) name: Option<String>,

    /// Leave the command's arguments out of the trace, and the workload's paths, addresses and names
    ///
    /// What was recorded of files, sockets and names is left out, so no rules about them can be made from the trace.
    /// The programs' own paths stay, and the arguments of system calls that are recorded as numbers (families, commands,
    /// flags).
    #[arg(long)]
    pub(crate) redact: bool,

    #[command(flatten)]
    pub(crate) quiet: output::QuietArgs,

    /// The command and its arguments
    #[arg(required_unless_present = "unit", trailing_var_arg = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}

/// What records a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecorderArg {
    /// ebpf if possible, else ptrace, else notify
    Auto,
    /// eBPF: the kernel counts. Needs `CAP_BPF` and `CAP_PERFMON`, or root
    Ebpf,
    /// Seccomp notifications: every call waits for the recorder. Needs no privilege. sudo and the like gain nothing
    /// under it
    Notify,
    /// ptrace, as strace does it: the command stops at every call. Needs no privilege. Processes that the command
    /// traces itself are not recorded, and sudo and the like gain nothing
    Ptrace,
}

impl From<RecorderArg> for Choice {
    fn from(recorder: RecorderArg) -> Choice {
        match recorder {
            RecorderArg::Auto => Choice::Auto,
            RecorderArg::Ebpf => Choice::Ebpf,
            RecorderArg::Notify => Choice::Notify,
            RecorderArg::Ptrace => Choice::Ptrace,
        }
    }
}

/// When the recording of a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// When its last process ends, so that a service that goes into the background is recorded to its end
    Tree,
    /// When its first process ends
    Main,
}

const EXAMPLES: &str = "
  Look at what `ls /tmp` needs:
    sudo sandprint profile run -- ls /tmp

  The same without privileges:
    sandprint profile run --recorder ptrace -- ls /tmp

  Keep the trace, running the command as yourself:
    sudo sandprint profile run --user \"$USER\" -o ls.trace.json -- ls /tmp

  Collect the runs of a test suite in one trace:
    sudo sandprint profile run --append -o suite.json --name login -- ./test1
    sudo sandprint profile run --append -o suite.json --name upload -- ./test2

  Record a service for a minute:
    sudo sandprint profile run --timeout 60s -o nginx.trace.json -- \\
      nginx -g 'daemon off;'

  Record a unit of systemd, with its reload and its stop:
    sudo sandprint profile run --unit nginx --reload --stop --duration 1m \\
      -o nginx.trace.json

While the command's first process lives, Ctrl-C goes to it. After that, Ctrl-C
ends the recording and leaves alone what still runs.";

/// Records, says what was seen, writes the trace, and ends as the command did.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitStatus> {
    args.quiet.apply();
    if let Some(name) = &args.unit.unit {
        return unit::run(args, name);
    }
    let output = args.output.prepare(false)?;
    if let Some(note) = root_note(args.user.as_deref()) {
        output::talk(&note);
    }
    let client = bystanders::client_of_command(&args.words());
    if let Some(client) = &client {
        output::warn(&bystanders::in_words(client));
    }
    let mut checkpoint = |trace: Trace| match &output {
        Some(output) => output.checkpoint(&redacted(trace, args.redact)),
        None => Ok(()),
    };
    let (recorded, foreground) = record(args, &mut checkpoint)?;
    let runs = recorded.trace.runs.clone();
    let left_out = what_is_left_out(&recorded.trace).filter(|_| args.redact);
    let trace = redacted(recorded.trace, args.redact);
    let why = Some(recorded.why).filter(|_why| recorded.survivors.is_empty());
    recording::finish(&trace, why, output.as_ref(), foreground)?;
    recording::say_what_is_not_seen(args.detail, runs.values());
    if let Some(left_out) = left_out {
        output::note(&left_out);
    }
    recording::warn_of_clients(&trace, client);
    recording::end(recorded.exit, &recorded.survivors)
}

impl RunArgs {
    /// The command as it is kept.
    fn words(&self) -> Vec<ByteString> {
        self.command.iter().map(|word| ByteString::new(word.as_encoded_bytes())).collect()
    }
}

/// Under sudo the command runs as root, as with strace: worth saying once.
fn root_note(user: Option<&str>) -> Option<String> {
    if user.is_some() || !trace_file::is_root() {
        return None;
    }
    let (caller, _) = trace_file::sudo_caller().filter(|(user, _)| *user != 0)?;
    let name = std::env::var("SUDO_USER").unwrap_or_else(|_| caller.to_string());
    Some(format!("The command runs as root; `--user {name}` would run it as the user who called sudo."))
}

/// The trace without the commands' arguments and the workload's paths and addresses, where that was asked for.
fn redacted(mut trace: Trace, redact: bool) -> Trace {
    if !redact {
        return trace;
    }
    for run in trace.runs.values_mut() {
        run.command.truncate(1);
        // Else it would say that there were none.
        run.facts.retain(|kind| !matches!(kind, FactKind::Files | FactKind::Names | FactKind::Sockets));
    }
    trace.files = Facts::default();
    trace.sockets = Facts::default();
    trace.names = Facts::default();
    for (subject, memory, runs) in std::mem::take(&mut trace.memory).iter() {
        for (run, count) in runs.iter() {
            let memory = Memory { path: None, ..memory.clone() };
            trace.memory.add(subject.clone(), memory, run, *count);
        }
    }
    trace
}

/// What cannot be made any more of a trace without paths and addresses, if it has any.
fn what_is_left_out(trace: &Trace) -> Option<String> {
    let has_any = trace.runs.values().any(|run| run.facts.contains(&FactKind::Files));
    has_any.then(|| {
        format!(
            "`--redact` left out {}, {} and {}; rules about files and addresses cannot be made from this trace",
            counted(trace.files.len(), "path"),
            counted(trace.sockets.len(), "socket use"),
            counted(trace.names.len(), "name"),
        )
    })
}

/// Records the command; `checkpoint` is called now and then with what is known so far.
fn record(
    args: &RunArgs,
    checkpoint: &mut dyn FnMut(Trace) -> anyhow::Result<()>,
) -> anyhow::Result<(Recorded, Foreground)> {
    let (program, arguments) = args.command.split_first().context("there is no command")?;
    let mut launch = Launch::new(program, arguments);
    launch.user = args.user.as_deref().map(User::resolve).transpose().context("failed to change the user")?;
    let options = Options {
        targets: vec![Target::Command],
        entry: Entry::Call,
        follow_children: !args.no_children,
        detail: args.detail.detail(),
        tasks: recording::tasks()?,
        hooks: recording::hooks()?,
    };
    let plan = Plan {
        name: args.name.clone(),
        command: args.words(),
        until_main: args.until == Until::Main,
        timeout: args.timeout,
        checkpoint_every: Some(observer::checkpoint_every()?),
        progress_every: Screen::draw_every(),
        ..Plan::default()
    };
    // Before any thread: signals are taken from here on.
    let mut foreground = Foreground::install().context("failed to take signals")?;
    let mut screen = Screen::new(true, checkpoint);
    let choice = args.recorder.into();
    let recorded = session::record_command(&launch, choice, &options, &plan, &mut foreground, &mut screen)
        .map_err(|error| recording::failure(error, program))?;
    drop(screen);
    Ok((recorded, foreground))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: RunArgs,
    }

    fn args(line: &[&str]) -> RunArgs {
        Line::try_parse_from(["run"].iter().chain(line)).unwrap().args
    }

    #[test]
    fn the_command_begins_at_the_first_word_that_is_no_option() {
        for (line, command) in [
            (&["--", "ls", "/tmp"][..], &["ls", "/tmp"][..]),
            (&["ls", "-o", "x", "--name", "y"], &["ls", "-o", "x", "--name", "y"]),
            (&["--name", "n", "--", "ls", "--", "-x"], &["ls", "--", "-x"]),
            (&["--", "--odd-name"], &["--odd-name"]),
        ] {
            let args = args(line);
            assert_eq!(args.command, command, "{line:?}");
            assert_eq!(args.output.output, None, "{line:?}");
        }
    }

    #[test]
    fn options_have_the_documented_defaults() {
        let args = args(&["ls"]);
        assert_eq!((args.until, args.timeout, args.no_children), (Until::Tree, None, false));
        assert_eq!(args.recorder, RecorderArg::Auto);
        assert_eq!((args.user, args.name, args.redact, args.output.append), (None, None, false, false));
    }

    #[test]
    fn a_redacted_trace_has_no_arguments_paths_and_addresses() {
        use sandprint_model::{
            Address, Count, Family, FileSeen, MemoryKind, Operation, Outcomes, Recorder, Run, RunId, Socket,
            SocketType, Subject,
        };
        let run = Run {
            duration_ms: None,
            exit: None,
            name: None,
            command: vec!["mysql".into(), "--password=x".into()],
            target: None,
            recorder: Recorder::Ebpf,
            started_unix_ms: None,
            host: None,
            tool_version: String::new(),
            facts: FactKind::ALL.into(),
            peaks: std::collections::BTreeMap::new(),
        };
        let mut trace = Trace::default();
        let id = RunId::from_bits(1);
        trace.runs.insert(id, run);
        assert_eq!(
            what_is_left_out(&trace).as_deref(),
            Some(
                "`--redact` left out 0 paths, 0 socket uses and 0 names; rules about files and addresses cannot be \
                 made from this trace"
            )
        );
        let who = Subject::default;
        trace.files.add(who(), "/home/secret".into(), id, FileSeen::default());
        let socket = Socket {
            family: Family::UNIX,
            kind: SocketType(1),
            protocol: 0,
            operation: Operation::Connect,
            address: Address::UnixPath("/secret/socket".into()),
        };
        trace.sockets.add(who(), socket, id, Outcomes::SUCCEEDED);
        let meaning = sandprint_model::Meaning::Connect(443);
        let name = sandprint_model::Name { name: "secret.test".into(), meaning };
        trace.names.add(who(), name, id, ());
        for path in [Some("/secret/a"), Some("/secret/b"), None] {
            let memory = Memory { kind: MemoryKind::MapWriteExec, path: path.map(ByteString::from) };
            trace.memory.add(who(), memory, id, Count(2));
        }
        assert_eq!(redacted(trace.clone(), false), trace);
        let redacted = redacted(trace, true);
        assert!(!sandprint_model::wire::encode_trace(&redacted).contains("secret"));
        let memory: Vec<_> = redacted.memory.iter().map(|(_, _, runs)| runs.get(id).copied()).collect();
        assert_eq!(memory, [Some(Count(6))]);
        assert_eq!(what_is_left_out(&redacted), None);
        let run = redacted.runs.into_values().next().unwrap();
        assert_eq!(run.command, [ByteString::from("mysql")]);
        assert!(run.facts.contains(&FactKind::Memory) && !run.facts.contains(&FactKind::Sockets));
        assert!(!run.facts.contains(&FactKind::Names));
    }
}
