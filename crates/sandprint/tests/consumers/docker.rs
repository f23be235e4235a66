//! The Docker profile has the structure that Docker's types ask for, and nothing beside it.
//!
//! Docker reads a profile leniently: a misspelt key is no error there, but a rule that is not in force. So
//! this reads it strictly. Keys, types and exclusions are those of `profiles/seccomp/seccomp.go` of moby
//! (`Seccomp`, `Architecture`, `Syscall`, `Filter`) and of the OCI runtime specification, which it extends.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::workload::recorded;

const ACTIONS: &[&str] = &[
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
];

const OPERATORS: &[&str] = &[
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
];

const ARCHITECTURES: &[&str] =
    &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"];

#[test]
fn the_docker_profile_has_the_structure_of_dockers_types() {
    let Some(workload) = recorded() else { return };
    for options in [&[][..], &["--runtime", "runc"], &["--portable"], &["--default-action", "kill"]] {
        let text = workload.profile("docker", options);
        let profile: Value = serde_json::from_str(&text).expect("it is JSON");
        check(&profile).unwrap_or_else(|problem| panic!("{options:?}: {problem}\n{text}"));
    }
}

#[test]
fn what_dockers_types_do_not_have_is_found() {
    let cases = [
        (r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [], "default": 1}"#, "unknown key `default`"),
        (r#"{"syscalls": []}"#, "no `defaultAction`"),
        (r#"{"defaultAction": "ERRNO", "syscalls": []}"#, "`defaultAction` is not an action: \"ERRNO\""),
        (
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": [], "archMap": [], "syscalls": []}"#,
            "`architectures` beside `archMap`",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": [], "action": "SCMP_ACT_ALLOW"}]}"#,
            "a rule without names",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW",
                "errnoRet": 1}]}"#,
            "an errno with SCMP_ACT_ALLOW, which the runtime refuses",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]}]}"#,
            "argument 0 twice in one rule",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO"}]}"#,
            "a rule with the default action, which the runtime refuses",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW",
                "includes": {"arches": ["x86_64"]}}]}"#,
            "`x86_64` is no architecture of a filter",
        ),
    ];
    for (text, problem) in cases {
        let profile: Value = serde_json::from_str(text).expect("the case is JSON");
        assert_eq!(check(&profile), Err(problem.to_owned()), "{text}");
    }
}

/// An object, all of whose keys are among these.
fn object<'v>(value: &'v Value, keys: &[&str]) -> Result<&'v Map<String, Value>, String> {
    let object = value.as_object().ok_or_else(|| format!("not an object: {value}"))?;
    match object.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(format!("unknown key `{key}`")),
        None => Ok(object),
    }
}

fn array<'v>(object: &'v Map<String, Value>, key: &str) -> Result<&'v [Value], String> {
    match object.get(key) {
        None => Ok(&[]),
        Some(value) => Ok(value.as_array().ok_or_else(|| format!("`{key}` is not an array"))?),
    }
}

fn one_of<'v>(
    object: &'v Map<String, Value>,
    key: &str,
    what: &str,
    known: &[&str],
) -> Result<&'v str, String> {
    let value = object.get(key).ok_or_else(|| format!("no `{key}`"))?;
    let found = value.as_str().filter(|text| known.contains(text));
    found.ok_or_else(|| format!("`{key}` is not {what}: {value}"))
}

/// A whole number from 0 to `most`; `None` where there is none.
fn number(object: &Map<String, Value>, key: &str, most: u64) -> Result<Option<u64>, String> {
    match object.get(key) {
        None => Ok(None),
        Some(value) => {
            let found = value.as_u64().filter(|number| *number <= most);
            found.map(Some).ok_or_else(|| format!("`{key}` is not a number up to {most}: {value}"))
        }
    }
}

