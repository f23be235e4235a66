//! Kubernetes objects are held against the published schema, and what the operator makes of them is decided
//! as any OCI profile.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sandprint_model::{Abi, Arch, Loss, Policy};
use sandprint_policy::emit::by_name;
use serde_json::Value;

use crate::oci_profiles::Profile;
use testkit::policies::{any_policy, call, ls, policy};
use testkit::policies::{grid, losses};

static SCHEMA: &str = include_str!("../data/seccompprofile-v1.schema.json");

/// Says where a value breaks a schema, as an API server with strict validation does: unknown fields are faults.
/// A keyword that it does not know fails the test, so that no constraint is passed over.
fn validate(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (keyword, rule) in schema.as_object().unwrap() {
        let list = value.as_array();
        let holds = match keyword.as_str() {
            "$comment" | "default" | "properties" => true,
            "type" => match rule.as_str().unwrap() {
                "array" => list.is_some(),
                "integer" => value.is_i64() || value.is_u64(),
                "object" => value.is_object(),
                "string" => value.is_string(),
                other => panic!("{other}"),
            },
            "format" if rule == "int32" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            "format" if rule == "int64" => value.is_i64(),
            "minimum" => value.as_i64() >= rule.as_i64(),
            "minItems" => list.unwrap().len() >= usize::try_from(rule.as_u64().unwrap()).unwrap(),
            "maxItems" => list.unwrap().len() <= usize::try_from(rule.as_u64().unwrap()).unwrap(),
            "enum" => rule.as_array().unwrap().contains(value),
            "allOf" => rule.as_array().unwrap().iter().all(|rule| validate(rule, value, at).is_ok()),
            "required" => {
                rule.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "items" => {
                for (place, item) in list.unwrap().iter().enumerate() {
                    validate(rule, item, &format!("{at}[{place}]"))?;
                }
                true
            }
            "x-kubernetes-list-type" if rule == "set" => {
                let items = list.unwrap().iter().map(|item| item.as_str().unwrap());
                items.collect::<BTreeSet<_>>().len() == list.unwrap().len()
            }
            "x-kubernetes-list-type" => rule == "atomic",
            other => panic!("the schema has a keyword that this test does not know: {other}"),
        };
        if !holds {
            return Err(format!("{at}: {keyword} {rule}, not {value}"));
        }
    }
    if let Some(properties) = schema.get("properties") {
        for (name, field) in value.as_object().unwrap() {
            let Some(inner) = properties.get(name) else { return Err(format!("{at}: unknown field {name}")) };
            validate(inner, field, &format!("{at}.{name}"))?;
        }
    }
    Ok(())
}

/// The object, and its losses.
pub(crate) fn object(policy: &Policy) -> (Value, BTreeSet<Loss>) {
    let emitted = by_name("k8s").unwrap().emit(policy).unwrap();
    let text = emitted.content.as_text().unwrap();
    let object: Value = serde_yaml_ng::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(object["apiVersion"], "security-profiles-operator.x-k8s.io/v1");
    assert_eq!(object["kind"], "SeccompProfile");
    assert_eq!(object["metadata"]["name"], "sandprint");
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(validate(&schema, &object, "$"), Ok(()));
    (object, emitted.losses)
}

/// The profile that the operator writes: the spec, whose fields of value zero are left out. A runtime takes
/// zero for them again, but EPERM for the errno of an action that takes one.
pub(crate) fn profile(object: &Value, machine: Arch) -> Profile {
    let mut spec = object["spec"].clone();
    if spec["defaultAction"] == "SCMP_ACT_ERRNO" {
        spec["defaultErrnoRet"] = 1.into();
    }
    for element in spec["syscalls"].as_array_mut().unwrap() {
        let takes_errno =
            ["SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"].iter().any(|action| element["action"] == *action);
        if takes_errno && element.get("errnoRet").is_none_or(|errno| errno == 0) {
            element["errnoRet"] = 1.into();
        }
    }
    Profile::of(&spec, machine)
}

#[test]
fn a_policy_of_one_abi_is_exact_for_every_call_of_it() {
    for abi in [Abi::X86_64, Abi::Aarch64] {
        let policy = policy(&ls(abi));
        let (object, _) = object(&policy);
        let profile = profile(&object, abi.arch());
        for call in grid::calls(&policy).filter(|call| call.syscall.abi == abi) {
            assert_eq!(profile.decide(&call), policy.calls.decide(&call), "{abi} {}", call.syscall);
        }
    }
}

#[test]
fn the_head_says_how_a_pod_names_it_with_the_operator_and_without() {
    let emitted = by_name("k8s").unwrap().emit(&policy(&ls(Abi::X86_64))).unwrap();
    let head: Vec<&str> =
        emitted.content.as_text().unwrap().lines().take_while(|line| line.starts_with('#')).collect();
    let stanza: Vec<&str> = head.iter().filter_map(|line| line.strip_prefix("#   ")).collect();
    let stanza: Value = serde_yaml_ng::from_str(&stanza.join("\n")).unwrap();
    let profile = &stanza["securityContext"]["seccompProfile"];
    assert_eq!(
        (&profile["type"], &profile["localhostProfile"]),
        (&"Localhost".into(), &"operator/sandprint.json".into())
    );
    assert!(head.iter().any(|line| line.contains("/var/lib/kubelet/seccomp/sandprint.json")), "{head:#?}");
}

#[test]
fn the_schema_can_be_broken() {
    let (good, _) = object(&testkit::policies::allowing(&[call(Abi::X86_64, "read")]));
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for (pointer, value) in [
        ("/spec/defaultAction", Value::from("ERRNO")),
        ("/spec/syscalls/0/names", Value::Array(Vec::new())),
        ("/spec/architectures/0", Value::from("x86_64")),
        ("/spec", Value::Object(serde_json::Map::new())),
        ("/metadata", Value::from("sandprint")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert!(validate(&schema, &bad, "$").is_err(), "{pointer}");
    }
}

proptest! {
    #[test]
    fn every_difference_from_the_policy_is_a_loss(policy in any_policy(), args in any::<[u64; 6]>()) {
        let (object, losses) = object(&policy);
        let machines: BTreeSet<Arch> = policy.calls.rules.keys().map(|syscall| syscall.abi.arch()).collect();
        for machine in machines {
            let profile = profile(&object, machine);
            let calls = grid::calls(&policy).chain(testkit::policies::telling_calls(&policy, args));
            let here = calls.filter(|call| call.syscall.abi.arch() == machine);
            losses::check(&policy, &losses, here, |call| profile.decide(call));
        }
    }
}
