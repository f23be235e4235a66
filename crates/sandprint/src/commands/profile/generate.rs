//! `profile generate`: a profile from traces or from a policy, in the language of one sandbox.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::ValueEnum;
use clap::ValueHint;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use sandprint_model::{Arch, KernelVersion, Note, Policy, Syscall};
use sandprint_policy::emit::{self, Content, EmitError, FORMATS};
use sandprint_policy::synth::{self, AllowedArguments, DefaultAction, Runtime, SynthConfig, SynthError};
use sandprint_policy::translate::translate;

use self::told::Report;
use super::images::ImageArgs;
use super::merge::read_merged;
use super::recording;
use crate::exit::{self, Deciding, ExitStatus};
use crate::output;
use crate::policy_source::PolicySource;
use crate::trace_file::{self, Privacy};
use crate::usage::long_help;

mod advice;
mod told;

/// Make a profile from traces, or from a policy
///
/// Allows every observed call, and calls that a run need not show (`--no-baseline` leaves them out). `--runtime` adds
/// what a launcher calls under the filter, `--portable` what another libc, architecture or kernel would call instead.
/// `--arguments` allows a call only as it was made. The formats `json` and `markdown` give the reason for each call.
///
/// Notes, and what the format cannot express, go to stderr. A trace that may be incomplete is refused, unless
/// `--allow-incomplete` accepts it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP))]
#[expect(clippy::struct_excessive_bools, reason = "each is an option on the command line")]
pub(crate) struct GenerateArgs {
    /// The traces, which are merged; `-` is standard input
    #[arg(required_unless_present_any = ["policy", "input"], value_name = "TRACE", value_hint = ValueHint::FilePath)]
    traces: Vec<PathBuf>,

    /// A trace, given as an option
    #[arg(short, long, value_name = "TRACE", num_args = 1.., value_hint = ValueHint::FilePath)]
    input: Vec<PathBuf>,

    /// A policy instead of traces; `-` is standard input
    #[arg(short, long, value_name = "POLICY", conflicts_with_all = [
        "traces", "input", "default_action", "portable", "kernel", "arguments", "no_baseline", "allow_incomplete",
        "image", "without_image",
    ])]
    policy: Option<PathBuf>,

    #[command(flatten)]
    images: ImageArgs,

    /// The format of the profile
    #[arg(short, long, value_name = "FORMAT", value_parser = format_parser())]
    format: &'static dyn emit::Format,

    /// Write the profile to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// What to do with a call that is not allowed
    #[arg(long, value_name = "ACTION", value_parser = default_action_parser(), default_value = "errno")]
    default_action: DefaultAction,

    /// Allow what this launcher or init calls under the filter; repeatable
    ///
    /// `any` is every launcher that loads profiles of the format. Docker starts runc and Podman crun, unless told
    /// otherwise. A systemd drop-in serves systemd without being asked.
    ///
    /// `tini` and `catatonit` are what `docker run --init` and `podman run --init` put before the workload. Give them
    /// beside the launcher, as in `--runtime runc --runtime tini`; `any` does not include them. What they need, the
    /// workload may use too: starting programs (clone, execve), sending signals (kill), and ioctl and prctl with any
    /// arguments.
    #[arg(long, value_name = "RUNTIME", value_parser = runtime_parser())]
    runtime: Vec<Launchers>,

    /// Whether the launcher sets `no_new_privs`; by default the profile works either way
    #[arg(long, value_name = "WHETHER", value_enum)]
    no_new_privs: Option<Whether>,

    /// Allow what another libc, architecture or kernel would call for the same purpose
    #[arg(long)]
    portable: bool,

    /// The oldest kernel to serve, such as 5.10; by default the oldest that was recorded on
    ///
    /// Newer calls fail with ENOSYS, so that programs use older ones instead.
    #[arg(long, value_name = "VERSION")]
    kernel: Option<KernelVersion>,

    /// Make the profile for this architecture
    ///
    /// Calls are translated by name and purpose: open becomes openat on aarch64, which has no open. If there are rules
    /// for an ABI of that machine already, nothing is translated into it, and a warning says so.
    #[arg(long, value_name = "ARCH", value_parser = arch_parser())]
    arch: Option<Arch>,

    /// Allow a call only with arguments like those it was observed with: families, commands, flags
    ///
    /// Such a rule is as good as the runs: what another run does otherwise is refused. Recordings have arguments, unless
    /// they were made by eBPF with `--detail calls`. A call whose arguments are not all known is allowed whole, and a
    /// note says why.
    #[arg(long)]
    arguments: bool,

    /// Leave out calls that a run need not show
    #[arg(long)]
    no_baseline: bool,

    #[command(flatten)]
    quiet: output::QuietArgs,

    /// Print warnings and notes in full
    #[arg(short, long, conflicts_with = "quiet")]
    verbose: bool,

    /// Accept a trace from which calls may be missing
    #[arg(long)]
    allow_incomplete: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Whether {
    /// It does: `--security-opt no-new-privileges`, or `allowPrivilegeEscalation: false` in Kubernetes
    Yes,
    /// It does not: the default of Docker and Podman
    No,
}

