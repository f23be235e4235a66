//! A `..` behind a symbolic link goes back from where that leads, not over its name.

use std::fs;
use std::os::unix::fs::symlink;

use sandprint_model::Doubt;

use crate::recorder::{self, FULL, FULL_NOTIFIED, FULL_TRACED};

#[test]
fn paths_behind_a_link_are_those_that_the_kernel_finds() {
    for how in [FULL, FULL_TRACED, FULL_NOTIFIED] {
        if !how.can_record() {
            continue;
        }
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build folder is ours");
        let folder = folder.path().canonicalize().expect("it was just made");
        fs::create_dir_all(folder.join("far/deep")).expect("the folder is ours");
        symlink("far/deep", folder.join("link")).expect("the folder is ours");
        for name in ["far/opened", "far/seen"] {
            fs::write(folder.join(name), "").expect("the folder is ours");
        }
        symlink("seen", folder.join("far/to-seen")).expect("the folder is ours");
        let script = "cat link/../opened; test -e link/../to-seen; test -e link/../none; test -e none/../far";
        let words = ["sh", "-c", &format!("{script}; true")].map(str::to_owned);
        let recording = recorder::record(&[], how, &words, &folder);
        let trace = recording.trace.decoded();
        let below = folder.display().to_string();
        let rows: Vec<(String, Vec<Doubt>)> = trace
            .files
            .iter()
            .flat_map(|(_, path, runs)| runs.values().map(move |seen| (path.to_string(), seen)))
            .filter_map(|(path, seen)| Some((path.strip_prefix(&below)?.to_owned(), seen)))
            .map(|(path, seen)| (path, seen.doubts.iter().collect()))
            .collect();
        for path in ["/far/opened", "/far/seen", "/far/to-seen", "/far/none"] {
            assert!(rows.contains(&(path.to_owned(), Vec::new())), "{path}: {rows:?}");
        }
        // What is not there may have been a link.
        assert!(rows.contains(&("/none/../far".to_owned(), vec![Doubt::Unresolved])), "{rows:?}");
        for path in ["/opened", "/seen", "/to-seen", "/none", "/far"] {
            assert!(rows.iter().all(|(found, _)| found != path), "{path}: {rows:?}");
        }
    }
}