fn check(profile: &Value) -> Result<(), String> {
    let keys = [
        "defaultAction",
        "defaultErrnoRet",
        "architectures",
        "archMap",
        "flags",
        "listenerPath",
        "listenerMetadata",
        "syscalls",
    ];
    let profile = object(profile, &keys)?;
    let default = one_of(profile, "defaultAction", "an action", ACTIONS)?;
    let default_errno = number(profile, "defaultErrnoRet", 4095)?;
    if default_errno.is_some() && !takes_errno(default) {
        return Err(format!("an errno with {default}, which the runtime refuses"));
    }
    if profile.contains_key("architectures") && profile.contains_key("archMap") {
        return Err("`architectures` beside `archMap`".to_owned());
    }
    for value in array(profile, "architectures")? {
        value
            .as_str()
            .filter(|name| ARCHITECTURES.contains(name))
            .ok_or_else(|| format!("architecture {value}"))?;
    }
    for entry in array(profile, "archMap")? {
        let entry = object(entry, &["architecture", "subArchitectures"])?;
        one_of(entry, "architecture", "an architecture", ARCHITECTURES)?;
        for value in array(entry, "subArchitectures")? {
            let known = value.as_str().is_some_and(|name| ARCHITECTURES.contains(&name));
            known.then_some(()).ok_or_else(|| format!("architecture {value}"))?;
        }
    }
    for rule in array(profile, "syscalls")? {
        check_rule(rule, default, default_errno)?;
    }
    Ok(())
}

fn check_rule(rule: &Value, default: &str, default_errno: Option<u64>) -> Result<(), String> {
    let rule = object(rule, &["names", "action", "errnoRet", "args", "comment", "includes", "excludes"])?;
    let names = array(rule, "names")?;
    if names.is_empty() {
        return Err("a rule without names".to_owned());
    }
    let spelling = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    for name in names {
        let well = name.as_str().is_some_and(|name| !name.is_empty() && name.bytes().all(spelling));
        well.then_some(()).ok_or_else(|| format!("not the name of a call: {name}"))?;
    }
    let action = one_of(rule, "action", "an action", ACTIONS)?;
    let errno = number(rule, "errnoRet", 4095)?;
    if errno.is_some() && !takes_errno(action) {
        return Err(format!("an errno with {action}, which the runtime refuses"));
    }
    if action == default && errno == default_errno {
        return Err("a rule with the default action, which the runtime refuses".to_owned());
    }
    if rule.get("comment").is_some_and(|comment| !comment.is_string()) {
        return Err("a comment that is no text".to_owned());
    }
    let mut seen = BTreeSet::new();
    for condition in array(rule, "args")? {
        let condition = object(condition, &["index", "value", "valueTwo", "op"])?;
        let index = number(condition, "index", 5)?.ok_or("a condition without index")?;
        number(condition, "value", u64::MAX)?.ok_or("a condition without value")?;
        number(condition, "valueTwo", u64::MAX)?;
        one_of(condition, "op", "an operator", OPERATORS)?;
        if !seen.insert(index) {
            return Err(format!("argument {index} twice in one rule"));
        }
    }
    for key in ["includes", "excludes"] {
        let Some(filter) = rule.get(key) else { continue };
        let filter = object(filter, &["caps", "arches", "minKernel"])?;
        for cap in array(filter, "caps")? {
            let well = cap.as_str().is_some_and(|name| name.starts_with("CAP_"));
            well.then_some(()).ok_or_else(|| format!("not a capability: {cap}"))?;
        }
        for arch in array(filter, "arches")? {
            let name = arch.as_str().unwrap_or_default();
            // Go's names for the native ones, libseccomp's for the others.
            if !["amd64", "x86", "x32", "arm64", "arm"].contains(&name) {
                return Err(format!("`{name}` is no architecture of a filter"));
            }
        }
    }
    Ok(())
}

fn takes_errno(action: &str) -> bool {
    matches!(action, "SCMP_ACT_ERRNO" | "SCMP_ACT_TRACE")
}