const EXAMPLES: &str = "
  sandprint profile generate trace.json --format oci > seccomp.json
  sandprint profile generate trace.json -f docker --runtime runc -o seccomp.json
    docker run --security-opt seccomp=seccomp.json IMAGE
  sandprint profile generate -i trace.json -f systemd \\
    -o /etc/systemd/system/app.service.d/seccomp.conf
  sandprint profile generate unit.json soak.json -f seccomp-h --portable > s.h
  sandprint profile generate -i trace.json -f markdown
  sandprint profile generate -i trace.json -f toml -o app.policy.toml
  sandprint profile generate -i trace.json -f toml --arguments -o app.policy.toml
  sandprint profile generate -i outside.json -f oci --runtime runc \\
    --without-image runc
  sandprint profile generate -p app.policy.toml -f oci --runtime runc";

fn format_parser() -> impl TypedValueParser<Value = &'static dyn emit::Format> {
    let values = FORMATS.iter().map(|format| PossibleValue::new(format.name()).help(format.summary()));
    PossibleValuesParser::new(values).try_map(|name| emit::by_name(&name).ok_or("no such format"))
}

fn default_action_parser() -> impl TypedValueParser<Value = DefaultAction> {
    let values = DefaultAction::ALL.map(DefaultAction::name);
    PossibleValuesParser::new(values)
        .try_map(|name| DefaultAction::from_name(&name).ok_or("no such default action"))
}

/// What `--runtime` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Launchers {
    One(Runtime),
    /// All launchers that load profiles of the format, or all where the format names none.
    Any,
}

fn runtime_parser() -> impl TypedValueParser<Value = Launchers> {
    let values = std::iter::once("any").chain(Runtime::ALL.map(Runtime::name));
    PossibleValuesParser::new(values).try_map(|name| match (name.as_str(), Runtime::from_name(&name)) {
        ("any", _) => Ok(Launchers::Any),
        (_, Some(runtime)) => Ok(Launchers::One(runtime)),
        _ => Err("no such runtime"),
    })
}

fn arch_parser() -> impl TypedValueParser<Value = Arch> {
    let values = Arch::ALL.map(Arch::name);
    PossibleValuesParser::new(values).try_map(|name| Arch::from_name(&name).ok_or("no such architecture"))
}

