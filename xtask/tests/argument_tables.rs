//! The model's tables of arguments and errors against what this machine knows: headers, and the running kernel.
//!
//! Constants are held against the headers by a compiler, which is asked for each ABI whether every value is the one of
//! the tables; nothing is run. What the headers do not know (they are older than the tables) is counted and listed.
//! A witness that is not installed is named in the test's output. With its word in `SANDPRINT_EXPECT` (`gcc`, `root`)
//! its absence is a failure; the headers of other machines (Debian: linux-libc-dev-arm64-cross and -armhf-cross) and
//! those for 32-bit programs are nobody's duty to have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, ensure};
use sandprint_model::arguments::{self, Kind};
use sandprint_model::{Abi, Syscall, Width, errno};

/// A compiler's view of an ABI: its options, and where headers of another machine are installed.
struct Headers {
    abi: Abi,
    options: &'static [&'static str],
    directory: Option<&'static str>,
}

/// The headers of the machine that the test runs on.
#[cfg(target_arch = "x86_64")]
const OWN: Headers = Headers { abi: Abi::X86_64, options: &[], directory: None };
#[cfg(target_arch = "aarch64")]
const OWN: Headers = Headers { abi: Abi::Aarch64, options: &[], directory: None };

/// The other ABIs that an x86 compiler can be asked about. Kernel headers of ARM are read for their values only, and
/// those depend on the width of a long and on nothing else of the machine.
#[cfg(target_arch = "x86_64")]
const OTHERS: &[Headers] = &[
    Headers { abi: Abi::I386, options: &["-m32"], directory: None },
    Headers { abi: Abi::X32, options: &["-mx32"], directory: None },
    Headers {
        abi: Abi::Aarch64,
        options: &["-U__x86_64__", "-D__aarch64__"],
        directory: Some("/usr/aarch64-linux-gnu/include"),
    },
    Headers {
        abi: Abi::Arm,
        // ARM aligns 64-bit members as 64-bit machines do, which tells in the size of a structure.
        options: &["-m32", "-malign-double", "-U__i386__", "-D__arm__", "-D__ARM_EABI__"],
        directory: Some("/usr/arm-linux-gnueabihf/include"),
    },
];
#[cfg(target_arch = "aarch64")]
const OTHERS: &[Headers] = &[];

/// A row of constants.tsv.
#[derive(Debug, Clone)]
struct Row {
    name: String,
    header: String,
}

/// What one ABI's headers said.
#[derive(Debug, Default)]
struct Report {
    agreed: usize,
    /// What differs, in the compiler's words.
    faults: Vec<String>,
    unknown: Vec<String>,
}

#[test]
fn constants_are_those_of_the_headers() -> anyhow::Result<()> {
    if !has_compiler() {
        return absent("gcc", "there is no C compiler");
    }
    let rows = rows()?;
    let report = OWN.check(&rows, arguments::constant)?;
    // Past the test harness, which would show it only for a test that fails.
    writeln!(std::io::stderr(), "not in these headers: {}", report.unknown.join(" "))?;
    report.tell(OWN.abi)?;
    ensure!(report.agreed > 1500, "the headers know {} constants only", report.agreed);
    for headers in OTHERS {
        if headers.are_installed() {
            let report = headers.check(&rows, arguments::constant)?;
            report.tell(headers.abi)?;
            ensure!(report.agreed > 900, "{}: the headers know {} only", headers.abi, report.agreed);
        } else {
            writeln!(std::io::stderr(), "{}: no headers installed, unchecked", headers.abi)?;
        }
    }
    Ok(())
}

#[test]
fn errors_are_those_of_the_headers() -> anyhow::Result<()> {
    if !has_compiler() {
        return absent("gcc", "there is no C compiler");
    }
    let names: Vec<String> = (1..=133).filter_map(errno::name).map(str::to_owned).collect();
    let others = ["EWOULDBLOCK", "EDEADLOCK", "ENOTSUP"].map(str::to_owned);
    let rows: Vec<Row> =
        names.into_iter().chain(others).map(|name| Row { name, header: "errno.h".to_owned() }).collect();
    let report = OWN.check(&rows, |_, name| errno::number(name).map(u64::from))?;
    ensure!(report.faults.is_empty() && report.unknown.is_empty(), "{report:?}");
    ensure!(report.agreed == rows.len(), "{} of {} were checked", report.agreed, rows.len());
    Ok(())
}

