//! `watch` of what is not there, or with a policy that is none: an error with a hint, before anything is watched.

use crate::SANDPRINT;
use testkit::scratch::Scratch;

#[test]
fn what_cannot_be_watched_and_what_is_no_policy_are_refused_with_a_hint() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("broken.toml", "version = 1\ndefault = \"errno EPERM\"\nforeign = \"kill\"\n");
    scratch.write("empty", "");
    scratch.write("bytes", [0xff, 0xfe]);
    let cgroup = "/sandprint-no-such-cgroup";
    for (arguments, error, hint) in [
        (&["--pid", "4294967295"][..], "there is no process 4294967295", "`pgrep -a NAME` lists processes; "),
        (&["--cgroup", cgroup], "", ""),
        (
            &["--system", "--suggest", "absent.toml"],
            "failed to read `absent.toml`: No such file or directory (os error 2)",
            "check the name; ",
        ),
        (
            &["--system", "--suggest", "empty"],
            "failed to read `empty`: it is empty",
            "it may have been emptied ",
        ),
        (
            &["--system", "--suggest", "bytes"],
            "failed to read `bytes` as a policy: it is no text",
            "a raw BPF filter is read by ",
        ),
        (
            &["--system", "--suggest", "broken.toml"],
            "failed to read broken.toml as a policy file:\n  broken.toml:3:11: ",
            "`sandprint policy check FILE` lists all of it",
        ),
    ] {
        let ended = scratch.run(&[&["watch"], arguments].concat());
        assert_eq!((ended.status, ended.stdout.as_str()), (1, ""), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with(&format!("error: {error}")), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(&format!("\nhint: {hint}")), "{arguments:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("watching"), "{}", ended.stderr);
    }
}
