//! Facts about this machine, found by trying. Rules about them are elsewhere, and pure.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::thread::CapabilitySet;
use sandprint_model::{Arch, Host, KernelVersion, RunId};

/// What this machine is and lets us do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// The kernel release as `uname -r` prints it.
    pub release: String,
    /// The machine as `uname -m` prints it.
    pub machine: String,
    /// Whether the kernel describes its own types (`CONFIG_DEBUG_INFO_BTF`).
    pub btf: bool,
    /// The effective capabilities that recording is about.
    pub capabilities: Capabilities,
    /// Whether they are those of a user namespace other than the first: BPF wants them in the first.
    pub user_namespace: bool,
    /// The effective user id.
    pub user_id: u32,
}

/// The inode of the first user namespace (`PROC_USER_INIT_INO`, `include/linux/proc_ns.h`).
const FIRST_USER_NAMESPACE: u64 = 0xEFFF_FFFD;

/// Effective capabilities, as far as they matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(CapabilitySet);

impl Capabilities {
    /// Those of the calling thread.
    fn effective() -> Capabilities {
        let sets = rustix::thread::capabilities(None);
        Capabilities(sets.map_or(CapabilitySet::empty(), |sets| sets.effective))
    }

    /// Whether tracing programs may be loaded: `CAP_BPF` and `CAP_PERFMON` (both since 5.8), or
    /// `CAP_SYS_ADMIN`, which includes them (capabilities(7)).
    pub fn can_trace(self) -> bool {
        self.missing().is_empty()
    }

    /// The names of what is missing for that.
    pub fn missing(self) -> Vec<&'static str> {
        if self.0.contains(CapabilitySet::SYS_ADMIN) {
            return Vec::new();
        }
        [("CAP_BPF", CapabilitySet::BPF), ("CAP_PERFMON", CapabilitySet::PERFMON)]
            .into_iter()
            .filter(|(_, capability)| !self.0.contains(*capability))
            .map(|(name, _)| name)
            .collect()
    }

    /// Whether `RLIMIT_MEMLOCK` can be raised (`CAP_SYS_RESOURCE`); maps need that before 5.11 only.
    pub fn can_raise_limits(self) -> bool {
        self.0.contains(CapabilitySet::SYS_RESOURCE)
    }
}

impl HostFacts {
    /// Looks at this machine.
    pub fn probe() -> HostFacts {
        let names = rustix::system::uname();
        HostFacts {
            release: names.release().to_string_lossy().into_owned(),
            machine: names.machine().to_string_lossy().into_owned(),
            btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
            capabilities: Capabilities::effective(),
            user_namespace: fs::metadata("/proc/self/ns/user")
                .is_ok_and(|namespace| namespace.ino() != FIRST_USER_NAMESPACE),
            user_id: rustix::process::geteuid().as_raw(),
        }
    }

    /// The kernel release as a number, where it reads as one.
    pub fn kernel(&self) -> Option<KernelVersion> {
        self.release.parse().ok()
    }

    /// The machine, where sandprint knows it.
    pub fn arch(&self) -> Option<Arch> {
        Arch::from_name(&self.machine)
    }

    /// Whether maps count against `RLIMIT_MEMLOCK`, and it cannot be raised. From 5.11 on they count
    /// against the memory cgroup instead (97306be45fbe).
    pub fn needs_memlock(&self) -> bool {
        let counts = self.kernel().is_none_or(|kernel| kernel < KernelVersion::new(5, 11));
        counts && !self.capabilities.can_raise_limits()
    }

    /// The facts that go into a trace.
    pub fn for_trace(&self) -> Option<Host> {
        Some(Host { kernel: self.release.clone(), arch: self.arch()? })
    }
}

/// The device and inode of this process's PID namespace (`/proc/self/ns/pid`), the device as the kernel
/// writes it: major in the upper 12 bits of 32, minor in the lower 20.
///
/// # Errors
/// Where /proc is not mounted.
pub(crate) fn pid_namespace() -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata("/proc/self/ns/pid")?;
    let (major, minor) = (rustix::fs::major(metadata.dev()), rustix::fs::minor(metadata.dev()));
    Ok((u64::from(major) << 20 | u64::from(minor), metadata.ino()))
}

/// Whether /proc is there, and is of the PID namespace that this process is in.
pub(crate) fn has_own_proc() -> bool {
    let own = std::process::id().to_string();
    std::fs::read_link("/proc/self").is_ok_and(|there| there.as_os_str() == own.as_str())
}

/// Whether a cgroup is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CgroupUse {
    /// It, or a cgroup below it, has processes.
    Populated,
    /// It has none.
    Empty,
    /// It was removed.
    Gone,
}

/// Whether a cgroup2 directory is in use, by its `cgroup.events` (cgroups(7)).
pub(crate) fn cgroup_use(directory: &Path) -> CgroupUse {
    match std::fs::read_to_string(directory.join("cgroup.events")) {
        Ok(events) if events.lines().any(|line| line == "populated 0") => CgroupUse::Empty,
        Ok(_) => CgroupUse::Populated,
        // The root has no such file, and is never empty.
        Err(_) if directory.join("cgroup.procs").exists() => CgroupUse::Populated,
        Err(_) => CgroupUse::Gone,
    }
}

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock of `bpf_ktime_get_ns`.
pub fn monotonic_ns() -> u64 {
    now_ns(rustix::time::ClockId::Monotonic)
}

/// Nanoseconds of `CLOCK_BOOTTIME`, by which the kernel dates the births of tasks.
pub(crate) fn boottime_ns() -> u64 {
    now_ns(rustix::time::ClockId::Boottime)
}

fn now_ns(clock: rustix::time::ClockId) -> u64 {
    let now = rustix::time::clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// Fills the buffer with random bits from the kernel.
pub(crate) fn random(buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(())
}

/// A fresh id for a run: 128 random bits.
///
/// # Errors
/// Where the kernel gives no random bits.
pub fn fresh_run_id() -> io::Result<RunId> {
    let mut bits = [0; 16];
    random(&mut bits)?;
    Ok(RunId::from_bits(u128::from_ne_bytes(bits)))
}