#[test]
fn a_wrong_value_does_not_pass() -> anyhow::Result<()> {
    if !has_compiler() {
        return absent("gcc", "there is no C compiler");
    }
    let row = |name: &str, header: &str| Row { name: name.to_owned(), header: header.to_owned() };
    let rows = [
        row("AF_INET", "sys/socket.h"),
        row("AF_UNIX", "sys/socket.h"),
        row("AT_FDCWD", "linux/fcntl.h"),
        row("BPF_PROG_LOAD", "linux/bpf.h"),
        row("NOT_A_CONSTANT", "linux/fcntl.h"),
        row("PR_SET_NAME", "not/there.h"),
    ];
    let report = OWN.check(&rows, |_, name| match name {
        "AF_UNIX" | "NOT_A_CONSTANT" | "PR_SET_NAME" => Some(1),
        "AT_FDCWD" => Some(0xffff_ff9c),
        "BPF_PROG_LOAD" => Some(6),
        _ => Some(3),
    })?;
    ensure!(report.agreed == 1, "{report:?}");
    ensure!(report.unknown == ["NOT_A_CONSTANT", "PR_SET_NAME"], "{report:?}");
    let wrong: Vec<bool> =
        ["AF_INET", "AT_FDCWD", "BPF_PROG_LOAD"].map(|name| report.faults.join(" ").contains(name)).to_vec();
    ensure!(wrong == [true; 3] && report.faults.len() == 3, "{report:?}");
    Ok(())
}

impl Report {
    fn tell(&self, abi: Abi) -> anyhow::Result<()> {
        ensure!(self.faults.is_empty(), "{abi}: {}", self.faults.join("\n"));
        let unknown = self.unknown.len();
        writeln!(
            std::io::stderr(),
            "{abi}: {} constants agree with the headers, which do not know {unknown}",
            self.agreed
        )?;
        Ok(())
    }
}

impl Headers {
    fn are_installed(&self) -> bool {
        self.directory.is_none_or(|directory| Path::new(directory).join("linux/fcntl.h").is_file())
            && self
                .compile("#include <linux/fcntl.h>\n", &["-fsyntax-only"])
                .is_ok_and(|out| out.status.success())
    }

    /// Holds the values that `value` has for the rows against the headers that the rows name.
    fn check(&self, rows: &[Row], value: impl Fn(Abi, &str) -> Option<u64>) -> anyhow::Result<Report> {
        let mut report = Report::default();
        let mut by_header: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for row in rows {
            by_header.entry(&row.header).or_default().push(&row.name);
        }
        for (header, names) in by_header {
            let source = include(header);
            let known = self.words(&source)?;
            let mut asserted = source;
            let mut count = 0;
            for name in names {
                match value(self.abi, name) {
                    Some(value) if known.contains(name) => {
                        writeln!(
                            asserted,
                            "_Static_assert((unsigned long long)(long long)({name}) == {value}ull, \"{name}\");"
                        )?;
                        count += 1;
                    }
                    Some(_) => {
                        report.unknown.push(name.to_owned());
                    }
                    None => {}
                }
            }
            if count == 0 {
                continue;
            }
            let output = self.compile(&asserted, &["-fsyntax-only", "-w"])?;
            let errors = String::from_utf8_lossy(&output.stderr);
            let faults: Vec<&str> = errors.lines().filter(|line| line.contains(" error: ")).collect();
            ensure!(output.status.success() == faults.is_empty(), "<{header}> {errors}");
            report.agreed += count - faults.len().min(count);
            report.faults.extend(faults.into_iter().map(|fault| format!("<{header}> {fault}")));
        }
        Ok(report)
    }

