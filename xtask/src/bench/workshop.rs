//! What every measurement needs: a scratch directory, the C programs compiled into it, tools found, CPUs chosen.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use super::Options;
use super::process::{self, Finished, Running};
use crate::repository_root;

/// The programs of bench/ that need nothing but a C compiler.
const PROGRAMS: &[&str] = &["calls", "filtered", "fork_storm", "idle", "peak", "steady"];
/// Packages for python3, largest first: the first that is installed is imported. The last one always is.
const PACKAGES: &[&str] = &["sympy", "scipy", "pandas", "botocore", "numpy", "asyncio"];
/// The longest reason that fits under a table.
const LONGEST_REASON: usize = 240;

/// The place where things are measured. Everything runs in its scratch directory, under names without a path.
pub(super) struct Workshop {
    scratch: TempDir,
    /// Why there is no loader of the empty program.
    no_floor: Option<String>,
    pub(super) sandprint: PathBuf,
    pub(super) quick: bool,
    /// So many rounds of everything, whatever the row says.
    rounds: Option<usize>,
    taskset: Option<PathBuf>,
    /// The CPUs that this process may use, in order.
    cpus: Vec<u32>,
    python: Result<Python, String>,
}

/// An interpreter, and a package that it has.
pub(super) struct Python {
    pub(super) interpreter: String,
    pub(super) package: String,
}

impl Workshop {
    /// Compiles and looks around.
    pub(super) fn open(options: &Options) -> anyhow::Result<Workshop> {
        let scratch =
            tempfile::Builder::new().prefix("sandprint-bench").tempdir().context("make a directory")?;
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let mut workshop = Workshop {
            scratch,
            no_floor: None,
            // It is started from another directory.
            sandprint: std::path::absolute(&options.sandprint).context("find the binary to measure")?,
            quick: options.quick,
            rounds: options.rounds,
            taskset: find("taskset"),
            cpus: cpus(allowed.unwrap_or_default().trim()),
            python: Err(String::new()),
        };
        for program in PROGRAMS {
            workshop.compile(
                &["cc", "-O2", "-Wall", "-Wextra", "-pthread"],
                &format!("{program}.c"),
                program,
                &[],
            )?;
        }
        workshop.no_floor = workshop.compile_floor().err().map(|error| workshop.reason(&error));
        workshop.python = workshop.find_python().map_err(|error| workshop.reason(&error));
        Ok(workshop)
    }

    /// Compiles a source of bench/ into the scratch directory.
    fn compile(
        &self,
        compiler: &[&str],
        source: &str,
        result: &str,
        libraries: &[&str],
    ) -> anyhow::Result<()> {
        let source = repository_root().join("bench").join(source);
        let source = source.to_str().context("the repository's path is not UTF-8")?;
        let line = [compiler, &["-o", result, source], libraries].concat();
        self.run(&words(&line)).map(drop)
    }

    fn compile_floor(&self) -> anyhow::Result<()> {
        ensure!(find("clang").is_some(), "clang is not installed");
        let triple = self.run(&words(&["cc", "-print-multiarch"]))?.output;
        let include = format!("-I/usr/include/{}", triple.trim());
        self.compile(
            &["clang", "-O2", "-g", "-target", "bpf", &include, "-c"],
            "floor.bpf.c",
            "floor.bpf.o",
            &[],
        )?;
        self.compile(&["cc", "-O2", "-Wall", "-Wextra"], "floor.c", "floor", &["-lbpf"])
    }

    /// Compiles what makes libseccomp's filters, of the policy.h in the scratch directory.
    pub(super) fn compile_libseccomp(&self) -> anyhow::Result<()> {
        // What the policy comes from has no names for some calls, and then no function that looks for one.
        let compiler = ["cc", "-O2", "-Wall", "-Wextra", "-Wno-unused-function", "-I."];
        self.compile(&compiler, "libseccomp.c", "libseccomp", &["-lseccomp"])
    }

    fn find_python(&self) -> anyhow::Result<Python> {
        ensure!(find("python3").is_some(), "python3 is not installed");
        // What PATH has may be a script that looks for the interpreter: that search is not what is measured.
        let interpreter = self.run(&words(&["python3", "-c", "import sys; print(sys.executable)"]))?;
        let interpreter = interpreter.output.trim().to_owned();
        let has = |package: &&&str| {
            let import = format!("import {package}");
            self.run(&words(&[&interpreter, "-c", &import])).is_ok()
        };
        let candidates = if self.quick { PACKAGES.last().map(std::slice::from_ref) } else { Some(PACKAGES) };
        let package =
            candidates.unwrap_or_default().iter().find(has).context("python3 has no known package")?;
        Ok(Python { interpreter, package: (*package).to_owned() })
    }

