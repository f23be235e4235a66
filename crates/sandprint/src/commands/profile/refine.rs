//! `profile refine`: run a command under its policy until nothing is refused, deciding each refused call.

mod accept;
mod ask;
mod saver;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::{ArgGroup, ValueHint};
use sandprint_model::wire::PolicyFile;
use sandprint_model::{Abi, Arch, Date, Denial, Exit, Policy};
use sandprint_policy::synth::{Additions, AllowedArguments};
use sandprint_policy::{enforce, synth};
use sandprint_sandbox::input::Unrepeatable;
use sandprint_sandbox::signals::Signal;
use sandprint_trial::error::{TrialError, unrepeatable_in_words};
use sandprint_trial::refine::{Refinement, Round};
use sandprint_trial::{Answer, Trial};
use sandprint_view::{rule, verdict};

use self::accept::{Accepted, Rules};
use self::ask::Person;
use self::saver::Saver;
use super::verify;
use crate::commands::run as confining;
use crate::exit::{self, Deciding, ExitStatus};
use crate::output::{self, quote};
use crate::policy_source::PolicySource;
use crate::trace_file;
use crate::usage::{long_help, parse_duration};

/// Grow a policy: run a command under it, and decide each refused call
///
/// Needs no privilege. A call that only a default of the policy refuses waits for a decision: by you (--ask) or by
/// rules (--accept, --accept-harmless, --accept-all). Each decision is written to the policy at once, with its reason,
/// the day, and who decided. Then the command runs again, until a run brings nothing new.
///
/// What a rule of the policy refuses stays refused. Ctrl-C keeps what was decided. All runs read the same standard
/// input: a file is rewound, and up to 64 MiB of a pipe are kept.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "sandprint profile refine [OPTIONS] --policy <POLICY> <--ask|--accept...>\n       [--] <CMD>...",
    after_long_help = long_help(EXAMPLES, exit::HELP_REFINE),
    group = ArgGroup::new("decider").required(true).args(["ask", "accept", "accept_harmless", "accept_all"]),
)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option on the command line")]
pub(crate) struct RefineArgs {
    /// The policy file, or its JSON form
    #[arg(short, long, value_name = "POLICY", value_hint = ValueHint::FilePath)]
    policy: PathBuf,

    /// If there is no such file, start with the command's execve and what every process needs
    #[arg(long)]
    new: bool,

    /// Ask on the terminal about each call
    ///
    /// The answer `h` allows all calls without a known risk at once.
    #[arg(long)]
    ask: bool,

    /// Allow the calls of these names (`read,pread*`), or `observed`: those of --trace
    ///
    /// Others stay refused, and are not written.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', num_args = 1)]
    accept: Vec<String>,

    /// The trace for `--accept observed`
    #[arg(long, value_name = "TRACE", requires = "accept", value_hint = ValueHint::FilePath)]
    trace: Option<PathBuf>,

    /// Allow the calls without a known risk
    ///
    /// These are the calls that systemd gives to every service, except those that a hostile program could misuse.
    /// Others stay refused, and are not written.
    #[arg(long)]
    accept_harmless: bool,

    /// Allow every call that the command makes
    ///
    /// The command is not confined then: do not use this on what you do not trust.
    #[arg(long)]
    accept_all: bool,

    /// Allow accepted calls only with arguments that select the same as in the refused call
    #[arg(long, conflicts_with = "ask")]
    with_arguments: bool,

    /// Do not add calls that a run need not show
    #[arg(long)]
    no_baseline: bool,

    /// Run the command at most so often
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,

    /// End the command and all its descendants after this time, in each run: SIGTERM, then SIGKILL 5 seconds later
    ///
    /// 500ms, 30s, 5m, 1h; a plain number counts seconds. Use it for servers.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,

    /// Write the policy to this file, not to the one that was read
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    command: Vec<OsString>,
}

const EXAMPLES: &str = "
  sandprint profile refine -p app.policy.toml --new --accept-all -- ./app
  sandprint profile refine -p app.policy.toml --ask -- ./app --check
  sandprint profile refine -p app.policy.toml --new --accept-harmless -- ./app
  sandprint profile refine -p app.policy.toml --accept 'read,pread*' \\
    --with-arguments -- ./app
  sandprint profile refine -p app.policy.toml --accept observed \\
    --trace app.trace.json -- ./app";

/// More sets of arguments of one call than a reader of the policy follows.
const MOST_ALTERNATIVES: usize = 8;

/// Why no further round was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The last round brought nothing new.
    Settled,
    /// Somebody wanted no further question.
    Stopped,
    /// A signal came, to the command or to us; it is named where both ended of it.
    Interrupted(Option<Signal>),
    /// A further run would not read what the last one has read.
    Unrepeatable(Unrepeatable),
    /// The rounds are used up, and the last of them brought decisions.
    UsedUp,
}

