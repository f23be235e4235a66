//! The tables of facts that are not about how often a call was made: a row for each run, image and scope, and in it a
//! line for each fact. A trace without any has no such table.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::groups::{Grouped, Heads, Indexes};
use crate::wire::ContentProblem;
use crate::wire::content::{Object, Refused, present};
use crate::wire::layout::{Page, compact};
use crate::{Facts, Key, Trace};

/// One of the tables: how its facts are written.
pub(super) trait Table {
    /// Its name.
    const NAME: &'static str;
    /// What its facts are about.
    type Key: Key + Grouped;
    /// What is kept of each.
    type Value;
    /// A line.
    type Line: Serialize + DeserializeOwned;

    /// The table of a trace.
    fn of(trace: &Trace) -> &Facts<Self::Key, Self::Value>;

    /// The same, to be filled.
    fn of_mut(trace: &mut Trace) -> &mut Facts<Self::Key, Self::Value>;

    /// A fact as a line.
    fn line(key: &Self::Key, value: &Self::Value, indexes: &Indexes<'_>) -> Self::Line;

    /// What a line says.
    fn fact(line: Self::Line, heads: &Heads) -> Result<(Self::Key, Self::Value), Refused>;
}

/// The facts of one image in one run and scope. Written without `facts`, which follow on lines of their own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "L: DeserializeOwned"))]
pub(super) struct GroupRow<'a, L> {
    run: u32,
    image: u32,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    scope: Option<Cow<'a, str>>,
    #[serde(skip_serializing)]
    facts: Vec<Object<L>>,
}

/// A row as it is read.
pub(super) type Row<T> = GroupRow<'static, <T as Table>::Line>;

/// Writes a table, if there is anything for it.
pub(super) fn write<T: Table>(
    page: &mut Page<impl Write>,
    trace: &Trace,
    indexes: &Indexes<'_>,
) -> io::Result<()> {
    if T::of(trace).is_empty() {
        return Ok(());
    }
    let seen = indexes.seen(T::of(trace));
    page.nested_table(
        T::NAME,
        "facts",
        seen.groups().map(|group| {
            let scope = group.scope.map(Cow::Borrowed);
            let head: GroupRow<'_, T::Line> =
                GroupRow { run: group.run, image: group.image, scope, facts: Vec::new() };
            let lines = group.values().map(|(key, value)| compact(&T::line(key, value, indexes)));
            (compact(&head), lines.collect::<Vec<_>>())
        }),
    )
}

/// Takes a row of a table.
pub(super) fn take<T: Table>(row: Row<T>, heads: &mut Heads, trace: &mut Trace) -> Result<(), Refused> {
    let (run, subject) = heads.subject((row.run, row.image), row.scope.as_deref())?;
    for (at, Object(line)) in row.facts.into_iter().enumerate() {
        let refused = |refused: Refused| refused.within(&format!("facts[{at}]"));
        let (key, value) = T::fact(line, heads).map_err(refused)?;
        if !T::of_mut(trace).enter(subject.clone(), key, run, value) {
            return Err(refused(Refused::new("", ContentProblem::Repeated)));
        }
    }
    Ok(())
}
