//! Programs whose paths are long and deep have them whole, and are told apart by their last letters.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::recorder::{self, CHOSEN};
use crate::turns;

#[test]
fn scripts_that_differ_at_the_end_of_a_long_path_are_told_apart() {
    if !recorder::can_record() {
        return;
    }
    let _turn = turns::beside_others();
    let folder = tempfile::tempdir().expect("a temporary folder");
    // 30 directories and 700 bytes: several steps of both loops that read them (hash_part, path_steps).
    let deep = (0..30)
        .fold(folder.path().to_path_buf(), |path, step| path.join(format!("directory-of-step-{step}")));
    fs::create_dir_all(&deep).expect("the folder is ours");
    let mut expected = BTreeSet::new();
    for name in ["one", "two", "three"] {
        let script = deep.join(name);
        fs::write(&script, "#!/bin/sh\nexit 0\n").expect("the folder is ours");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("the file is ours");
        expected.insert(script.display().to_string());
    }
    let program = deep.join("program");
    fs::copy("/bin/true", &program).expect("there is a program true");
    expected.insert(program.display().to_string());

    let line = expected.iter().cloned().collect::<Vec<_>>().join("; ");
    let words = ["sh", "-c", &line].map(str::to_owned);
    let recording = recorder::record(&[], CHOSEN, &words, folder.path());
    let trace = recording.trace.decoded();
    let seen: BTreeSet<String> = trace
        .calls
        .iter()
        .map(|(subject, ..)| subject.image.to_string())
        .filter_map(|image| {
            image.find(folder.path().to_str()?).map(|at| image[at..].trim_end_matches(')').to_owned())
        })
        .collect();
    assert_eq!(seen, expected);
    assert_eq!(recording.trace.gaps(), BTreeSet::new());
}
