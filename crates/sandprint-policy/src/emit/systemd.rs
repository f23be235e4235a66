//! A drop-in for a systemd unit.
//!
//! Every setting is reset first, so that the unit's own lines do not mix with these; only `SystemCallLog=`,
//! which refuses nothing, is left to the unit unless the policy logs. `SystemCallFilter=` as an allow-list
//! lets in the group `@default` unasked; what the policy does not allow of it is taken back, so that the
//! list is exact. What it cannot say: conditions on arguments that no setting has (see `restrictions`), numbers without a
//! name, an ABI of its own for a name, and most actions. A call that the policy allows under conditions is
//! allowed whole, since a service without it fails for certain; the loss says that this is more than the
//! policy.
//!
//! Source: systemd.exec(5) and src/core/load-fragment.c, src/shared/seccomp-util.c of version 252.
//!
//! No line about `NoNewPrivileges=`: the policy does not know whether the service starts set-user-ID
//! programs. systemd sets it by itself where it must (`User=` without `CAP_SYS_ADMIN`); a comment says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sandprint_model::errno::ENOSYS;
use sandprint_model::loss::{Instead, Multiplexed, Reader, Unchecked};
use sandprint_model::multiplexed::MULTIPLEXERS;
use sandprint_model::{Abi, About, Action, KernelVersion, Loss, LossKind, Part, Policy, Syscall, errno};

use super::by_name::{ByName, NEVER_IMPLEMENTED, NamedCall, abis_of, multiplexed};
use super::escape;
use super::shape::Shape;
use super::unattended::unattended;
use super::{EmitError, Format, Written, answered};
use crate::enforce::runs;
use crate::synth::Runtime;
use crate::synth::additions::is_only_with_arguments;

mod restrictions;

use restrictions::restrict;

/// `/etc/systemd/system/UNIT.service.d/50-sandprint.conf`.
#[derive(Debug)]
pub struct Systemd;

/// The newest kernel whose calls the oldest systemd that this file is written for can name: version 252 with
/// Debian 12's libseccomp. A name that it does not know is a warning at every load of the unit.
pub(crate) const NAMED_UP_TO: KernelVersion = KernelVersion::new(6, 7);

/// Columns of a line of names.
const LINE_WIDTH: usize = 100;

/// The group `@default`: one name a line, `#` begins a comment.
static DEFAULT_GROUP: &str = include_str!("../../data/systemd-default.txt");

impl Format for Systemd {
    fn name(&self) -> &'static str {
        "systemd"
    }

    fn summary(&self) -> &'static str {
        "drop-in for a systemd unit (SystemCallFilter= and its relatives)"
    }

    fn file_name(&self) -> &'static str {
        "50-sandprint.conf"
    }

    fn launchers(&self) -> &'static [Runtime] {
        &[Runtime::Systemd]
    }

    fn sole_launcher(&self) -> Option<Runtime> {
        Some(Runtime::Systemd)
    }

    fn holds(&self) -> &'static [Part] {
        &[Part::Calls]
    }

    fn write(&self, policy: &Policy) -> Result<Written, EmitError> {
        let (policy, mut losses) =
            unattended(policy, |action| matches!(action, Action::Notify | Action::Trace(_)));
        let policy = policy.as_ref();
        let restricted = restrict(policy, &abis_of(policy));
        losses.extend(restricted.losses);
        let list = ByName::new(&restricted.rest, &abis_of(policy));
        losses.extend(list.losses.iter().cloned());
        let mut names = Names::new(policy.calls.default_action);
        for (name, call) in &list.calls {
            let unknown = call.since.is_some_and(|since| since > NAMED_UP_TO);
            if names.leave_out(name, call, &list.abis) {
                continue;
            }
            names.add(name, &call.shape, unknown);
        }
        names.lose_left_out();
        names.lose_unspoken();
        if !runs(policy.calls.default_action) {
            names.take_back_default_group(&list.abis);
        }
        if list.abis.contains(&Abi::I386) {
            names.lose_logged_multiplexers();
        }
        let log = names.log();
        losses.extend(names.losses.iter().cloned());
        let mut text = header(policy);
        text.push_str("[Service]\n");
        text.push_str(&architectures(policy, &list.abis, &mut losses));
        text.push_str(&names.filter());
        text.push_str(&error_number(policy.calls.default_action, &mut losses));
        text.push_str(&log);
        text.push_str(&restricted.lines);
        Ok(Written::text(text, losses))
    }
}

