//! Where a checkpoint goes that must not replace what is there: beside it, with `.partial` at the end of its name.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, unlinkat};

use super::atomic::{self, Privacy};
use super::content::Content;
use super::place::Place;
use super::write_error::WriteError;

/// Writes it.
pub(super) fn write(path: &Path, content: Content<'_>) -> Result<(), WriteError> {
    const TURNS: usize = 3;
    for _ in 0..TURNS {
        if atomic::put(&beside(path)?, content, Privacy::Private)? {
            return Ok(());
        }
    }
    Err(atomic::exchanged(path))
}

/// Removes it; not having one is the usual case.
pub(super) fn remove(path: &Path) {
    if let Ok(place) = beside(path)
        && place.existing.is_some()
    {
        unlinkat(&place.directory, &place.name, AtFlags::empty()).unwrap_or_default();
    }
}

fn beside(path: &Path) -> Result<Place, WriteError> {
    let place = atomic::place_of(path)?;
    let with_ending = |name: &std::ffi::OsStr| {
        let mut name = name.to_owned();
        name.push(".partial");
        name
    };
    place.beside(with_ending(&place.name), PathBuf::from(with_ending(path.as_os_str())))
}