    /// Every word that a header leaves behind: macros, and what is in enumerations. None where it is not installed.
    fn words(&self, source: &str) -> anyhow::Result<BTreeSet<String>> {
        let mut words = BTreeSet::new();
        let output = self.compile(source, &["-E", "-dD"])?;
        if !output.status.success() {
            return Ok(words);
        }
        for line in String::from_utf8(output.stdout)?.lines() {
            // Of a macro only its name: what it stands for may be a macro of a header that is not there.
            let text = match line.strip_prefix("#define ") {
                Some(rest) => rest.split(' ').next().unwrap_or_default(),
                None => line,
            };
            words.extend(text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').map(str::to_owned));
        }
        Ok(words)
    }

    fn compile(&self, source: &str, options: &[&str]) -> anyhow::Result<Output> {
        let scratch = tempfile::tempdir()?;
        let path = scratch.path().join("constants.c");
        fs::write(&path, source)?;
        let mut compiler = Command::new("cc");
        compiler.args(self.options).args(options);
        if let Some(directory) = self.directory {
            let own = Command::new("cc").arg("-print-file-name=include").output()?;
            compiler.arg("-nostdinc").arg("-isystem").arg(directory);
            compiler.arg("-isystem").arg(String::from_utf8(own.stdout)?.trim());
        }
        compiler.arg(&path).output().context("failed to run cc")
    }
}

/// Headers whose constants are made of what others define.
const COMPANIONS: &[(&str, &str)] = &[
    ("asm/ioctls.h", "#include <asm/termbits.h>\n"),
    ("linux/fs.h", "#include <linux/blktrace_api.h>\n#include <linux/fiemap.h>\n"),
    ("linux/mount.h", "#include <linux/fcntl.h>\n"),
];

/// What must be included for a header: some of the kernel's rely on others.
fn include(header: &str) -> String {
    let mut source = String::from("#define _GNU_SOURCE\n#include <stddef.h>\n");
    if header.starts_with("asm/") || header.starts_with("linux/") {
        source.push_str("#include <linux/types.h>\n#include <linux/ioctl.h>\n");
    }
    let companions = COMPANIONS.iter().filter(|(other, _)| *other == header);
    source.extend(companions.map(|(_, includes)| *includes));
    source + "#include <" + header + ">\n"
}

/// Each constant of constants.tsv with its header.
fn rows() -> anyhow::Result<Vec<Row>> {
    let path = repository_root().join("crates/sandprint-model/data/arguments/constants.tsv");
    let mut rows = BTreeMap::new();
    for line in fs::read_to_string(path)?.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [_, name, _, _, header] = cells[..] else { anyhow::bail!("constants.tsv has the row `{line}`") };
        rows.insert(name.to_owned(), header.to_owned());
    }
    Ok(rows.into_iter().map(|(name, header)| Row { name, header }).collect())
}

/// The release that calls.tsv has its names from; others may call a parameter otherwise.
const NAMED_AS_IN: &str = "6.18.";

/// Prints what the kernel says of its entry points, a line of a file behind its name each. Not every machine has tracefs
/// mounted: it is mounted here for nobody else.
const PROTOTYPES: &str = "cd /sys/kernel/tracing && { test -d events || mount -t tracefs sandprint-tests .; } && \
                          cd \"$PWD/events/syscalls\" && grep '' sys_enter_*/format";

/// Entry points that tracefs calls otherwise.
const OTHER_NAMES: &[(&str, &str)] = &[("umount", "umount2"), ("sendfile64", "sendfile")];

/// `long` arguments of which the kernel uses the lower half only: it hands them on as an int, or knows no flag above.
const LOWER_HALF: &[(&str, &[&str])] = &[
    ("clone", &["clone_flags"]),
    ("get_mempolicy", &["flags"]),
    ("mbind", &["mode"]),
    ("mmap", &["prot", "flags", "fd"]),
    ("mprotect", &["prot"]),
    ("mremap", &["flags"]),
    ("pkey_alloc", &["flags", "init_val"]),
    ("pkey_mprotect", &["prot"]),
    ("preadv", &["fd"]),
    ("preadv2", &["fd"]),
    ("ptrace", &["pid"]),
    ("pwritev", &["fd"]),
    ("pwritev2", &["fd"]),
    ("readv", &["fd"]),
    ("remap_file_pages", &["prot", "flags"]),
    ("unshare", &["unshare_flags"]),
    ("writev", &["fd"]),
];

