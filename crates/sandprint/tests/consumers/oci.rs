//! runc and crun start the recorded workload under its OCI profile, each with and without `no_new_privs`; and what
//! runc makes of profiles is what the importer says ([`stub`]).

mod container;
mod stub;

use serde_json::Value;

use crate::workload::{LISTED, Workload, recorded};
use container::Bundle;
use testkit::container::why_no_containers;
use testkit::expect::skip;
use testkit::shell::{find, is_root};

/// How often each container is started: a call that a runtime makes in few of its starts only must be
/// allowed too.
const STARTS: usize = 10;

#[test]
fn runc_starts_the_workload_and_its_profile_refuses_another() {
    check("runc");
}

#[test]
fn crun_starts_the_workload_and_its_profile_refuses_another() {
    check("crun");
}

fn check(runtime: &str) {
    if find(runtime).is_none() {
        return skip(runtime, &format!("there is no {runtime} in PATH"));
    }
    if !is_root() {
        return skip("root", "containers are started by root");
    }
    if let Some(why) = why_no_containers() {
        return skip("runc", &why);
    }
    let Some(workload) = recorded() else { return };
    let profile = oci_profile(workload, &["--runtime", runtime]);
    for no_new_privs in [true, false] {
        let context = format!("{runtime}, noNewPrivileges {no_new_privs}");
        let ls = Bundle::new(runtime, workload, no_new_privs, &["ls", "/list"], Some(&profile));
        for start in 0..STARTS {
            let ended = ls.start();
            assert!(ended.status.success(), "{context}, start {start}: {ended}");
            assert_eq!(ended.stdout, LISTED, "{context}, start {start}: {ended}");
        }
        let arguments = ["mkdir", "/tmp/made"];
        let refused = Bundle::new(runtime, workload, no_new_privs, &arguments, Some(&profile)).start();
        assert_eq!(refused.status.code(), Some(1), "{context}: {refused}");
        assert!(refused.stderr.contains(REFUSED), "{context}: {refused}");
        // Nothing but the profile stood in its way.
        let allowed = Bundle::new(runtime, workload, no_new_privs, &arguments, None).start();
        assert!(allowed.status.success(), "{context}, without a profile: {allowed}");
    }
}

#[test]
fn engines_may_create_the_container_execute_in_it_and_start_it_later() {
    if !is_root() {
        return skip("root", "containers are started by root");
    }
    if let Some(why) = why_no_containers() {
        return skip("runc", &why);
    }
    let Some(workload) = recorded() else { return };
    for runtime in ["runc", "crun"] {
        if find(runtime).is_none() {
            skip(runtime, &format!("there is no {runtime} in PATH"));
            continue;
        }
        let profile = oci_profile(workload, &["--runtime", runtime]);
        for no_new_privs in [true, false] {
            let bundle = Bundle::new(runtime, workload, no_new_privs, &["ls", "/list"], Some(&profile));
            let created = bundle.create();
            let listed = created.execute(&["ls", "/list"]);
            let context = format!("{runtime} exec, noNewPrivileges {no_new_privs}");
            assert!(listed.status.success(), "{context}: {listed}");
            assert_eq!(listed.stdout, LISTED, "{context}: {listed}");
            let refused = created.execute(&["mkdir", "/tmp/made"]);
            assert_eq!(refused.status.code(), Some(1), "{context}: {refused}");
            assert!(refused.stderr.contains(REFUSED), "{context}: {refused}");
            assert_eq!(created.start(), LISTED, "{runtime} start, noNewPrivileges {no_new_privs}");
        }
    }
}

/// The table of launchers is what makes the others pass.
#[test]
fn without_what_runc_needs_itself_the_container_does_not_start() {
    if find("runc").is_none() {
        return skip("runc", "there is no runc in PATH");
    }
    if !is_root() {
        return skip("root", "containers are started by root");
    }
    if let Some(why) = why_no_containers() {
        return skip("runc", &why);
    }
    let Some(workload) = recorded() else { return };
    let profile = oci_profile(workload, &[]);
    let ended = Bundle::new("runc", workload, false, &["ls", "/list"], Some(&profile)).start();
    assert!(!ended.status.success(), "{ended}");
    assert_eq!(ended.stdout, "", "{ended}");
}

/// As `docker run --init` and `podman run --init` start them.
#[test]
fn an_init_runs_the_workload_and_the_profile_refuses_another() {
    if !is_root() {
        return skip("root", "containers are started by root");
    }
    if let Some(why) = why_no_containers() {
        return skip("runc", &why);
    }
    let Some(workload) = recorded() else { return };
    for (runtime, init, program) in [("runc", "tini", "tini-static"), ("crun", "catatonit", "catatonit")] {
        if find(runtime).is_none() {
            skip(runtime, &format!("there is no {runtime} in PATH"));
            continue;
        }
        if find(program).is_none() {
            skip("inits", &format!("there is no {program} in PATH"));
            continue;
        }
        let profile = oci_profile(workload, &["--runtime", runtime, "--runtime", init]);
        let program = format!("/bin/{program}");
        for no_new_privs in [true, false] {
            let context = format!("{init} under {runtime}, noNewPrivileges {no_new_privs}");
            let arguments = [&program, "--", "ls", "/list"];
            let ls = Bundle::new(runtime, workload, no_new_privs, &arguments, Some(&profile));
            for start in 0..STARTS {
                let ended = ls.start();
                assert!(ended.status.success(), "{context}, start {start}: {ended}");
                assert_eq!(ended.stdout, LISTED, "{context}, start {start}: {ended}");
                assert_eq!(ended.stderr, "", "{context}, start {start}: {ended}");
            }
            let arguments = [&program, "--", "mkdir", "/tmp/made"];
            let refused = Bundle::new(runtime, workload, no_new_privs, &arguments, Some(&profile)).start();
            assert_eq!(refused.status.code(), Some(1), "{context}: {refused}");
            assert!(refused.stderr.contains(REFUSED), "{context}: {refused}");
        }
    }
}

/// What busybox says when `mkdir` is refused with the errno of the profiles.
const REFUSED: &str = "can't create directory '/tmp/made': Operation not permitted";

fn oci_profile(workload: &Workload, options: &[&str]) -> Value {
    serde_json::from_str(&workload.profile("oci", options)).expect("the profile is JSON")
}
