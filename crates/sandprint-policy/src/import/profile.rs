//! The JSON that OCI runtimes, Docker and Podman share: actions, entries with names and comparisons, and parts
//! of a profile as people show them to each other.
//!
//! Sources: config-linux.md of the OCI runtime specification 1.3, libcontainer/seccomp of runc 1.1, the types of
//! moby's profiles/seccomp and of containers/common's pkg/seccomp.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::loss::SkippedKey;
use sandprint_model::sentence::quoted;
use sandprint_model::wire::Position;
use sandprint_model::{Action, KernelVersion, Loss, LossKind, Note, errno};

use super::json::{self, Comment, Document, Node, Value};
use super::{Format, ImportError, runs, word};

/// Words that only profiles of Docker and Podman have.
const DOCKER_WORDS: [&str; 8] =
    ["archMap", "includes", "excludes", "comment", "errno", "defaultErrno", "minKernel", "name"];

/// The answer of ERRNO and TRACE where none is given: EPERM, in runc, crun and Docker alike.
const DEFAULT_ERRNO: u16 = 1;

/// A profile as it stands in the file.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) default_action: Action,
    /// Names of architectures.
    pub(super) architectures: Option<Vec<(Position, String)>>,
    /// Whether any that is known here is left of them, once they have been looked at.
    pub(super) lists_architectures: bool,
    /// Of Docker: an architecture, and what is let in beside it.
    pub(super) arch_map: Option<Vec<MapEntry>>,
    /// Where `archMap` stands.
    pub(super) arch_map_at: Position,
    pub(super) entries: Vec<Entry>,
    /// Whether it names errno values, as only Podman's profiles do.
    pub(super) names_errno: bool,
    pub(super) losses: BTreeSet<Loss>,
    /// What one of the runtimes makes otherwise of it.
    pub(super) faults: BTreeSet<Loss>,
    pub(super) notes: BTreeSet<Note>,
}

/// An entry of `archMap`: an architecture, and those that are let in beside it.
pub(super) type MapEntry = (String, Vec<(Position, String)>);

/// One element of `syscalls`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) at: Position,
    pub(super) names: Vec<String>,
    pub(super) action: Action,
    pub(super) args: Vec<Argument>,
    /// What the author wrote in it and beside it.
    pub(super) comment: String,
    pub(super) includes: Filter,
    pub(super) excludes: Filter,
}

/// Of Docker: when an entry is used, or not used.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Filter {
    pub(super) arches: Vec<String>,
    pub(super) caps: Vec<String>,
    pub(super) min_kernel: Option<KernelVersion>,
}

/// A comparison, as it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) index: u8,
    pub(super) operator: Operator,
    pub(super) value: u64,
    pub(super) value_two: u64,
}

/// `SCMP_CMP_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    NotEqual,
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
    /// `value` is the mask, `value_two` what the bits must be.
    MaskedEqual,
}

/// Whether a text is such JSON, and whose. One that breaks off, or is broken, is so by its words: what is wrong with
/// it is then said of it.
pub(super) fn looks_like(text: &str) -> Option<Format> {
    let Ok(document) = json::parse(text) else {
        let has = |word: &str| text.contains(&format!("\"{word}\""));
        let is_profile = has("defaultAction") || text.contains("\"SCMP_ACT_");
        let docker = DOCKER_WORDS.iter().any(|word| has(word));
        return is_profile.then_some(if docker { Format::Docker } else { Format::Oci });
    };
    let first = document.values.first()?;
    let mut spelled = first.clone();
    // What stands there twice is said when it is read.
    drop(spell(&mut spelled, &mut BTreeMap::new()));
    let mut keys = BTreeSet::new();
    collect_keys(&spelled, 0, &mut keys);
    let is_sandprint = keys.contains("schema") || keys.contains("rules");
    let is_profile = ["defaultAction", "syscalls", "names", "action"].iter().any(|key| keys.contains(key));
    if is_sandprint || !is_profile {
        return None;
    }
    let docker = DOCKER_WORDS.iter().any(|word| keys.contains(word));
    Some(if docker { Format::Docker } else { Format::Oci })
}

/// Every key down to that of `includes.caps`.
fn collect_keys<'n>(node: &'n Node, depth: usize, keys: &mut BTreeSet<&'n str>) {
    match &node.value {
        Value::List(items) if depth < 6 => items.iter().for_each(|item| collect_keys(item, depth + 1, keys)),
        Value::Object(members) if depth < 6 => {
            for (_, key, value) in members {
                keys.insert(key);
                collect_keys(value, depth + 1, keys);
            }
        }
        _ => {}
    }
}

