//! Reads a policy file, and says everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml_edit::{Array, Document, InlineTable, Item, Table, TableLike, Value};

use super::comments::{Comments, Place};
use super::writer::{call_place, rule_place};
use super::{MOST_BYTES, PolicyFile, Position, Problem, RulePosition, VERSION, action, condition, reason};
use crate::wire::quoted;
use crate::{Abi, Action, CallRules, Image, KernelVersion, Note, Policy, Reason, Rule, Syscall};

mod nearest;

use nearest::nearest;

/// Reads it.
pub(super) fn read(text: &str) -> Result<PolicyFile, Vec<Problem>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut reader = Reader { text, line_starts, problems: Vec::new(), places: Vec::new() };
    if text.len() > MOST_BYTES {
        reader.wrong(0..0, "this is larger than any policy file", None);
        return Err(reader.problems);
    }
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let hint = looks_like(text);
            reader.wrong(error.span().unwrap_or(0..0), error.message().to_owned(), hint);
            return Err(reader.problems);
        }
    };
    let read = reader.document(document.as_table());
    let Reader { mut problems, places, .. } = reader;
    problems.sort();
    match read {
        Some((policy, positions)) if problems.is_empty() => {
            Ok(PolicyFile { policy, comments: Comments::collect(text, places), positions })
        }
        _ => Err(problems),
    }
}

/// What a text that is no TOML may be instead.
fn looks_like(text: &str) -> Option<String> {
    text.trim_start().starts_with('{').then(|| "a policy file is TOML; this looks like JSON".to_owned())
}

struct Reader<'t> {
    text: &'t str,
    /// Where each line begins: a place is looked up for every rule and every condition.
    line_starts: Vec<usize>,
    problems: Vec<Problem>,
    places: Vec<Place>,
}

type Positions = BTreeMap<(Syscall, usize), RulePosition>;

