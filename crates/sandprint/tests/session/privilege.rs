//! What it takes to record: two capabilities, and no other right of root.

use std::process::Stdio;

use crate::SANDPRINT;
use crate::scratch::Scratch;
use crate::traced::{WAYS, gaps, rare};
use testkit::beside::Beside;
use testkit::users::{as_nobody_with, can_become};

/// Runs what follows as an unprivileged user with these capabilities; `None` where that cannot be had.
pub(crate) fn with_capabilities(names: &[&str]) -> Option<Vec<String>> {
    Some(as_nobody_with(names)).filter(|words| can_become(words, SANDPRINT))
}

fn words(of: &[String]) -> Vec<&str> {
    of.iter().map(String::as_str).collect()
}

#[test]
fn two_capabilities_suffice_to_run_and_to_attach() {
    for way in WAYS {
        let (Some(scratch), Some(around)) = (Scratch::new(), with_capabilities(&["bpf", "perfmon"])) else {
            return;
        };
        let run = ["run", "--", &scratch.workload(), "tree", "2", "2"];
        let mut recorder = Beside::start(&mut scratch.profile_under(&words(&around), way, &run));
        assert_eq!(recorder.wait().code(), Some(0), "{}", scratch.read("said"));
        let trace = scratch.trace("trace");
        assert_eq!((rare(&trace), gaps(&trace)), (2 * 3 * 3, vec![]), "{way}");
        std::fs::remove_file(scratch.path("trace")).unwrap();
        // Of somebody else, too.
        let mut target = scratch.start_workload(&["wait-rare", "8"]);
        let attach = ["attach", "--pid", &target.pid().to_string()];
        let mut recorder = Beside::start(&mut scratch.profile_under(&words(&around), way, &attach));
        scratch.until_attached(&mut recorder);
        target.go();
        assert_eq!(recorder.wait().code(), Some(0), "{}", scratch.read("said"));
        assert_eq!(rare(&scratch.trace("trace")), 8);
    }
}

#[test]
fn a_missing_capability_is_named_with_the_command_that_grants_it() {
    for (has, missing, grant) in [
        (&[][..], "CAP_BPF and CAP_PERFMON are missing", "cap_bpf,cap_perfmon"),
        (&["bpf"], "CAP_PERFMON is missing", "cap_perfmon"),
        (&["perfmon"], "CAP_BPF is missing", "cap_bpf"),
        (&["sys_ptrace", "net_admin"], "CAP_BPF and CAP_PERFMON are missing", "cap_bpf,cap_perfmon"),
    ] {
        let (Some(scratch), Some(around)) = (Scratch::new(), with_capabilities(has)) else { return };
        let run = ["run", "--recorder", "ebpf", "--", "sh", "-c", "echo ran > ran"];
        let mut recorder = Beside::start(&mut scratch.profile_under(&words(&around), "", &run));
        assert_eq!(recorder.wait().code(), Some(125));
        let said = scratch.read("said");
        assert!(
            said.starts_with(&format!("error: failed to load the recorder: {missing}\nhint: ")),
            "{said}"
        );
        assert!(
            said.contains("setcap") && said.contains(grant) && said.contains("--recorder ptrace"),
            "{said}"
        );
        // Nothing ran, and nothing is left.
        assert_eq!(scratch.files(), Vec::<String>::new());

        let mut doctor = scratch.program(&around[0], &words(&around[1..]));
        let output = doctor.args([SANDPRINT, "doctor"]).stdout(Stdio::piped()).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{told}");
        let line = format!("missing {}\n", missing.replace(" are missing", "").replace(" is missing", ""));
        assert!(told.contains(&line) && told.contains(grant), "{told}");
        assert!(told.contains("\nThis host records commands by tracing them. "), "{told}");
    }
}

#[test]
fn the_doctor_finds_nothing_missing_where_recording_works() {
    let Some(scratch) = Scratch::new() else { return };
    let output = scratch.program(SANDPRINT, &["doctor"]).stdout(Stdio::piped()).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(!told.contains("missing") && told.ends_with("\nThis host can record.\n"), "{told}");
}