/// The names of each setting.
#[derive(Debug)]
struct Names {
    default: Action,
    allowed: BTreeSet<&'static str>,
    logged: BTreeSet<&'static str>,
    /// Names that are refused in their own way, by the word behind the colon.
    refused: BTreeMap<String, BTreeSet<&'static str>>,
    /// Names of `@default` that get the default action.
    taken_back: BTreeSet<&'static str>,
    /// Names of `@default` that the policy allows too, and that an older systemd does not know.
    left_to_systemd: BTreeSet<&'static str>,
    /// Names that every process may need with some arguments, and that would give something away with all.
    left_out: BTreeSet<&'static str>,
    /// Names that are refused, and that an older systemd does not know.
    unspoken: BTreeSet<&'static str>,
    losses: BTreeSet<Loss>,
}

impl Names {
    fn new(default: Action) -> Names {
        Names {
            default,
            allowed: BTreeSet::new(),
            logged: BTreeSet::new(),
            refused: BTreeMap::new(),
            taken_back: BTreeSet::new(),
            left_to_systemd: BTreeSet::new(),
            left_out: BTreeSet::new(),
            unspoken: BTreeSet::new(),
            losses: BTreeSet::new(),
        }
    }

    fn add(&mut self, name: &'static str, shape: &Shape, unknown: bool) {
        match shape {
            Shape::Default => {}
            Shape::Always(action) if runs(*action) => self.allow(name, *action, unknown),
            Shape::Always(action) => self.refuse(name, *action, unknown),
            Shape::When(action, _) if runs(*action) => {
                let kind = LossKind::Systemd(Unchecked::Arguments, Instead::Allowed);
                self.losses.insert(Loss::weaker(About::Name(name), kind));
                self.allow(name, *action, unknown);
            }
            Shape::When(..) => self.leave_to_default(name, Unchecked::Arguments),
        }
    }

    /// Leaves a call out that nobody was seen to make and that is harmless with some arguments only.
    fn leave_out(&mut self, name: &'static str, call: &NamedCall<'_>, abis: &[Abi]) -> bool {
        let mut here = abis.iter().filter_map(|abi| Syscall::from_name(*abi, name));
        let is_left = matches!(call.shape, Shape::When(action, _) if runs(action))
            && here.all(|syscall| is_only_with_arguments(syscall, &call.reasons));
        if is_left {
            self.left_out.insert(name);
        }
        is_left
    }

