//! Holds lines of `watch --format json` against their schema.
//!
//! A keyword that it does not know fails the test, so that no
//! constraint is passed over.

use serde_json::Value;

const SCHEMA: &str = include_str!("../../sandprint/schema/watch-event-v1.schema.json");

/// The line as JSON.
///
/// # Panics
///
/// If it is none, or breaks the schema.
pub fn event(line: &str) -> Value {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    // The alternatives are told apart by one field: what is wrong is said of the one that is meant.
    let kind = event["event"].as_str().unwrap_or_else(|| panic!("no event: {line}"));
    let meant = schema["$defs"].get(kind).unwrap_or_else(|| panic!("no schema for {kind}"));
    assert_eq!(check(&schema, meant, &event, "$"), Ok(()), "{line}");
    assert_eq!(check(&schema, &schema, &event, "$"), Ok(()), "{line}");
    event
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let holds = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let pointer = rule.as_str().and_then(|text| text.strip_prefix('#')).expect("a local $ref");
                check(root, root.pointer(pointer).expect("it leads somewhere"), value, at)?;
                true
            }
            "const" => value == rule,
            "enum" => list(rule).contains(value),
            "type" if rule.is_string() => has_type(rule, value),
            "type" => list(rule).iter().any(|rule| has_type(rule, value)),
            "minimum" => value.as_u64().is_none_or(|number| number >= rule.as_u64().unwrap()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
            "pattern" => value.as_str().is_none_or(is_time),
            "required" => list(rule).iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "properties" => {
                for (name, inner) in rule.as_object().unwrap() {
                    if let Some(field) = value.get(name) {
                        check(root, inner, field, &format!("{at}.{name}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                assert_eq!(rule, &Value::Bool(false));
                value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .all(|(name, _)| schema["properties"].get(name).is_some())
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    check(root, rule, item, &format!("{at}[]"))?;
                }
                true
            }
            "oneOf" => list(rule).iter().filter(|choice| check(root, choice, value, at).is_ok()).count() == 1,
            other => panic!("the schema uses `{other}`, which this validator does not know"),
        };
        if !holds {
            return Err(format!("{at} breaks `{keyword}`: {value}"));
        }
    }
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn has_type(expected: &Value, value: &Value) -> bool {
    match expected.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        other => panic!("the schema uses the type `{other}`"),
    }
}

/// The schema's one pattern, by hand: `2026-11-22T03:21:11.620Z`.
fn is_time(text: &str) -> bool {
    let form = "0000-00-00T00:00:00.000Z";
    text.len() == form.len()
        && text
            .bytes()
            .zip(form.bytes())
            .all(|(byte, form)| if form == b'0' { byte.is_ascii_digit() } else { byte == form })
}