/// Refines it, and says what was decided.
pub(crate) fn run(args: &RefineArgs) -> anyhow::Result<ExitStatus> {
    let arch =
        Arch::from_name(std::env::consts::ARCH).context("this machine is neither x86_64 nor aarch64")?;
    let source = args.source(arch.native_abi())?;
    enforce::check(source.policy(), arch.native_abi())
        .map_err(|unfit| confining::not_enforced(&args.policy, &unfit))?;
    let path = args.output.as_deref().unwrap_or(&args.policy);
    let saver = Saver::prepare(path, &source, args.output.is_none() && args.policy.exists())?;
    let (policy, on, additions) = (source.policy().clone(), today(), args.additions(source.policy())?);
    let mut refinement = if args.ask {
        Refinement::new(policy, on, additions, Person::at_the_terminal(saver.clone())?)
    } else {
        Refinement::new(policy, on, additions, args.rules(saver.clone())?)
    };
    saver.save(source.policy())?;
    let (program, arguments) = args.command.split_first().context("there is no command")?;
    let mut trial = verify::trial(program, arguments, args.timeout, arch)?;
    let ended = args.rounds(&mut refinement, &mut trial);
    // Whatever came of the rounds, what was decided is kept.
    saver.save(&refinement.policy())?;
    let (end, rounds) = ended.map_err(|error| verify::failure(error, program))?;
    tell(&refinement, &saver, end, &rounds);
    if let End::Interrupted(Some(signal)) = end {
        // As a shell sees it end without us: its loop ends too.
        return Ok(ExitStatus::Workload(Exit::Signal(signal.number())));
    }
    let left = rounds.last().is_none_or(|round| !round.left.is_empty());
    Ok(if end == End::Settled && !left { ExitStatus::Success } else { ExitStatus::Different })
}

impl RefineArgs {
    /// The policy to begin with.
    fn source(&self, native: Abi) -> anyhow::Result<PolicySource> {
        let stdout = |path: &Path| path == Path::new("-");
        if stdout(&self.policy) || self.output.as_deref().is_some_and(stdout) {
            let hint = "give the name of a file: standard input and output are the command's";
            return Err(Deciding::usage("a policy that is refined needs a file", hint).into());
        }
        if self.new && !self.policy.exists() {
            let mut policy = synth::starting_point(native);
            let arguments =
                if self.with_arguments { AllowedArguments::Observed } else { AllowedArguments::Any };
            if !self.no_baseline {
                Additions::read()?.complete(&mut policy, arguments);
            }
            let file = PolicyFile::new(policy);
            return Ok(PolicySource { name: quote(&self.policy), file, is_policy_file: true });
        }
        Ok(PolicySource::read(&self.policy)?.usable()?)
    }

    /// What is added beside the decisions: nothing to a policy that was made without it.
    fn additions(&self, policy: &Policy) -> anyhow::Result<Option<&'static Additions>> {
        let additions = Additions::read()?;
        Ok((!self.no_baseline && additions.is_in(policy)).then_some(additions))
    }

    /// What stands for a person.
    fn rules(&self, saver: Saver) -> anyhow::Result<Rules> {
        let suffix = if self.with_arguments { " --with-arguments" } else { "" };
        let by = |words: &str| format!("{words}{suffix}");
        let (accepted, by) = if self.accept_all {
            (Accepted::All, by("--accept-all"))
        } else if self.accept_harmless {
            (Accepted::Harmless, by("--accept-harmless"))
        } else {
            let written = format!("--accept {}", self.accept.join(","));
            (self.accepted()?, by(&written))
        };
        Ok(Rules { accepted, with_arguments: self.with_arguments, by, saver })
    }

    fn accepted(&self) -> anyhow::Result<Accepted> {
        let (observed, patterns): (Vec<String>, Vec<String>) =
            self.accept.iter().cloned().partition(|pattern| pattern == "observed");
        if observed.is_empty() != self.trace.is_none() {
            let hint = "`--accept observed --trace TRACE` accepts the calls of a recording";
            return Err(Deciding::usage("`--accept observed` and `--trace` go together", hint).into());
        }
        if let Some(nothing) = patterns.iter().find(|pattern| !accept::matches_something(pattern)) {
            let hint =
                "a pattern is a call's name, in which `*` stands for anything and `?` for one character";
            return Err(Deciding::usage(format!("no system call has a name like `{nothing}`"), hint).into());
        }
        let observed = match &self.trace {
            Some(trace) => trace_file::read(trace)?.syscalls(),
            None => BTreeSet::new(),
        };
        Ok(Accepted::Some { patterns, observed })
    }

    /// Runs the command until there is nothing new.
    fn rounds(
        &self,
        refinement: &mut Refinement,
        trial: &mut Trial,
    ) -> Result<(End, Vec<Round>), TrialError> {
        let mut rounds = Vec::new();
        for _ in 1..=self.rounds {
            let round = match refinement.round(trial, self.rounds == 1) {
                Ok(round) => round,
                Err(TrialError::Unrepeatable(why)) if !rounds.is_empty() => {
                    return Ok((End::Unrepeatable(why), rounds));
                }
                Err(error) => return Err(error),
            };
            let (exit, decided, by_us) = (round.exit, round.decided, round.timed_out);
            let waiting_ended_by = round.interrupted;
            rounds.push(round);
            if let Some(signal) = waiting_ended_by {
                return Ok((End::Interrupted(Some(signal)), rounds));
            }
            if trial.foreground.asked_to_end().is_some() || (is_interruption(exit) && !by_us) {
                let died_of = |signal: &Signal| exit == Exit::Signal(signal.number());
                let signal = trial.foreground.asked_to_end().filter(died_of);
                return Ok((End::Interrupted(signal), rounds));
            }
            if refinement.is_stopped() {
                return Ok((End::Stopped, rounds));
            }
            if decided == 0 {
                return Ok((End::Settled, rounds));
            }
        }
        Ok((End::UsedUp, rounds))
    }
}

