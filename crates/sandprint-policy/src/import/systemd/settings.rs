//! The settings of a unit that filter system calls, read in the order of the file.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Abi, Action, Arch, Loss, Note, errno};

use super::super::profile::{Argument, Operator};
use super::super::{groups, loss, quoted};
use super::unit_file::Assignment;
use super::{CALL_SETTINGS, UNTRANSLATED, ignored};

/// EPERM and EAFNOSUPPORT: what the settings other than `SystemCallFilter=` answer.
const EPERM: u16 = 1;
const EAFNOSUPPORT: u16 = 97;

/// What was set.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) filter: Option<NameList>,
    pub(super) log: Option<NameList>,
    /// `SystemCallErrorNumber=`.
    pub(super) refusal: Action,
    /// `SystemCallArchitectures=`; none means all of the machine.
    pub(super) architectures: Option<BTreeSet<Abi>>,
    /// Settings that refuse some calls, by their key.
    pub(super) refusals: BTreeMap<&'static str, Vec<Refusal>>,
    /// Whether any of this was there.
    pub(super) filters_calls: bool,
    pub(super) losses: BTreeSet<Loss>,
    pub(super) notes: BTreeSet<Note>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            filter: None,
            log: None,
            refusal: Action::KillProcess,
            architectures: None,
            refusals: BTreeMap::new(),
            filters_calls: false,
            losses: BTreeSet::new(),
            notes: BTreeSet::new(),
        }
    }
}

/// The names of `SystemCallFilter=` or `SystemCallLog=`.
#[derive(Debug, Default)]
pub(super) struct NameList {
    /// Whether the first assignment was without `~`.
    pub(super) allows: bool,
    pub(super) names: BTreeMap<String, Listed>,
}

/// What is said of a name.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    /// An action of its own.
    pub(super) action: Option<Action>,
    /// What the author wrote above the line.
    pub(super) comment: String,
}

/// A call that a setting refuses.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) name: &'static str,
    pub(super) errno: u16,
    pub(super) args: Vec<Argument>,
}

impl Settings {
    /// Takes one assignment in.
    pub(super) fn take(&mut self, assignment: &Assignment, arch: Arch) {
        let Assignment { key, value, .. } = assignment;
        if CALL_SETTINGS.contains(&key.as_str()) {
            self.filters_calls = true;
        }
        match key.as_str() {
            "SystemCallFilter" => take_names(&mut self.filter, assignment, false, &mut self.losses),
            "SystemCallLog" => take_names(&mut self.log, assignment, true, &mut self.losses),
            "SystemCallErrorNumber" => self.error_number(value),
            "SystemCallArchitectures" => self.let_in(value, arch),
            "RestrictAddressFamilies" => self.families(value),
            "Personality" if !value.is_empty() => {
                let text =
                    "it changes what LockPersonality= lets through, which was taken for the native one";
                self.losses.insert(loss("Personality", text, false));
            }
            _ => self.switch(key, value),
        }
    }

    fn error_number(&mut self, value: &str) {
        match value {
            "" | "kill" => self.refusal = Action::KillProcess,
            _ => match errno_of(value).filter(|number| *number > 0) {
                Some(number) => self.refusal = Action::Errno(number),
                None => drop(self.losses.insert(ignored("SystemCallErrorNumber", value))),
            },
        }
    }

    fn let_in(&mut self, value: &str, arch: Arch) {
        if value.is_empty() {
            self.architectures = None;
            return;
        }
        let mut listed = BTreeSet::new();
        for word in value.split_whitespace() {
            match word {
                "native" => drop(listed.insert(arch.native_abi())),
                "x86-64" => drop(listed.insert(Abi::X86_64)),
                "x86" => drop(listed.insert(Abi::I386)),
                "x32" => drop(listed.insert(Abi::X32)),
                "arm64" => drop(listed.insert(Abi::Aarch64)),
                "arm" => drop(listed.insert(Abi::Arm)),
                _ => drop(self.losses.insert(ignored("SystemCallArchitectures", word))),
            }
        }
        // libseccomp adds the machine's own by itself.
        listed.insert(arch.native_abi());
        self.architectures.get_or_insert_default().extend(listed);
    }

