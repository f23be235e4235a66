//! The model's system call tables against what this machine knows: kernel headers, libseccomp, the manual.
//!
//! A witness that is not installed is named in the test's output. With its word in `SANDPRINT_EXPECT`
//! (`headers`, `libseccomp`, `manpages`; separated by commas) its absence is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use sandprint_model::{Abi, KernelVersion, Syscall};

/// What a witness knows of one ABI.
type Calls = BTreeMap<String, u32>;

/// Kernel headers of one ABI: where they may be installed, and what must be included.
struct Headers {
    abi: Abi,
    /// Where headers of another architecture are installed; none for those that the compiler finds by itself.
    directory: Option<&'static str>,
    include: &'static str,
    /// What the architecture defines before it includes the generic table.
    defines: &'static [&'static str],
}

/// What arm64's asm/unistd.h asks of the generic table.
#[cfg(target_arch = "x86_64")]
const ARM64_WANTS: &[&str] = &[
    "__ARCH_WANT_RENAMEAT",
    "__ARCH_WANT_NEW_STAT",
    "__ARCH_WANT_SET_GET_RLIMIT",
    "__ARCH_WANT_TIME32_SYSCALLS",
    "__ARCH_WANT_SYS_CLONE3",
    "__ARCH_WANT_MEMFD_SECRET",
];

/// The headers of the machine that the test runs on. The generic table, arm64's, is part of every machine's.
#[cfg(target_arch = "x86_64")]
const OWN: &[Headers] = &[
    Headers { abi: Abi::X86_64, directory: None, include: "asm/unistd_64.h", defines: &[] },
    Headers { abi: Abi::I386, directory: None, include: "asm/unistd_32.h", defines: &[] },
    Headers {
        abi: Abi::X32,
        directory: None,
        include: "asm/unistd_x32.h",
        defines: &["__X32_SYSCALL_BIT 0x40000000"],
    },
    Headers { abi: Abi::Aarch64, directory: None, include: "asm-generic/unistd.h", defines: ARM64_WANTS },
];
#[cfg(target_arch = "aarch64")]
const OWN: &[Headers] =
    &[Headers { abi: Abi::Aarch64, directory: None, include: "asm/unistd.h", defines: &[] }];

/// The headers of other machines, where Debian's packages for cross compilers put them.
const OTHERS: &[Headers] = &[
    Headers {
        abi: Abi::Aarch64,
        directory: Some("/usr/aarch64-linux-gnu/include"),
        include: "asm/unistd.h",
        defines: &[],
    },
    Headers {
        abi: Abi::Arm,
        directory: Some("/usr/arm-linux-gnueabihf/include"),
        include: "asm/unistd.h",
        defines: &["__ARM_EABI__"],
    },
];

/// What headers define in the manner of a call, and is none of ours.
const HEADER_ONLY: &[(&str, &str)] = &[
    ("syscalls", "the length of the generic table"),
    ("arch_specific_syscall", "the start of the numbers that architectures may use as they like"),
    ("OABI_SYSCALL_BASE", "what arm adds to the numbers of the old ABI"),
    ("SYSCALL_BASE", "what arm adds to the numbers of this ABI: nothing"),
    ("SYSCALL_MASK", "where arm's numbers end"),
    ("BASE", "where arm's private numbers start"),
    ("sync_file_range2", "arm: another name for arm_sync_file_range"),
];

#[test]
fn every_call_of_the_kernel_headers_is_ours_and_the_reverse() -> anyhow::Result<()> {
    let mut own = 0;
    for headers in OWN.iter().chain(OTHERS) {
        if headers.are_installed() {
            let (release, calls) = headers.read()?;
            eprintln!("{}: {} of Linux {release}: {} calls", headers.abi, headers.include, calls.len());
            compare(headers.abi, &calls, release).with_context(|| headers.include)?;
            own += usize::from(headers.directory.is_none());
        } else {
            eprintln!("{}: no {}", headers.abi, headers.include);
        }
    }
    if own < OWN.len() {
        return absent("headers", "not all kernel headers are installed (Debian: linux-libc-dev)");
    }
    Ok(())
}

impl Headers {
    fn are_installed(&self) -> bool {
        match self.directory {
            Some(directory) => Path::new(directory).join(self.include).is_file(),
            None => self.preprocess(&format!("#include <{}>\n", self.include), &["-P"]).is_ok(),
        }
    }