/// Reads a profile or a part of one.
pub(super) fn read(text: &str, format: Format) -> Result<Profile, ImportError> {
    let Document { mut values, comments, is_part } = json::parse(text)?;
    let mut reader = Reader {
        format,
        comments,
        profile: Profile {
            default_action: Action::Errno(DEFAULT_ERRNO),
            architectures: None,
            lists_architectures: false,
            arch_map: None,
            arch_map_at: Position::default(),
            entries: Vec::new(),
            names_errno: false,
            losses: BTreeSet::new(),
            faults: BTreeSet::new(),
            notes: BTreeSet::new(),
        },
    };
    let mut in_another_case = BTreeMap::new();
    for value in &mut values {
        spell(value, &mut in_another_case)?;
    }
    let (root, others) = values.split_first().ok_or(ImportError::Empty)?;
    let root = if others.is_empty() { within_bundle(root) } else { root };
    let has = |wanted: &[&str]| members_of(root).iter().any(|(_, key, _)| wanted.contains(&key.as_str()));
    if !others.is_empty() {
        reader.entries(&values)?;
        reader.assume_default();
    } else if let Value::List(items) = &root.value {
        reader.entries(items)?;
        reader.assume_default();
    } else if has(&["names", "name", "action"]) && !has(&["defaultAction", "syscalls"]) {
        reader.entries(&values)?;
        reader.assume_default();
    } else {
        reader.object(root, is_part)?;
    }
    reader.tell_case(in_another_case);
    Ok(reader.profile)
}

/// Every word that the readers of such profiles look for.
const WORDS: [&str; 29] = [
    "linux",
    "seccomp",
    "defaultAction",
    "defaultErrnoRet",
    "defaultErrno",
    "architectures",
    "archMap",
    "architecture",
    "subArchitectures",
    "syscalls",
    "flags",
    "listenerPath",
    "listenerMetadata",
    "names",
    "name",
    "action",
    "errnoRet",
    "errno",
    "args",
    "comment",
    "includes",
    "excludes",
    "arches",
    "caps",
    "minKernel",
    "index",
    "value",
    "valueTwo",
    "op",
];

