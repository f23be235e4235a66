//! A program has to do with files and sockets in one way at a time, and each row of its trace is known.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{Files, files, sockets};
use crate::recorder::{self, FULL, FULL_BY_TID, FULL_TRACED, How, Recording};
use crate::turns;
use testkit::expect::skip;
use testkit::gcc;

/// The status of a witness that may not do what it is about.
const CANNOT: i32 = 77;

/// One way to have to do with files, and what is recorded of it.
struct Case {
    word: &'static str,
    /// The paths, with the rights that succeeded, and those that failed. `$` is the folder of the witness.
    files: &'static [(&'static str, &'static str, &'static str)],
    /// Rows of the table of sockets, with spaces.
    sockets: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        word: "begins",
        files: &[
            ("$", "metadata", ""),
            ("$/d", "create,metadata,list", ""),
            ("$/d/absolute", "read,write,create,link,metadata", ""),
            ("$/d/absolute/of-a-file", "", "read"),
            ("$/d/dots", "", "metadata"),
            ("$/d/of-descriptor", "read,write,create", ""),
            ("$/d/relative", "write,append,create", ""),
            ("$/linked", "create,link", ""),
        ],
        sockets: &[],
    },
    Case {
        word: "two-folders",
        files: &[
            ("$/one", "create,metadata", ""),
            ("$/one/nothing", "", "metadata"),
            ("$/one/same", "write,create", ""),
            ("$/two", "create,metadata", ""),
            ("$/two/nothing", "", "metadata"),
            ("$/two/same", "write,create", ""),
        ],
        sockets: &[],
    },
    Case {
        word: "opened",
        files: &[
            // A device is not cut off, and was there before.
            ("/dev/null", "write", ""),
            ("$/appended", "append,create", ""),
            ("$/created", "write,create,truncate", ""),
            ("$/d", "create,list", ""),
            ("$/emptied", "write,create,truncate", ""),
            ("$/known", "write,create,metadata", ""),
            ("$/made", "read,write,create", "write,create,list"),
            ("$/neither", "write,create,metadata", ""),
            ("$/none", "", "read,write,truncate"),
            ("$/none/made", "", "read,create"),
        ],
        sockets: &[],
    },
    Case {
        word: "in-memory",
        files: &[("$/d", "create,metadata", ""), ("$/d/made", "read,write,create", "read")],
        sockets: &[],
    },
    Case {
        word: "by-descriptor",
        files: &[
            ("/dev/null", "read", "ioctl"),
            ("$/file", "read,write,create,map-exec,truncate", ""),
            ("$/read", "read,write,create", ""),
        ],
        sockets: &[],
    },
    Case {
        word: "named",
        files: &[
            ("$/d", "create,delete", ""),
            ("$/fifo", "create", ""),
            ("$/link", "create", ""),
            ("$/new", "rename,link,metadata,truncate", "delete"),
            ("$/node", "create,socket", ""),
            ("$/none", "", "delete,rename"),
            ("$/nowhere", "", "rename"),
            ("$/old", "write,create,rename", ""),
            ("$/second", "create,delete,link", ""),
        ],
        sockets: &[],
    },
    Case {
        word: "links",
        files: &[
            ("$/a", "read,create", "read"),
            ("$/b", "create,metadata", ""),
            ("$/c", "create,metadata", ""),
            ("$/d", "create", ""),
            ("$/d/inside", "write,create", ""),
            ("$/file", "read,write,create,metadata", ""),
            ("$/loop", "create", "metadata"),
            ("$/to-d", "create", ""),
            ("$/to-d/inside", "write,create", ""),
        ],
        sockets: &[],
    },
    Case {
        word: "renamed-above",
        files: &[
            ("$/A", "create,rename,metadata", ""),
            ("$/A/f", "read,write,create", ""),
            ("$/A/none", "", "metadata"),
            ("$/B", "rename", ""),
            ("$/B/f", "read,write", ""),
            ("$/B/none", "", "metadata"),
        ],
        sockets: &[],
    },
    Case {
        word: "hostile-names",
        files: &[
            ("$/ space ", "write,create", ""),
            ("$/\\x1b[31mred", "write,create", ""),
            ("$/back\\\\slash", "write,create", ""),
            ("$/new\\x0aline", "write,create", ""),
            ("$/no\\xff\\xc3text", "write,create", ""),
            ("$/tab\\x09here", "write,create", ""),
            ("$/ä", "write,create", ""),
        ],
        sockets: &[],
    },
    Case {
        word: "deleted",
        files: &[
            ("/proc/self/fd/3", "write", ""),
            ("$/d", "create,delete,metadata", ""),
            ("$/d/lost", "", "write,create,metadata"),
            ("$/file", "read,write,create,delete", ""),
        ],
        sockets: &[],
    },
    Case {
        word: "nowhere",
        files: &[
            ("/proc/self/fd/3", "read", ""),
            ("/proc/self/fd/5", "write", ""),
            // The folder in which a file without a name is made.
            ("$", "read,write,create", ""),
        ],
        sockets: &[],
    },
    Case {
        word: "reopened",
        files: &[
            ("/dev/fd/3", "metadata", ""),
            ("/proc/self/fd/3", "read,write,metadata", ""),
            ("$/file", "read,write,create,metadata", ""),
        ],
        sockets: &[],
    },
    Case {
        word: "bound",
        files: &[
            ("/", "metadata", ""),
            // Its mount is gone: the path begins where that did, and is doubted.
            ("/file", "append", ""),
            ("$/d", "create,metadata", ""),
            ("$/d/file", "write,append,create", ""),
            ("$/mounted", "create,metadata,list", ""),
            ("$/mounted/file", "read", ""),
            ("$/mounted/made", "write,create", ""),
            ("$/mounted/none", "", "metadata"),
            ("$/none", "", "metadata"),
        ],
        sockets: &[],
    },
    Case {
        word: "overlaid",
        files: &[
            ("/", "metadata", ""),
            ("$/all", "create,metadata", ""),
            ("$/all/file", "write,delete", ""),
            ("$/all/made", "write,create", ""),
            ("$/low", "create", ""),
            ("$/low/file", "write,create", ""),
            ("$/up", "create", ""),
            ("$/work", "create", ""),
        ],
        sockets: &[],
    },
    Case {
        word: "rooted",
        files: &[
            ("/", "metadata", ""),
            ("/inner-folder", "metadata", ""),
            ("/inner-folder/inner-file", "read,write,append", ""),
            ("/inner-folder/inner-made", "write,create", ""),
            ("/inner-none", "", "metadata"),
            ("$", "metadata", ""),
            ("$/outer-file", "write,create", ""),
            ("$/root", "create,metadata", ""),
            ("$/root/inner-folder", "create", ""),
            ("$/root/inner-folder/inner-file", "write,append,create", ""),
        ],
        sockets: &[],
    },
    Case {
        word: "executed",
        files: &[
            ("$", "", "execute"),
            ("$/no-interpreter", "write,create", "execute"),
            ("$/no-program", "write,create", "execute"),
            ("$/none", "", "execute"),
            ("$/not-allowed", "write,create,metadata", "execute"),
            ("$/program", "create,execute", ""),
            ("$/script", "write,create,execute", ""),
            ("$/script-of-script", "write,create,execute", ""),
            ("$/to-script", "create,execute", ""),
            ("/usr/bin/true", "execute", ""),
        ],
        sockets: &[],
    },
    Case {
        word: "executed-by-descriptor",
        files: &[
            ("$/d", "create,list", ""),
            ("$/d/nameless", "read,write,create,execute", ""),
            ("$/d/no-program", "write,create,metadata", "execute"),
            ("$/d/none", "", "execute"),
            ("$/d/program", "create,execute,metadata", ""),
            ("$/d/script", "write,create,execute", ""),
            ("/usr/bin/true", "execute,metadata", ""),
        ],
        sockets: &[],
    },
    Case {
        word: "unix-sockets",
        files: &[
            ("$/absolute", "create,socket", ""),
            ("$/none", "", "socket"),
            ("$/relative", "create,socket", ""),
        ],
        sockets: &[
            "AF_UNIX SOCK_DGRAM 0 bind $/absolute yes no",
            "AF_UNIX SOCK_DGRAM 0 bind unnamed yes no",
            "AF_UNIX SOCK_DGRAM 0 send $/absolute yes no",
            "AF_UNIX SOCK_DGRAM 0 socket - yes no",
            "AF_UNIX SOCK_SEQPACKET 0 bind @sandprint\\x00test yes no",
            "AF_UNIX SOCK_SEQPACKET 0 socket - yes no",
            "AF_UNIX SOCK_STREAM 0 bind unix:relative yes no",
            "AF_UNIX SOCK_STREAM 0 connect unix:none no yes",
            "AF_UNIX SOCK_STREAM 0 connect unix:relative yes no",
            "AF_UNIX SOCK_STREAM 0 listen - yes no",
            "AF_UNIX SOCK_STREAM 0 socket - yes no",
        ],
    },
    Case {
        word: "inet-sockets",
        files: &[],
        sockets: &[
            "77 SOCK_STREAM 0 socket - no yes",
            "AF_INET SOCK_DGRAM IPPROTO_IP socket - yes no",
            "AF_INET SOCK_DGRAM IPPROTO_UDP connect 127.0.0.1:50003 yes no",
            "AF_INET SOCK_DGRAM IPPROTO_UDP connect unspecified yes no",
            "AF_INET SOCK_DGRAM IPPROTO_UDP send 127.0.0.1:50001 yes no",
            "AF_INET SOCK_DGRAM IPPROTO_UDP send 127.0.0.1:50002 yes no",
            "AF_INET SOCK_DGRAM IPPROTO_UDP send 127.0.0.1:50100 yes no",
            "AF_INET SOCK_DGRAM IPPROTO_UDP send 127.0.0.1:50101 yes no",
            "AF_INET SOCK_DGRAM IPPROTO_UDP send 127.0.0.1:50102 yes no",
            "AF_INET SOCK_STREAM 250 socket - no yes",
            "AF_INET SOCK_STREAM IPPROTO_IP socket - yes no",
            "AF_INET SOCK_STREAM IPPROTO_TCP bind 127.0.0.1:0 yes no",
            "AF_INET SOCK_STREAM IPPROTO_TCP connect 127.0.0.1:9 no yes",
            "AF_INET SOCK_STREAM IPPROTO_TCP listen - yes no",
            "AF_INET SOCK_STREAM IPPROTO_TCP socket - yes no",
            "AF_INET6 SOCK_DGRAM IPPROTO_IP socket - yes no",
            "AF_INET6 SOCK_DGRAM IPPROTO_UDP connect [::1]:9 yes no",
            "AF_INET6 SOCK_DGRAM IPPROTO_UDP connect [::ffff:127.0.0.1]:9 yes no",
        ],
    },
    Case {
        word: "netlink",
        files: &[],
        sockets: &[
            "AF_NETLINK SOCK_RAW NETLINK_ROUTE bind pid=0,groups=0x1 yes no",
            "AF_NETLINK SOCK_RAW NETLINK_ROUTE send pid=0,groups=0x0 yes no",
            "AF_NETLINK SOCK_RAW NETLINK_ROUTE socket - yes no",
        ],
    },
];