    /// The release of the headers, and the calls that they define.
    fn read(&self) -> anyhow::Result<(KernelVersion, Calls)> {
        let mut source = String::new();
        for define in self.defines {
            writeln!(source, "#define {define}")?;
        }
        writeln!(source, "#include <linux/version.h>\n#include <{}>", self.include)?;
        let macros = self.preprocess(&source, &["-dM"])?;
        let mut names = BTreeSet::new();
        for line in macros.lines() {
            let name = line.strip_prefix("#define ").and_then(|rest| rest.split_whitespace().next());
            // __NR3264_ names are internal to the generic table.
            for prefix in ["__NR_", "__ARM_NR_"] {
                if let Some(call) = name.and_then(|name| name.strip_prefix(prefix)) {
                    names.insert((call.to_owned(), prefix));
                }
            }
        }
        // The values, in the order of the names, after the release.
        source.push_str("@ LINUX_VERSION_CODE\n");
        for (call, prefix) in &names {
            writeln!(source, "@ {prefix}{call}")?;
        }
        let expanded = self.preprocess(&source, &["-P"])?;
        let mut values = expanded.lines().filter_map(|line| line.strip_prefix("@ ")).map(sum);
        let release = version(values.next().context("linux/version.h defines no release")??)?;
        let mut calls = Calls::new();
        for ((call, prefix), value) in names.into_iter().zip(values) {
            if HEADER_ONLY.iter().all(|(name, _)| *name != call) {
                let value = value.with_context(|| format!("failed to evaluate {prefix}{call}"))?;
                let nr = if self.abi == Abi::X32 { value & !Abi::X32_BIT } else { value };
                calls.insert(call, nr);
            }
        }
        Ok((release, calls))
    }

    fn preprocess(&self, source: &str, options: &[&str]) -> anyhow::Result<String> {
        let scratch = tempfile::tempdir()?;
        let path = scratch.path().join("calls.c");
        fs::write(&path, source)?;
        let mut compiler = Command::new("cc");
        compiler.arg("-E").args(options);
        if let Some(directory) = self.directory {
            compiler.arg("-nostdinc").arg("-I").arg(directory);
        }
        output(compiler.arg(&path))
    }
}

/// `LINUX_VERSION_CODE` without the patch level.
fn version(code: u32) -> anyhow::Result<KernelVersion> {
    Ok(KernelVersion::new(u16::try_from(code >> 16)?, u16::try_from((code >> 8) & 0xff)?))
}

/// The value of `((0 + 0x0f0000)+1)`: numbers, parentheses and sums is all that headers use.
fn sum(expression: &str) -> anyhow::Result<u32> {
    let plain: String = expression.chars().filter(|c| !matches!(c, '(' | ')' | ' ')).collect();
    let mut total = 0;
    for term in plain.split('+') {
        total += match term.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16)?,
            None => term.parse()?,
        };
    }
    Ok(total)
}

/// A program that prints every call that libseccomp knows: ABI, number, name. Given `-v`, its own version.
const LIBSECCOMP_PROGRAM: &str = r#"
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>

static const struct { const char *name; unsigned arch; int bit; } abis[] = {
    { "aarch64", SCMP_ARCH_AARCH64, 0 },
    { "arm", SCMP_ARCH_ARM, 0 },
    { "i386", SCMP_ARCH_X86, 0 },
    { "x32", SCMP_ARCH_X32, 0x40000000 },
    { "x86_64", SCMP_ARCH_X86_64, 0 },
};

static void print_range(int abi, int from, int to)
{
    for (int nr = from; nr < to; nr++) {
        char *name = seccomp_syscall_resolve_num_arch(abis[abi].arch, nr | abis[abi].bit);
        if (name)
            printf("%s\t%d\t%s\n", abis[abi].name, nr, name);
        free(name);
    }
}

int main(void)
{
    const struct scmp_version *version = seccomp_version();
    printf("version\t0\t%u.%u.%u\n", version->major, version->minor, version->micro);
    for (int abi = 0; abi < 5; abi++) {
        print_range(abi, 0, 4096);
        print_range(abi, 0xf0000, 0xf0100);
    }
    return 0;
}
"#;

#[test]
fn every_call_of_libseccomp_is_ours_and_the_reverse() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let probe = scratch.path().join("probe.c");
    fs::write(&probe, "#include <seccomp.h>\n")?;
    if output(Command::new("cc").arg("-E").arg(&probe)).is_err() {
        return absent("libseccomp", "seccomp.h is not installed (Debian: libseccomp-dev)");
    }
    let source = scratch.path().join("calls.c");
    let program = scratch.path().join("calls");
    fs::write(&source, LIBSECCOMP_PROGRAM)?;
    output(Command::new("cc").arg("-o").arg(&program).arg(&source).arg("-lseccomp"))?;

    let mut tables: BTreeMap<Abi, Calls> = BTreeMap::new();
    for line in output(&mut Command::new(&program))?.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [abi, nr, name] = cells[..] else { bail!("the program printed `{line}`") };
        match Abi::from_name(abi) {
            Some(abi) => {
                tables.entry(abi).or_default().insert(name.to_owned(), nr.parse()?);
            }
            None => eprintln!("libseccomp {name}"),
        }
    }
    ensure!(tables.len() == Abi::ALL.len(), "libseccomp knows the ABIs {:?} only", tables.keys());
    // libseccomp does not say which kernel its tables are of: that of the newest call that it has.
    let known = tables.iter().flat_map(|(abi, calls)| calls.keys().map(|name| (*abi, name)));
    let newest = known.filter_map(|(abi, name)| Syscall::from_name(abi, name)?.since()).max();
    let newest = newest.context("libseccomp knows no call")?;
    for (abi, calls) in &tables {
        eprintln!("{abi}: {} calls, as of Linux {newest}", calls.len());
        compare(*abi, calls, newest)?;
    }
    Ok(())
}

