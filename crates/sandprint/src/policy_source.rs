//! Reading a policy: a policy file or its JSON form, checked before anything is done with it.

use std::path::{Path, PathBuf};

use sandprint_model::wire::{self, PolicyFile, Position, Problem};
use sandprint_model::{Policy, Syscall};
use sandprint_policy::check::{self, Fault, Severity};
use sandprint_view::faults::Said;

use crate::file_kind::FileKind;
use crate::output::{self, quote};
use crate::trace_file::{ReadError, read_bytes};

/// A policy that was read, and where it came from.
#[derive(Debug)]
pub(crate) struct PolicySource {
    /// Its name for messages: the path, or `standard input`.
    pub(crate) name: String,
    /// What it says, with the comments and places of its text, where it was a policy file.
    pub(crate) file: PolicyFile,
    /// Whether it was a policy file, and not JSON.
    pub(crate) is_policy_file: bool,
}

/// A policy could not be read, or must not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is of another kind.
    #[error("failed to read {} as a policy: it is {}", quote(path), kind.noun())]
    OtherKind {
        /// Which.
        path: PathBuf,
        /// What it is.
        kind: FileKind,
    },
    /// It is no UTF-8.
    #[error("failed to read {} as a policy: it is no text", quote(.0))]
    NotText(PathBuf),
    /// It is no policy file that can be understood.
    #[error("failed to read {name} as a policy file:\n{}", lines(problems))]
    Problems {
        /// Which.
        name: String,
        /// Everything that is wrong with it.
        problems: Vec<Said>,
    },
    /// It is no policy in JSON.
    #[error("failed to read {} as a policy", quote(path))]
    Json {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: wire::DecodeError,
    },
}

/// Most problems of one file that an error lists; `policy check` lists all.
const LISTED: usize = 10;

fn lines(problems: &[Said]) -> String {
    let mut text: Vec<String> = problems
        .iter()
        .take(LISTED)
        .map(|said| match &said.hint {
            Some(hint) => format!("  {}: {} ({hint})", said.at, said.message),
            None => format!("  {}: {}", said.at, said.message),
        })
        .collect();
    if problems.len() > LISTED {
        text.push(format!("  and {} more", problems.len() - LISTED));
    }
    text.join("\n")
}

impl PolicySource {
    /// The policy.
    pub(crate) fn policy(&self) -> &Policy {
        &self.file.policy
    }

    /// Reads a policy, or standard input for `-`, without looking whether it makes sense.
    pub(crate) fn read(path: &Path) -> Result<PolicySource, PolicyError> {
        let limit = u64::try_from(wire::POLICY_FILE_MOST_BYTES).unwrap_or(u64::MAX);
        PolicySource::from_bytes(path, &read_bytes(path, limit)?)
    }

