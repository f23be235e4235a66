//! What is wrong with policies, as lines for people and editors, and as JSON.

use std::fmt::Write as _;

use sandprint_policy::check::Severity;
use serde::Serialize;

/// Something said of a place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The file's name, and the place where one is known.
    pub at: String,
    /// How bad it is.
    pub severity: Severity,
    /// What.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

#[derive(Serialize)]
struct Row<'s> {
    at: &'s str,
    severity: &'static str,
    message: &'s str,
    hint: Option<&'s str>,
}

/// For people and editors: `FILE:LINE:COLUMN: error: ...`.
pub fn text(faults: &[Said]) -> String {
    let mut text = String::new();
    for said in faults {
        writeln!(text, "{}: {}: {}", said.at, severity(said), said.message).unwrap_or_default();
        if let Some(hint) = &said.hint {
            writeln!(text, "  hint: {hint}").unwrap_or_default();
        }
    }
    text
}

/// For programs.
pub fn json(faults: &[Said]) -> String {
    let row = |said| {
        let Said { at, message, hint, .. }: &Said = said;
        Row { at, severity: severity(said), message, hint: hint.as_deref() }
    };
    crate::json(&faults.iter().map(row).collect::<Vec<_>>())
}

fn severity(said: &Said) -> &'static str {
    match said.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
