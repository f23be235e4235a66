//! Values that both documents share, and the check of each.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ContentProblem, DecodeError, Document, quoted};
use crate::{Abi, ByteString, Image, Syscall};

/// A value that was refused: where it stands within its row, and why.
pub(super) struct Refused {
    field: String,
    problem: ContentProblem,
}

impl Refused {
    pub(super) fn new(field: impl Into<String>, problem: ContentProblem) -> Refused {
        Refused { field: field.into(), problem }
    }

    /// The same, seen from outside: `row` is the path of the row, such as `runs[3]`.
    pub(super) fn within(self, row: &str) -> Refused {
        let field = match self.field.as_str() {
            "" => row.to_owned(),
            field => format!("{row}.{field}"),
        };
        Refused { field, problem: self.problem }
    }

    /// The same, seen from outside its table.
    pub(super) fn of_row(self, table: &str, at: usize) -> Refused {
        self.within(&format!("{table}[{at}]"))
    }

    pub(super) fn of(self, document: Document) -> DecodeError {
        DecodeError::Content { document, path: self.field, problem: self.problem }
    }
}

/// A row that is read from a JSON object and from nothing else.
///
/// serde's derive would also take an array of a struct's fields in order, which no schema of ours allows.
#[derive(Serialize, Default)]
#[serde(transparent)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Object<T>, M::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// An object of numbers, with every field as often as it is there: a map would keep the last of those with one name.
#[derive(Default)]
pub(super) struct Entries<'a>(pub(super) Vec<(Cow<'a, str>, u64)>);

impl Entries<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Entries<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Vec<(Cow<'static, str>, u64)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, u64>()? {
                    entries.push((Cow::Owned(name), value));
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(Fields).map(Entries)
    }
}

/// For optional fields: absent is `None`, and `null` is refused.
pub(super) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

pub(super) fn bytes(field: &str, text: &str) -> Result<ByteString, Refused> {
    ByteString::from_escaped(text).ok_or_else(|| Refused::new(field, ContentProblem::Escape))
}

pub(super) fn word<T>(
    field: &str,
    expected: &'static str,
    text: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, Refused> {
    read(text).ok_or_else(|| Refused::new(field, ContentProblem::Word { expected, found: quoted(text) }))
}

/// A row of a table, by its index.
pub(super) fn row<'t, T>(
    field: &str,
    table: &'static str,
    rows: &'t [T],
    index: u32,
) -> Result<&'t T, Refused> {
    usize::try_from(index)
        .ok()
        .and_then(|at| rows.get(at))
        .ok_or_else(|| Refused::new(field, ContentProblem::NoSuchRow { table, index, rows: rows.len() }))
}

/// The index of a table's row, for writing. Tables beyond 2^32 rows do not fit into memory.
pub(super) fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The call of a row. A name decides nothing, but one that belongs to another number is refused.
pub(super) fn syscall(abi: Abi, nr: u32, name: Option<&str>) -> Result<Syscall, Refused> {
    let syscall = Syscall { abi, nr };
    if let Some(name) = name
        && syscall.name() != Some(name)
        && let Some(named) = Syscall::from_name(abi, name)
    {
        let name = quoted(name);
        return Err(Refused::new("nr", ContentProblem::NameContradicts { abi, nr, name, named: named.nr }));
    }
    Ok(syscall)
}

/// A row of a table of images.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageRow<'a> {
    path: Cow<'a, str>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    build_id: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    script: Option<Cow<'a, str>>,
}

impl<'a> ImageRow<'a> {
    pub(super) fn of(image: &'a Image) -> ImageRow<'a> {
        ImageRow {
            path: image.path.escaped().into(),
            build_id: image.build_id.as_deref().map(Cow::Borrowed),
            script: image.script.as_ref().map(|script| script.escaped().into()),
        }
    }

    fn image(self) -> Result<Image, Refused> {
        Ok(Image {
            path: bytes("path", &self.path)?,
            build_id: self.build_id.map(Cow::into_owned),
            script: self.script.map(|script| bytes("script", &script)).transpose()?,
        })
    }
}

/// A table of images, as it is read.
#[derive(Default)]
pub(super) struct Images {
    rows: Vec<Arc<Image>>,
    known: BTreeSet<Arc<Image>>,
}

impl Images {
    /// The rows so far.
    pub(super) fn rows(&self) -> &[Arc<Image>] {
        &self.rows
    }

    /// Takes a row. An image that is listed twice is refused.
    pub(super) fn take(&mut self, row: ImageRow<'_>) -> Result<(), Refused> {
        let image = Arc::new(row.image()?);
        if !self.known.insert(Arc::clone(&image)) {
            return Err(Refused::new("", ContentProblem::Repeated));
        }
        self.rows.push(image);
        Ok(())
    }
}
