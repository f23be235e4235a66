//! The table of calls: a row for each group, and in it a line for each call.
//!
//! A group lists the tasks that made its first calls, and each call refers to them by index. What a recorder did not keep
//! is not written: a trace without values of arguments has no field for them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::groups::{Group, Heads, Indexes};
use crate::wire::ContentProblem;
use crate::wire::arguments::ArgumentsRows;
use crate::wire::content::{self, Object, Refused, present};
use crate::wire::layout::{Page, compact};
use crate::{Abi, ByteString, CallSeen, FirstSeen, Syscall, Trace};

/// The table's name.
pub(super) const TABLE: &str = "observations";

/// The calls of one image in one run and scope, through one ABI. Written without `calls`, which follow on
/// lines of their own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupRow<'a> {
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

/// Who a call was first seen from, as a group's table lists it.
type TaskKey<'t> = (u32, u32, &'t ByteString);

/// Writes the table.
pub(super) fn write(page: &mut Page<impl Write>, trace: &Trace, indexes: &Indexes<'_>) -> io::Result<()> {
    let seen = indexes.seen(&trace.calls);
    page.nested_table(TABLE, "calls", seen.groups().map(|group| lines(&group)))
}

/// A group's own line, and one line per call.
fn lines<'s, 't>(
    group: &Group<'s, 't, Syscall, CallSeen>,
) -> (String, impl Iterator<Item = String> + use<'s, 't>) {
    let firsts = group.values().filter_map(|(_, seen)| seen.first.as_ref());
    let keys: BTreeSet<TaskKey<'t>> = firsts.map(task_key).collect();
    let task_index: BTreeMap<TaskKey<'t>, u32> =
        keys.iter().enumerate().map(|(at, key)| (*key, content::index(at))).collect();
    let head = GroupRow {
        run: group.run,
        image: group.image,
        scope: group.scope.map(Cow::Borrowed),
        abi: group.abi.map_or("", Abi::name).into(),
        tasks: keys
            .iter()
            .map(|(tgid, tid, comm)| TaskRow { tgid: *tgid, tid: *tid, comm: comm.escaped().into() })
            .map(Object)
            .collect(),
        calls: Vec::new(),
    };
    let line = move |(call, seen): (&Syscall, &CallSeen)| {
        let first = seen.first.as_ref().map(|first| {
            let task = task_index.get(&task_key(first)).copied().unwrap_or(u32::MAX);
            Object(FirstRow { ns: first.after_ns, task })
        });
        let name = call.name().map(Cow::Borrowed);
        let arguments = seen.arguments.as_ref().map(ArgumentsRows::of);
        compact(&CallRow { nr: call.nr, name, count: seen.count, first, arguments })
    };
    (compact(&head), group.values().map(line))
}

fn task_key(first: &FirstSeen) -> TaskKey<'_> {
    (first.tgid, first.tid, &first.comm)
}

/// Takes a row of the table.
pub(super) fn take(row: GroupRow<'_>, heads: &mut Heads, trace: &mut Trace) -> Result<(), Refused> {
    let place = heads.place((row.run, row.image), row.scope.as_deref(), &row.abi)?;
    let task = |(at, Object(task)): (usize, &Object<TaskRow<'_>>)| {
        let comm = content::bytes("comm", &task.comm);
        let comm = comm.map_err(|refused| refused.within(&format!("tasks[{at}]")))?;
        Ok((task.tgid, task.tid, comm))
    };
    let tasks = row.tasks.iter().enumerate().map(task).collect::<Result<Vec<_>, Refused>>()?;
    for (at, Object(call)) in row.calls.into_iter().enumerate() {
        let refused = |refused: Refused| refused.within(&format!("calls[{at}]"));
        let syscall = content::syscall(place.abi, call.nr, call.name.as_deref()).map_err(refused)?;
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
        if !trace.calls.enter(place.subject.clone(), syscall, place.run, seen) {
            return Err(refused(Refused::new("", ContentProblem::Repeated)));
        }
    }
    Ok(())
}
