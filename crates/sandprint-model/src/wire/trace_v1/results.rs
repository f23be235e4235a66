//! The tables of results and of refused calls: a row for each group, and in it a line for each call and error.
//!
//! A trace without any has no such table.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::groups::{Group, Heads, Indexes};
use crate::errno::{self, Errno};
use crate::wire::content::{self, Object, Refused, present};
use crate::wire::layout::{Page, compact};
use crate::wire::{ContentProblem, quoted};
use crate::{Abi, Count, Facts, Syscall, Trace};

/// The name of the table of calls that failed.
pub(super) const TABLE: &str = "results";
/// The name of that of calls which a filter refused.
pub(super) const REFUSED: &str = "refused";

/// How often calls gave errors.
type Errors = Facts<(Syscall, Errno), Count>;

/// How calls of one image failed in one run and scope, through one ABI. Written without `errors`, which follow on
/// lines of their own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupRow<'a> {
    run: u32,
    image: u32,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    scope: Option<Cow<'a, str>>,
    abi: Cow<'a, str>,
    #[serde(skip_serializing)]
    errors: Vec<Object<ErrorRow<'a>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorRow<'a> {
    nr: u32,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    errno: u16,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, str>>,
    count: u64,
}

/// Writes the tables, if there is anything for them.
pub(super) fn write(page: &mut Page<impl Write>, trace: &Trace, indexes: &Indexes<'_>) -> io::Result<()> {
    for (name, errors) in [(TABLE, &trace.results), (REFUSED, &trace.refused)] {
        if !errors.is_empty() {
            let seen = indexes.seen(errors);
            page.nested_table(name, "errors", seen.groups().map(|group| lines(&group)))?;
        }
    }
    Ok(())
}

/// A group's own line, and one line per call and error.
fn lines<'s, 't>(
    group: &Group<'s, 't, (Syscall, Errno), Count>,
) -> (String, impl Iterator<Item = String> + use<'s, 't>) {
    let head = GroupRow {
        run: group.run,
        image: group.image,
        scope: group.scope.map(Cow::Borrowed),
        abi: group.abi.map_or("", Abi::name).into(),
        errors: Vec::new(),
    };
    let line = |((call, error), count): (&(Syscall, Errno), &Count)| {
        let name = call.name().map(Cow::Borrowed);
        let word = errno::name(error.0).map(Cow::Borrowed);
        compact(&ErrorRow { nr: call.nr, name, errno: error.0, error: word, count: count.0 })
    };
    (compact(&head), group.values().map(line))
}

/// Takes a row of a table. A name of an error decides nothing, as that of a call, but one of another number is refused.
pub(super) fn take(row: GroupRow<'_>, heads: &mut Heads, errors: &mut Errors) -> Result<(), Refused> {
    let place = heads.place((row.run, row.image), row.scope.as_deref(), &row.abi)?;
    for (at, Object(row)) in row.errors.into_iter().enumerate() {
        let refused = |refused: Refused| refused.within(&format!("errors[{at}]"));
        let call = content::syscall(place.abi, row.nr, row.name.as_deref()).map_err(refused)?;
        if let Some(word) = row.error.as_deref()
            && let Some(named) = errno::number(word)
            && named != row.errno
        {
            let problem = ContentProblem::ErrorContradicts { errno: row.errno, name: quoted(word), named };
            return Err(refused(Refused::new("errno", problem)));
        }
        let result = (call, Errno(row.errno));
        if !errors.enter(place.subject.clone(), result, place.run, Count(row.count)) {
            return Err(refused(Refused::new("", ContentProblem::Repeated)));
        }
    }
    Ok(())
}
