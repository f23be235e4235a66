//! What a user specification means, and that both databases say the same.

use super::*;

const PASSWD: &str = "\
# accounts
root:x:0:0:root:/root:/bin/bash
alice:x:1000:1000:Alice,,,:/home/alice:/bin/zsh
+nis:x:5:5:::
  indented:x:1001:100::/home/indented:
broken:x:notanumber:0::/:/bin/sh
short:x:1
1234:x:77:88::/home/digits:/bin/sh
noshell:x:1002:1002::/home/noshell
last:x:4294967295:1::/:/bin/sh
";

const GROUP: &str = "\
root:x:0:
users:x:100:
alice:x:1000:
audio:x:29:alice,root
video:x:44:root,alicex,alice
twice:x:29:alice
broken:x::alice
4321:x:99:
";

fn files() -> (tempfile::TempDir, files::Files) {
    let directory = tempfile::tempdir().unwrap();
    let (passwd, group) = (directory.path().join("passwd"), directory.path().join("group"));
    std::fs::write(&passwd, PASSWD).unwrap();
    std::fs::write(&group, GROUP).unwrap();
    (directory, files::Files { passwd, group })
}

#[test]
fn a_user_is_a_name_or_a_number_with_or_without_a_group() {
    let (_directory, database) = files();
    let cases = [
        ("root", 0, 0, [0, 29, 44].as_slice(), Some("root")),
        ("alice", 1000, 1000, &[1000, 29, 44], Some("alice")),
        ("1000", 1000, 1000, &[1000, 29, 44], Some("alice")),
        ("alice:users", 1000, 100, &[100], Some("alice")),
        ("alice:0", 1000, 0, &[0], Some("alice")),
        ("5000:6000", 5000, 6000, &[6000], None),
        ("indented", 1001, 100, &[100], Some("indented")),
        // What is a name is a name.
        ("1234", 77, 88, &[88], Some("1234")),
        ("77:4321", 77, 99, &[99], Some("1234")),
    ];
    for (text, uid, gid, groups, name) in cases {
        let user = resolve(text, &database).unwrap();
        assert_eq!((user.uid, user.gid, user.groups.as_slice()), (uid, gid, groups), "{text}");
        assert_eq!(user.account.map(|account| account.name), name.map(OsString::from), "{text}");
    }
}

#[test]
fn what_is_not_a_user_is_refused_by_name() {
    let (_directory, database) = files();
    let cases = [
        ("", "understand the user \"\": not NAME, UID, or either with :GROUP or :GID"),
        (":0", "understand the user \":0\": not NAME, UID, or either with :GROUP or :GID"),
        ("alice:", "understand the user \"alice:\": not NAME, UID, or either with :GROUP or :GID"),
        ("a:b:c", "understand the user \"a:b:c\": not NAME, UID, or either with :GROUP or :GID"),
        ("bob", "find the user \"bob\": not in the user database"),
        ("broken", "find the user \"broken\": not in the user database"),
        ("short", "find the user \"short\": not in the user database"),
        ("+nis", "find the user \"+nis\": not in the user database"),
        ("-1", "find the user \"-1\": not in the user database"),
        ("+5", "find the user \"+5\": not in the user database"),
        ("4294967295", "find the user \"4294967295\": not in the user database"),
        ("4294967296", "find the user \"4294967296\": not in the user database"),
        ("last", "find the user \"last\": not in the user database"),
        ("alice:broken", "find the group \"broken\": not in the group database"),
        ("alice:4294967295", "find the group \"4294967295\": not in the group database"),
        (
            "5000",
            "choose a group for the user id 5000, which is not in the user database: give it as 5000:GID",
        ),
        ("a\0b", "find the user \"a\\0b\": not in the user database"),
    ];
    for (text, expected) in cases {
        assert_eq!(resolve(text, &database).unwrap_err().to_string(), expected);
        // On the C library's database only the text of what cannot exist anywhere is certain.
        if text.contains('\0') || text.starts_with("429496729") {
            assert_eq!(resolve(text, &sys::Library).unwrap_err().to_string(), expected);
        }
    }
    let missing = files::Files { passwd: "/nonexistent/passwd".into(), group: "/nonexistent/group".into() };
    assert_eq!(resolve("root", &missing).unwrap_err().to_string(), "read the user database");
}

#[test]
fn the_variables_name_the_user_and_nobody_else() {
    let (_directory, database) = files();
    let variables = |text: &str| {
        resolve(text, &database)
            .unwrap()
            .variables()
            .map(|(_name, value)| value.map_or_else(|| "-".to_owned(), |value| value.into_string().unwrap()))
    };
    assert_eq!(variables("alice"), ["/home/alice", "alice", "alice", "/bin/zsh"]);
    assert_eq!(variables("noshell"), ["/home/noshell", "noshell", "noshell", "/bin/sh"]);
    assert_eq!(variables("5000:1"), ["/", "-", "-", "-"]);
    let names = resolve("alice", &database).unwrap().variables().map(|(name, _value)| name);
    assert_eq!(names, ["HOME", "USER", "LOGNAME", "SHELL"]);
}

#[test]
fn the_files_and_the_c_library_agree_on_every_local_user() {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let names: Vec<&str> = passwd.lines().filter_map(|line| line.split(':').next()).collect();
    assert!(names.contains(&"root"), "no root in /etc/passwd");
    for name in names {
        let mut from_files = resolve(name, &files::Files::system()).unwrap();
        let mut from_library = resolve(name, &sys::Library).unwrap();
        from_files.groups.sort_unstable();
        from_library.groups.sort_unstable();
        assert_eq!(from_files, from_library, "{name}");
        assert_eq!(resolve(&from_files.uid.to_string(), &sys::Library).unwrap().uid, from_files.uid);
    }
    let group = std::fs::read_to_string("/etc/group").unwrap();
    for name in group.lines().filter_map(|line| line.split(':').next()) {
        let text = format!("5:{name}");
        let from_files = resolve(&text, &files::Files::system()).unwrap();
        assert_eq!(from_files, resolve(&text, &sys::Library).unwrap(), "{name}");
    }
}

#[test]
fn becoming_oneself_is_no_change() {
    let (uids, gids, groups) = sys::current().unwrap();
    let me = User { uid: uids[0], gid: gids[0], groups, account: None };
    assert!(me.is_current());
    let mut reordered = me.clone();
    reordered.groups.reverse();
    reordered.groups.extend(me.groups.first());
    assert!(reordered.is_current());
    assert!(!User { uid: me.uid + 1, ..me.clone() }.is_current());
    assert!(!User { gid: me.gid + 1, ..me.clone() }.is_current());
    assert!(!User { groups: vec![4_000_000], ..me }.is_current());
}
