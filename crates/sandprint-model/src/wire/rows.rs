//! Reading a table of a document row by row: what is kept of a row is all that is kept.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, SeqAccess, Visitor};

use super::content::{Object, Refused};

/// A value that was refused while a document was read. It takes a way of its own, since an error of serde is a text.
#[derive(Default)]
pub(super) struct Refusal(RefCell<Option<Refused>>);

impl Refusal {
    /// Keeps what was refused, and ends the reading.
    pub(super) fn by<E: Error>(&self, refused: Refused) -> E {
        self.0.replace(Some(refused));
        E::custom("a value was refused")
    }

    /// What was refused, if anything was.
    pub(super) fn into_refused(self) -> Option<Refused> {
        self.0.into_inner()
    }
}

/// A table whose rows are taken one by one, each an object.
pub(super) struct Rows<'r, T, F> {
    table: &'static str,
    take: F,
    refusal: &'r Refusal,
    of: PhantomData<T>,
}

impl<'r, T: DeserializeOwned, F: FnMut(T) -> Result<(), Refused>> Rows<'r, T, F> {
    /// The table of that name, whose rows are given to `take`.
    pub(super) fn of(table: &'static str, refusal: &'r Refusal, take: F) -> Rows<'r, T, F> {
        Rows { table, take, refusal, of: PhantomData }
    }
}

impl<'de, T: DeserializeOwned, F: FnMut(T) -> Result<(), Refused>> DeserializeSeed<'de> for Rows<'_, T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned, F: FnMut(T) -> Result<(), Refused>> Visitor<'de> for Rows<'_, T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut rows: A) -> Result<(), A::Error> {
        let mut at = 0_usize;
        while let Some(Object(row)) = rows.next_element::<Object<T>>()? {
            (self.take)(row).map_err(|refused| self.refusal.by(refused.of_row(self.table, at)))?;
            at += 1;
        }
        Ok(())
    }
}
