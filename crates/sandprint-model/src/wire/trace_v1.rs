//! Version 1 of a serialized trace.
//!
//! Runs and images are tables; observations are grouped by (run, image, scope, ABI), so that a line holds
//! one call of one program in one run. A group lists the tasks that made its first calls, and each call
//! refers to them by index.
//!
//! What a recorder did not keep is not written: a trace without values of arguments has no field for them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::arguments::ArgumentsRows;
use super::content::{self, ImageRow, Object, Refused, present};
use super::document::{Tool, from_json_error};
use super::layout::{Page, compact};
use super::{ContentProblem, DecodeError, Document};
use crate::{
    Abi, Arch, ByteString, CallSeen, Exit, FirstSeen, Gap, GapKind, Host, Image, Recorder, Run, RunId,
    Subject, Trace,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TraceDocument<'a> {
    #[serde(rename = "format")]
    _format: Cow<'a, str>,
    #[serde(rename = "version")]
    _version: u32,
    #[serde(rename = "tool")]
    _tool: Object<Tool<'a>>,
    runs: Vec<Object<RunRow<'a>>>,
    images: Vec<Object<ImageRow<'a>>>,
    observations: Vec<Object<GroupRow<'a>>>,
    gaps: Vec<Object<GapRow<'a>>>,
}

/// One run. A run of which nothing but its id is known has only that.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RunRow<'a> {
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

/// The calls of one image in one run and scope, through one ABI. Written without `calls`, which follow on
/// lines of their own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupRow<'a> {
    run: u32,
    image: u32,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    scope: Option<Cow<'a, str>>,
    abi: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tasks: Vec<Object<TaskRow<'a>>>,
    #[serde(skip_serializing)]
    calls: Vec<Object<CallRow<'a>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskRow<'a> {
    tgid: u32,
    tid: u32,
    comm: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallRow<'a> {
    nr: u32,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    count: u64,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    first: Option<Object<FirstRow>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    arguments: Option<ArgumentsRows>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstRow {
    ns: u64,
    task: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GapRow<'a> {
    kind: Cow<'a, str>,
    run: u32,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'a, str>>,
    count: u64,
}

/// Who a call was first seen from, as a group's table lists it.
type TaskKey<'t> = (u32, u32, &'t ByteString);

/// What a group of observations has in common: run, image, scope, ABI.
type GroupKey<'t> = (u32, u32, Option<&'t str>, Abi);

pub(super) fn encode(trace: &Trace) -> String {
    let run_ids = run_ids(trace);
    let run_index: BTreeMap<RunId, u32> =
        run_ids.iter().enumerate().map(|(at, id)| (*id, content::index(at))).collect();
    let index_of = |id: RunId| run_index.get(&id).copied().unwrap_or(u32::MAX);

    let mut images: Vec<&Image> = Vec::new();
    let mut groups: BTreeMap<GroupKey<'_>, Vec<(u32, &CallSeen)>> = BTreeMap::new();
    for (subject, syscall, runs) in trace.calls.iter() {
        // Facts are ordered by image, so equal images are neighbours, and the table is sorted.
        if images.last() != Some(&subject.image.as_ref()) {
            images.push(&subject.image);
        }
        let image = content::index(images.len() - 1);
        for (run, seen) in runs.iter() {
            let key = (index_of(run), image, subject.scope.as_deref(), syscall.abi);
            groups.entry(key).or_default().push((syscall.nr, seen));
        }
    }

    let mut page = Page::begin(Document::Trace);
    page.table("runs", run_ids.iter().map(|id| run_row(*id, trace.runs.get(id))));
    page.table("images", images.iter().map(|image| ImageRow::of(image)));
    page.nested_table("observations", groups.into_iter().map(|(key, calls)| group_lines(key, &calls)));
    page.table(
        "gaps",
        trace.gaps.iter().map(|(gap, count)| GapRow {
            kind: gap.kind.name().into(),
            run: index_of(gap.run),
            detail: gap.detail.as_deref().map(Cow::Borrowed),
            count: *count,
        }),
    );
    page.end()
}

/// Every run that the trace mentions, also one of which only the id is known.
fn run_ids(trace: &Trace) -> Vec<RunId> {
    let mut ids = trace.calls.runs();
    ids.extend(trace.runs.keys());
    ids.extend(trace.gaps.keys().map(|gap| gap.run));
    ids.into_iter().collect()
}

fn run_row(id: RunId, run: Option<&Run>) -> RunRow<'_> {
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
    }
}

/// A group's own line, and one line per call.
fn group_lines(
    (run, image, scope, abi): GroupKey<'_>,
    calls: &[(u32, &CallSeen)],
) -> (String, Option<(&'static str, Vec<String>)>) {
    let firsts = calls.iter().filter_map(|(_, seen)| seen.first.as_ref());
    let keys: BTreeSet<TaskKey<'_>> = firsts.map(task_key).collect();
    let task_index: BTreeMap<TaskKey<'_>, u32> =
        keys.iter().enumerate().map(|(at, key)| (*key, content::index(at))).collect();
    let head = GroupRow {
        run,
        image,
        scope: scope.map(Cow::Borrowed),
        abi: abi.name().into(),
        tasks: keys
            .iter()
            .map(|(tgid, tid, comm)| TaskRow { tgid: *tgid, tid: *tid, comm: comm.escaped().into() })
            .map(Object)
            .collect(),
        calls: Vec::new(),
    };
    let line = |(nr, seen): &(u32, &CallSeen)| {
        let first = seen.first.as_ref().map(|first| {
            let task = task_index.get(&task_key(first)).copied().unwrap_or(u32::MAX);
            Object(FirstRow { ns: first.after_ns, task })
        });
        let name = crate::Syscall { abi, nr: *nr }.name().map(Cow::Borrowed);
        let arguments = seen.arguments.as_ref().map(ArgumentsRows::of);
        compact(&CallRow { nr: *nr, name, count: seen.count, first, arguments })
    };
    (compact(&head), Some(("calls", calls.iter().map(line).collect())))
}

fn task_key(first: &FirstSeen) -> TaskKey<'_> {
    (first.tgid, first.tid, &first.comm)
}

