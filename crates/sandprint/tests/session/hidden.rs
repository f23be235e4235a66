//! Where /proc is missing, a recording fails; where it hides tasks, their calls count all the same.

use std::os::unix::fs::PermissionsExt;

use sandprint_model::GapKind;

use crate::scratch::Scratch;
use crate::traced::{NOTIFY, PTRACE, RUN_WAYS, count};
use testkit::beside::Beside;
use testkit::expect::skip;
use testkit::mounts::why_no_mounts;

#[test]
fn without_proc_a_recording_fails_before_anything_runs() {
    if let Some(why) = why_no_mounts() {
        return skip("root", &why);
    }
    let around = ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /proc && exec \"$0\" \"$@\""];
    for way in RUN_WAYS {
        let Some(scratch) = Scratch::new() else { return };
        let run = ["run", "--", "sh", "-c", "echo ran > ran"];
        let status = Beside::start(&mut scratch.profile_under(&around, way, &run)).wait();
        assert_eq!(status.code(), Some(125), "{way}: {}", scratch.read("said"));
        assert_eq!(
            scratch.read("said"),
            "error: failed to find the tasks of the command: there is no /proc of this process namespace\n\
             hint: /proc must be mounted: `mount -t proc proc /proc`\n",
            "{way}"
        );
        assert!(scratch.files().is_empty(), "{way}: {:?}", scratch.files());
    }
}

/// A process that may not be looked into hides its children from users without rights, where /proc is mounted so.
#[test]
fn calls_of_tasks_that_proc_hides_count() {
    if let Some(why) = why_no_mounts() {
        return skip("root", &why);
    }
    for way in [PTRACE, NOTIFY] {
        let Some(scratch) = Scratch::new() else { return };
        std::fs::set_permissions(scratch.path(""), PermissionsExt::from_mode(0o777)).unwrap();
        let around = [
            "unshare",
            "-m",
            "sh",
            "-c",
            "mount -t proc -o hidepid=invisible proc /proc && \
         exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$0\" \"$@\"",
        ];
        let program = "import ctypes, os
PR_SET_DUMPABLE = 4
ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)
if os.fork() == 0:
    os.umask(0)
    os._exit(0)
os.wait()";
        let run = ["run", "--", "/usr/bin/python3", "-c", program];
        let status = Beside::start(&mut scratch.profile_under(&around, way, &run)).wait();
        assert_eq!(status.code(), Some(0), "{}", scratch.read("said"));
        let trace = scratch.trace("trace");
        assert_eq!(count(&trace, "umask"), 1, "{}", scratch.read("said"));
        let unknown = trace.gaps.iter().find(|(gap, _)| gap.kind == GapKind::ImageUnreadable);
        assert!(unknown.is_some(), "nobody knows which program made it: {:?}", trace.gaps);
    }
}
