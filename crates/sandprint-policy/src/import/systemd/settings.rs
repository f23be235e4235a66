//! The settings of a unit that filter system calls, read in the order of the file.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Abi, About, Action, Arch, Loss, LossKind, Note, errno};

use super::super::{groups, word};
use super::refusals::{self, RESTRICT_SUID_SGID, Refusal, SWITCHES};
use super::unit_file::{Assignment, words as words_of};
use super::{CALL_SETTINGS, ignored};

/// What was set.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) filter: Option<NameList>,
    pub(super) log: Option<NameList>,
    /// `SystemCallErrorNumber=`.
    pub(super) refusal: Action,
    /// `SystemCallArchitectures=`; none means all of the machine.
    pub(super) architectures: Option<BTreeSet<Abi>>,
    /// Settings that are on.
    switches: BTreeSet<&'static str>,
    /// `RestrictNamespaces=`: the kinds that are let in; none means all.
    namespaces: Option<BTreeSet<&'static str>>,
    /// `RestrictAddressFamilies=`.
    families: Option<Families>,
    /// `Personality=`.
    personality: u64,
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
            switches: BTreeSet::new(),
            namespaces: None,
            families: None,
            personality: PER_LINUX,
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

/// `RestrictAddressFamilies=`.
#[derive(Debug)]
struct Families {
    /// Whether the first assignment was without `~`, or was `none`.
    allows: bool,
    /// None after `none`: the next assignment says again which kind of list it is.
    numbers: Option<BTreeSet<u64>>,
}

/// What systemd 252 knows as an architecture (`seccomp_arch_from_string` of src/shared/seccomp-util.c).
const ARCHITECTURES: [&str; 19] = [
    "arm",
    "arm64",
    "mips",
    "mips-le",
    "mips64",
    "mips64-le",
    "mips64-le-n32",
    "mips64-n32",
    "parisc",
    "parisc64",
    "ppc",
    "ppc64",
    "ppc64-le",
    "riscv64",
    "s390",
    "s390x",
    "x32",
    "x86",
    "x86-64",
];

/// What a machine's own programs, and its 32-bit ones, have for a personality (sys/personality.h).
const PER_LINUX: u64 = 0;
const PER_LINUX32: u64 = 8;

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
            "RestrictNamespaces" => self.namespaces(value),
            "Personality" => self.personality(value, arch),
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
        let (words, breaks_off) = words_of(value, true);
        if breaks_off {
            self.losses.insert(broken_off("SystemCallArchitectures", value));
        }
        let mut any = false;
        for word in words.iter().map(String::as_str) {
            any |= word == "native" || ARCHITECTURES.contains(&word);
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
        // A line of which systemd understands nothing sets nothing.
        if !any {
            return;
        }
        // libseccomp adds the machine's own by itself.
        listed.insert(arch.native_abi());
        self.architectures.get_or_insert_default().extend(listed);
    }

    /// A setting that is on or off.
    fn switch(&mut self, key: &str, value: &str) {
        let Some(key) = SWITCHES.iter().find(|other| **other == key) else { return };
        match boolean(value) {
            Some(true) => {
                self.filters_calls = true;
                self.switches.insert(key);
            }
            Some(false) => drop(self.switches.remove(key)),
            None => drop(self.losses.insert(ignored(key, value))),
        }
    }

    fn personality(&mut self, value: &str, arch: Arch) {
        self.personality = match (value, arch) {
            ("" | "x86-64", Arch::X86_64) | ("" | "arm64", Arch::Aarch64) => PER_LINUX,
            ("x86", Arch::X86_64) | ("arm", Arch::Aarch64) => PER_LINUX32,
            _ => {
                self.losses.insert(ignored("Personality", value));
                return;
            }
        };
    }

    fn namespaces(&mut self, value: &str) {
        const KEY: &str = "RestrictNamespaces";
        if value.is_empty() {
            self.namespaces = None;
            return;
        }
        match boolean(value) {
            Some(true) => self.namespaces = Some(BTreeSet::new()),
            Some(false) => self.namespaces = Some(refusals::namespaces()),
            None => {
                let (inverted, words) = inversion(value);
                let (words, breaks_off) = words_of(words, false);
                let named: Option<BTreeSet<&str>> =
                    words.iter().map(|word| refusals::namespace(word)).collect();
                // One word that is none makes it ignore the line.
                let Some(named) = named.filter(|_| !breaks_off) else {
                    self.losses.insert(ignored(KEY, value));
                    return;
                };
                match (&mut self.namespaces, inverted) {
                    (None, true) => self.namespaces = Some(&refusals::namespaces() - &named),
                    (None, false) => self.namespaces = Some(named),
                    (Some(kept), true) => kept.retain(|kind| !named.contains(kind)),
                    (Some(kept), false) => kept.extend(named),
                }
            }
        }
        self.filters_calls |=
            self.namespaces.as_ref().is_some_and(|kept| !kept.is_superset(&refusals::namespaces()));
    }

    fn families(&mut self, value: &str) {
        self.filters_calls = true;
        if matches!(value, "" | "none") {
            let allows = value == "none";
            self.families = allows.then_some(Families { allows, numbers: None });
            return;
        }
        let (inverted, words) = inversion(value);
        let (allows, mut numbers) = match self.families.take() {
            Some(Families { allows, numbers: Some(numbers) }) => (allows, numbers),
            _ => (!inverted, BTreeSet::new()),
        };
        let (words, breaks_off) = words_of(words, true);
        if breaks_off {
            self.losses.insert(broken_off("RestrictAddressFamilies", value));
        }
        for word in words.iter().map(String::as_str) {
            match groups::address_family(word) {
                Some(family) if allows != inverted => drop(numbers.insert(family)),
                Some(family) => drop(numbers.remove(&family)),
                None => drop(self.losses.insert(ignored("RestrictAddressFamilies", word))),
            }
        }
        self.families = Some(Families { allows, numbers: Some(numbers) });
    }

    /// Settings that refuse fixed calls, by their key, with what they refuse.
    pub(super) fn refusals(&self) -> Vec<(&'static str, Vec<Refusal>)> {
        let mut on = self.switches.clone();
        // It cannot be taken back (`unit_patch_contexts` in src/core/unit.c).
        if on.contains("DynamicUser") {
            on.insert(RESTRICT_SUID_SGID);
        }
        let mut all: Vec<_> =
            on.into_iter().map(|key| (key, refusals::of_switch(key, self.personality))).collect();
        if let Some(kept) = &self.namespaces {
            all.push(("RestrictNamespaces", refusals::other_namespaces(kept)));
        }
        if let Some(families) = &self.families {
            let numbers = families.numbers.clone().unwrap_or_default();
            all.push(("RestrictAddressFamilies", refusals::families(families.allows, &numbers)));
        }
        all.retain(|(_, refusals)| !refusals.is_empty());
        all
    }
}

/// `~` before a list turns it round.
fn inversion(value: &str) -> (bool, &str) {
    value.strip_prefix('~').map_or((false, value), |words| (true, words))
}

/// A value whose end systemd ignores.
fn broken_off(key: &str, value: &str) -> Loss {
    Loss::stricter(word(key), LossKind::BreaksOff(value.to_owned()))
}

/// What systemd takes for true and for false.
fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

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
    let (inverted, words) = inversion(value);
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
    let (words, breaks_off) = words_of(words, false);
    if breaks_off {
        losses.insert(broken_off(key, value));
    }
    for word in words.iter().map(String::as_str) {
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
                let kind = LossKind::UnknownGroup(name.to_owned());
                losses.insert(Loss::weaker_if(!list.allows, About::Word(key.clone()), kind));
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