/// What a tracer records otherwise, and what instead. Of a file below a mount that is gone /proc tells only the path from
/// there, and not that from the root of its file system.
const TRACED_OTHERWISE: (&str, &str) =
    ("$/d/file: write,append,create; failed: ", "$/d/file: write,create; failed: ");

/// The witness, built, beside the folders that it runs in.
struct Built {
    folder: TempDir,
}

impl Built {
    fn with(options: &[&str]) -> Result<Built, String> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build folder is ours");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recording/files/witness.c");
        gcc::try_build(&source, &folder.path().join("witness"), options)?;
        Ok(Built { folder })
    }

    /// Its run, recorded, in an empty folder. None where it may not do what it is about.
    fn record(&self, how: How, way: &str) -> Option<(Recording, String)> {
        let work = self.folder.path().join("work");
        if work.exists() {
            fs::remove_dir_all(&work).expect("the folder is ours");
        }
        fs::create_dir(&work).expect("the folder is ours");
        let work = fs::canonicalize(work).expect("it was just made");
        let recording = recorder::record(&[], how, &["../witness".into(), way.into()], &work);
        if recording.status.code() == Some(CANNOT) {
            skip("namespaces", &format!("{way}: {}", recording.stderr));
            return None;
        }
        assert_eq!(recording.status.code(), Some(0), "{way}: {}", recording.stderr);
        // Those who had a root of their own have ended.
        let mut gaps = recording.trace.gaps();
        gaps.retain(|gap| gap != "links-unfollowed");
        assert_eq!(gaps, BTreeSet::new(), "{way}: {}", recording.stderr);
        Some((recording, work.display().to_string()))
    }
}

