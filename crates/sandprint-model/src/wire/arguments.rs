//! Values of arguments, as a trace has them: a list of those that were seen, or the word for too many.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ContentProblem;
use super::content::{Object, Refused};
use crate::ArgumentsSeen;
use crate::arguments::Selected;

/// What stands for more values than are kept apart.
const TOO_MANY: &str = "too-many";

/// The values with which one call was made.
pub(super) enum ArgumentsRows {
    Values(Vec<Object<ValuesRow>>),
    TooMany,
}

/// One set of values: the argument registers in order as far as something was kept, null for those of which nothing was.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValuesRow {
    values: Vec<Option<u64>>,
    count: u64,
}

impl ArgumentsRows {
    pub(super) fn of(seen: &ArgumentsSeen) -> ArgumentsRows {
        let Some(values) = seen.values() else { return ArgumentsRows::TooMany };
        let row = |(Selected(values), count): (&Selected, &u64)| {
            let kept = values.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
            Object(ValuesRow { values: values.iter().take(kept).copied().collect(), count: *count })
        };
        ArgumentsRows::Values(values.iter().map(row).collect())
    }

    pub(super) fn seen(self) -> Result<ArgumentsSeen, Refused> {
        let ArgumentsRows::Values(rows) = self else { return Ok(ArgumentsSeen::too_many()) };
        let refused = |at: usize, problem| Refused::new(format!("arguments[{at}]"), problem);
        if rows.len() > ArgumentsSeen::MOST {
            return Err(too_many("arguments", rows.len(), ArgumentsSeen::MOST));
        }
        let mut seen: Option<ArgumentsSeen> = None;
        for (at, Object(row)) in rows.into_iter().enumerate() {
            let mut selected = Selected::default();
            if row.values.len() > selected.0.len() {
                let field = format!("arguments[{at}].values");
                return Err(too_many(&field, row.values.len(), selected.0.len()));
            }
            for (slot, value) in selected.0.iter_mut().zip(row.values) {
                *slot = value;
            }
            match &mut seen {
                None => seen = Some(ArgumentsSeen::new(selected, row.count)),
                Some(seen) if seen.values().is_some_and(|known| known.contains_key(&selected)) => {
                    return Err(refused(at, ContentProblem::Repeated));
                }
                Some(seen) => seen.add(selected, row.count),
            }
        }
        seen.ok_or_else(|| Refused::new("arguments", ContentProblem::NoValues))
    }
}

fn too_many(field: &str, found: usize, most: usize) -> Refused {
    Refused::new(field, ContentProblem::TooManyValues { found, most })
}

impl Serialize for ArgumentsRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ArgumentsRows::Values(rows) => rows.serialize(serializer),
            ArgumentsRows::TooMany => TOO_MANY.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ArgumentsRows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ArgumentsRows, D::Error> {
        struct Rows;

        impl<'de> Visitor<'de> for Rows {
            type Value = ArgumentsRows;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of values, or \"{TOO_MANY}\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ArgumentsRows, E> {
                if text == TOO_MANY {
                    Ok(ArgumentsRows::TooMany)
                } else {
                    Err(E::invalid_value(Unexpected::Str(text), &self))
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, rows: A) -> Result<ArgumentsRows, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(rows)).map(ArgumentsRows::Values)
            }
        }

        deserializer.deserialize_any(Rows)
    }
}
