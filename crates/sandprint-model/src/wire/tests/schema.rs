//! A validator for the part of JSON Schema (2020-12) that our schemas use. A keyword that it does not know
//! fails the test, so that no constraint is passed over.

use crate::Right;
use serde_json::Value;

/// Says where a document breaks the schema.
pub(in crate::wire) fn check(schema: &str, document: &str) -> Result<(), String> {
    let schema: Value = serde_json::from_str(schema).expect("the schema is JSON");
    let document: Value = serde_json::from_str(document).expect("the document is JSON");
    validate(&schema, &schema, &document, "$")
}

fn validate(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let holds = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let pointer = rule.as_str().and_then(|text| text.strip_prefix('#')).expect("a local $ref");
                validate(root, root.pointer(pointer).expect("a $ref that leads somewhere"), value, at)?;
                true
            }
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "type" => has_type(rule.as_str().unwrap(), value),
            "minimum" => integer(value).is_none_or(|number| number >= integer(rule).unwrap()),
            "maximum" => integer(value).is_none_or(|number| number <= integer(rule).unwrap()),
            "pattern" => value.as_str().is_none_or(|text| matches(rule.as_str().unwrap(), text)),
            "required" => {
                value.as_object().is_none_or(|object| names(rule).all(|name| object.contains_key(name)))
            }
            "dependentRequired" => value.as_object().is_none_or(|object| {
                let needs = rule.as_object().unwrap().iter();
                needs
                    .filter(|(name, _)| object.contains_key(*name))
                    .all(|(_, needed)| names(needed).all(|name| object.contains_key(name)))
            }),
            "properties" => {
                for (name, inner) in rule.as_object().unwrap() {
                    if let Some(field) = value.get(name) {
                        validate(root, inner, field, &format!("{at}.{name}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let others = value.as_object().into_iter().flatten();
                let mut others =
                    others.filter(|(name, _)| !known.is_some_and(|known| known.contains_key(*name)));
                if rule == &Value::Bool(false) {
                    others.next().is_none()
                } else {
                    for (name, other) in others {
                        validate(root, rule, other, &format!("{at}.{name}"))?;
                    }
                    true
                }
            }
            "minItems" => {
                let least = rule.as_u64().unwrap();
                value.as_array().is_none_or(|items| u64::try_from(items.len()).unwrap() >= least)
            }
            "maxItems" => {
                let most = rule.as_u64().unwrap();
                value.as_array().is_none_or(|items| u64::try_from(items.len()).unwrap() <= most)
            }
            "uniqueItems" => {
                let items = value.as_array().into_iter().flatten();
                items
                    .clone()
                    .enumerate()
                    .all(|(at, item)| items.clone().skip(at + 1).all(|later| later != item))
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    validate(root, rule, item, &format!("{at}[{index}]"))?;
                }
                true
            }
            "oneOf" => {
                let choices = rule.as_array().unwrap().iter();
                choices.filter(|choice| validate(root, choice, value, at).is_ok()).count() == 1
            }
            unknown => panic!("the schema uses `{unknown}`, which this validator does not know"),
        };
        if !holds {
            return Err(format!("{at} breaks `{keyword}`"));
        }
    }
    Ok(())
}

fn integer(value: &Value) -> Option<i128> {
    value.as_u64().map(i128::from).or_else(|| value.as_i64().map(i128::from))
}

fn names(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().expect("a list of names").iter().map(|name| name.as_str().expect("a name"))
}

fn has_type(expected: &str, value: &Value) -> bool {
    match expected {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => integer(value).is_some(),
        unknown => panic!("the schema uses the type `{unknown}`"),
    }
}

/// A list of rights.
const RIGHTS: &str = "^(?:(?:read|write|append|create|delete|rename|link|execute|map-exec|metadata|list|truncate|ioctl|socket)(?:,(?!$)|$))*$";

/// The patterns that our schemas use, each by hand.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "^[0-9a-f]{32}$" => {
            text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        }
        r"^(?:[^\\]|\\\\|\\x[0-9A-Fa-f]{2})*$" => escapes_are_whole(text),
        r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$" => {
            let number = |digits: &str| {
                digits.bytes().all(|byte| byte.is_ascii_digit())
                    && (digits == "0" || digits.bytes().next().is_some_and(|first| first != b'0'))
            };
            text.split_once('.').is_some_and(|(major, minor)| number(major) && number(minor))
        }
        RIGHTS => text.is_empty() || text.split(',').all(|word| Right::from_name(word).is_some()),
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" => {
            text.len() == 10
                && text.bytes().enumerate().all(|(at, byte)| match at {
                    4 | 7 => byte == b'-',
                    _ => byte.is_ascii_digit(),
                })
        }
        "^[0-9]+$" => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
        r"^(allow|log|errno (E[A-Z0-9]+|[0-9]{1,4})|trace [0-9]{1,5}|notify|trap|kill-thread|kill-process)$" => {
            is_action(text)
        }
        r"^\s*arg[0-5]\.u(32|64)\s*(&[^=]+)?(==|!=|<=?|>=?).+$" => is_condition(text),
        unknown => panic!("the schema uses the pattern `{unknown}`"),
    }
}

fn is_action(text: &str) -> bool {
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    match text.split_once(' ') {
        None => matches!(text, "allow" | "log" | "notify" | "trap" | "kill-thread" | "kill-process"),
        Some(("trace", value)) => digits(value, 5),
        Some(("errno", value)) => {
            let name = value.strip_prefix('E').filter(|rest| !rest.is_empty());
            digits(value, 4)
                || name.is_some_and(|name| {
                    name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
                })
        }
        Some(_) => false,
    }
}

fn is_condition(text: &str) -> bool {
    let Some(rest) = text.trim_start().strip_prefix("arg") else { return false };
    let Some(rest) = rest.strip_prefix(|c| matches!(c, '0'..='5')) else { return false };
    let Some(rest) = rest.strip_prefix(".u32").or_else(|| rest.strip_prefix(".u64")) else { return false };
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('&') {
        Some(masked) => masked.find('=').filter(|at| *at > 0).map_or("", |at| &masked[at..]),
        None => rest,
    };
    ["==", "!=", "<=", ">=", "<", ">"]
        .iter()
        .any(|operator| rest.strip_prefix(operator).is_some_and(|value| !value.is_empty()))
}

fn escapes_are_whole(text: &str) -> bool {
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            continue;
        }
        let whole = match rest.next() {
            Some('\\') => true,
            Some('x') => (0..2).all(|_| rest.next().is_some_and(|digit| digit.is_ascii_hexdigit())),
            _ => false,
        };
        if !whole {
            return false;
        }
    }
    true
}
