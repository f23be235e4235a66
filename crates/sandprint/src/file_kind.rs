//! What a file is that a command did not expect, and which command reads it.

use sandprint_model::Arch;
use sandprint_model::import::{ImportConfig, Importer, Source};
use sandprint_model::wire::{self, DecodeError, LooksLike};
use sandprint_policy::import::{self, Format};

mod ours;

/// A kind of file that sandprint or others write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Trace,
    PolicyFile,
    PolicyJson,
    Sandprint01,
    Strace,
    Audit,
    AuditReport,
    RuntimeProfile,
    Unit,
    Bpf,
    Yaml,
    Header,
    Markdown,
    Kafel,
    Minijail,
    Shown,
    Report,
    Sarif,
    Firecracker,
    OtherJson,
    Script,
    Elf,
    Compressed,
    Binary,
}

impl FileKind {
    /// Whether it is JSON that the readers of traces and policies have no word for.
    pub(crate) fn is_unread_json(self) -> bool {
        matches!(self, FileKind::Shown | FileKind::Report | FileKind::Sarif | FileKind::Firecracker)
    }

    /// How much of a file is looked at.
    pub(crate) const LOOKED_AT: usize = 256 << 10;

    /// Whether `profile import` reads it with this `--from`.
    pub(crate) fn is_source(self, source: Source) -> bool {
        match source {
            Source::Audit => self == FileKind::Audit,
            Source::Sandprint01 => self == FileKind::Sandprint01,
            Source::Strace => self == FileKind::Strace,
        }
    }

    /// Finds it out; `None` where a text is of no kind that is known.
    pub(crate) fn of(bytes: &[u8]) -> Option<FileKind> {
        let bytes = wire::without_mark(bytes);
        let head = bytes.get(..FileKind::LOOKED_AT).unwrap_or(bytes);
        for (magic, kind) in [
            (&b"\x7fELF"[..], FileKind::Elf),
            (b"\x1f\x8b", FileKind::Compressed),
            (b"\xfd7zXZ", FileKind::Compressed),
            (b"BZh", FileKind::Compressed),
            (b"\x28\xb5\x2f\xfd", FileKind::Compressed),
            (b"#!", FileKind::Script),
        ] {
            if head.starts_with(magic) {
                return Some(kind);
            }
        }
        let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
        if matches!(first, Some(b'{' | b'[')) && !begins_with_header(head) {
            let of_others = || of_log(head).or_else(|| ours::of_json(bytes));
            return of_json(bytes).or_else(of_others).or(Some(FileKind::OtherJson));
        }
        if is_policy_file(head) {
            return Some(FileKind::PolicyFile);
        }
        if let Some(kind) = of_log(head) {
            return Some(kind);
        }
        match import::sniff(bytes) {
            Some(Format::Systemd) => return Some(FileKind::Unit),
            Some(Format::Docker | Format::Oci) => return Some(FileKind::RuntimeProfile),
            Some(Format::Bpf) => return Some(FileKind::Bpf),
            None => {}
        }
        // The end may stand in the middle of a character.
        match std::str::from_utf8(head) {
            Err(error) if error.error_len().is_some() => Some(FileKind::Binary),
            _ if head.contains(&0) => Some(FileKind::Binary),
            _ => of_text(&String::from_utf8_lossy(head)),
        }
    }

    /// What it is, with its article.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            FileKind::Trace => "a trace",
            FileKind::PolicyFile => "a policy file",
            FileKind::PolicyJson => "a policy in JSON",
            FileKind::Sandprint01 => "a trace of sandprint 0.1",
            FileKind::Strace => "a log of strace",
            FileKind::Audit => "an audit log",
            FileKind::AuditReport => "a report of ausearch",
            FileKind::RuntimeProfile => "a seccomp profile of a container runtime",
            FileKind::Unit => "a unit of systemd",
            FileKind::Bpf => "a raw BPF program",
            FileKind::Yaml => "YAML",
            FileKind::Header => "C",
            FileKind::Markdown => "Markdown",
            FileKind::Kafel => "a policy of kafel (nsjail)",
            FileKind::Minijail => "a policy of minijail",
            FileKind::Shown => "what `profile show` printed",
            FileKind::Report => "a report of `profile verify`",
            FileKind::Sarif => "a report in SARIF",
            FileKind::Firecracker => "a filter of Firecracker",
            FileKind::OtherJson => "JSON of another kind",
            FileKind::Script => "a script",
            FileKind::Elf => "a program",
            FileKind::Compressed => "compressed",
            FileKind::Binary => "no text",
        }
    }

    /// Which command reads it, or what to give instead.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            FileKind::Trace => "make a policy of a trace: `sandprint profile generate -i TRACE -f toml`",
            FileKind::PolicyFile | FileKind::PolicyJson => {
                "`sandprint policy explain FILE` shows a policy, `run`, `verify` and `policy test` use it; a trace \
                 cannot be made of it"
            }
            FileKind::Sandprint01 => {
                "`sandprint profile import --from sandprint-0.1 FILE` makes a trace of it"
            }
            FileKind::Strace => "`sandprint profile import --from strace FILE` makes a trace of it",
            FileKind::Audit => "`sandprint profile import --from audit FILE` makes a trace of it",
            FileKind::AuditReport => {
                "give the records themselves, `ausearch --raw`, to `sandprint profile import --from audit`"
            }
            FileKind::RuntimeProfile => "`sandprint policy import FILE` makes a policy of it",
            FileKind::Unit => "`sandprint policy import --from systemd FILE` makes a policy of it",
            FileKind::Bpf => "`sandprint policy import --from bpf FILE` makes a policy of it",
            FileKind::Yaml => {
                "YAML is not read: give the JSON profile, or the policy that this was generated from"
            }
            FileKind::Header
            | FileKind::Markdown
            | FileKind::Kafel
            | FileKind::Minijail
            | FileKind::Firecracker => {
                "this is written and not read: give the policy file that it was generated from"
            }
            FileKind::Shown => {
                "this is written and not read: give the trace that was shown, `sandprint profile generate -i TRACE`"
            }
            FileKind::Report | FileKind::Sarif => {
                "this is written and not read: give the policy that was tried"
            }
            FileKind::Script | FileKind::Elf => {
                "record it: `sandprint profile run -o TRACE -- FILE`, and generate a policy of the trace"
            }
            FileKind::Compressed => "decompress it first; `zcat FILE | sandprint ... -` will do",
            FileKind::Binary | FileKind::OtherJson => "check the name",
        }
    }
}