    /// A setting that is on or off.
    fn switch(&mut self, key: &str, value: &str) {
        let on = !matches!(value, "" | "0" | "no" | "n" | "false" | "f" | "off");
        let refuse = |names: &[&'static str]| -> Vec<Refusal> {
            names.iter().map(|name| Refusal { name, errno: EPERM, args: Vec::new() }).collect()
        };
        let group = |group: &str| -> Vec<Refusal> {
            refuse(&groups::members(group).unwrap_or_default().into_iter().collect::<Vec<_>>())
        };
        let compared = |name, index, operator, value| Refusal {
            name,
            errno: EPERM,
            args: vec![Argument { index, operator, value, value_two: 0 }],
        };
        let (key, refusals): (&'static str, Vec<Refusal>) = match key {
            "LockPersonality" => (LOCK_PERSONALITY, vec![compared("personality", 0, Operator::NotEqual, 0)]),
            "PrivateDevices" => ("PrivateDevices", group("@raw-io")),
            "ProtectClock" => ("ProtectClock", group("@clock")),
            "ProtectHostname" => ("ProtectHostname", refuse(&["sethostname", "setdomainname"])),
            "ProtectKernelLogs" => ("ProtectKernelLogs", refuse(&["syslog"])),
            "ProtectKernelModules" => ("ProtectKernelModules", group("@module")),
            "ProtectKernelTunables" => ("ProtectKernelTunables", refuse(&["_sysctl"])),
            // All policies but SCHED_OTHER (0), SCHED_BATCH (3) and SCHED_IDLE (5).
            "RestrictRealtime" => {
                let equal = [1, 2, 4].map(|p| compared("sched_setscheduler", 1, Operator::Equal, p));
                let above = compared("sched_setscheduler", 1, Operator::Greater, 5);
                ("RestrictRealtime", equal.into_iter().chain([above]).collect())
            }
            other => {
                if on && UNTRANSLATED.contains(&other) {
                    let text = "systemd refuses some calls for it, which the policy does not";
                    self.losses.insert(loss(other, text, true));
                }
                if UNTRANSLATED.contains(&other) && !on {
                    self.losses.retain(|loss| loss.subject != other);
                }
                return;
            }
        };
        self.filters_calls |= on;
        if on {
            self.refusals.insert(key, refusals);
        } else {
            self.refusals.remove(key);
        }
    }

    /// `RestrictAddressFamilies=`: what `socket` may be asked for, on ABIs that have that call.
    fn families(&mut self, value: &str) {
        const KEY: &str = "RestrictAddressFamilies";
        self.filters_calls = true;
        // As with names, the first assignment says which kind of list it is; only whole values are read here.
        if value.is_empty() {
            self.refusals.remove(KEY);
            return;
        }
        if self.refusals.contains_key(KEY) {
            let text = "there is more than one line of it, and only the first was read";
            self.losses.insert(loss(KEY, text, true));
            return;
        }
        let (denies, words) = value.strip_prefix('~').map_or((false, value), |words| (true, words));
        let mut set = BTreeSet::new();
        for word in words.split_whitespace().filter(|word| *word != "none") {
            match groups::address_family(word) {
                Some(family) => drop(set.insert(family)),
                None => drop(self.losses.insert(ignored(KEY, word))),
            }
        }
        let refused = |operator, value| Refusal {
            name: "socket",
            errno: EAFNOSUPPORT,
            args: vec![Argument { index: 0, operator, value, value_two: 0 }],
        };
        let refusals = match (denies, set.first(), set.last()) {
            (true, ..) => set.iter().map(|family| refused(Operator::Equal, *family)).collect(),
            (false, Some(first), Some(last)) => {
                let between = (*first..*last).filter(|family| !set.contains(family));
                let edges = [refused(Operator::Less, *first), refused(Operator::Greater, *last)];
                edges.into_iter().chain(between.map(|family| refused(Operator::Equal, family))).collect()
            }
            (false, ..) => vec![Refusal { name: "socket", errno: EAFNOSUPPORT, args: Vec::new() }],
        };
        self.refusals.insert(KEY, refusals);
    }
}

const LOCK_PERSONALITY: &str = "LockPersonality";

/// Adds a line to a list of names; `is_log` has no answers of its own.
fn take_names(
    list: &mut Option<NameList>,
    assignment: &Assignment,
    is_log: bool,
    losses: &mut BTreeSet<Loss>,
) {
    let Assignment { key, value, comment, .. } = assignment;
    if value.is_empty() {
        *list = None;
        return;
    }
    let (inverted, words) = value.strip_prefix('~').map_or((false, value.as_str()), |words| (true, words));
    let list = list.get_or_insert_with(|| {
        let mut list = NameList { allows: !inverted, names: BTreeMap::new() };
        if !inverted && !is_log {
            let implied =
                Listed { action: None, comment: "@default, which comes with every allow-list".to_owned() };
            let names = groups::members("@default").unwrap_or_default();
            list.names.extend(names.into_iter().map(|name| (name.to_owned(), implied.clone())));
        }
        list
    });
    for word in words.split_whitespace() {
        let (name, answer) = word.split_once(':').map_or((word, None), |(name, answer)| (name, Some(answer)));
        let action = match answer {
            None => None,
            Some("kill") if inverted => Some(Action::KillProcess),
            Some(text) if inverted && errno_of(text).is_some() => errno_of(text).map(Action::Errno),
            Some(_) => {
                losses.insert(ignored(key, word));
                continue;
            }
        };
        let names: Vec<&str> = if name.starts_with('@') {
            let Some(members) = groups::members(name) else {
                let text = format!("{} is no group of systemd 252, which ignores it", quoted(name));
                losses.insert(loss(key, text, !list.allows));
                continue;
            };
            members.into_iter().collect()
        } else {
            vec![name]
        };
        let comment = [comment.as_str(), if name.starts_with('@') { name } else { "" }];
        let comment = comment.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("; ");
        for name in names {
            if inverted != list.allows || (action.is_some() && !is_log) {
                list.names.insert(name.to_owned(), Listed { action, comment: comment.clone() });
            } else {
                list.names.remove(name);
            }
        }
    }
}

/// An errno by name or number, 0 to 4095.
fn errno_of(word: &str) -> Option<u16> {
    let number = errno::number(word).or_else(|| word.parse().ok());
    number.filter(|number| *number <= 4095)
}