/// Brings keys into the case that they have: Go's reader of JSON (runc, Docker, Podman) takes them in any, letters that
/// fold to ASCII too (`foldName` of encoding/json). Notes what it changed: the word, and how it was written.
fn spell(node: &mut Node, changed: &mut BTreeMap<&'static str, String>) -> Result<(), ImportError> {
    match &mut node.value {
        Value::List(items) => items.iter_mut().try_for_each(|item| spell(item, changed)),
        Value::Object(members) => {
            let mut words: BTreeSet<String> = members.iter().map(|(_, key, _)| key.clone()).collect();
            for (at, key, value) in members {
                if let Some(word) = WORDS.iter().find(|word| folded(word) == folded(key))
                    && key != word
                {
                    // Of two, Go takes the last, and crun the one that is written right.
                    if !words.insert((*word).to_owned()) {
                        let problem =
                            format!("{} and `{word}` are one word to runc, and two to crun", quoted(key));
                        return Err(wrong(*at, problem));
                    }
                    changed.insert(word, quoted(key));
                    (*word).clone_into(key);
                }
                spell(value, changed)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A key as Go compares it.
fn folded(key: &str) -> String {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).collect()
}

/// `linux.seccomp` of a whole bundle's config.json, or what is there.
fn within_bundle(root: &Node) -> &Node {
    let inner = |node: &Node, wanted: &str| {
        let at = members_of(node).iter().position(|(_, key, _)| key == wanted)?;
        Some(at)
    };
    inner(root, "linux")
        .and_then(|at| members_of(root).get(at))
        .and_then(|(_, _, linux)| inner(linux, "seccomp").and_then(|at| members_of(linux).get(at)))
        .map_or(root, |(_, _, seccomp)| seccomp)
}

fn members_of(node: &Node) -> &[(Position, String, Node)] {
    match &node.value {
        Value::Object(members) => members,
        _ => &[],
    }
}

struct Reader {
    format: Format,
    comments: Vec<Comment>,
    profile: Profile,
}

/// A mistake at a place.
fn wrong(at: Position, problem: impl Into<String>) -> ImportError {
    ImportError::Text { at, problem: problem.into() }
}

impl Reader {
    fn object(&mut self, root: &Node, is_part: bool) -> Result<(), ImportError> {
        let Value::Object(members) = &root.value else {
            return Err(wrong(root.at, format!("{} where a profile should be", root.value.kind())));
        };
        let mut action = None;
        let (mut number, mut name) = (None, None);
        for (at, key, node) in members {
            if node.value == Value::Null {
                continue;
            }
            match key.as_str() {
                "defaultAction" => action = Some(node),
                "defaultErrnoRet" => number = Some(errno_number(node)?),
                "defaultErrno" if self.format == Format::Docker => name = self.errno_name(node)?,
                "architectures" => self.profile.architectures = Some(texts(node)?),
                "archMap" if self.format == Format::Docker => {
                    self.profile.arch_map_at = *at;
                    self.profile.arch_map = Some(arch_map(node)?);
                }
                "syscalls" => {
                    let Value::List(items) = &node.value else {
                        return Err(wrong(
                            node.at,
                            format!("{} where the list of rules should be", node.value.kind()),
                        ));
                    };
                    self.entries(items)?;
                }
                "flags" => self.flags(node)?,
                "listenerPath" | "listenerMetadata" => {
                    self.lose(key, LossKind::SupervisorUnnamed);
                }
                _ => self.ignored(key),
            }
        }
        match action {
            Some(node) => {
                let (action, told) = action_of(node, name.or(number))?;
                self.profile.default_action = action;
                self.profile.notes.extend(told);
            }
            None if is_part => self.assume_default(),
            None => return Err(wrong(root.at, "the profile has no `defaultAction`")),
        }
        Ok(())
    }

    /// Says what crun makes of keys in another case, which it skips. Docker and Podman write a profile anew for it.
    fn tell_case(&mut self, keys: BTreeMap<&'static str, String>) {
        if self.format == Format::Docker {
            return;
        }
        let entries = &self.profile.entries;
        let default_runs = runs(self.profile.default_action);
        for (known, key) in keys {
            let (skipped, weaker) = match known {
                "defaultAction" | "names" | "action" | "index" | "value" | "op" => {
                    (SkippedKey::Refused, false)
                }
                "syscalls" => (SkippedKey::NoRules, default_runs),
                "args" => (
                    SkippedKey::NoConditions,
                    entries.iter().any(|entry| !entry.args.is_empty() && runs(entry.action)),
                ),
                "valueTwo" => (SkippedKey::Zero, entries.iter().any(|entry| runs(entry.action))),
                "errnoRet" | "defaultErrnoRet" => (SkippedKey::Eperm, false),
                "architectures" => (SkippedKey::OwnAbi, false),
                "linux" | "seccomp" => (SkippedKey::NoFilter, true),
                _ => continue,
            };
            let fault = Loss::weaker_if(weaker, word(key), LossKind::SkippedByCrun(skipped));
            self.profile.faults.insert(fault);
        }
    }

    fn lose(&mut self, key: &str, kind: LossKind) {
        self.profile.losses.insert(Loss::stricter(word(quoted(key)), kind));
    }

    /// A word that whoever reads such profiles skips.
    fn ignored(&mut self, key: &str) {
        let docker = DOCKER_WORDS.contains(&key);
        let is_dockers = docker && self.format == Format::Oci;
        self.lose(key, if is_dockers { LossKind::WordOfDocker } else { LossKind::UnknownWord });
    }

    fn flags(&mut self, node: &Node) -> Result<(), ImportError> {
        for (_, flag) in texts(node)? {
            self.lose(&flag, LossKind::LoaderFlag);
        }
        Ok(())
    }

    /// The default action of a part of a profile.
    fn assume_default(&mut self) {
        let refuses_only =
            !self.profile.entries.is_empty() && self.profile.entries.iter().all(|entry| !runs(entry.action));
        if refuses_only {
            self.profile.default_action = Action::Allow;
        }
        self.profile.notes.insert(Note::PartOfProfile { allows: refuses_only });
    }

    fn entries(&mut self, items: &[Node]) -> Result<(), ImportError> {
        for (index, item) in items.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| items.get(before)).map(|item| item.end);
            let after = items.get(index + 1).map(|item| item.at);
            let beside = self.beside(before, item, after);
            let entry = self.entry(item, beside)?;
            self.profile.entries.push(entry);
        }
        Ok(())
    }

    /// The comments of an element: those in it, those behind it on its last line, and those on the lines
    /// before it.
    fn beside(&self, before: Option<Position>, item: &Node, after: Option<Position>) -> Vec<String> {
        let belongs = |comment: &&Comment| {
            let at = comment.at;
            let inside = at > item.at && at < item.end;
            let behind = at >= item.end && at.line == item.end.line && after.is_none_or(|after| at < after);
            let above = at < item.at
                && match before {
                    Some(before) => at > before && at.line > before.line,
                    // Above the first one stands what is about the whole file as well.
                    None => at.line + 1 >= item.at.line,
                };
            inside || behind || above
        };
        self.comments.iter().filter(belongs).map(|comment| comment.words.clone()).collect()
    }

    fn entry(&mut self, node: &Node, beside: Vec<String>) -> Result<Entry, ImportError> {
        let Value::Object(members) = &node.value else {
            return Err(wrong(node.at, format!("{} where a rule should be", node.value.kind())));
        };
        let docker = self.format == Format::Docker;
        let mut names: Option<Vec<String>> = None;
        let mut action = None;
        let (mut number, mut name) = (None, None);
        let (mut args, mut comment) = (Vec::new(), String::new());
        let (mut includes, mut excludes) = (Filter::default(), Filter::default());
        for (at, key, node) in members {
            if node.value == Value::Null {
                continue;
            }
            match key.as_str() {
                "names" | "name" if key == "names" || docker => {
                    let found = if key == "name" {
                        // An empty name is an absent one to Docker.
                        vec![text(node)?].into_iter().filter(|name| !name.is_empty()).collect()
                    } else {
                        plain(texts(node)?)
                    };
                    // Docker writes an empty list beside the old `name`.
                    let both = names.as_ref().is_some_and(|names| !names.is_empty()) && !found.is_empty();
                    if both {
                        return Err(wrong(*at, "the rule has both `name` and `names`"));
                    }
                    names = Some(names.filter(|names| !names.is_empty()).unwrap_or(found));
                }
                "action" => action = Some(node),
                "errnoRet" => number = Some(errno_number(node)?),
                "errno" if docker => name = self.errno_name(node)?,
                "args" => args = arguments(node)?,
                "comment" if docker => comment = text(node)?,
                "includes" if docker => includes = self.filter(node)?,
                "excludes" if docker => excludes = self.filter(node)?,
                _ => self.ignored(key),
            }
        }
        let names = names.ok_or_else(|| wrong(node.at, "the rule has no `names`"))?;
        let action = action.ok_or_else(|| wrong(node.at, "the rule has no `action`"))?;
        let (action, told) = action_of(action, name.or(number))?;
        self.profile.notes.extend(told);
        let words: Vec<String> =
            std::iter::once(comment).chain(beside).filter(|words| !words.is_empty()).collect();
        Ok(Entry { at: node.at, names, action, args, comment: words.join("; "), includes, excludes })
    }

    /// The value of an errno's name; an empty name is none.
    fn errno_name(&mut self, node: &Node) -> Result<Option<u16>, ImportError> {
        let name = text(node)?;
        if name.is_empty() {
            return Ok(None);
        }
        self.profile.names_errno = true;
        let number = errno::number(&name);
        number.map(Some).ok_or_else(|| wrong(node.at, format!("{} is no errno", quoted(&name))))
    }

    fn filter(&mut self, node: &Node) -> Result<Filter, ImportError> {
        let Value::Object(members) = &node.value else {
            return Err(wrong(node.at, format!("{} where an object should be", node.value.kind())));
        };
        let mut filter = Filter::default();
        for (_, key, node) in members {
            if node.value == Value::Null {
                continue;
            }
            match key.as_str() {
                "arches" => filter.arches = plain(texts(node)?),
                "caps" => filter.caps = plain(texts(node)?),
                "minKernel" => {
                    let version = text(node)?;
                    if version.is_empty() {
                        continue;
                    }
                    let parsed = version.parse().map_err(|error| wrong(node.at, format!("{error}")));
                    filter.min_kernel = Some(parsed?);
                }
                _ => self.ignored(key),
            }
        }
        Ok(filter)
    }
}

fn text(node: &Node) -> Result<String, ImportError> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        other => Err(wrong(node.at, format!("{} where a string should be", other.kind()))),
    }
}