fn of_json(bytes: &[u8]) -> Option<FileKind> {
    let looks_like = match wire::decode_trace(bytes) {
        Ok(_) => return Some(FileKind::Trace),
        Err(DecodeError::Foreign { looks_like, .. }) => looks_like,
        Err(_) if import::sniff(bytes).is_some() => return Some(FileKind::RuntimeProfile),
        Err(_) => return None,
    };
    match looks_like {
        LooksLike::Trace => Some(FileKind::Trace),
        LooksLike::Policy => Some(FileKind::PolicyJson),
        LooksLike::SeccompProfile => Some(FileKind::RuntimeProfile),
        LooksLike::Sandprint01 => Some(FileKind::Sandprint01),
        LooksLike::OtherJson => import::sniff(bytes).map(|_| FileKind::RuntimeProfile),
    }
}

/// The importers themselves say whether a log is one of theirs.
fn of_log(head: &[u8]) -> Option<FileKind> {
    let config = ImportConfig { arch: Arch::X86_64 };
    [(Source::Strace, FileKind::Strace), (Source::Audit, FileKind::Audit)].into_iter().find_map(
        |(source, kind)| {
            let mut importer = Importer::new(source, &config);
            importer.take(head).ok()?;
            importer.has_found().then_some(kind)
        },
    )
}

/// `[Service]` and `[[x86_64.read]]` begin like a list of JSON.
fn begins_with_header(head: &[u8]) -> bool {
    let line = head.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let inner = line.trim_ascii_end().trim_ascii_start();
    inner.starts_with(b"[")
        && inner.ends_with(b"]")
        && inner.get(1).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'[')
}

fn is_policy_file(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    text.lines().map(str::trim_start).any(|line| {
        let key = line.split_once('=').map(|(key, _)| key.trim_end());
        matches!(key, Some("version" | "default" | "foreign"))
            || (line.starts_with("[[") && line.trim_end().ends_with("]]") && line.contains('.'))
    })
}

fn of_text(text: &str) -> Option<FileKind> {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines().next()?;
    let any = |starts: &[&str]| lines().any(|line| starts.iter().any(|start| line.starts_with(start)));
    let is_minijail = |line: &str| {
        line.split_once(':').is_some_and(|(name, rule)| {
            let rule = rule.trim();
            let is_name =
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            is_name
                && (rule == "1" || rule == "allow" || rule.starts_with("return ") || rule.starts_with("arg"))
        })
    };
    if ours::is_table(text) {
        return Some(FileKind::Shown);
    }
    if first.starts_with("NODE,EVENT,") || first.starts_with("At ") {
        return Some(FileKind::AuditReport);
    }
    if any(&["#include", "#define", "#ifndef", "#ifdef", "#pragma"]) {
        return Some(FileKind::Header);
    }
    if any(&["POLICY ", "ALLOW {", "USE ", "DEFAULT "]) && text.contains('{') {
        return Some(FileKind::Kafel);
    }
    if first.starts_with("---") || first.starts_with("%YAML") || any(&["apiVersion:"]) {
        return Some(FileKind::Yaml);
    }
    if lines().any(is_minijail) {
        return Some(FileKind::Minijail);
    }
    (any(&["| ---", "```", "## "]) || (first.starts_with("# ") && any(&["- ", "| "])))
        .then_some(FileKind::Markdown)
}