/// Makes it.
pub(crate) fn run(args: &GenerateArgs) -> anyhow::Result<ExitStatus> {
    args.quiet.apply();
    if args.no_new_privs.is_some() && args.runtimes().is_empty() {
        return Err(Deciding::usage(
            "`--no-new-privs` says what a launcher does, and none is named".to_owned(),
            "name it with `--runtime`".to_owned(),
        )
        .into());
    }
    trace_file::stdin_once(args.traces.iter().chain(&args.input))?;
    let destination = trace_file::destination(args.output.as_deref())?;
    let policy = args.policy()?;
    let translated = args.arch.map(|arch| translate(&policy, arch)).transpose();
    let (policy, lost) = match translated.map_err(|error| refused(&error))? {
        Some(translated) => (translated.policy, translated.losses),
        None => (policy, BTreeSet::new()),
    };
    let emitted = args.format.emit(&policy).map_err(|error| cannot_say(args.format, &error))?;
    if matches!(emitted.content, Content::Binary(_)) && destination.is_terminal() {
        return Err(Deciding::usage(
            format!("the format {} is no text, and standard output is a terminal", args.format.name()),
            format!("write it to a file: `-o {}`", args.format.file_name()),
        )
        .into());
    }
    destination.write(emitted.content.as_bytes(), Privacy::Shared)?;
    // What needs an action comes first.
    let launcher = launcher_note(args.format, &args.runtimes());
    let notes = launcher.iter().chain(&policy.notes);
    let report = Report::new(args.format.name(), notes, lost.iter(), emitted.losses.iter());
    report.say(args.verbose);
    Ok(ExitStatus::Success)
}

impl GenerateArgs {
    fn policy(&self) -> anyhow::Result<Policy> {
        let config = self.config();
        let Some(path) = &self.policy else {
            let (trace, left_out) = self.images.of(read_merged(self.traces.iter().chain(&self.input))?)?;
            let mut policy = synth::synthesize(&trace, &config).map_err(|error| refused(&error))?;
            policy.notes.extend(left_out);
            self.images.warn_of_launchers(&trace);
            recording::warn_of_clients(&trace, None);
            return Ok(policy);
        };
        let mut policy = PolicySource::read_sound(path)?.file.policy;
        let named = self.named_runtimes();
        for runtime in self.runtimes() {
            let kept =
                synth::allow_runtime(&mut policy, runtime, config.no_new_privs, named.contains(&runtime));
            let kept = kept.map_err(|error| refused(&error))?;
            warn_of_rules(runtime, &kept);
        }
        Ok(policy)
    }

    /// The launchers whose calls the profile allows: those that were named, and the one that the format is for.
    fn runtimes(&self) -> BTreeSet<Runtime> {
        self.named_runtimes().into_iter().chain(self.format.sole_launcher()).collect()
    }

    /// Those that were named.
    fn named_runtimes(&self) -> BTreeSet<Runtime> {
        let of_format = self.format.launchers();
        let any = if of_format.is_empty() { &Runtime::LAUNCHERS[..] } else { of_format };
        let named = self.runtime.iter().flat_map(|launchers| match launchers {
            Launchers::One(runtime) => std::slice::from_ref(runtime),
            Launchers::Any => any,
        });
        named.copied().collect()
    }

    fn config(&self) -> SynthConfig {
        SynthConfig {
            default_action: self.default_action,
            kernel: self.kernel,
            baseline: !self.no_baseline,
            portable: self.portable,
            runtimes: self.runtimes(),
            no_new_privs: self.no_new_privs.map(|whether| whether == Whether::Yes),
            arguments: if self.arguments { AllowedArguments::Observed } else { AllowedArguments::Any },
            allow_incomplete: self.allow_incomplete,
        }
    }
}

/// Says which calls of a launcher the policy's own rules keep from it.
fn warn_of_rules(runtime: Runtime, kept: &BTreeSet<Syscall>) {
    if kept.is_empty() {
        return;
    }
    let names: BTreeSet<String> = kept.iter().map(Syscall::to_string).collect();
    let (name, calls) = (runtime.name(), names.into_iter().collect::<Vec<_>>().join(", "));
    output::warn(&format!(
        "{name} calls {calls} under the filter, which the policy has rules about: they stay. `--runtime {name}` allows it"
    ));
}

