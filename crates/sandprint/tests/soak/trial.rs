//! One program through sandprint's own loop: record, generate, run, verify, and do something else.

use serde_json::{Value, json};

use crate::programs::PROGRAMS;
use crate::recorded::{Done, Place, find, recorded, rounds};
use testkit::expect;

/// Fewest of the programs that must be there for the whole to mean something.
const ENOUGH: usize = 36;

const VERIFY: [&str; 9] =
    ["profile", "verify", "-p", "../policy.toml", "-f", "json", "-o", "../verdict.json", "--"];

fn report(place: &Place) -> Value {
    serde_json::from_slice(&std::fs::read(place.path("verdict.json")).unwrap()).unwrap()
}

/// The whole loop for one program.
pub(crate) fn check(name: &str) {
    let Some((program, recording)) = recorded(name) else { return };
    let place = Place::new(program, recording);
    place.profile("policy.toml", "toml", &[]);
    for round in 0..rounds() {
        place.prepare();
        let run = place.sandprint(&[&["run", "-p", "../policy.toml", "--"], program.run].concat());
        let errors = String::from_utf8_lossy(&run.stderr);
        assert_eq!(Done::of(program, &run), recording.bare, "round {round}: {errors}");
        // The same output need not mean that nothing was refused.
        place.prepare();
        let verified = place.sandprint(&[&VERIFY, program.run].concat());
        let verdict = report(&place);
        assert_eq!(verdict["denials"], json!([]), "round {round}: {verdict:#}");
        assert_eq!(verified.status.code(), Some(0), "round {round}: {verdict:#}");
    }

    let Some(beyond) = &program.beyond else { return };
    place.prepare();
    let verified = place.sandprint(&[&VERIFY, beyond.run].concat());
    let verdict = report(&place);
    assert_eq!(verified.status.code(), Some(3), "{verdict:#}");
    let is_it = |denial: &&Value| says(denial["call"].as_str().unwrap(), beyond.call);
    let denial = verdict["denials"].as_array().unwrap().iter().find(is_it);
    let denial = denial.unwrap_or_else(|| panic!("{} was not refused: {verdict:#}", beyond.call));
    assert!(denial["image"].as_str().unwrap().contains(beyond.image), "{denial:#}");
    assert_eq!(denial["ancestry"].as_array().unwrap().last().unwrap()["comm"], beyond.process, "{denial:#}");
    assert!(
        denial["location"]["module"].as_str().is_some_and(|module| module.starts_with('/')),
        "{denial:#}"
    );
    assert!(denial["location"]["function"].is_string(), "{denial:#}");
}

/// Whether a call is written as the pattern: its name and its arguments, of which `*` stands for any.
fn says(call: &str, pattern: &str) -> bool {
    let parts =
        |text: &str| text.split(['(', ',', ')']).map(|part| part.trim().to_owned()).collect::<Vec<_>>();
    let (call, pattern) = (parts(call), parts(pattern));
    call.len() == pattern.len()
        && call.iter().zip(&pattern).all(|(part, wanted)| wanted == "*" || part == wanted)
}

#[test]
fn enough_programs_are_here() {
    let here = PROGRAMS.iter().filter(|program| program.needs.iter().all(|needed| find(needed).is_some()));
    let here = here.count();
    if here < ENOUGH {
        expect::skip("soak", &format!("only {here} of the {} programs are installed", PROGRAMS.len()));
    }
}
