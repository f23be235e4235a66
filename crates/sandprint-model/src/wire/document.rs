//! What every document begins with, and the errors of reading JSON: which kind is it, and which version.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::error::Category;

use super::{DecodeError, Document, LooksLike, VERSION, quoted};

/// Checks that the bytes are a document of this kind and of a version that this sandprint reads.
pub(super) fn check(document: Document, bytes: &[u8]) -> Result<(), DecodeError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(DecodeError::Empty { document });
    }
    let failed = |error| from_json_error(document, &error);
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        serde_json::from_slice::<IgnoredAny>(bytes).map_err(failed)?;
        return Err(DecodeError::Foreign { document, looks_like: LooksLike::OtherJson });
    }
    let header: Header = serde_json::from_slice(bytes).map_err(failed)?;
    let found_format = header.format.as_ref().and_then(Value::as_str);
    if found_format != Some(document.format()) {
        return Err(DecodeError::Foreign { document, looks_like: header.looks_like() });
    }
    match header.version {
        Some(Value::Number(number)) if number.as_u64().is_some_and(|found| found == u64::from(VERSION)) => {
            Ok(())
        }
        Some(Value::Number(number)) if number.as_u64().is_some_and(|found| found > u64::from(VERSION)) => {
            Err(DecodeError::Newer { document, found: number.to_string() })
        }
        Some(other) => Err(DecodeError::Content {
            document,
            path: "version".to_owned(),
            problem: super::ContentProblem::Word { expected: "version", found: quoted(&other.to_string()) },
        }),
        None => Err(DecodeError::Shape {
            document,
            line: 1,
            column: 1,
            problem: "missing field `version`".to_owned(),
        }),
    }
}

/// Names what reading JSON failed on.
pub(super) fn from_json_error(document: Document, error: &serde_json::Error) -> DecodeError {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    // serde_json ends its message with the place, which the variants below say themselves.
    let problem = quoted(text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem));
    match error.classify() {
        Category::Eof => DecodeError::Truncated { document, line, column },
        Category::Data => DecodeError::Shape { document, line, column, problem },
        Category::Syntax | Category::Io => DecodeError::Syntax { document, line, column, problem },
    }
}

/// The fields that tell documents apart; everything else is skipped without being kept.
#[derive(Deserialize)]
struct Header {
    format: Option<Value>,
    version: Option<Value>,
    schema_version: Option<IgnoredAny>,
    #[serde(rename = "defaultAction")]
    default_action: Option<IgnoredAny>,
}

impl Header {
    fn looks_like(&self) -> LooksLike {
        let format = self.format.as_ref().and_then(Value::as_str);
        if format == Some(Document::Policy.format()) {
            LooksLike::Policy
        } else if format == Some(Document::Trace.format()) {
            LooksLike::Trace
        } else if self.schema_version.is_some() {
            LooksLike::Sandprint01
        } else if self.default_action.is_some() {
            LooksLike::SeccompProfile
        } else {
            LooksLike::OtherJson
        }
    }
}

/// What wrote a document. Read for its shape only.
#[derive(serde::Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tool<'a> {
    name: Cow<'a, str>,
    version: Cow<'a, str>,
}

impl Tool<'static> {
    /// This sandprint.
    pub(super) fn this() -> Tool<'static> {
        Tool { name: "sandprint".into(), version: env!("CARGO_PKG_VERSION").into() }
    }
}