#[test]
fn prototypes_are_those_of_the_running_kernel() -> anyhow::Result<()> {
    let abi = OWN.abi;
    let said = Command::new("unshare").args(["--mount", "sh", "-c", PROTOTYPES]).output()?;
    if !said.status.success() {
        let why = String::from_utf8_lossy(&said.stderr);
        return absent("root", &format!("tracefs cannot be read: {}", why.trim()));
    }
    let mut formats = BTreeMap::<&str, Vec<&str>>::new();
    for line in str::from_utf8(&said.stdout)?.lines() {
        let (of, line) = line.split_once("/format:").with_context(|| line.to_owned())?;
        formats.entry(of).or_default().push(line);
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let names_too = release.starts_with(NAMED_AS_IN);
    let widths = |all: &[(String, u8)]| all.iter().map(|(_, bits)| *bits).collect::<Vec<u8>>();
    let mut compared = 0;
    let mut faults = Vec::new();
    for (of, format) in formats {
        let traced = of.strip_prefix("sys_enter_").with_context(|| of.to_owned())?;
        let name = OTHER_NAMES.iter().find(|(other, _)| *other == traced).map_or(traced, |(_, name)| name);
        let Some(syscall) = Syscall::from_name(abi, name) else { continue };
        let theirs = prototype(&format);
        let narrow = LOWER_HALF.iter().find(|(call, _)| *call == name).map_or(&[][..], |(_, names)| names);
        let theirs: Vec<(String, u8)> = theirs
            .into_iter()
            .map(|(name, bits)| if narrow.contains(&name.as_str()) { (name, 32) } else { (name, bits) })
            .collect();
        let ours: Vec<(String, u8)> = arguments::of(syscall)
            .iter()
            .map(|one| (one.name.to_owned(), if one.width == Width::Bits32 { 32 } else { 64 }))
            .collect();
        if widths(&ours) != widths(&theirs) || (names_too && ours != theirs) {
            faults.push(format!("{name}: {ours:?}, the kernel has {theirs:?}"));
        }
        compared += 1;
    }
    ensure!(compared > 250, "only {compared} calls were found in tracefs");
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    writeln!(
        std::io::stderr(),
        "{compared} prototypes agree with Linux {}, names too: {names_too}",
        release.trim()
    )?;
    Ok(())
}

/// Names and widths of the fields of a format file that are arguments: those after the number, without what newer
/// kernels add from memory.
fn prototype(format: &[&str]) -> Vec<(String, u8)> {
    let mut arguments = Vec::new();
    for line in format.iter().filter_map(|line| line.trim().strip_prefix("field:")) {
        let Some((declared, rest)) = line.split_once(";\toffset:") else { continue };
        let offset = rest.split(';').next().and_then(|offset| offset.parse::<u32>().ok());
        let Some((kind, name)) = declared.rsplit_once([' ', '*']) else { continue };
        if offset.is_none_or(|offset| offset < 16) || name.starts_with("__") || declared.contains('[') {
            continue;
        }
        let wide = declared.contains('*')
            || ["long", "size_t", "off_t", "loff_t", "__u64", "aio_context_t", "cap_user_header_t"]
                .iter()
                .any(|word| kind.split(' ').any(|part| part == *word))
            || kind.ends_with("cap_user_data_t");
        arguments.push((name.trim_start_matches('_').to_owned(), if wide { 64 } else { 32 }));
    }
    arguments
}

#[test]
fn every_set_that_a_flag_argument_has_can_name_something() {
    for abi in Abi::ALL {
        for syscall in Syscall::all(abi) {
            for argument in arguments::of(syscall) {
                if let Kind::Flags(set) | Kind::One(set) = argument.kind {
                    let of_abi = set.constants(abi).count();
                    let elsewhere = ["ARCH"].contains(&set.name());
                    assert!(of_abi > 0 || elsewhere, "{abi} {syscall} {} {}", argument.name, set.name());
                }
            }
        }
    }
}

fn has_compiler() -> bool {
    Command::new("cc").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Says what is missing; fails where the environment promises it.
fn absent(word: &str, what: &str) -> anyhow::Result<()> {
    let expected = std::env::var("SANDPRINT_EXPECT").unwrap_or_default();
    ensure!(
        !expected.split(',').any(|promise| promise.trim() == word),
        "{what}, but SANDPRINT_EXPECT has {word}"
    );
    // Past the test harness, which would show it only for a test that fails.
    writeln!(std::io::stderr(), "skipped: {what}")?;
    Ok(())
}

fn repository_root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}
