//! Exact texts of what two policies say differently.

use sandprint_model::wire::PolicyFile;
use serde_json::{Value, json};

use super::*;

fn policy(default: &str, socket: &str) -> Policy {
    let text = format!(
        "version = 1\ndefault = \"{default}\"\nforeign = \"kill-process\"\n\n[[x86_64.read]]\ndo = \"allow\"\n\
         why = [\"it reads\"]\n{socket}"
    );
    PolicyFile::read(&text).unwrap().policy
}

#[test]
fn each_form_says_what_is_different() {
    let a = policy("errno EPERM", "");
    let socket =
        "\n[[x86_64.socket]]\ndo = \"allow\"\nwhen = [\"arg1.u32 & 0xf == SOCK_STREAM\"]\nwhy = [\"x\"]\n";
    let b = policy("kill-process", socket);
    let diff = PolicyDiff::between(&a, &b);
    let sides = Sides { diff: &diff, a: &a, b: &b };
    assert_eq!(
        sides.text(),
        "\
calls without a rule: errno EPERM -> kill-process

only the second lets run:
  x86_64 socket: errno EPERM (no rule) -> allow when arg1.u32 & 0xf == SOCK_STREAM
"
    );
    assert_eq!(
        sides.markdown(),
        "\
| | before | after |
| --- | --- | --- |
| calls without a rule | errno EPERM | kill-process |
| `socket` (x86_64): only the second lets run | errno EPERM (no rule) | allow when arg1.u32 &#38; 0xf == SOCK_STREAM |
"
    );
    let document: Value = serde_json::from_str(&sides.json()).unwrap();
    assert_eq!(document["same"], false);
    assert_eq!(
        document["whole"],
        json!([{"what": "calls without a rule", "a": "errno EPERM", "b": "kill-process"}])
    );
    assert_eq!(document["calls"][0]["wider"], "b");
    assert_eq!(document["calls"][0]["b"], json!(["allow when arg1.u32 & 0xf == SOCK_STREAM"]));
    assert_eq!(document["calls"][0]["example"]["b"], "allow");
}

#[test]
fn policies_that_mean_the_same_have_one_sentence() {
    let a = policy("errno EPERM", "");
    let sides = Sides { diff: &PolicyDiff::between(&a, &a), a: &a, b: &a };
    assert_eq!(sides.text(), "the two policies mean the same\n");
    assert_eq!(sides.markdown(), "The two policies mean the same.\n");
}