impl Reader<'_> {
    fn wrong(&mut self, at: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.problems.push(Problem { at: self.position(at.start), message: message.into(), hint });
    }

    fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..offset).unwrap_or(self.text);
        // The first line begins at 0, so there is one.
        let line = self.line_starts.partition_point(|start| *start <= before.len());
        let line_start =
            line.checked_sub(1).and_then(|at| self.line_starts.get(at)).copied().unwrap_or_default();
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Position { line, column }
    }

    fn place(&mut self, at: &Range<usize>, name: impl Into<String>) {
        self.places.push(Place { start: at.start, name: name.into() });
    }

    fn document(&mut self, table: &Table) -> Option<(Policy, Positions)> {
        self.version(table)?;
        let mut policy = Policy {
            kernel: None,
            calls: CallRules {
                default_action: Action::KillProcess,
                foreign_action: Action::KillProcess,
                rules: BTreeMap::new(),
            },
            notes: BTreeSet::new(),
        };
        let mut positions = Positions::new();
        for (key, item) in table {
            let span = key_span(table, key);
            match key {
                "version" => self.place(&span, "version"),
                "kernel" => {
                    self.place(&span, "kernel");
                    policy.kernel = self.kernel(item, &span);
                }
                "default" => {
                    self.place(&span, "default");
                    policy.calls.default_action =
                        self.action(item, &span).unwrap_or(policy.calls.default_action);
                }
                "foreign" => {
                    self.place(&span, "foreign");
                    policy.calls.foreign_action =
                        self.action(item, &span).unwrap_or(policy.calls.foreign_action);
                }
                "notes" => {
                    self.place(&span, "notes");
                    self.closing(item, &span, "notes");
                    for (note, at) in self.strings(item, &span) {
                        self.place(&at, format!("notes/{}", reason::quote(&note)));
                        policy.notes.insert(Note::Words(note));
                    }
                }
                _ => match Abi::from_name(key) {
                    Some(abi) => self.abi(abi, item, &span, &mut policy, &mut positions),
                    None => self.unknown_key(key, span),
                },
            }
        }
        for (key, meaning) in [
            ("default", "what happens to a call that no rule matches, such as `default = \"errno EPERM\"`"),
            ("foreign", "what happens to a call of any other ABI, such as `foreign = \"kill-process\"`"),
        ] {
            if !table.contains_key(key) {
                self.wrong(0..0, format!("`{key}` is missing"), Some(format!("say {meaning}")));
            }
        }
        Some((policy, positions))
    }

    /// The version; a newer one is not read further, since nothing else may mean what it does here.
    fn version(&mut self, table: &Table) -> Option<()> {
        let Some(item) = table.get("version") else {
            let hint = Some(format!("a policy file begins with `version = {VERSION}`"));
            self.wrong(0..0, "`version` is missing", hint);
            return None;
        };
        let span = item.span().unwrap_or(0..0);
        match item.as_integer() {
            Some(VERSION) => Some(()),
            Some(newer) if newer > VERSION => {
                let message = format!("this is version {newer}, and this sandprint reads up to {VERSION}");
                self.wrong(span, message, Some("get a newer sandprint".to_owned()));
                None
            }
            _ => {
                self.wrong(span, "this is no version", Some(format!("the version is {VERSION}")));
                None
            }
        }
    }

    fn unknown_key(&mut self, key: &str, span: Range<usize>) {
        let known = ["version", "kernel", "default", "foreign", "notes"];
        let abis = Abi::ALL.map(Abi::name);
        let hint = match nearest(key, known.into_iter().chain(abis)) {
            Some(near) => format!("perhaps `{near}` is meant"),
            None => format!("there are {} and the ABIs {}", known.join(", "), abis.join(", ")),
        };
        self.wrong(span, format!("`{}` is not known here", quoted(key)), Some(hint));
    }

    fn kernel(&mut self, item: &Item, key: &Range<usize>) -> Option<KernelVersion> {
        let text = self.string(item, key)?;
        match text.parse::<KernelVersion>() {
            Ok(version) if version.to_string() == text => Some(version),
            _ => {
                let message = format!("`{}` is no kernel release", quoted(&text));
                self.wrong(span_of(item, key), message, Some("write two numbers, such as 5.10".to_owned()));
                None
            }
        }
    }

    fn action(&mut self, item: &Item, key: &Range<usize>) -> Option<Action> {
        let text = self.string(item, key)?;
        match action::read(&text) {
            Ok(action) => Some(action),
            Err(problem) => {
                let message = format!("`{}` is no action: {problem}", quoted(&text));
                self.wrong(span_of(item, key), message, Some(format!("one of {}", action::KNOWN)));
                None
            }
        }
    }

    fn string(&mut self, item: &Item, key: &Range<usize>) -> Option<String> {
        let found = item.as_str().map(str::to_owned);
        if found.is_none() {
            self.wrong(span_of(item, key), format!("this is {}, not a string", kind(item)), None);
        }
        found
    }

    /// The strings of an array, and where each stands.
    fn strings(&mut self, item: &Item, key: &Range<usize>) -> Vec<(String, Range<usize>)> {
        let Some(array) = self.array(item, key) else { return Vec::new() };
        let mut strings = Vec::new();
        for value in array {
            let span = value.span().unwrap_or_else(|| key.clone());
            match value.as_str() {
                Some(text) => strings.push((text.to_owned(), span)),
                None => self.wrong(span, "this is not a string", None),
            }
        }
        strings
    }

    fn array<'i>(&mut self, item: &'i Item, key: &Range<usize>) -> Option<&'i Array> {
        let array = item.as_array();
        if array.is_none() {
            self.wrong(span_of(item, key), format!("this is {}, not an array", kind(item)), None);
        }
        array
    }

    /// The closing bracket of an array: comments in front of it belong to nothing else.
    fn closing(&mut self, item: &Item, key: &Range<usize>, place: &str) {
        let end = span_of(item, key).end;
        self.place(&(end.saturating_sub(1)..end), format!("{place}/end"));
    }

    fn abi(
        &mut self,
        abi: Abi,
        item: &Item,
        key: &Range<usize>,
        policy: &mut Policy,
        positions: &mut Positions,
    ) {
        let Some(table) = item.as_table_like() else {
            let hint = Some(format!("the rules of a call begin with `[[{abi}.NAME]]`"));
            self.wrong(key.clone(), format!("this is {}, not the calls of an ABI", kind(item)), hint);
            return;
        };
        if item.is_table() && !item.as_table().is_some_and(Table::is_implicit) {
            self.place(key, abi.name());
        }
        for (name, item) in table.iter() {
            let span = table_key_span(table, name).unwrap_or_else(|| key.clone());
            let Some(syscall) = reason::read_key(abi, name) else {
                let other = Abi::ALL.into_iter().find(|abi| Syscall::from_name(*abi, name).is_some());
                let hint = match other {
                    Some(other) => Some(format!("{other} has a call of that name")),
                    None => nearest(name, Syscall::all(abi).filter_map(Syscall::name))
                        .map(|near| format!("perhaps `{near}` is meant")),
                };
                self.wrong(span, format!("{abi} has no system call `{}`", quoted(name)), hint);
                continue;
            };
            if policy.calls.rules.contains_key(&syscall) {
                self.wrong(span, format!("{syscall} is here twice, by its name and by its number"), None);
                continue;
            }
            let rules = self.rules(syscall, item, &span);
            for (at, (_, position)) in rules.iter().enumerate() {
                positions.insert((syscall, at), position.clone());
            }
            if !rules.is_empty() {
                policy.calls.rules.insert(syscall, rules.into_iter().map(|(rule, _)| rule).collect());
            }
        }
    }

    fn rules(&mut self, syscall: Syscall, item: &Item, key: &Range<usize>) -> Vec<(Rule, RulePosition)> {
        let tables: Vec<(&dyn TableLike, Range<usize>)> = if let Some(tables) = item.as_array_of_tables() {
            tables
                .iter()
                .map(|table| (table as &dyn TableLike, table.span().unwrap_or_else(|| key.clone())))
                .collect()
        } else if let Some(array) = item.as_array() {
            self.place(key, call_place(syscall));
            let inline = array.iter().filter_map(Value::as_inline_table);
            inline
                .map(|table| (table as &dyn TableLike, table.span().unwrap_or_else(|| key.clone())))
                .collect()
        } else {
            Vec::new()
        };
        let expected = item
            .as_array_of_tables()
            .map_or_else(|| item.as_array().map_or(0, Array::len), toml_edit::ArrayOfTables::len);
        if tables.is_empty() || tables.len() != expected {
            let hint = format!("a rule of it begins with `[[{}.{syscall}]]`", syscall.abi);
            self.wrong(span_of(item, key), format!("{syscall} needs rules, and this is none"), Some(hint));
            return Vec::new();
        }
        tables.into_iter().filter_map(|(table, span)| self.rule(syscall, table, &span)).collect()
    }

    fn rule(
        &mut self,
        syscall: Syscall,
        table: &dyn TableLike,
        span: &Range<usize>,
    ) -> Option<(Rule, RulePosition)> {
        let mut conditions = Vec::new();
        let mut position = RulePosition { rule: self.position(span.start), conditions: Vec::new() };
        let mut decided = None;
        for (key, item) in table.iter() {
            let at = table_key_span(table, key).unwrap_or_else(|| span.clone());
            match key {
                "do" => decided = Some(self.action(item, &at)),
                "when" => {
                    for (text, at) in self.strings(item, &at) {
                        position.conditions.push(self.position(at.start));
                        match condition::read(syscall.abi, &text) {
                            Ok(condition) => conditions.push((condition, at)),
                            Err(problem) => {
                                let message = format!("`{}` is no condition: {problem}", quoted(&text));
                                let hint =
                                    "such as `arg0.u32 == AF_INET` or `arg1.u32 & 0xf == 1`".to_owned();
                                self.wrong(at, message, Some(hint));
                            }
                        }
                    }
                }
                "why" => {}
                _ => {
                    let hint = nearest(key, ["do", "when", "why"]);
                    let hint = hint.map_or("a rule has `do`, `when` and `why`".to_owned(), |near| {
                        format!("perhaps `{near}` is meant")
                    });
                    self.wrong(at, format!("`{}` is not known in a rule", quoted(key)), Some(hint));
                }
            }
        }
        if decided.is_none() {
            let hint = Some(format!("add `do = \"...\"`: one of {}", action::KNOWN));
            self.wrong(span.clone(), "this rule does not say what it does", hint);
        }
        let (conditions, spans): (Vec<_>, Vec<_>) = conditions.into_iter().unzip();
        let mut rule = Rule { conditions, action: decided??, reasons: BTreeSet::new() };
        let place = rule_place(syscall, &rule);
        self.place(span, place.clone());
        for (condition, at) in rule.conditions.iter().zip(spans) {
            self.place(&at, format!("{place}/when/{}", reason::quote(&condition::write(syscall, condition))));
        }
        for key in ["do", "when", "why"] {
            if let (Some(at), Some(item)) = (table_key_span(table, key), table.get(key)) {
                let place = format!("{place}/{key}");
                self.place(&at, place.clone());
                if key != "do" {
                    self.closing(item, &at, &place);
                }
                if key == "why" {
                    rule.reasons = self.reasons(item, &at, &place);
                }
            }
        }
        Some((rule, position))
    }

    fn reasons(&mut self, item: &Item, key: &Range<usize>, place: &str) -> BTreeSet<Reason> {
        let mut reasons = BTreeSet::new();
        let Some(array) = self.array(item, key) else { return reasons };
        for value in array {
            let span = value.span().unwrap_or_else(|| key.clone());
            let read = match value {
                Value::String(words) => Some(Reason::ByHand(words.value().clone())),
                Value::InlineTable(table) => self.known_reason(table, &span),
                _ => {
                    self.wrong(
                        span.clone(),
                        "a reason is a sentence, or a table such as `{ baseline = \"...\" }`",
                        None,
                    );
                    None
                }
            };
            if let Some(reason) = read {
                self.place(&span, format!("{place}/{}", reason::write(&reason)));
                reasons.insert(reason);
            }
        }
        reasons
    }

    /// A reason in sandprint's own words: exactly the keys of its kind.
    fn known_reason(&mut self, table: &InlineTable, span: &Range<usize>) -> Option<Reason> {
        let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
        let keys: Vec<&str> = table.iter().map(|(key, _)| key).collect();
        let has = |wanted: &[&str]| wanted.len() == keys.len() && wanted.iter().all(|key| keys.contains(key));
        let read = if has(&["observed", "runs", "by"]) {
            observed(table)
        } else if has(&["baseline"]) {
            text("baseline").map(Reason::Baseline)
        } else if has(&["portability", "of"]) {
            let of = text("of").and_then(|of| reason::read_call(&of));
            of.zip(text("portability")).map(|(of, why)| Reason::Portability { of, why })
        } else if has(&["runtime", "why"]) {
            text("runtime").zip(text("why")).map(|(runtime, why)| Reason::Runtime { runtime, why })
        } else if has(&["fallback"]) {
            text("fallback").map(Reason::Fallback)
        } else if has(&["decided", "on", "by"]) {
            let on = text("on").and_then(|on| on.parse().ok());
            match (text("decided"), on, text("by")) {
                (Some(words), Some(on), Some(by)) => Some(Reason::Decided { words, on, by }),
                _ => None,
            }
        } else if has(&["imported"]) {
            text("imported").map(Reason::Imported)
        } else {
            None
        };
        if read.is_none() {
            let hint = "write your own reasons as plain sentences; tables are what sandprint writes: observed, runs, by; \
                        baseline; portability, of; runtime, why; fallback; decided, on, by; imported";
            self.wrong(span.clone(), "this is no reason that sandprint knows", Some(hint.to_owned()));
        }
        read
    }
}

