//! A program in a container of runc, crun or bubblewrap, with the policy in its language: the same output, and what
//! was not recorded is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::programs::PROGRAMS;
use crate::recorded::{Done, Place, environment, recorded, rounds};
use crate::root;
use testkit::container::{Cgroups, base_config, container_name, in_cgroup2, why_no_containers};
use testkit::expect::skip;
use testkit::shell::{Ended, find, is_root, run};

/// Where the program's folder is in its container.
const WORK: &str = "/place";

/// What Docker and Podman give containers, nearly.
const CAPABILITIES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// What starts the container and loads the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Launcher {
    Bwrap,
    Crun,
    Runc,
}

impl Launcher {
    fn name(self) -> &'static str {
        match self {
            Launcher::Bwrap => "bwrap",
            Launcher::Crun => "crun",
            Launcher::Runc => "runc",
        }
    }

    /// The language of its filters.
    fn format(self) -> &'static str {
        match self {
            Launcher::Bwrap => "bpf",
            Launcher::Crun | Launcher::Runc => "oci",
        }
    }

    /// Whether it is here; otherwise the test has said so.
    fn is_here(self) -> bool {
        if find(self.name()).is_none() {
            skip(self.name(), &format!("there is no {} in PATH", self.name()));
        } else if !is_root() {
            skip("root", "containers are started by root");
        } else if let Some(why) = why_no_containers().filter(|_why| self != Launcher::Bwrap) {
            skip(self.name(), &why);
        } else if !root::is_enough() {
            skip("soak", "not all programs are in /usr");
        } else {
            return true;
        }
        false
    }
}

/// One program under one launcher.
pub(crate) fn check(name: &str, launcher: Launcher) {
    if !launcher.is_here() {
        return;
    }
    let Some((program, recording)) = recorded(name) else { return };
    let place = Place::new(program, recording);
    let container = Container::new(launcher, &place);
    let runtime = ["--runtime", launcher.name()];
    let profile = place.profile("profile", launcher.format(), &runtime);
    let index = PROGRAMS.iter().position(|other| other.name == name).unwrap_or_default();
    for round in 0..rounds() {
        // Half of the programs begin with it, so that a single round has both.
        let no_new_privs = (index + round).is_multiple_of(2);
        place.prepare();
        let ended = container.run(program.run, Some(&profile), no_new_privs);
        let done = Done::new(program, ended.status.code(), &ended.stdout);
        assert_eq!(done, recording.bare, "round {round}, no_new_privs {no_new_privs}: {}", ended.stderr);
    }

    let Some(beyond) = &program.beyond else { return };
    place.prepare();
    let refused = container.run(beyond.run, Some(&profile), true);
    assert!(!refused.status.success(), "{refused}");
    // An exit status alone could have another cause: only this policy kills.
    let kill = [&runtime[..], &["--default-action", "kill"]].concat();
    let killing = place.profile("killing", launcher.format(), &kill);
    place.prepare();
    let killed = container.run(beyond.run, Some(&killing), true);
    assert_eq!(killed.status.code(), Some(beyond.status), "{killed}");
    // Nothing but the filter stood in its way.
    place.prepare();
    let allowed = container.run(beyond.run, None, true);
    assert!(allowed.status.success(), "without a filter: {allowed}");
}

/// A container for one program: the machine's `/usr`, and the program's folder.
struct Container<'p> {
    launcher: Launcher,
    place: &'p Place,
    root: PathBuf,
    /// For runc and crun.
    config: Value,
    _cgroups: Cgroups,
}

impl<'p> Container<'p> {
    fn new(launcher: Launcher, place: &'p Place) -> Self {
        let cgroups = Cgroups::borrow();
        let root = place.path("root");
        fs::create_dir(&root).expect("the folder is ours");
        root::lay_out(&root);
        let config = match launcher {
            Launcher::Bwrap => Value::Null,
            Launcher::Crun | Launcher::Runc => oci_config(launcher.name(), place, &root),
        };
        Container { launcher, place, root, config, _cgroups: cgroups }
    }

