//! The table of gaps.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::groups::{Heads, Indexes};
use crate::wire::ContentProblem;
use crate::wire::content::{self, Refused, present};
use crate::{Gap, GapKind, Trace};

/// The table's name.
pub(super) const TABLE: &str = "gaps";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GapRow<'a> {
    kind: Cow<'a, str>,
    run: u32,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'a, str>>,
    count: u64,
}

/// The rows of a trace.
pub(super) fn rows<'t>(trace: &'t Trace, indexes: &'t Indexes<'_>) -> impl Iterator<Item = GapRow<'t>> {
    trace.gaps.iter().map(|(gap, count)| GapRow {
        kind: gap.kind.name().into(),
        run: indexes.run(gap.run),
        detail: gap.detail.as_deref().map(Cow::Borrowed),
        count: *count,
    })
}

/// Takes a row of the table.
pub(super) fn take(row: GapRow<'_>, heads: &Heads, trace: &mut Trace) -> Result<(), Refused> {
    let kind = content::word("kind", "kind of gap", &row.kind, GapKind::from_name)?;
    let gap = Gap { kind, run: heads.run(row.run)?, detail: row.detail.map(Cow::into_owned) };
    match trace.gaps.insert(gap, row.count) {
        None => Ok(()),
        Some(_) => Err(Refused::new("", ContentProblem::Repeated)),
    }
}