    fn lose_left_out(&mut self) {
        let lost = |name: &&'static str| {
            let kind = LossKind::Systemd(Unchecked::Arguments, Instead::UnobservedDefault);
            Loss::stricter(About::Name(name), kind)
        };
        self.losses.extend(self.left_out.iter().map(lost));
    }

    fn allow(&mut self, name: &'static str, action: Action, unknown: bool) {
        if unknown && default_group().any(|other| other == name) && !runs(self.default) {
            self.losses.insert(Loss::stricter(About::Name(name), LossKind::NewInDefaultGroup));
            self.left_to_systemd.insert(name);
            return;
        }
        if unknown {
            let kind = LossKind::NewName { reader: Reader::Systemd, is_left_out: false };
            self.losses.insert(Loss::stricter(About::Name(name), kind));
        }
        self.allowed.insert(name);
        if action == Action::Log {
            self.logged.insert(name);
        }
    }

    fn refuse(&mut self, name: &'static str, action: Action, unknown: bool) {
        let word = match action {
            Action::Errno(number @ 1..=4095) => errno::name_or_number(number),
            Action::KillProcess => "kill".to_owned(),
            _ => {
                self.leave_to_default(name, Unchecked::Action(action));
                return;
            }
        };
        if unknown {
            self.unspoken.insert(name);
        } else {
            self.refused.entry(word).or_default().insert(name);
        }
    }

    /// A refusal that cannot be said. Without any, libseccomp would let in a multiplexer of i386 with the
    /// calls that it stands for.
    fn leave_to_default(&mut self, name: &'static str, what: Unchecked) {
        let is_multiplexer = MULTIPLEXERS.contains(&name) && !runs(self.default);
        let instead = if is_multiplexer && self.default != Action::Errno(ENOSYS) {
            self.refused.entry("ENOSYS".to_owned()).or_default().insert(name);
            Instead::Enosys
        } else if is_multiplexer {
            Instead::AllowedOnI386
        } else {
            Instead::Default
        };
        let is_weaker = runs(self.default) || instead == Instead::AllowedOnI386;
        self.losses.insert(Loss::weaker_if(is_weaker, About::Name(name), LossKind::Systemd(what, instead)));
    }

    /// That a call is logged is said to another filter than what is refused, and the stricter of two filters decides.
    fn lose_logged_multiplexers(&mut self) {
        for (multiplexer, parts) in multiplexed() {
            let is_refused = |part: &&&str| self.refused.values().any(|names| names.contains(**part));
            let refused: Vec<&'static str> = parts.iter().filter(is_refused).copied().collect();
            if self.logged.contains(multiplexer) && runs(self.default) && !refused.is_empty() {
                let kind = LossKind::Multiplexer(Multiplexed::Refused, refused);
                self.losses.insert(Loss::stricter(About::Name(multiplexer), kind));
            }
        }
    }

    fn lose_unspoken(&mut self) {
        if self.unspoken.is_empty() {
            return;
        }
        let names = self.unspoken.iter().copied().collect();
        let about = About::Newer { abi: None, than: NAMED_UP_TO, names };
        let kind = LossKind::NewName { reader: Reader::Systemd, is_left_out: true };
        self.losses.insert(Loss::weaker_if(runs(self.default), about, kind));
    }

    /// Takes back what `@default` would allow beyond the policy.
    fn take_back_default_group(&mut self, abis: &[Abi]) {
        let refused: BTreeSet<&str> = self.refused.values().flatten().copied().collect();
        let mut lossy = Vec::new();
        for name in default_group() {
            let here = abis.iter().filter_map(|abi| Syscall::from_name(*abi, name));
            let Some(since) = here.map(Syscall::since).max() else { continue };
            if self.allowed.contains(name) || self.left_to_systemd.contains(name) || refused.contains(name) {
                continue;
            }
            if since.is_some_and(|since| since > NAMED_UP_TO) {
                lossy.push(name);
            } else {
                self.taken_back.insert(name);
            }
        }
        let group = About::Word("@default".to_owned());
        self.losses.insert(Loss::weaker(group, LossKind::DefaultGroupGrows));
        let lost = |name| Loss::weaker(About::Name(name), LossKind::InDefaultGroup);
        self.losses.extend(lossy.into_iter().map(lost));
    }

    /// The lines of `SystemCallFilter=`.
    fn filter(&self) -> String {
        const KEY: &str = "SystemCallFilter=";
        let mut text = format!("{KEY}\n");
        if !runs(self.default) {
            if self.allowed.is_empty() {
                // Without a first name there would be no filter at all. This one is taken back below.
                text.push_str("SystemCallFilter=exit_group\n");
            }
            push_names(&mut text, KEY, self.allowed.iter().map(|name| (*name).to_owned()));
        }
        if !self.taken_back.is_empty() {
            text.push_str("# Calls of the group @default that are not in the policy.\n");
            push_names(&mut text, &format!("{KEY}~"), self.taken_back.iter().map(|name| (*name).to_owned()));
        }
        for (word, names) in &self.refused {
            let each = names.iter().map(|name| format!("{name}:{word}"));
            push_names(&mut text, &format!("{KEY}~"), each);
        }
        text
    }

    /// The lines of `SystemCallLog=`.
    fn log(&mut self) -> String {
        const KEY: &str = "SystemCallLog=";
        if self.default != Action::Log && self.logged.is_empty() {
            return String::new();
        }
        let mut text = format!("{KEY}\n");
        if self.default == Action::Log {
            let mut unlogged = self.allowed.clone();
            if unlogged.is_empty() {
                // Not `@known`, which leaves out what this systemd has no name for.
                let [never, _] = NEVER_IMPLEMENTED;
                self.losses.insert(Loss::stricter(About::Name(never), LossKind::NeverLogged));
                unlogged.insert(never);
            }
            text.push_str("# Every call but these is logged.\n");
            push_names(&mut text, &format!("{KEY}~"), unlogged.iter().map(|name| (*name).to_owned()));
        } else {
            push_names(&mut text, KEY, self.logged.iter().map(|name| (*name).to_owned()));
        }
        text
    }
}