/// Whether a command was ended as people and supervisors end one.
fn is_interruption(exit: Exit) -> bool {
    const HUP_INT_QUIT_TERM: [u8; 4] = [1, 2, 3, 15];
    matches!(exit, Exit::Signal(signal) if HUP_INT_QUIT_TERM.contains(&signal))
}

fn today() -> Date {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Date::from_unix_ms(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// Says what was decided, and how it stands.
fn tell(refinement: &Refinement, saver: &Saver, end: End, rounds: &[Round]) {
    let decisions = refinement.decisions();
    let of =
        |wanted: &[Answer]| decisions.iter().filter(|decision| wanted.contains(&decision.answer)).count();
    let allowed = of(&[Answer::Allow, Answer::AllowWithArguments]);
    let (once, refused) = (of(&[Answer::Once]), of(&[Answer::Refuse]));
    for decision in &decisions {
        let words = match decision.answer {
            Answer::AllowWithArguments => rule::of_denial(&decision.denial),
            Answer::Refuse => format!("{} {}", decision.denial.action, decision.denial.call.syscall),
            Answer::Once => format!("once: {}", rule::of_denial(&decision.denial)),
            _ => format!("allow {}", decision.denial.call.syscall),
        };
        output::talk(&format!("  {words}"));
    }
    let runs = match rounds.len() {
        0 => "no complete run".to_owned(),
        1 => "1 run".to_owned(),
        runs => format!("{runs} runs"),
    };
    output::talk(&format!(
        "{}: {allowed} allowed, {refused} refused, {once} allowed once; {runs}",
        saver.describe()
    ));
    let added: Vec<String> = refinement.added().iter().map(ToString::to_string).collect();
    if !added.is_empty() {
        output::note(&format!(
            "allowed beside that, since a run need not show it (--no-baseline leaves it out): {}",
            added.join(", ")
        ));
    }
    for note in refinement.notes() {
        output::warn(&note);
    }
    for (syscall, count) in refinement.alternatives_beyond(MOST_ALTERNATIVES) {
        output::note(&format!(
            "{syscall} is allowed with {count} sets of arguments, one rule each; a rule with a mask or without \
             conditions may say what is meant"
        ));
    }
    if rounds.iter().any(|round| round.timed_out) {
        output::note("the time was up in a run, and the command and its descendants were ended");
    }
    let caveats: BTreeSet<&String> = rounds.iter().flat_map(|round| &round.caveats).collect();
    for caveat in caveats {
        output::note(caveat);
    }
    match end {
        End::Settled => {}
        End::Stopped => output::note("stopped as wanted; the same command line goes on from here"),
        End::Unrepeatable(why) => output::note(&format!(
            "the command was not run again: {}; the same command line goes on from here",
            unrepeatable_in_words(why)
        )),
        End::Interrupted(_) => {
            output::note("interrupted; what was decided is kept, and the same command line goes on");
        }
        End::UsedUp => output::note(
            "the rounds are used up, and the last one still brought decisions; run it again, or give more `--rounds`",
        ),
    }
    tell_left(rounds.last().map(|round| round.left.as_slice()).unwrap_or_default(), end);
}

fn tell_left(left: &[Denial], end: End) {
    if left.is_empty() {
        if end == End::Settled {
            output::talk(
                "the last run had no refused call; `sandprint profile verify` proves it under the filter itself",
            );
        }
        return;
    }
    let kinds = if left.len() == 1 {
        "1 kind of call is".to_owned()
    } else {
        format!("{} kinds of calls are", left.len())
    };
    output::talk(&format!("{kinds} still refused by the policy:"));
    let left: Vec<String> = left.iter().map(verdict::denial).collect();
    output::say_few(&left, output::talk, "kinds");
}