/// Why no policy was made, with what to do about it.
fn refused(error: &SynthError) -> Deciding {
    let (message, hint) = if let SynthError::Incomplete { gaps } = error {
        let sentences: Vec<String> = gaps.iter().map(|(_, sentence)| sentence.clone()).collect();
        (
            format!(
                "failed to make a profile: calls that the workload needs may be missing from the recording\n  - {}",
                output::few_lines(&sentences).join("\n  - ")
            ),
            advice::hint(gaps.iter().map(|(kind, _)| *kind)),
        )
    } else if *error == SynthError::Empty {
        (
            "failed to make a profile: the trace holds no system call, and a profile without one starts nothing"
                .to_owned(),
            "give the trace of a run, not of a difference; `profile show` says what is in it".to_owned(),
        )
    } else if *error == SynthError::NoArguments {
        (
            format!("failed to {error}"),
            "record it without `--detail calls`, or leave out `--arguments`".to_owned(),
        )
    } else {
        (format!("failed to {error}"), "this is a bug in sandprint: please report it".to_owned())
    };
    Deciding { status: ExitStatus::Failure, message, hint }
}

/// Why the format cannot hold the policy.
fn cannot_say(format: &dyn emit::Format, error: &EmitError) -> Deciding {
    Deciding {
        status: ExitStatus::Failure,
        message: format!("failed to {error}, in the format {}", format.name()),
        hint: error.hint.clone(),
    }
}

/// Whether the launcher that will load the profile was thought of: without its own calls nothing may start.
fn launcher_note(format: &dyn emit::Format, runtimes: &BTreeSet<Runtime>) -> Option<Note> {
    let launchers = format.launchers();
    if launchers.is_empty() || launchers.iter().any(|launcher| runtimes.contains(launcher)) {
        return None;
    }
    Some(Note::LauncherUnnamed(launchers.iter().map(|launcher| launcher.name()).collect()))
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    /// What these options and a trace ask for.
    fn asked(options: &[&str]) -> GenerateArgs {
        let command = GenerateArgs::augment_args(Command::new("generate"));
        let words = [&["generate", "trace.json"], options].concat();
        GenerateArgs::from_arg_matches(&command.try_get_matches_from(words).unwrap()).unwrap()
    }

    #[test]
    fn any_launcher_is_no_init() {
        let launchers = BTreeSet::from(Runtime::LAUNCHERS);
        for format in FORMATS {
            let any = asked(&["-f", format.name(), "--runtime", "any"]).runtimes();
            assert!(!any.is_empty() && any.is_subset(&launchers), "{}: {any:?}", format.name());
        }
        let with_init = asked(&["-f", "oci", "--runtime", "any", "--runtime", "tini"]).runtimes();
        assert_eq!(with_init, [Runtime::Crun, Runtime::Runc, Runtime::Tini].into());
    }

    #[test]
    fn a_drop_in_serves_systemd_unasked() {
        assert_eq!(asked(&["-f", "systemd"]).runtimes(), [Runtime::Systemd].into());
        let beside = asked(&["-f", "systemd", "--runtime", "runc"]).runtimes();
        assert_eq!(beside, [Runtime::Runc, Runtime::Systemd].into());
    }

    #[test]
    fn a_format_that_a_launcher_loads_asks_for_that_launcher() {
        for format in FORMATS {
            let asks = |runtime: Option<Runtime>| {
                let runtime = runtime.map(Runtime::name);
                let options = runtime.iter().flat_map(|name| ["--runtime", name]);
                let options: Vec<&str> = ["-f", format.name()].into_iter().chain(options).collect();
                launcher_note(*format, &asked(&options).runtimes()).is_some()
            };
            let launchers: &[Runtime] = match format.name() {
                "docker" | "k8s" | "oci" => &[Runtime::Crun, Runtime::Runc],
                "bpf" => &[Runtime::Bwrap],
                _ => &[],
            };
            assert_eq!(asks(None), !launchers.is_empty(), "{}", format.name());
            for runtime in Runtime::ALL {
                let expected = !launchers.is_empty() && !launchers.contains(&runtime);
                assert_eq!(asks(Some(runtime)), expected, "{} {}", format.name(), runtime.name());
            }
        }
        assert_eq!(
            launcher_note(emit::by_name("oci").unwrap(), &BTreeSet::new()).unwrap().to_string(),
            "Name what loads this profile: `--runtime crun` or `--runtime runc`. It makes calls of its own before it \
             starts the program, and these may be refused. `--runtime any` serves all."
        );
    }
}
