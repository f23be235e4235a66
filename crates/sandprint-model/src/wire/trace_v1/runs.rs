//! The table of runs.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::wire::content::{self, Entries, Object, Refused, present};
use crate::wire::{ContentProblem, quoted};
use crate::{Arch, Exit, FactKind, Host, Peak, Recorder, Run, RunId};

/// The table's name.
pub(super) const TABLE: &str = "runs";

/// One run. A run of which nothing but its id is known has only that.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RunRow<'a> {
    id: Cow<'a, str>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    command: Vec<Cow<'a, str>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    target: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    recorder: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    tool_version: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    started_unix_ms: Option<u64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    exit: Option<Object<ExitRow>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    host: Option<Object<HostRow<'a>>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    facts: Vec<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    peaks: Entries<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ExitRow {
    Code(u8),
    Signal(u8),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HostRow<'a> {
    kernel: Cow<'a, str>,
    arch: Cow<'a, str>,
}

impl<'a> RunRow<'a> {
    /// The row of a run, of which nothing but its id may be known.
    pub(super) fn of(id: RunId, run: Option<&'a Run>) -> RunRow<'a> {
        let id = Cow::Owned(id.to_string());
        let Some(run) = run else { return RunRow { id, ..RunRow::default() } };
        RunRow {
            id,
            name: run.name.as_deref().map(Cow::Borrowed),
            command: run.command.iter().map(|argument| argument.escaped().into()).collect(),
            target: run.target.as_deref().map(Cow::Borrowed),
            recorder: Some(run.recorder.name().into()),
            tool_version: Some(run.tool_version.as_str().into()),
            started_unix_ms: run.started_unix_ms,
            duration_ms: run.duration_ms,
            exit: run.exit.map(|exit| match exit {
                Exit::Code(code) => Object(ExitRow::Code(code)),
                Exit::Signal(signal) => Object(ExitRow::Signal(signal)),
            }),
            host: run
                .host
                .as_ref()
                .map(|host| HostRow { kernel: host.kernel.as_str().into(), arch: host.arch.name().into() })
                .map(Object),
            facts: run.facts.iter().map(|kind| kind.name().into()).collect(),
            peaks: Entries(run.peaks.iter().map(|(peak, value)| (peak.name().into(), *value)).collect()),
        }
    }

    /// What the row says.
    pub(super) fn run(self) -> Result<(RunId, Option<Run>), Refused> {
        let row = self;
        let id = RunId::parse(&row.id)
            .ok_or_else(|| Refused::new("id", ContentProblem::RunId(quoted(&row.id))))?;
        if row.is_only_an_id() {
            return Ok((id, None));
        }
        let (Some(recorder), Some(tool_version)) = (row.recorder, row.tool_version) else {
            return Err(Refused::new("", ContentProblem::HalfKnownRun));
        };
        let command = row.command.iter().enumerate();
        let run = Run {
            duration_ms: row.duration_ms,
            exit: row.exit.map(|Object(exit)| match exit {
                ExitRow::Code(code) => Exit::Code(code),
                ExitRow::Signal(signal) => Exit::Signal(signal),
            }),
            name: row.name.map(Cow::into_owned),
            command: command
                .map(|(at, argument)| {
                    content::bytes("", argument).map_err(|refused| refused.within(&format!("command[{at}]")))
                })
                .collect::<Result<_, _>>()?,
            target: row.target.map(Cow::into_owned),
            recorder: content::word("recorder", "recorder", &recorder, Recorder::from_name)?,
            started_unix_ms: row.started_unix_ms,
            host: row
                .host
                .map(|Object(host)| {
                    let arch = content::word("host.arch", "architecture", &host.arch, Arch::from_name)?;
                    Ok(Host { kernel: host.kernel.into_owned(), arch })
                })
                .transpose()?,
            tool_version: tool_version.into_owned(),
            facts: facts_of(&row.facts)?,
            peaks: peaks_of(&row.peaks)?,
        };
        Ok((id, Some(run)))
    }

    fn is_only_an_id(&self) -> bool {
        let has_texts = self.name.is_some() || self.target.is_some() || self.recorder.is_some();
        let has_times = self.started_unix_ms.is_some() || self.duration_ms.is_some() || self.exit.is_some();
        !has_texts
            && !has_times
            && self.command.is_empty()
            && self.facts.is_empty()
            && self.peaks.is_empty()
            && self.tool_version.is_none()
            && self.host.is_none()
    }
}

/// The kinds of facts that a row names, each once.
fn facts_of(names: &[Cow<'_, str>]) -> Result<BTreeSet<FactKind>, Refused> {
    let mut kinds = BTreeSet::new();
    for (at, name) in names.iter().enumerate() {
        let kind = content::word(&format!("facts[{at}]"), "kind of fact", name, FactKind::from_name)?;
        if !kinds.insert(kind) {
            return Err(Refused::new(format!("facts[{at}]"), ContentProblem::Repeated));
        }
    }
    Ok(kinds)
}

/// The peaks of a row, each once.
fn peaks_of(Entries(peaks): &Entries<'_>) -> Result<BTreeMap<Peak, u64>, Refused> {
    let mut known = BTreeMap::new();
    for (name, value) in peaks {
        let peak = content::word("peaks", "peak", name, Peak::from_name)?;
        if known.insert(peak, *value).is_some() {
            return Err(Refused::new(format!("peaks.{name}"), ContentProblem::Repeated));
        }
    }
    Ok(known)
}