fn observed(table: &InlineTable) -> Option<Reason> {
    let count = match table.get("observed")? {
        Value::Integer(count) => u64::try_from(*count.value()).ok()?,
        Value::String(count) => count.value().parse().ok()?,
        _ => return None,
    };
    let runs = usize::try_from(table.get("runs")?.as_integer()?).ok()?;
    let images = table.get("by")?.as_array()?.iter().map(|value| match value {
        Value::String(path) => reason::image(path.value(), None, None),
        Value::InlineTable(table) => {
            let text = |key: &str| table.get(key).and_then(Value::as_str);
            let known = table.iter().all(|(key, value)| {
                matches!(key, "path" | "script" | "build-id") && value.as_str().is_some()
            });
            known.then(|| reason::image(text("path")?, text("script"), text("build-id"))).flatten()
        }
        _ => None,
    });
    let images: Option<Vec<std::sync::Arc<Image>>> = images.collect();
    Some(Reason::Observed { count, runs, images: images? })
}

/// What something is, for an error.
fn kind(item: &Item) -> &'static str {
    match item.type_name() {
        "string" => "a string",
        "integer" => "a number",
        "array" => "an array",
        "table" | "inline table" => "a table",
        "array of tables" => "an array of tables",
        _ => "something else",
    }
}

fn span_of(item: &Item, key: &Range<usize>) -> Range<usize> {
    item.span().unwrap_or_else(|| key.clone())
}

fn key_span(table: &Table, key: &str) -> Range<usize> {
    table_key_span(table, key).unwrap_or(0..0)
}

fn table_key_span(table: &dyn TableLike, key: &str) -> Option<Range<usize>> {
    table.get_key_value(key).and_then(|(key, _)| key.span())
}
