//! A reason as one line: a sentence where a person wrote it, an inline table of what sandprint knows otherwise.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::printable::is_printable;
use crate::{Abi, ByteString, Image, Reason, Syscall};

/// Any text as a TOML string on one line.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // Everything that could end the line, move a cursor or reorder text.
            c if !is_printable(c) => {
                write!(out, "\\U{:08X}", u32::from(c)).unwrap_or_default();
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The reason as an element of an array.
pub(super) fn write(reason: &Reason) -> String {
    match reason {
        Reason::ByHand(words) => quote(words),
        Reason::Observed { count, runs, images } => {
            let by: Vec<String> = images.iter().map(|image| write_image(image)).collect();
            format!("{{ observed = {}, runs = {runs}, by = [{}] }}", write_count(*count), by.join(", "))
        }
        Reason::Baseline(why) => format!("{{ baseline = {} }}", quote(why)),
        Reason::Portability { of, why } => {
            format!("{{ portability = {}, of = {} }}", quote(why), quote(&write_call(*of)))
        }
        Reason::Runtime { runtime, why } => {
            format!("{{ runtime = {}, why = {} }}", quote(runtime), quote(why))
        }
        Reason::Fallback(why) => format!("{{ fallback = {} }}", quote(why)),
        Reason::Decided { words, on, by } => {
            format!("{{ decided = {}, on = \"{on}\", by = {} }}", quote(words), quote(by))
        }
        Reason::Imported(from) => format!("{{ imported = {} }}", quote(from)),
    }
}

/// TOML's integers end at 2^63 - 1; a larger count is a string.
fn write_count(count: u64) -> String {
    if i64::try_from(count).is_ok() { count.to_string() } else { format!("\"{count}\"") }
}

fn write_image(image: &Image) -> String {
    let path = quote(&image.path.escaped());
    if image.build_id.is_none() && image.script.is_none() {
        return path;
    }
    let mut out = format!("{{ path = {path}");
    if let Some(script) = &image.script {
        write!(out, ", script = {}", quote(&script.escaped())).unwrap_or_default();
    }
    if let Some(id) = &image.build_id {
        write!(out, ", build-id = {}", quote(id)).unwrap_or_default();
    }
    out.push_str(" }");
    out
}

fn write_call(syscall: Syscall) -> String {
    format!("{} {}", syscall.abi, write_key(syscall))
}

/// A call as the key of a table: its name, or its number where it has none.
pub(super) fn write_key(syscall: Syscall) -> String {
    syscall.name().map_or_else(|| syscall.nr.to_string(), str::to_owned)
}

/// The call that a key means.
pub(super) fn read_key(abi: Abi, key: &str) -> Option<Syscall> {
    if let Some(syscall) = Syscall::from_name(abi, key) {
        return Some(syscall);
    }
    let nr: u32 = key.parse().ok()?;
    (nr.to_string() == key).then_some(Syscall { abi, nr })
}

/// The call of `ABI NAME`.
pub(super) fn read_call(text: &str) -> Option<Syscall> {
    let (abi, name) = text.split_once(' ')?;
    read_key(Abi::from_name(abi)?, name)
}

/// An image from its parts, each escaped.
pub(super) fn image(path: &str, script: Option<&str>, build_id: Option<&str>) -> Option<Arc<Image>> {
    Some(Arc::new(Image {
        path: ByteString::from_escaped(path)?,
        script: match script {
            Some(script) => Some(ByteString::from_escaped(script)?),
            None => None,
        },
        build_id: build_id.map(str::to_owned),
    }))
}
