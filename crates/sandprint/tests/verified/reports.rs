//! The report of `profile verify` for pull requests and code-scanning pages.

use sandprint_model::Action;
use serde_json::Value;

use crate::SANDPRINT;
use crate::observers::can_notify;
use crate::trial::build;
use testkit::policies::native::all_but;
use testkit::scratch::Scratch;

/// Two calls that are refused, one of them in two ways.
const SCRIPT: &str = "mkdir made; cat </dev/null; ./caller sockets 2; ./caller thread";

fn report(format: &str) -> Option<String> {
    let scratch = Scratch::of(SANDPRINT);
    if !can_notify() || !build(&scratch, "caller") {
        return None;
    }
    let mkdir = if cfg!(target_arch = "aarch64") { "mkdirat" } else { "mkdir" };
    scratch.policy(&all_but(&[("socket", Action::Errno(13)), (mkdir, Action::Errno(1))]));
    let words = ["verify", "-p", "policy", "-f", format, "-o", "report", "--", "sh", "-c", SCRIPT];
    assert_eq!(scratch.profile(&words).status, 3);
    Some(scratch.read("report"))
}

#[test]
fn sarif_is_consistent() {
    let Some(text) = report("sarif") else { return };
    let log: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(log["runs"].as_array().unwrap().len(), 1);
    let driver = &run["tool"]["driver"];
    assert_eq!(
        (&driver["name"], &driver["version"]),
        (&"sandprint".into(), &env!("CARGO_PKG_VERSION").into())
    );
    let rules = driver["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(rules.len(), 2, "{rules:#?}");
    assert!(results.len() >= 2, "{results:#?}");
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert_eq!(result["level"], "error");
        assert!(result["message"]["text"].as_str().unwrap().contains(" was refused (errno E"), "{result}");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "policy");
    }
    let prints: std::collections::BTreeSet<&str> =
        results.iter().map(|result| result["partialFingerprints"]["denial/v1"].as_str().unwrap()).collect();
    assert_eq!(prints.len(), 2);
}

#[test]
fn markdown_has_a_row_for_each_denial_and_as_many_cells() {
    let Some(text) = report("markdown") else { return };
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= 4, "{text}");
    let cells = |row: &str| row.replace("\\|", "").matches('|').count();
    assert!(rows.iter().all(|row| cells(row) == cells(rows[0])), "{text}");
    assert!(text.contains("`socket(AF_UNIX, SOCK_STREAM, 0)`"), "{text}");
}
