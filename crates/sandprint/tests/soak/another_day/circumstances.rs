//! In which circumstances a program runs on another day: environment, user, resolver, limits, descriptors, processors.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::recorded::PATH;
use testkit::shell::run;

/// One of them. A shell makes it, and becomes the program.
pub(crate) struct Circumstance {
    /// What it belongs to: a column of the table.
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    /// Beside PATH. `{}` stands for the folder of locales.
    env: &'static [(&'static str, &'static str)],
    /// The shell's script; `"$@"` is the program. `{}` stands for the folder of locales.
    script: &'static str,
    /// Whether the program's folder must belong to the user whom nobody knows.
    by_nobody: bool,
}

const fn with(
    group: &'static str,
    name: &'static str,
    env: &'static [(&'static str, &'static str)],
) -> Circumstance {
    Circumstance { group, name, env, script: "exec \"$@\"", by_nobody: false }
}

const fn by(group: &'static str, name: &'static str, script: &'static str) -> Circumstance {
    Circumstance { group, name, env: &[], script, by_nobody: false }
}

/// A user without an entry in passwd(5).
pub(crate) const NOBODY_KNOWS: u32 = 4242;

const ARCHIVE: &str = "exec unshare -m --propagation private sh -c 'mount --bind {}/prefix/usr/lib/locale /usr/lib/locale && exec \"$@\"' sh \"$@\"";

const ANOTHER_USER: &str = "exec setpriv --reuid=4242 --regid=4242 --clear-groups \"$@\"";

/// Replaces files of `/etc` for the program alone: `$FILES` names a folder with the files in it.
macro_rules! with_files {
    ($folder:literal, $then:literal) => {
        concat!(
            "exec unshare -m --propagation private sh -c 'for file in {}/",
            $folder,
            "/*; do mount --bind $file /etc/${file##*/} || exit 99; done; exec ",
            $then,
            " \"$@\"' sh \"$@\""
        )
    };
}

const TERMINAL: &str = "exec python3 -c 'import os, pty, sys
status = pty.spawn(sys.argv[1:])
sys.exit(os.waitstatus_to_exitcode(status) % 256)' \"$@\"";

/// All of them; the first is the one in which programs are recorded, but that the machine was quiet then.
pub(crate) const CIRCUMSTANCES: &[Circumstance] = &[
    with("busy", "as recorded", &[]),
    with("language", "LANG=C.UTF-8", &[("LANG", "C.UTF-8")]),
    Circumstance {
        script: ARCHIVE,
        ..with("language", "LANG=en_US.UTF-8, in the archive", &[("LANG", "en_US.UTF-8")])
    },
    Circumstance {
        script: ARCHIVE,
        ..with("language", "LANG=de_DE.UTF-8, in the archive", &[("LANG", "de_DE.UTF-8")])
    },
    Circumstance {
        script: ARCHIVE,
        ..with("language", "LC_ALL=ja_JP.EUC-JP, in the archive", &[("LC_ALL", "ja_JP.eucjp")])
    },
    with("language", "LANG=de_DE.UTF-8, LOCPATH", &[("LANG", "de_DE.UTF-8"), ("LOCPATH", "{}/folders")]),
    with("language", "LC_ALL=ja_JP.EUC-JP, LOCPATH", &[("LC_ALL", "ja_JP.eucjp"), ("LOCPATH", "{}/folders")]),
    with("language", "LANG=xx_YY.UTF-8, which is not there", &[("LANG", "xx_YY.UTF-8")]),
    with(
        "language",
        "LANGUAGE=fr:de",
        &[("LANG", "de_DE.UTF-8"), ("LOCPATH", "{}/folders"), ("LANGUAGE", "fr:de")],
    ),
    with("time zone", "TZ=Europe/Berlin", &[("TZ", "Europe/Berlin")]),
    with("time zone", "TZ=:/usr/share/zoneinfo/Asia/Tokyo", &[("TZ", ":/usr/share/zoneinfo/Asia/Tokyo")]),
    with("time zone", "TZ=EST5EDT,M3.2.0,M11.1.0", &[("TZ", "EST5EDT,M3.2.0,M11.1.0")]),
    with("time zone", "TZ=No/Such", &[("TZ", "No/Such")]),
    Circumstance { by_nobody: true, ..by("user", "a user whom passwd does not know", ANOTHER_USER) },
    Circumstance {
        by_nobody: true,
        ..by(
            "user",
            "the same, names by files only",
            with_files!("files", "setpriv --reuid=4242 --regid=4242 --clear-groups"),
        )
    },
    by("resolver", "hosts: dns files, no server", with_files!("dns", "env")),
    by("resolver", "hosts: resolve, myhostname", with_files!("resolve", "env")),
    by("resolver", "an empty nsswitch.conf", with_files!("empty", "env")),
    by("limits", "64 open files", "ulimit -n 64; exec \"$@\""),
    by("limits", "an unlimited stack", "ulimit -s unlimited; exec \"$@\""),
    by("limits", "a stack of 1 MB", "ulimit -s 1024; exec \"$@\""),
    by("limits", "an address space of 4 GB", "ulimit -v 4194304; exec \"$@\""),
    by("limits", "files of 1 MB", "ulimit -f 2048; exec \"$@\""),
    by("limits", "no core file", "ulimit -c 0; exec \"$@\""),
    by("descriptors", "a terminal", TERMINAL),
    Circumstance {
        script: TERMINAL,
        ..with("descriptors", "a terminal with colours", &[("TERM", "xterm-256color"), ("COLUMNS", "40")])
    },
    by("descriptors", "no terminal, another session", "exec setsid -w \"$@\""),
    by("descriptors", "standard input closed", "exec \"$@\" <&-"),
    by("descriptors", "output to a file", "\"$@\" >../output; status=$?; cat ../output; exit $status"),
    by("processors", "nice -n 19", "exec nice -n 19 \"$@\""),
    by("processors", "one processor", "exec taskset 1 \"$@\""),
    with(
        "environment",
        "HOME, USER, TERM and SHELL",
        &[("HOME", "/root"), ("USER", "root"), ("TERM", "dumb"), ("SHELL", "/bin/sh")],
    ),
    with("environment", "LD_BIND_NOW=1", &[("LD_BIND_NOW", "1")]),
    with("environment", "LD_LIBRARY_PATH=/nowhere", &[("LD_LIBRARY_PATH", "/nowhere")]),
    with("environment", "TMPDIR=/nowhere", &[("TMPDIR", "/nowhere")]),
    with("memory", "MALLOC_ARENA_MAX=1", &[("MALLOC_ARENA_MAX", "1")]),
    with(
        "memory",
        "MALLOC_PERTURB_, thresholds",
        &[("MALLOC_PERTURB_", "85"), ("MALLOC_MMAP_THRESHOLD_", "4096"), ("MALLOC_TRIM_THRESHOLD_", "4096")],
    ),
    with("memory", "GLIBC_TUNABLES=glibc.malloc.hugetlb=1", &[("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")]),
];

