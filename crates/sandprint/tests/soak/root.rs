//! A file tree for containers and for systemd: this machine's `/usr` is bound into it, and what programs look up in
//! `/etc` is copied.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use testkit::shell::run;

/// What the programs read below `/etc`, as far as it is there.
const LOOKED_UP: &[&str] = &[
    // Which awk is awk.
    "alternatives",
    "group",
    "hosts",
    "ld.so.cache",
    "localtime",
    "nsswitch.conf",
    "passwd",
    "ssl/openssl.cnf",
];

/// Lays the tree out in a folder that is there.
pub(crate) fn lay_out(root: &Path) {
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).expect("the folder is ours");
    for folder in ["dev", "etc/ssl", "place", "proc", "run", "sys", "tmp", "usr"] {
        fs::create_dir_all(root.join(folder)).expect("the folder is ours");
    }
    for name in ["bin", "lib", "lib32", "lib64", "libx32", "sbin"] {
        if let Ok(target) = fs::read_link(Path::new("/").join(name)) {
            symlink(target, root.join(name)).expect("the folder is ours");
        }
    }
    for name in LOOKED_UP {
        let from = Path::new("/etc").join(name);
        if from.exists() {
            let copied = run(Command::new("cp").arg("--archive").arg(&from).arg(root.join("etc").join(name)));
            assert!(copied.status.success(), "{copied}");
        }
    }
}

/// Whether programs run from such a tree: none of this machine's is in a `/bin` of its own.
pub(crate) fn is_enough() -> bool {
    fs::canonicalize("/bin").is_ok_and(|folder| folder.starts_with("/usr"))
}