    fn run(&self, words: &[&str], profile: Option<&Path>, no_new_privs: bool) -> Ended {
        match self.launcher {
            Launcher::Bwrap => self.bwrap(words, profile),
            Launcher::Crun | Launcher::Runc => self.oci(words, profile, no_new_privs),
        }
    }

    /// bubblewrap always sets `no_new_privs`. The filter comes by descriptor 9.
    fn bwrap(&self, words: &[&str], filter: Option<&Path>) -> Ended {
        let mut command = Command::new("sh");
        match filter {
            Some(filter) => command.args(["-c", "exec bwrap --seccomp 9 \"$@\" 9< \"$0\""]).arg(filter),
            None => command.args(["-c", "exec \"$0\" \"$@\"", "bwrap"]),
        };
        // Root has no user namespace here: some servers become users that it would not have.
        command.args([
            "--unshare-ipc",
            "--unshare-net",
            "--unshare-pid",
            "--unshare-uts",
            "--cap-add",
            "ALL",
        ]);
        command.arg("--ro-bind").arg(&self.root).args(["/", "--ro-bind", "/usr", "/usr"]);
        command.args([
            "--proc",
            "/proc",
            "--ro-bind",
            "/sys",
            "/sys",
            "--dev",
            "/dev",
            "--tmpfs",
            "/tmp",
            "--bind",
        ]);
        command.arg(self.place.work()).args([WORK, "--chdir", WORK, "--clearenv"]);
        for (name, value) in environment(WORK) {
            command.args(["--setenv", name, &value]);
        }
        run(command.args(words))
    }

    fn oci(&self, words: &[&str], profile: Option<&Path>, no_new_privs: bool) -> Ended {
        let mut config = self.config.clone();
        config["process"]["args"] = json!(words);
        config["process"]["noNewPrivileges"] = json!(no_new_privs);
        if let Some(profile) = profile {
            let text = fs::read_to_string(profile).expect("it was written");
            config["linux"]["seccomp"] = serde_json::from_str(&text).expect("the profile is JSON");
        }
        let bundle = self.place.path("");
        fs::write(bundle.join("config.json"), config.to_string()).expect("the folder is ours");
        let name = container_name();
        let _removed = Removed { runtime: self.launcher.name(), name: &name };
        let bundle = bundle.to_str().expect("it has a plain name");
        run(&mut in_cgroup2(&[self.launcher.name(), "run", "--bundle", bundle, &name]))
    }
}

fn oci_config(runtime: &str, place: &Place, root: &Path) -> Value {
    let mut config = base_config(runtime, &place.path(""));
    config["root"] = json!({ "path": root, "readonly": true });
    let process = config["process"].as_object_mut().expect("there is a process");
    let environment = environment(WORK).map(|(name, value)| format!("{name}={value}"));
    process.insert("env".to_owned(), json!(environment));
    process.insert("cwd".to_owned(), json!(WORK));
    // The limits are the caller's, as they were when the program was recorded.
    process.remove("rlimits");
    for set in ["bounding", "effective", "permitted"] {
        process["capabilities"][set] = json!(CAPABILITIES);
    }
    let mounts = config["mounts"].as_array_mut().expect("there are mounts");
    let bind = |from: &Path, to: &str, how: &str| {
        let options = ["bind", "nosuid", how];
        json!({ "destination": to, "type": "bind", "source": from, "options": options })
    };
    mounts.push(json!({ "destination": "/tmp", "type": "tmpfs", "source": "tmpfs" }));
    mounts.push(bind(Path::new("/usr"), "/usr", "ro"));
    mounts.push(bind(&place.work(), WORK, "rw"));
    config
}

/// A container that is gone when this is: also when it hung, and its runtime was killed.
struct Removed<'n> {
    runtime: &'n str,
    name: &'n str,
}

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let deleted = run(&mut in_cgroup2(&[self.runtime, "delete", "--force", self.name]));
            eprintln!("{} delete: {deleted}", self.runtime);
        }
    }
}