pub(super) fn decode(bytes: &[u8]) -> Result<Trace, DecodeError> {
    let Object(document): Object<TraceDocument<'_>> =
        serde_json::from_slice(bytes).map_err(|error| from_json_error(Document::Trace, &error))?;
    trace(document).map_err(|refused| refused.of(Document::Trace))
}

fn trace(document: TraceDocument<'_>) -> Result<Trace, Refused> {
    let mut trace = Trace::default();
    let mut run_ids = Vec::with_capacity(document.runs.len());
    let mut known_ids = BTreeSet::new();
    for (at, Object(row)) in document.runs.into_iter().enumerate() {
        let refused = |refused: Refused| refused.within(&format!("runs[{at}]"));
        let (id, run) = run(row).map_err(refused)?;
        if !known_ids.insert(id) {
            return Err(refused(Refused::new("id", ContentProblem::Repeated)));
        }
        trace.runs.extend(run.map(|run| (id, run)));
        run_ids.push(id);
    }
    let images = content::images(document.images)?;

    let mut scopes: BTreeSet<Arc<str>> = BTreeSet::new();
    for (at, Object(row)) in document.observations.into_iter().enumerate() {
        group(row, &run_ids, &images, &mut scopes, &mut trace)
            .map_err(|refused| refused.within(&format!("observations[{at}]")))?;
    }
    for (at, Object(row)) in document.gaps.into_iter().enumerate() {
        gap(row, &run_ids, &mut trace).map_err(|refused| refused.within(&format!("gaps[{at}]")))?;
    }
    Ok(trace)
}

fn run(row: RunRow<'_>) -> Result<(RunId, Option<Run>), Refused> {
    let id = RunId::parse(&row.id)
        .ok_or_else(|| Refused::new("id", ContentProblem::RunId(super::quoted(&row.id))))?;
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
    };
    Ok((id, Some(run)))
}

impl RunRow<'_> {
    fn is_only_an_id(&self) -> bool {
        let has_texts = self.name.is_some() || self.target.is_some() || self.recorder.is_some();
        let has_times = self.started_unix_ms.is_some() || self.duration_ms.is_some() || self.exit.is_some();
        !has_texts
            && !has_times
            && self.command.is_empty()
            && self.tool_version.is_none()
            && self.host.is_none()
    }
}

fn group(
    row: GroupRow<'_>,
    run_ids: &[RunId],
    images: &[Arc<Image>],
    scopes: &mut BTreeSet<Arc<str>>,
    trace: &mut Trace,
) -> Result<(), Refused> {
    let run = content::row("run", "runs", run_ids, row.run)?;
    let image = content::row("image", "images", images, row.image)?;
    let abi = content::word("abi", "ABI", &row.abi, Abi::from_name)?;
    let scope = row.scope.map(|name| {
        scopes.get(name.as_ref()).cloned().unwrap_or_else(|| {
            let scope: Arc<str> = name.as_ref().into();
            scopes.insert(Arc::clone(&scope));
            scope
        })
    });
    let subject = Subject { image: Arc::clone(image), scope };
    let tasks = row
        .tasks
        .iter()
        .enumerate()
        .map(|(at, Object(task))| {
            let comm = content::bytes("comm", &task.comm)
                .map_err(|refused| refused.within(&format!("tasks[{at}]")))?;
            Ok((task.tgid, task.tid, comm))
        })
        .collect::<Result<Vec<_>, Refused>>()?;
    for (at, Object(call)) in row.calls.into_iter().enumerate() {
        let refused = |refused: Refused| refused.within(&format!("calls[{at}]"));
        let syscall = content::syscall(abi, call.nr, call.name.as_deref()).map_err(refused)?;
        let first = match call.first {
            None => None,
            Some(Object(first)) => {
                let (process, thread, comm) =
                    content::row("first.task", "tasks", &tasks, first.task).map_err(refused)?;
                Some(FirstSeen { after_ns: first.ns, tgid: *process, tid: *thread, comm: comm.clone() })
            }
        };
        let arguments = call.arguments.map(ArgumentsRows::seen).transpose().map_err(refused)?;
        let seen = CallSeen { count: call.count, first, arguments };
        if !trace.calls.enter(subject.clone(), syscall, *run, seen) {
            return Err(refused(Refused::new("", ContentProblem::Repeated)));
        }
    }
    Ok(())
}

fn gap(row: GapRow<'_>, run_ids: &[RunId], trace: &mut Trace) -> Result<(), Refused> {
    let kind = content::word("kind", "kind of gap", &row.kind, GapKind::from_name)?;
    let run = content::row("run", "runs", run_ids, row.run)?;
    let gap = Gap { kind, run: *run, detail: row.detail.map(Cow::into_owned) };
    match trace.gaps.insert(gap, row.count) {
        None => Ok(()),
        Some(_) => Err(Refused::new("", ContentProblem::Repeated)),
    }
}