fn texts(node: &Node) -> Result<Vec<(Position, String)>, ImportError> {
    match &node.value {
        Value::List(items) => items.iter().map(|item| Ok((item.at, text(item)?))).collect(),
        Value::Null => Ok(Vec::new()),
        other => Err(wrong(node.at, format!("{} where a list of strings should be", other.kind()))),
    }
}

fn plain(texts: Vec<(Position, String)>) -> Vec<String> {
    texts.into_iter().map(|(_, text)| text).collect()
}

fn arch_map(node: &Node) -> Result<Vec<MapEntry>, ImportError> {
    let Value::List(items) = &node.value else {
        return Err(wrong(node.at, format!("{} where a list should be", node.value.kind())));
    };
    let entry = |item: &Node| {
        let find = |wanted: &str| members_of(item).iter().find(|(_, key, _)| key == wanted);
        let (_, _, architecture) =
            find("architecture").ok_or_else(|| wrong(item.at, "the entry has no `architecture`"))?;
        let others = find("subArchitectures").map_or(Ok(Vec::new()), |(_, _, node)| texts(node))?;
        Ok((text(architecture)?, others))
    };
    items.iter().map(entry).collect()
}

fn number(node: &Node) -> Result<u64, ImportError> {
    match &node.value {
        Value::Number(text) => text.parse().or_else(|error| whole(text).ok_or(error)).map_err(|_not_whole| {
            wrong(node.at, format!("{} is no whole number from 0 to 2^64-1", quoted(text)))
        }),
        other => Err(wrong(node.at, format!("{} where a number should be", other.kind()))),
    }
}

