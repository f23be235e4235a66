//! `profile verify` with its report, and the programs that it runs.

use std::path::Path;

use sandprint_model::Policy;
use testkit::gcc;
use testkit::scratch::Scratch;

/// `profile verify` under a policy: its status, and its report as JSON.
pub(crate) fn verify(
    scratch: &Scratch,
    policy: &Policy,
    observer: &str,
    words: &[&str],
) -> (i32, serde_json::Value) {
    scratch.policy(policy);
    let options = ["verify", "-p", "policy", "--observer", observer, "-f", "json", "-o", "report"];
    let ended = scratch.profile(&[&options, words].concat());
    assert_eq!(ended.stderr, "");
    (ended.status, serde_json::from_str(&scratch.read("report")).unwrap())
}

/// The program of that name, built there; says that a test is skipped where there is no compiler.
pub(crate) fn build(scratch: &Scratch, name: &str) -> bool {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verified/programs");
    gcc::can_build(&folder.join(format!("{name}.c")), &scratch.path(name), &["-pthread"])
}
