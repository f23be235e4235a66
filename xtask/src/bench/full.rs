//! What recording everything costs: the workloads that say so.

use anyhow::{Context as _, ensure};

use super::instrument::{Instrument, path_of};
use super::redis::REDIS;
use super::workload::{PYTHON, TRACKED, TRUE, UNTRACKED, Workload, own_clock};
use super::workshop::{Workshop, words};

pub(super) const TRACKED_FULL: Workload = Workload { title: "getppid loop, tracked in full", ..TRACKED };
pub(super) const UNTRACKED_FULL: Workload =
    Workload { title: "getppid loop, untracked while another process is tracked in full", ..UNTRACKED };
pub(super) const TRUE_FULL: Workload = Workload { title: "`true`, start to end, in full", ..TRUE };
pub(super) const REDIS_FULL: Workload =
    Workload { title: "redis-server under redis-benchmark, in full", ..REDIS };
pub(super) const PYTHON_FULL: Workload =
    Workload { title: "python3 importing a large package, in full", ..PYTHON };
pub(super) const FIND: Workload =
    Workload { title: "`find /usr`", unit: "ms", rounds: 9, suffers: true, measure: find };
/// By processor time: a compiler waits for little, and a busy machine makes it wait for more.
pub(super) const BUILD: Workload = Workload {
    title: "make of 50 C files",
    unit: "ms of processor",
    rounds: 5,
    suffers: true,
    measure: build,
};

/// What a reader must know of how it was measured.
pub(super) const METHOD: &str = "\
floors: empty BPF programs on `tp_btf/sys_enter` and `tp_btf/sys_exit`, beside the workload.\n\
sandprint: `profile run --recorder ebpf --detail calls -o`; full: the same with `--detail full`. What starts and ends with the \
workload is in the row of `true` alone.\n";

/// Files that are compiled.
const FILES: usize = 50;

/// Its own time, by the shell that runs it.
fn find(workshop: &Workshop, instrument: Instrument) -> anyhow::Result<f64> {
    let place = if workshop.quick { "/usr/bin" } else { "/usr" };
    let find = path_of("find")?;
    let script = format!(
        "begin=${{EPOCHREALTIME/./}}; {find} {place} >/dev/null; end=${{EPOCHREALTIME/./}}; echo $((end - begin))"
    );
    Ok(own_clock(workshop, instrument, workshop.pinned(&["bash", "-c", &script]))? / 1e3)
}

/// The processor time of the compiler and of what runs it, as the shell tells it.
fn build(workshop: &Workshop, instrument: Instrument) -> anyhow::Result<f64> {
    let files = if workshop.quick { 2 } else { FILES };
    let place = workshop.directory().join("build");
    std::fs::create_dir_all(&place).context("make a directory")?;
    let mut makefile = String::from("all:");
    for at in 0..files {
        let text =
            format!("#include <stdio.h>\nint f{at}(int n) {{ return printf(\"%d\\n\", n + {at}); }}\n");
        std::fs::write(place.join(format!("f{at}.c")), text).context("write a source")?;
        makefile = format!("{makefile} f{at}.o");
    }
    std::fs::write(place.join("Makefile"), makefile + "\n").context("write a Makefile")?;
    let script = "rm -f *.o; make -s -j2 all >&2; times";
    let output = workshop
        .run(&instrument.wrap(workshop, words(&["bash", "-c", &format!("cd build && {{ {script}; }}")])))?
        .output;
    ensure!(place.join("f0.o").is_file(), "nothing was compiled");
    children_of(&output).with_context(|| format!("bash said {output:?}"))
}

/// The second line of `times`: user and system time of children, as `1m2.345s`. In milliseconds.
fn children_of(output: &str) -> Option<f64> {
    let milliseconds = |word: &str| {
        let (minutes, seconds) = word.strip_suffix('s')?.split_once('m')?;
        Some((minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?) * 1e3)
    };
    let mut times = output.lines().nth(1)?.split_whitespace().map(milliseconds);
    Some(times.next()?? + times.next()??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_children_is_read() {
        assert_eq!(children_of("0m0.001s 0m0.002s\n1m0.500s 0m0.250s\n"), Some(60_750.0));
        assert_eq!(children_of("0m0.001s 0m0.002s\n"), None);
    }
}