/// `4.0` and `1e3`, as some JSON writers write whole numbers; exact below 2^53.
fn whole(text: &str) -> Option<u64> {
    let value: f64 = text.parse().ok()?;
    let exact = (0.0..9_007_199_254_740_992.0).contains(&value) && value.fract() == 0.0;
    exact.then(|| format!("{value:.0}").parse().ok()).flatten()
}

fn errno_number(node: &Node) -> Result<u16, ImportError> {
    let value = number(node)?;
    u16::try_from(value).map_err(|_too_large| wrong(node.at, format!("{value} is no errno: they go to 4095")))
}

/// An action with its errno, and what a reader should know of it.
fn action_of(node: &Node, errno: Option<u16>) -> Result<(Action, Option<Note>), ImportError> {
    let name = text(node)?;
    let action = match name.as_str() {
        "SCMP_ACT_ALLOW" => Action::Allow,
        "SCMP_ACT_LOG" => Action::Log,
        "SCMP_ACT_ERRNO" => {
            let value = errno.unwrap_or(DEFAULT_ERRNO);
            if value > 4095 {
                return Err(wrong(node.at, format!("{value} is no errno: they go to 4095")));
            }
            return Ok((Action::Errno(value), None));
        }
        "SCMP_ACT_TRACE" => return Ok((Action::Trace(errno.unwrap_or(DEFAULT_ERRNO)), None)),
        "SCMP_ACT_NOTIFY" => Action::Notify,
        "SCMP_ACT_TRAP" => Action::Trap,
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Action::KillThread,
        "SCMP_ACT_KILL_PROCESS" => Action::KillProcess,
        _ => return Err(wrong(node.at, format!("{} is no action", quoted(&name)))),
    };
    Ok((action, errno.map(|_| Note::ErrnoBeside(name))))
}

fn arguments(node: &Node) -> Result<Vec<Argument>, ImportError> {
    let Value::List(items) = &node.value else {
        return Err(wrong(node.at, format!("{} where a list should be", node.value.kind())));
    };
    items.iter().map(argument).collect()
}

fn argument(node: &Node) -> Result<Argument, ImportError> {
    let Value::Object(members) = &node.value else {
        return Err(wrong(node.at, format!("{} where a comparison should be", node.value.kind())));
    };
    let find = |wanted: &str| {
        members
            .iter()
            .find(|(_, key, node)| key == wanted && node.value != Value::Null)
            .map(|(_, _, node)| node)
    };
    let needed =
        |name: &str| find(name).ok_or_else(|| wrong(node.at, format!("the comparison has no `{name}`")));
    if let Some((at, key, _)) =
        members.iter().find(|(_, key, _)| !["index", "value", "valueTwo", "op"].contains(&key.as_str()))
    {
        return Err(wrong(*at, format!("{} is no part of a comparison", quoted(key))));
    }
    let index = needed("index")?;
    let value = number(index)?;
    let index = u8::try_from(value).ok().filter(|index| *index < 6);
    let index = index
        .ok_or_else(|| wrong(node.at, format!("there is no argument {value}: there are six, 0 to 5")))?;
    let name = needed("op")?;
    let operator = match text(name)?.as_str() {
        "SCMP_CMP_NE" => Operator::NotEqual,
        "SCMP_CMP_LT" => Operator::Less,
        "SCMP_CMP_LE" => Operator::LessOrEqual,
        "SCMP_CMP_EQ" => Operator::Equal,
        "SCMP_CMP_GE" => Operator::GreaterOrEqual,
        "SCMP_CMP_GT" => Operator::Greater,
        "SCMP_CMP_MASKED_EQ" => Operator::MaskedEqual,
        other => return Err(wrong(name.at, format!("{} is no comparison", quoted(other)))),
    };
    let value = number(needed("value")?)?;
    let value_two = find("valueTwo").map_or(Ok(0), number)?;
    Ok(Argument { index, operator, value, value_two })
}
