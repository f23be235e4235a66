//! Which capabilities a program is said to need are those without which it fails.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use sandprint_model::{FactKind, KernelVersion, Trace};
use sandprint_record::host::HostFacts;

use crate::recorder::{self, FULL, FULL_BY_TID, How};
use crate::turns;
use testkit::expect::skip;

/// What is run by root in an empty folder with a file of root's, and what it needs.
const CASES: &[(&str, &[&str])] = &[
    ("true", &[]),
    ("ls -l / >/dev/null; id >/dev/null; mkdir d; rmdir d", &[]),
    ("chown 1:1 file", &["CAP_CHOWN"]),
    ("chmod 4755 file; chown 1 file; chmod 600 file", &["CAP_CHOWN", "CAP_FOWNER"]),
    ("perl -e \"setpriority(0, 0, -1) or die\"", &["CAP_SYS_NICE"]),
    ("chroot / true", &["CAP_SYS_CHROOT"]),
    ("perl -MPOSIX -e \"POSIX::setuid(1) or die\"", &["CAP_SETUID"]),
    ("perl -MPOSIX -e \"POSIX::setgid(1) or die\"", &["CAP_SETGID"]),
    ("mknod device c 1 3", &["CAP_MKNOD"]),
    ("unshare --net true", &["CAP_SYS_ADMIN"]),
];

fn recorded(how: How, script: &str, folder: &Path) -> (Trace, bool) {
    let words = ["sh", "-c", script].map(str::to_owned);
    let recording = recorder::record(&[], how, &words, folder);
    (recording.trace.decoded(), recording.status.success())
}

/// The capabilities that were granted, and those that were refused.
fn asked(trace: &Trace) -> (BTreeSet<String>, BTreeSet<String>) {
    let of = |is_wanted: fn(&sandprint_model::Outcomes) -> bool| {
        let facts = trace.capabilities.iter().filter(|(_, _, runs)| runs.values().any(is_wanted));
        facts.map(|(_, (capability, _), _)| capability.to_string()).collect()
    };
    (of(|seen| seen.succeeded), of(|seen| seen.failed))
}

fn fresh() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("file"), "").expect("a file");
    folder
}

#[test]
fn a_program_needs_what_it_is_said_to_need() {
    let _turn = turns::beside_others();
    if let Err(error) = Command::new("setpriv").arg("--version").output() {
        return skip("root", &format!("setpriv: {error}"));
    }
    for how in [FULL, FULL_BY_TID] {
        if !how.can_record() {
            return;
        }
        for (script, expected) in CASES {
            let folder = fresh();
            let (trace, succeeded) = recorded(how, script, folder.path());
            assert!(succeeded, "{script}");
            if !trace.shows(FactKind::Capabilities) {
                // Before the tracepoint a kernel may be built without what else it takes.
                let kernel = HostFacts::probe().kernel().expect("a version");
                assert!(kernel < KernelVersion::new(6, 14), "{kernel}");
                return skip("capabilities", "this kernel does not show them");
            }
            let needed: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(asked(&trace).0, needed, "{script}, {how:?}");
        }
    }
}

/// A server that binds a port below 1024, gives a directory to its workers, becomes them, and writes logs where root is
/// nobody in particular.
const NGINX: &str = "user www-data; daemon off; worker_processes 1; pid nginx.pid; error_log logs/error.log;
events { worker_connections 8; }
http { access_log logs/access.log; client_body_temp_path body; server { listen 0.0.0.0:80; } }
";

#[test]
fn nginx_needs_exactly_its_five() {
    let _turn = turns::beside_others();
    if let Err(error) = Command::new("nginx").arg("-v").output() {
        return skip("nginx", &format!("nginx: {error}"));
    }
    if !FULL.can_record() {
        return;
    }
    let folder = fresh();
    std::fs::write(folder.path().join("nginx.conf"), NGINX).expect("a configuration");
    let script =
        "chown www-data . && mkdir logs && chown www-data logs && exec setpriv --no-new-privs sh serve";
    let serve =
        "nginx -p . -c nginx.conf &\nuntil [ -s nginx.pid ]; do sleep 0.05; done; kill -QUIT $!; wait $!\n";
    std::fs::write(folder.path().join("serve"), serve).expect("a script");
    // Of its own network, where nobody else has the port.
    let words = ["sh", "-c", script].map(str::to_owned);
    let recording = recorder::record(&["unshare", "--net"], FULL, &words, folder.path());
    assert!(recording.status.success());
    let trace = recording.trace.decoded().of_images(|image| image.path.as_bytes().ends_with(b"/nginx"));
    if trace.shows(FactKind::Capabilities) {
        let needed = ["CHOWN", "DAC_OVERRIDE", "NET_BIND_SERVICE", "SETGID", "SETUID"];
        assert_eq!(asked(&trace).0, needed.map(|name| format!("CAP_{name}")).into());
    }
}

/// The proof: without any one of them it fails, and is said to have been refused it.
#[test]
fn without_what_it_needs_a_program_fails() {
    let _turn = turns::beside_others();
    if !FULL.can_record() {
        return;
    }
    for (script, needed) in CASES {
        for name in *needed {
            let folder = fresh();
            let word = name.trim_start_matches("CAP_").to_ascii_lowercase();
            let without = format!("exec setpriv --bounding-set=-{word} sh -c 'set -e; {script}' 2>/dev/null");
            let (trace, succeeded) = recorded(FULL, &without, folder.path());
            assert!(!succeeded, "{script} works without {name}");
            if trace.shows(FactKind::Capabilities) {
                let (_, refused) = asked(&trace);
                assert!(refused.contains(*name), "{script} without {name}: {refused:?}");
            }
        }
    }
}
