//! What a reader must know of the machine: what it is, not which.

use super::instrument::{Instrument, version};
use super::workshop::{Workshop, words};

/// The machine and its tools.
pub(super) struct Machine {
    /// The day, in UTC, as 2025-01-31.
    pub(super) date: String,
    pub(super) kernel: String,
    pub(super) cpus: String,
    /// Memory, in GiB.
    pub(super) memory: String,
    /// The load average of the minute before the benchmark.
    pub(super) load: String,
    /// Name and version of what took part.
    pub(super) tools: Vec<String>,
}

impl Machine {
    /// Looks; what cannot be found out is said to be unknown.
    pub(super) fn look(workshop: &Workshop) -> Machine {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let said = |line: &[&str]| workshop.run(&words(line)).ok().map(|finished| finished.output);
        let (cpuinfo, meminfo) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let of_instruments = Instrument::VERSIONED.into_iter().filter_map(|instrument| {
            Some(format!("{} {}", instrument.title(), instrument.version(workshop)?))
        });
        let of_others = [
            ("libseccomp", &["pkg-config", "--modversion", "libseccomp"][..]),
            ("redis-server", &["redis-server", "--version"]),
            ("python3", &["python3", "--version"]),
        ]
        .into_iter()
        .filter_map(|(tool, line)| Some(format!("{tool} {}", version(&said(line)?)?)));
        Machine {
            date: said(&["date", "-u", "+%F"]).map_or_else(unknown, |date| date.trim().to_owned()),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            cpus: cpus(&cpuinfo, std::env::consts::ARCH),
            memory: memory(&meminfo).unwrap_or_else(unknown),
            load: read("/proc/loadavg").split_whitespace().next().map_or_else(unknown, str::to_owned),
            tools: of_instruments.chain(of_others).collect(),
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// Number and model; Arm kernels name no model.
fn cpus(cpuinfo: &str, architecture: &str) -> String {
    let fields = || cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let count = fields().filter(|(name, _)| name.trim() == "processor").count();
    let model =
        fields().find(|(name, _)| name.trim() == "model name").map_or(architecture, |(_, model)| model);
    format!("{count} × {}", model.trim())
}

/// `MemTotal:       24628140 kB`, in GiB.
fn memory(meminfo: &str) -> Option<String> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u32 = line.split_whitespace().next()?.parse().ok()?;
    Some(format!("{:.1}", f64::from(kibibytes) / f64::from(1 << 20)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_and_memory_are_read_as_kernels_write_them() {
        let x86 = "processor\t: 0\nmodel name\t: Fast CPU @ 2 GHz\n\nprocessor\t: 1\nmodel name\t: Fast CPU @ 2 GHz\n";
        assert_eq!(cpus(x86, "x86_64"), "2 × Fast CPU @ 2 GHz");
        let arm = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU part\t: 0xd0c\n";
        assert_eq!(cpus(arm, "aarch64"), "1 × aarch64");
        assert_eq!(memory("MemTotal:       25165824 kB\nMemFree: 1 kB\n").as_deref(), Some("24.0"));
        assert_eq!(memory(""), None);
    }
}