/// What circumstances need: locales, and files for `/etc`.
pub(crate) struct Props {
    folder: PathBuf,
}

impl Props {
    /// Makes them in a folder that everybody may read.
    pub(crate) fn make(folder: &Path) -> Props {
        for (name, language, characters) in [
            ("en_US.UTF-8", "en_US", "UTF-8"),
            ("de_DE.UTF-8", "de_DE", "UTF-8"),
            ("ja_JP.eucjp", "ja_JP", "EUC-JP"),
        ] {
            let prefix = folder.join("prefix");
            fs::create_dir_all(prefix.join("usr/lib/locale")).expect("the folder is ours");
            fs::create_dir_all(folder.join("folders")).expect("the folder is ours");
            let mut archived = Command::new("localedef");
            archived.arg("--prefix").arg(&prefix).args(["-i", language, "-f", characters, name]);
            let mut in_folder = Command::new("localedef");
            in_folder
                .args(["--no-archive", "-i", language, "-f", characters])
                .arg(folder.join("folders").join(name));
            for made in [&mut archived, &mut in_folder] {
                let ended = run(made);
                assert!(ended.status.success(), "{ended}");
            }
        }
        let hosts = |line: &str| format!("passwd: files\ngroup: files\nhosts: {line}\nservices: files\n");
        let unreachable = "nameserver 127.0.0.9\noptions timeout:1 attempts:1\n";
        for (name, files) in [
            ("files", &[("nsswitch.conf", hosts("files"))][..]),
            ("dns", &[("nsswitch.conf", hosts("dns files")), ("resolv.conf", unreachable.to_owned())]),
            (
                "resolve",
                &[
                    ("nsswitch.conf", hosts("mymachines resolve [!UNAVAIL=return] files myhostname dns")),
                    ("resolv.conf", unreachable.to_owned()),
                ],
            ),
            ("empty", &[("nsswitch.conf", String::new()), ("resolv.conf", unreachable.to_owned())]),
        ] {
            fs::create_dir(folder.join(name)).expect("the folder is ours");
            for (file, text) in files {
                fs::write(folder.join(name).join(file), text).expect("the folder is ours");
            }
        }
        Props { folder: folder.to_owned() }
    }

    /// The command that runs these words so, in that folder and that cgroup.
    pub(crate) fn command(
        &self,
        circumstance: &Circumstance,
        work: &Path,
        cgroup: &Path,
        words: &[&str],
    ) -> Command {
        let folder = self.folder.to_str().expect("it has a plain name");
        let enter = format!("echo $$ >{}/cgroup.procs || exit 98; ", cgroup.display());
        let mut command = Command::new("sh");
        command.arg("-c").arg(enter + &circumstance.script.replace("{}", folder)).arg("sh").args(words);
        command.current_dir(work).stdin(Stdio::null()).env_clear().env("PATH", PATH);
        command.envs(circumstance.env.iter().map(|(name, value)| (name, value.replace("{}", folder))));
        if circumstance.by_nobody {
            let ids = format!("{NOBODY_KNOWS}:{NOBODY_KNOWS}");
            let owned = run(Command::new("chown").args(["-R", &ids]).arg(work));
            assert!(owned.status.success(), "{owned}");
        }
        command
    }
}