/// Holds the calls of a witness against ours.
///
/// Each of its calls must be ours, with the same number, and not newer than the witness. Each of ours must be the
/// witness's, unless it is newer than the witness.
fn compare(abi: Abi, theirs: &Calls, release: KernelVersion) -> anyhow::Result<()> {
    let mut faults = Vec::new();
    for (name, nr) in theirs {
        match Syscall::from_name(abi, name) {
            None => faults.push(format!("{name} ({nr}) is missing here")),
            Some(ours) if ours.nr != *nr => faults.push(format!("{name} is {nr} there and {} here", ours.nr)),
            Some(ours) if ours.since() > Some(release) => {
                faults.push(format!(
                    "{name} is there already in {release}, here only since {:?}",
                    ours.since()
                ));
            }
            Some(_) => {}
        }
    }
    for ours in Syscall::all(abi) {
        let name = ours.name().context("a listed call has a name")?;
        if !theirs.contains_key(name) && ours.since() <= Some(release) {
            faults.push(format!(
                "{name} ({}) is missing there, though as old as {:?}",
                ours.nr,
                ours.since()
            ));
        }
    }
    ensure!(faults.is_empty(), "{abi} against Linux {release}:\n{}", faults.join("\n"));
    Ok(())
}

#[test]
fn a_table_with_a_fault_does_not_pass() -> anyhow::Result<()> {
    let release = KernelVersion::new(5, 3);
    let of_5_3 = || {
        let old = Syscall::all(Abi::Aarch64).filter(|call| call.since() <= Some(release));
        old.filter_map(|call| Some((call.name()?.to_owned(), call.nr))).collect::<Calls>()
    };
    compare(Abi::Aarch64, &of_5_3(), release)?;

    let mut calls = of_5_3();
    calls.insert("mseal".to_owned(), 462);
    calls.insert("fstatat".to_owned(), 79);
    calls.insert("read".to_owned(), 0);
    calls.remove("clone3");
    let message =
        compare(Abi::Aarch64, &calls, release).err().context("the faults were not seen")?.to_string();
    let expected = "aarch64 against Linux 5.3:\n\
        fstatat (79) is missing here\n\
        mseal is there already in 5.3, here only since Some(KernelVersion { major: 6, minor: 10 })\n\
        read is 0 there and 63 here\n\
        clone3 (435) is missing there, though as old as Some(KernelVersion { major: 5, minor: 3 })";
    ensure!(message == expected, "{message}");
    Ok(())
}

/// The edition of the manual that since.tsv was transcribed from.
const MANUAL: &str = "Linux man-pages 6.03";

#[test]
fn releases_that_cite_the_manual_are_those_of_the_manual() -> anyhow::Result<()> {
    let page = Path::new("/usr/share/man/man2/syscalls.2.gz");
    if !page.is_file() {
        return absent("manpages", "syscalls(2) is not installed (Debian: manpages-dev)");
    }
    let page = output(Command::new("gzip").arg("-dc").arg(page))?;
    if !page.contains(MANUAL) {
        return absent("manpages", &format!("syscalls(2) is not of {MANUAL}"));
    }
    let releases = manual_releases(&page);
    ensure!(releases.len() > 400, "syscalls(2) was not understood: {} calls", releases.len());
    let data = repository_root().join("crates/sandprint-model/data/syscalls/since.tsv");
    let mut cited = 0;
    for line in fs::read_to_string(data)?.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [name, scope, since, source] = cells[..] else { bail!("since.tsv has the row `{line}`") };
        // With more words than the page's name and release, a source says what it makes of the page.
        let plain = source.trim_start_matches("syscalls(2)").chars().all(|c| !c.is_ascii_alphabetic());
        if scope == "*" && source.starts_with("syscalls(2)") && plain {
            ensure!(
                releases.get(name).map(String::as_str) == Some(since),
                "{line}: {:?}",
                releases.get(name)
            );
            cited += 1;
        }
    }
    ensure!(cited > 350, "only {cited} rows cite the manual");
    Ok(())
}

/// The release of each call in the table of syscalls(2), as far as sandprint tells releases apart. Of two, the newer:
/// the older one is a backport.
fn manual_releases(page: &str) -> BTreeMap<String, String> {
    let mut releases = BTreeMap::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [name, kernel, ..] = cells[..] else { continue };
        let name = name.strip_prefix("\\fB").and_then(|rest| rest.strip_suffix("\\fP(2)"));
        let parsed = kernel.split("; ").filter_map(|release| release.parse::<KernelVersion>().ok());
        if let (Some(name), Some(release)) = (name, parsed.max()) {
            releases.insert(name.to_owned(), release.to_string());
        }
    }
    releases
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

/// What a program prints; what it complains about, if it fails.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("failed to run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn repository_root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}
