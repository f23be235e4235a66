//! What a watch told, held against what was done.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitStatus;

use serde_json::Value;
use testkit::event_schema::event;

use crate::caller::can_see_logged;

/// What a watch told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Told {
    /// The lines, each held against the schema.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(event).collect()
    }

    /// Those of a kind.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == kind).collect()
    }

    /// Every call that was told, with what came of it, and how often in all.
    pub(crate) fn calls(&self) -> BTreeMap<(String, String), u64> {
        calls(&self.events())
    }

    /// Those of a process and its descendants, but for logged ones, which do not say what is above them.
    pub(crate) fn calls_below(&self, pid: u32) -> BTreeMap<(String, String), u64> {
        let mut events = self.events();
        let is_below = |event: &Value| {
            let above = event["ancestry"].as_array().into_iter().flatten();
            above.into_iter().any(|process| process["pid"] == pid)
        };
        let ids: BTreeSet<u64> =
            events.iter().filter(|event| is_below(event)).filter_map(|event| event["id"].as_u64()).collect();
        events.retain(|event| event["id"].as_u64().is_some_and(|id| ids.contains(&id)));
        calls(&events)
    }

    /// Holds what was told against what was done: every call with its answer and how often, and nothing else. Logged
    /// calls are left out where this machine cannot see them.
    pub(crate) fn assert_calls(&self, context: &str, expected: &[(&str, &str, u64)]) {
        let sees_logged = can_see_logged();
        let expected: BTreeMap<(String, String), u64> = expected
            .iter()
            .filter(|(_, answer, _)| sees_logged || *answer != "logged")
            .map(|(name, answer, count)| (((*name).to_owned(), (*answer).to_owned()), *count))
            .collect();
        assert_eq!(self.calls(), expected, "{context}\n{}\n{}", self.stdout, self.stderr);
        let summary = self.of_kind("summary");
        assert_eq!(summary.len(), 1, "{context}");
        let sum = |wanted: &dyn Fn(&str) -> bool| {
            expected.iter().filter(|((_, answer), _)| wanted(answer)).map(|(_, count)| count).sum::<u64>()
        };
        let denied = sum(&|answer| !answer.starts_with("emulated") && answer != "logged");
        assert_eq!(summary[0]["denied"], denied, "{context}");
        assert_eq!(summary[0]["emulated"], sum(&|answer| answer.starts_with("emulated")), "{context}");
        assert_eq!(self.status.code(), Some(if denied > 0 { 3 } else { 0 }), "{context}: {}", self.stderr);
    }
}

/// See [`Told::calls`].
pub(crate) fn calls(events: &[Value]) -> BTreeMap<(String, String), u64> {
    let mut kinds: BTreeMap<u64, ((String, String), u64)> = BTreeMap::new();
    for event in events {
        let text = |field: &str| event[field].as_str().unwrap_or("?").to_owned();
        let answer = match text("event").as_str() {
            "denial" => format!("{} by {}", text("action"), text("by")),
            "emulated" => format!("emulated by {}", text("by")),
            "logged" => "logged".to_owned(),
            "repeated" => {
                let id = event["id"].as_u64().unwrap();
                let known = kinds.get_mut(&id).unwrap_or_else(|| panic!("{id} was not told: {event}"));
                known.1 = event["count"].as_u64().unwrap();
                continue;
            }
            _ => continue,
        };
        let count = event["count"].as_u64().unwrap();
        let before = kinds.insert(event["id"].as_u64().unwrap(), ((text("name"), answer), count));
        assert_eq!(before, None, "told twice: {event}");
    }
    let mut calls = BTreeMap::new();
    for (call, count) in kinds.into_values() {
        *calls.entry(call).or_default() += count;
    }
    calls
}
