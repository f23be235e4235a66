//! A file system that stops answering: the recording goes on and ends, and says what it could not find out.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sandprint_model::GapKind;

use crate::expect::skip;
use crate::support::{Beside, RUN_WAYS, Scratch, until};

#[test]
fn a_file_system_that_stops_answering_holds_nobody_up() {
    for way in RUN_WAYS {
        let Some(scratch) = Scratch::new() else { return };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/session/stuck.c");
        let mut gcc = Command::new("gcc");
        gcc.args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(scratch.path("server")).arg(&source);
        assert!(gcc.status().unwrap().success());
        std::fs::create_dir(scratch.path("mounted")).unwrap();
        // A mount namespace of its own, and the recorder in it: nothing is left mounted.
        let script = "./server /bin/true mounted & server=$!
            while [ ! -e mounted/p ] && kill -0 $server; do sleep 0.01; done; [ -e mounted/p ] || exit 77
            \"$@\"; echo $? > status; kill -9 $server";
        let around = ["unshare", "-m", "sh", "-c", script, "sh"];
        let arguments = ["run", "--timeout", "20s", "--", "mounted/p"];
        let mut command = scratch.profile_under(&around, way, &arguments);
        command.stdout(File::create(scratch.path("ledger")).unwrap());
        let begin = Instant::now();
        let mut recorder = Beside::start(&mut command);
        let ended = until("the end of the recording", || recorder.try_wait());
        if ended.code() == Some(77) {
            return skip("root", "only root can mount a file system");
        }
        assert_eq!(scratch.read("status"), "0\n", "{way}: {}", scratch.read("said"));
        // Nor is it the time that was set which ended it.
        assert!(begin.elapsed() < Duration::from_secs(15), "{way}: {:?}", begin.elapsed());
        let trace = scratch.trace("trace");
        let gaps: Vec<_> = trace
            .gaps
            .keys()
            .filter(|gap| gap.kind != GapKind::CountsInexact)
            .map(|gap| (gap.kind, gap.detail.clone().unwrap_or_default()))
            .collect();
        let path = scratch.path("mounted/p").to_str().unwrap().to_owned();
        assert_eq!(gaps, [(GapKind::ImageUnreadable, format!("the build id of {path}"))], "{way}");
        assert_eq!(crate::support::count(&trace, "execve"), 1, "{way}");
    }
}
