//! What sandprint writes and does not read: what `profile show` prints, reports, and profiles of others in JSON.

use serde_json::Value;

use super::FileKind;

/// What JSON is that is neither a trace nor a policy nor a profile that is imported.
pub(super) fn of_json(bytes: &[u8]) -> Option<FileKind> {
    let Ok(Value::Object(document)) = serde_json::from_slice(bytes) else { return None };
    let has = |keys: &[&str]| keys.iter().all(|key| document.contains_key(*key));
    let is_sarif = |schema: &Value| schema.as_str().is_some_and(|schema| schema.contains("sarif"));
    // Each value is the filter of a kind of thread; since 1.1 the action has the first of these names.
    let is_filter = |value: &Value| {
        value.get("filter").is_some()
            && ["mismatch_action", "default_action"].iter().any(|key| value.get(key).is_some())
    };
    if document.get("$schema").is_some_and(is_sarif) {
        Some(FileKind::Sarif)
    } else if has(&["events", "unique", "calls"]) {
        Some(FileKind::Shown)
    } else if has(&["denials", "passes"]) || has(&["denials", "clean"]) {
        Some(FileKind::Report)
    } else if !document.is_empty() && document.values().all(is_filter) {
        Some(FileKind::Firecracker)
    } else {
        None
    }
}

/// Whether a text is a table of `profile show`, for people or with tabs.
pub(super) fn is_table(text: &str) -> bool {
    let is_head = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_shown = words.contains(&"NR") && words.contains(&"COUNT") && words.contains(&"NAME");
        is_shown || line.contains("abi\tnr\tname\tcount")
    };
    text.lines().take(HEAD).any(is_head)
}

/// Behind how many lines the heads of a table's columns stand at most.
const HEAD: usize = 10;
