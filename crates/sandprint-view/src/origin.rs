//! Where a call comes from, in words and for programs.

use sandprint_model::{Ancestor, ByteString, Location};
use serde::Serialize;

use crate::escape::one_line;

/// A place in code, for programs.
#[derive(Debug, Serialize)]
pub struct Code {
    module: String,
    offset: u64,
    function: Option<String>,
}

impl Code {
    /// That of a location.
    pub fn of(location: &Location) -> Code {
        Code {
            module: location.code.module.escaped(),
            offset: location.code.offset,
            function: location.function.as_deref().map(one_line),
        }
    }
}

/// The code that made a call, or why it is not known.
pub fn location_in_words(location: &Result<Location, String>) -> String {
    match location {
        Ok(Location { code, function }) => {
            let (module, offset) = (&code.module, code.offset);
            match function {
                Some(function) => format!("{} in {module} (offset {offset:#x})", one_line(function)),
                None => format!("{module} (offset {offset:#x})"),
            }
        }
        Err(why) => format!("unknown: {why}"),
    }
}

/// The tree down to the process that made a call. `number` is how a process's number is shown.
pub fn ancestry_in_words(ancestry: &[Ancestor], number: impl Fn(&Ancestor) -> String) -> String {
    let each = ancestry.iter().map(|process| process_in_words(&process.comm, &number(process)));
    each.collect::<Vec<_>>().join(" > ")
}

/// A process by its name and number.
pub fn process_in_words(comm: &ByteString, number: &str) -> String {
    format!("{comm}[{number}]")
}
