//! cgroup2 directories that tests make.

use std::path::{Path, PathBuf};
use std::process::id;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{fs, thread};

use crate::expect::skip;

/// A cgroup2 directory of the test's own, which goes with it.
#[derive(Debug)]
pub struct Group(PathBuf);

impl Group {
    /// A new one below the root; `None` where the test may not make one.
    pub fn new() -> Option<Group> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "));
        let Some(mount) = mount.and_then(|line| line.split(' ').nth(4)) else {
            skip("root", "no cgroup2 file system is mounted");
            return None;
        };
        let name = format!("sandprint-test-{}-{}", id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(mount).join(name);
        match fs::create_dir(&path) {
            Ok(()) => Some(Group(path)),
            Err(error) => {
                skip("root", &format!("no cgroup can be made in {mount}: {error}"));
                None
            }
        }
    }

    /// Its directory.
    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// A new one below it.
    #[must_use]
    pub fn below(&self, name: &str) -> Group {
        let path = self.0.join(name);
        fs::create_dir(&path).unwrap();
        Group(path)
    }

    /// Puts a process into it.
    pub fn take(&self, pid: u32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    /// Puts a process where this cgroup lies.
    pub fn put_out(&self, pid: u32) {
        fs::write(self.0.with_file_name("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A process that is being killed may be in it for a moment.
        for _ in 0..500 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