    /// The same of bytes that were read from there.
    pub(crate) fn from_bytes(path: &Path, bytes: &[u8]) -> Result<PolicySource, PolicyError> {
        let name = if path == Path::new("-") {
            "standard input".to_owned()
        } else {
            sandprint_model::ByteString::new(path.as_os_str().as_encoded_bytes()).escaped()
        };
        let bytes = wire::without_mark(bytes);
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
            let policy = wire::decode_policy(bytes).map_err(|source| {
                match FileKind::of(bytes).filter(|kind| kind.is_unread_json()) {
                    Some(kind) => PolicyError::OtherKind { path: path.to_owned(), kind },
                    None => PolicyError::Json { path: path.to_owned(), source },
                }
            })?;
            return Ok(PolicySource { name, file: PolicyFile::new(policy), is_policy_file: false });
        }
        let other = || match FileKind::of(bytes) {
            None | Some(FileKind::PolicyFile | FileKind::Binary) => None,
            Some(kind) => Some(PolicyError::OtherKind { path: path.to_owned(), kind }),
        };
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Err(other().unwrap_or_else(|| PolicyError::NotText(path.to_owned())));
        };
        match PolicyFile::read(text) {
            Ok(file) => Ok(PolicySource { name, file, is_policy_file: true }),
            Err(problems) => {
                if let Some(error) = other() {
                    return Err(error);
                }
                let problems = problems.into_iter().map(|problem| said_of_problem(&name, problem)).collect();
                Err(PolicyError::Problems { name, problems })
            }
        }
    }

    /// Reads a policy to use it: faults are told as warnings, or refuse it.
    pub(crate) fn read_sound(path: &Path) -> Result<PolicySource, PolicyError> {
        let source = PolicySource::read(path)?.usable()?;
        source.warn();
        Ok(source)
    }

    /// Reads a policy to ask it something: one that allows nothing has answers too.
    pub(crate) fn read_to_ask(path: &Path) -> Result<PolicySource, PolicyError> {
        let source = PolicySource::read(path)?;
        let is_about_rules = |said: &Said| said.at != source.name;
        let errors: Vec<Said> =
            source.faults().into_iter().filter(|said| said.severity == Severity::Error).collect();
        if errors.iter().any(is_about_rules) {
            return Err(PolicyError::Problems { name: source.name, problems: errors });
        }
        for said in errors {
            output::warn(&format!("{}: {}", said.at, said.message));
        }
        source.warn();
        Ok(source)
    }

    /// The same, if nothing in it is an error.
    pub(crate) fn usable(self) -> Result<PolicySource, PolicyError> {
        let errors: Vec<Said> =
            self.faults().into_iter().filter(|said| said.severity == Severity::Error).collect();
        if errors.is_empty() {
            return Ok(self);
        }
        Err(PolicyError::Problems { name: self.name, problems: errors })
    }

    /// Says what may surprise.
    fn warn(&self) {
        let warnings = self.faults().into_iter().filter(|said| said.severity == Severity::Warning);
        // Rules without a reason are counted: each by itself would hide what matters.
        let (bare, others): (Vec<Said>, Vec<Said>) =
            warnings.partition(|said| said.message == "this rule has no reason");
        for said in others {
            output::warn(&format!("{}: {}", said.at, said.message));
        }
        if !bare.is_empty() {
            let first = bare.first().map(|said| said.at.clone()).unwrap_or_default();
            let rules =
                if bare.len() == 1 { "1 rule has".to_owned() } else { format!("{} rules have", bare.len()) };
            output::note(&format!("{rules} no reason, the first at {first}"));
        }
    }

    /// Everything that the policy says and cannot have been meant, in the order of its text.
    pub(crate) fn faults(&self) -> Vec<Said> {
        let mut faults = check::check(self.policy());
        faults.sort_by_key(|fault| {
            fault.at.and_then(|at| self.file.position(at.syscall, at.rule, at.condition))
        });
        faults.into_iter().map(|fault| self.said_of_fault(fault)).collect()
    }

    /// A rule's place, for messages: file, line and column, or the call where the text has no places.
    pub(crate) fn place(&self, syscall: Syscall, rule: usize, condition: Option<usize>) -> String {
        match self.file.position(syscall, rule, condition) {
            Some(position) => format!("{}:{position}", self.name),
            None => format!("{}: {} {syscall}, rule {}", self.name, syscall.abi, rule + 1),
        }
    }

    fn said_of_fault(&self, fault: Fault) -> Said {
        let at = match fault.at {
            Some(at) => self.place(at.syscall, at.rule, at.condition),
            None => self.name.clone(),
        };
        Said { at, severity: fault.severity, message: fault.message, hint: Some(fault.hint) }
    }
}

fn said_of_problem(name: &str, problem: Problem) -> Said {
    let Problem { at: Position { line, column }, message, hint } = problem;
    Said { at: format!("{name}:{line}:{column}"), severity: Severity::Error, message, hint }
}

/// What to do about a policy that was refused.
pub(crate) fn hint(error: &PolicyError) -> &'static str {
    const FORMS: &str = "give a policy file (TOML), or what `sandprint profile generate -f json` wrote";
    match error {
        PolicyError::Read(ReadError::TooLarge { .. }) => {
            "this is no policy that sandprint wrote; check the name"
        }
        PolicyError::Read(ReadError::Empty(_)) => {
            "it may have been emptied by a redirection (`> FILE`) before it was read; generate it again"
        }
        PolicyError::Read(_) => {
            "check the name; `sandprint profile generate -f toml -i TRACE -o FILE` writes a policy"
        }
        PolicyError::OtherKind { kind, .. } => kind.hint(),
        PolicyError::NotText(_) => "a raw BPF filter is read by `sandprint policy import --from bpf`",
        PolicyError::Problems { .. } => "`sandprint policy check FILE` lists all of it",
        PolicyError::Json { source, .. } => match source {
            wire::DecodeError::Foreign { looks_like: wire::LooksLike::Trace, .. } => {
                "make a policy of a trace: `sandprint profile generate -i TRACE -f toml`"
            }
            wire::DecodeError::Foreign { looks_like: wire::LooksLike::SeccompProfile, .. } => {
                "read the profile of a container runtime: `sandprint policy import FILE`"
            }
            wire::DecodeError::Newer { .. } => "read it with the sandprint that wrote it, or a newer one",
            wire::DecodeError::Truncated { .. } | wire::DecodeError::Empty { .. } => {
                "the file was cut off, perhaps by a copy that did not end; copy or generate it again"
            }
            _ => FORMS,
        },
    }
}