/// What a recording has of files, but for the witness itself and libraries, which every program has.
fn own(recording: &Recording, work: &str) -> Files {
    let is_own = |path: &str| !path.ends_with("/witness") && !path.contains(".so");
    let all = files(&recording.trace).into_iter();
    all.filter(|(path, _)| is_own(path)).map(|(path, seen)| (local(&path, work), seen)).collect()
}

fn line(path: &str, [succeeded, failed]: &[impl AsRef<str>; 2]) -> String {
    format!("{path}: {}; failed: {}", succeeded.as_ref(), failed.as_ref())
}

/// The text with the folder as `$`.
fn local(text: &str, work: &str) -> String {
    text.replace(work, "$")
}

fn check(options: &[&str], hows: &[How]) {
    let _turn = turns::beside_others();
    if !hows.iter().all(|how| how.can_record()) {
        return;
    }
    let built = match Built::with(options) {
        Ok(built) => built,
        Err(why) => return skip(if options.is_empty() { "gcc" } else { "i386" }, &why),
    };
    let mut wrong = Vec::new();
    for (how, case) in hows.iter().flat_map(|how| CASES.iter().map(move |case| (*how, case))) {
        let Some((recording, work)) = built.record(how, case.word) else { continue };
        let of_files = own(&recording, &work).into_iter().map(|(path, seen)| line(&path, &seen));
        let of_sockets = sockets(&recording.trace).into_iter().map(|line| local(&line, &work));
        let seen: BTreeSet<String> = of_files.chain(of_sockets).collect();
        let of_files = case.files.iter().map(|(path, succeeded, failed)| line(path, &[*succeeded, *failed]));
        let of_sockets = case.sockets.iter().map(|line| (*line).to_owned());
        let mut expected: BTreeSet<String> = of_files.chain(of_sockets).collect();
        let (otherwise, instead) = TRACED_OTHERWISE;
        if how == FULL_TRACED && expected.remove(otherwise) {
            expected.insert(instead.to_owned());
        }
        let missing = expected.difference(&seen).map(|line| format!("  not recorded: {line}"));
        let surplus = seen.difference(&expected).map(|line| format!("  recorded:     {line}"));
        let differing: Vec<String> = missing.chain(surplus).collect();
        if !differing.is_empty() {
            wrong.push(format!("{} {how:?}\n{}", case.word, differing.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_way_to_have_to_do_with_files_is_recorded_as_it_is() {
    check(&[], &[FULL, FULL_BY_TID]);
}

#[test]
fn every_way_to_have_to_do_with_files_is_recorded_by_a_tracer_too() {
    check(&[], &[FULL_TRACED]);
    if std::env::consts::ARCH == "x86_64" {
        check(&["-m32"], &[FULL_TRACED]);
    }
}

#[test]
fn programs_of_32_bits_are_recorded_alike() {
    if std::env::consts::ARCH == "x86_64" {
        check(&["-m32"], &[FULL]);
    }
}

/// A path as long as one may be, one that is too long, and one of more components than programs have.
#[test]
fn long_and_deep_paths_are_whole() {
    let _turn = turns::beside_others();
    if !FULL.can_record() {
        return;
    }
    let built = match Built::with(&[]) {
        Ok(built) => built,
        Err(why) => return skip("gcc", &why),
    };
    let made = |path: &str, rights: [&str; 2]| (path.to_owned(), rights.map(str::to_owned));
    let (recording, work) = built.record(FULL, "long-paths").expect("anybody may");
    let mut expected = Files::new();
    let mut path = work.clone();
    while path.len() + 257 < 4090 {
        path = format!("{path}/{}", "n".repeat(255));
        expected.extend([made(&path, ["create", ""])]);
    }
    path.push('/');
    path.push_str(&"e".repeat(4095 - path.len()));
    expected.extend([made(&path, ["write,create", ""])]);
    path.replace_range(4094.., "x");
    expected.extend([made(&path, ["", "metadata"])]);
    let expected = expected.into_iter().map(|(path, seen)| (local(&path, &work), seen)).collect::<Files>();
    assert_eq!(short(own(&recording, &work)), short(expected));

    let (recording, work) = built.record(FULL, "deep-paths").expect("anybody may");
    let mut expected = Files::new();
    let mut path = "$".to_owned();
    for step in 0..200 {
        path = format!("{path}/{step}");
        expected.extend([made(&path, [if step == 199 { "create,metadata" } else { "create" }, ""])]);
    }
    let made_of = |name: &str, rights| made(&format!("{path}/{name}"), rights);
    expected.extend([
        made_of("file", ["write,create", ""]),
        made_of("relative", ["write,create", ""]),
        made_of("none", ["", "metadata"]),
    ]);
    assert_eq!(short(own(&recording, &work)), short(expected));
}

/// The paths by their lengths and last letters.
fn short(files: Files) -> Vec<(usize, String, [String; 2])> {
    let end = |path: &str| path.get(path.len().saturating_sub(9)..).unwrap_or(path).to_owned();
    files.into_iter().map(|(path, seen)| (path.len(), end(&path), seen)).collect()
}

/// Programs send many messages with one call.
#[test]
fn every_message_of_a_call_is_looked_at() {
    let _turn = turns::beside_others();
    if !FULL.can_record() {
        return;
    }
    let built = match Built::with(&[]) {
        Ok(built) => built,
        Err(why) => return skip("gcc", &why),
    };
    let (recording, _) = built.record(FULL, "many-messages").expect("anybody may");
    let sent =
        (50100..50150).map(|port| format!("AF_INET SOCK_DGRAM IPPROTO_UDP send 127.0.0.1:{port} yes no"));
    let made = "AF_INET SOCK_DGRAM IPPROTO_IP socket - yes no".to_owned();
    assert_eq!(sockets(&recording.trace), sent.chain([made]).collect());
}