fn default_group() -> impl Iterator<Item = &'static str> {
    DEFAULT_GROUP.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

/// Names behind a key, on as many lines as they need. systemd adds them up.
fn push_names(text: &mut String, key: &str, names: impl Iterator<Item = String>) {
    let mut line = String::new();
    for name in names {
        if !line.is_empty() && key.len() + line.len() + 1 + name.len() > LINE_WIDTH {
            push_line(text, key, &line);
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&name);
    }
    if !line.is_empty() {
        push_line(text, key, &line);
    }
}

fn push_line(text: &mut String, key: &str, line: &str) {
    text.push_str(key);
    text.push_str(line);
    text.push('\n');
}

fn header(policy: &Policy) -> String {
    let mut text = String::from(
        "# Made by sandprint. Put this file into /etc/systemd/system/UNIT.service.d/ for your unit, then run\n\
         # `systemctl daemon-reload` and restart the unit.\n\
         # Add NoNewPrivileges=yes if the service starts no set-user-ID program; with User= it is implied.\n",
    );
    for note in &policy.notes {
        // Writing to a String cannot fail.
        writeln!(text, "# Note: {}", escape::line_comment(&note.to_string())).unwrap_or_default();
    }
    text
}

/// `SystemCallArchitectures=`: the machine's own ABI, and further ones that the policy has rules for.
fn architectures(policy: &Policy, abis: &[Abi], losses: &mut BTreeSet<Loss>) -> String {
    if runs(policy.calls.foreign_action) {
        let kind = LossKind::DecidedByName { policy: policy.calls.foreign_action };
        losses.insert(Loss::stricter(About::OtherAbis, kind));
        return "SystemCallArchitectures=\n".to_owned();
    }
    if policy.calls.foreign_action != Action::KillThread {
        losses.insert(answered(About::OtherAbis, Action::KillThread, policy.calls.foreign_action));
    }
    let others = abis.iter().filter_map(|abi| match abi {
        Abi::Arm => Some(" arm"),
        Abi::I386 => Some(" x86"),
        Abi::X32 => Some(" x32"),
        Abi::Aarch64 | Abi::X86_64 => None,
    });
    format!("SystemCallArchitectures=\nSystemCallArchitectures=native{}\n", others.collect::<String>())
}

/// `SystemCallErrorNumber=`. Empty means that the process is killed.
fn error_number(default: Action, losses: &mut BTreeSet<Loss>) -> String {
    let word = match default {
        Action::Errno(number @ 1..=4095) => errno::name_or_number(number),
        Action::Allow | Action::Log | Action::KillProcess => String::new(),
        _ => {
            losses.insert(answered(About::DefaultAction, Action::KillProcess, default));
            String::new()
        }
    };
    format!("SystemCallErrorNumber={word}\n")
}