    /// Where everything runs.
    pub(super) fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// Runs a command here and waits for it.
    pub(super) fn run(&self, argv: &[String]) -> anyhow::Result<Finished> {
        process::run(self.directory(), argv)
    }

    /// Starts a command here; `label` names the files of its output.
    pub(super) fn start(&self, label: &str, argv: &[String]) -> anyhow::Result<Running> {
        process::start(self.directory(), label, argv)
    }

    /// Whether there is a loader of the empty program; in words, why not.
    pub(super) fn floor(&self) -> Result<(), String> {
        self.no_floor.clone().map_or(Ok(()), Err)
    }

    /// The python3 to measure; in words, why there is none.
    pub(super) fn python(&self) -> Result<&Python, String> {
        self.python.as_ref().map_err(Clone::clone)
    }

    /// How much of `full` a measurement does. Instruments that are some hundred times slower do a twentieth.
    pub(super) fn amount(&self, full: u32, slow: bool) -> u32 {
        let full = if self.quick { full / 100 } else { full };
        if slow { full / 20 } else { full }.max(1)
    }

    /// How many rounds there are where a full run has so many.
    pub(super) fn rounds(&self, full: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { full })
    }

    /// The command, kept on the last CPU: what is measured must not move in the middle.
    pub(super) fn pinned(&self, argv: &[&str]) -> Vec<String> {
        self.on_cpu(self.cpus.last(), argv)
    }

    /// The command, kept on the first CPU: for who asks while another answers.
    pub(super) fn pinned_beside(&self, argv: &[&str]) -> Vec<String> {
        self.on_cpu(self.cpus.first(), argv)
    }

    fn on_cpu(&self, cpu: Option<&u32>, argv: &[&str]) -> Vec<String> {
        let mut line = Vec::new();
        if let (Some(taskset), Some(cpu)) = (&self.taskset, cpu)
            && self.cpus.len() > 1
        {
            line.extend([taskset.display().to_string(), "-c".to_owned(), cpu.to_string()]);
        }
        line.extend(words(argv));
        line
    }

    /// What a reader must know of where things ran.
    pub(super) fn pinning(&self) -> String {
        match (&self.taskset, self.cpus.as_slice()) {
            (None, _) => "Nothing is pinned to a CPU: taskset is not installed.".to_owned(),
            (_, [] | [_]) => "Nothing is pinned: there is one CPU.".to_owned(),
            _ => "The loops of one thread, dd, redis-server and python3 are kept on one CPU by taskset, \
                  redis-benchmark on another; the instruments themselves and the other rows run where they like."
                .to_owned(),
        }
    }

    /// How many BPF programs are attached to tracepoints right now; none where that cannot be told.
    pub(super) fn attached_programs(&self) -> Option<u32> {
        self.no_floor.is_none().then_some(())?;
        self.run(&words(&["./floor", "-l"])).ok()?.output.trim().parse().ok()
    }

    /// Why something has no figure, in one short line without the names of places on this machine.
    pub(super) fn reason(&self, error: &anyhow::Error) -> String {
        let mut text = format!("{error:#}");
        for place in [self.directory(), &repository_root()] {
            text = text.replace(&format!("{}/", place.display()), "");
        }
        if text.chars().count() > LONGEST_REASON {
            text = text.chars().take(LONGEST_REASON).collect::<String>() + "...";
        }
        text
    }
}

/// The file that a command's name means, as a shell finds it.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// A command line of words.
pub(super) fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|word| (*word).to_owned()).collect()
}

/// The numbers of a list as `/proc/PID/status` has it: `0-3,8`.
fn cpus(list: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    for part in list.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(from), Ok(to)) = (from.parse::<u32>(), to.parse::<u32>()) {
            numbers.extend(from..=to);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_read() {
        for (list, expected) in
            [("0", &[0][..]), ("0-1", &[0, 1]), ("1,4-6,9", &[1, 4, 5, 6, 9]), ("", &[]), ("x", &[])]
        {
            assert_eq!(cpus(list), expected, "{list}");
        }
    }
}
