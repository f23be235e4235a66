//! What to do about an error: every error that the user sees has a hint.

use std::error::Error;
use std::io;

use sandprint_model::wire::{DecodeError, LooksLike};
use sandprint_record::ebpf::RecorderError;
use sandprint_record::session::SessionError;
use sandprint_record::tracer::TracerError;
use sandprint_sandbox::probe::Deadly;
use sandprint_sandbox::user::UserError;

use crate::commands::profile::recording::Failed;
use crate::exit::Deciding;
use crate::output::OutputError;
use crate::policy_source::{self, PolicyError};
use crate::systemd::SystemdError;
use crate::target::TargetError;
use crate::trace_file::{ReadError, TraceOutputError, WriteError};

/// The hint for an error: the first that something in its chain has, from the outside in.
pub(crate) fn of(error: &anyhow::Error) -> String {
    error.chain().find_map(of_cause).unwrap_or_else(|| {
        "`sandprint --help` lists the commands, and each has a `--help` of its own".to_owned()
    })
}

fn of_cause(cause: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = cause.downcast_ref::<Deciding>() {
        return Some(error.hint.clone());
    }
    if let Some(error) = cause.downcast_ref::<TargetError>() {
        return Some(error.hint());
    }
    if let Some(error) = cause.downcast_ref::<SystemdError>() {
        return Some(error.hint());
    }
    if let Some(error) = cause.downcast_ref::<ReadError>() {
        return Some(of_read(error));
    }
    if let Some(error) = cause.downcast_ref::<PolicyError>() {
        return Some(policy_source::hint(error).to_owned());
    }
    if let Some(error) = cause.downcast_ref::<WriteError>() {
        return Some(of_write(error));
    }
    if let Some(error) = cause.downcast_ref::<TraceOutputError>() {
        return Some(of_trace_output(error));
    }
    if let Some(Failed(error)) = cause.downcast_ref::<Failed>() {
        return Some(of_session(error));
    }
    if let Some(error) = cause.downcast_ref::<UserError>() {
        return Some(of_user(error).to_owned());
    }
    if let Some(OutputError::Write(error)) = cause.downcast_ref::<OutputError>() {
        return Some(of_io(error).unwrap_or("check where standard output goes").to_owned());
    }
    None
}

/// What helps where a limit of this process is the cause, as far as one in the chain tells.
pub(crate) fn of_limit(error: &(dyn Error + 'static)) -> Option<&'static str> {
    anyhow::Chain::new(error).find_map(|cause| {
        let is_out_of_memory =
            cause.downcast_ref::<RecorderError>().is_some_and(RecorderError::is_out_of_memory);
        if is_out_of_memory {
            return Some(MORE_MEMORY);
        }
        let error = cause.downcast_ref::<io::Error>()?;
        match error.kind() {
            io::ErrorKind::OutOfMemory => Some(MORE_MEMORY),
            // A thread or a process more.
            io::ErrorKind::WouldBlock => Some("a limit of this host or user may be reached: see `ulimit -a`"),
            _ => of_open_files(error),
        }
    })
}

/// Every recorder looks tasks up there.
const MOUNT_PROC: &str = "/proc must be mounted: `mount -t proc proc /proc`";

fn of_session(error: &SessionError) -> String {
    if let Some(hint) = of_limit(error) {
        return hint.to_owned();
    }
    match error {
        SessionError::Recorder(error) => of_recorder(error),
        SessionError::Tracer(TracerError::Seize(_)) => {
            "a process has one tracer, and yama, a container or a filter may forbid tracing; `--recorder notify` does \
             without"
                .to_owned()
        }
        SessionError::Notify(_) | SessionError::Tracer(_) => {
            "a limit of this host or user may be reached (`ulimit -a`); `sandprint doctor` tries all recorders".to_owned()
        }
        SessionError::Launch(_) => "a limit of this host or user may be reached: see `ulimit -a`".to_owned(),
        SessionError::NoProc => {
            MOUNT_PROC.to_owned()
        }
        SessionError::UnseenLaunch => {
            "another process namespace or tracer may be in between; `sandprint doctor` tries the recorder"
                .to_owned()
        }
        SessionError::Foreground(_) | SessionError::Process(_) | SessionError::Wait(_) => {
            "this is a bug in sandprint: please report it, with the command".to_owned()
        }
    }
}

pub(crate) fn of_recorder(error: &RecorderError) -> String {
    if let Some(hint) = of_limit(error) {
        return hint.to_owned();
    }
    match error {
        RecorderError::UnknownArch(_) => "sandprint records on x86_64 and aarch64".to_owned(),
        RecorderError::NoTarget { .. } => {
            "`profile run` records a command, `sandprint watch --system` watches the whole machine".to_owned()
        }
        RecorderError::NoBtf => {
            "the kernel must be built with CONFIG_DEBUG_INFO_BTF, and /sys must be mounted".to_owned()
        }
        RecorderError::NoCapability(missing) => {
            format!("{}; `profile run --recorder ptrace` needs none", grant(missing))
        }
        RecorderError::UserNamespace => {
            "run it outside of that namespace (a rootless container has one); `profile run --recorder ptrace` works inside"
                .to_owned()
        }
        RecorderError::Deadly(_) => {
            "run it outside of that filter; `profile run --recorder ptrace` or `notify` may work inside"
                .to_owned()
        }
        RecorderError::Cgroup { .. } | RecorderError::NoProcess(_) => {
            "it may have ended meanwhile: look again, and use `profile run` to record from the start"
                .to_owned()
        }
        RecorderError::Host(error) if error.kind() == io::ErrorKind::NotFound => MOUNT_PROC.to_owned(),
        RecorderError::Load(_) | RecorderError::Ring(_) | RecorderError::Host(_) => {
            "`sandprint doctor` says what this host can record and what is missing".to_owned()
        }
    }
}

/// How to get capabilities that are missing.
pub(crate) fn grant(missing: &[&str]) -> String {
    let names: Vec<_> = missing.iter().map(|name| name.to_lowercase()).collect();
    let program = std::env::current_exe().map_or("sandprint".to_owned(), |path| path.display().to_string());
    format!("use sudo, or grant them for good: sudo setcap {}+ep {program}", names.join(","))
}

fn of_user(error: &UserError) -> &'static str {
    match error {
        UserError::Parse { .. } => "give --user NAME, UID, or either with :GROUP",
        UserError::NoGroup { .. } => "give --user UID:GID",
        _ => "`getent passwd` lists the users of this machine",
    }
}

fn of_trace_output(error: &TraceOutputError) -> String {
    match error {
        TraceOutputError::NothingToAppendTo(_) => {
            "`--append` merges into a trace file; leave it out, or name a file".to_owned()
        }
        TraceOutputError::Read(
            ReadError::Empty(_) | ReadError::Decode { .. } | ReadError::OtherKind { .. },
        ) => "nothing was changed: give another file, or remove this one first".to_owned(),
        TraceOutputError::Read(error) => of_read(error),
        TraceOutputError::Write(error) => of_write(error),
    }
}

fn of_read(error: &ReadError) -> String {
    match error {
        ReadError::Read { source, .. } => match source.kind() {
            io::ErrorKind::NotFound => {
                "check the name; `sandprint profile run -o FILE -- CMD` records a trace".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                "traces may be read by their owner only: ask the owner, or use sudo".to_owned()
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::ReadOnlyFilesystem => "check the name".to_owned(),
            _ => {
                of_io(source).unwrap_or("try to read the file with another program, such as `cat`").to_owned()
            }
        },
        ReadError::Directory(_) => "give the trace files in it, such as DIRECTORY/*.json".to_owned(),
        ReadError::Empty(_) => {
            "it may have been emptied by a redirection (`> FILE`) before it was read; record it again"
                .to_owned()
        }
        ReadError::TooLarge { .. } => "sandprint writes no such file; check the name".to_owned(),
        ReadError::OtherKind { kind, .. } => kind.hint().to_owned(),
        ReadError::Decode { source, .. } => of_decode(source).to_owned(),
    }
}

fn of_decode(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::Newer { .. } => "read it with the sandprint that wrote it, or a newer one",
        DecodeError::Truncated { .. } | DecodeError::Empty { .. } => {
            "the file was cut off, perhaps by a copy that did not end; copy or record it again"
        }
        DecodeError::Foreign { looks_like, .. } => match looks_like {
            LooksLike::Sandprint01 => {
                "`sandprint profile import --from sandprint-0.1 FILE` makes a trace of it"
            }
            LooksLike::Policy | LooksLike::SeccompProfile => {
                "a profile cannot be turned back into a trace: give the trace that it was made from"
            }
            LooksLike::Trace | LooksLike::OtherJson => {
                "give a file that `sandprint profile run -o FILE` wrote"
            }
        },
        DecodeError::Syntax { .. } => {
            "give a file that `sandprint profile run -o FILE` wrote; `sandprint profile import` reads logs of \
             strace and audit"
        }
        DecodeError::Shape { .. } | DecodeError::Content { .. } => {
            "the file was changed after sandprint wrote it; record it again"
        }
    }
}

fn of_write(error: &WriteError) -> String {
    let advice = match error {
        WriteError::Directory(path) => {
            return format!("name a file in it: {}", crate::output::quote(&path.join("FILE")));
        }
        WriteError::Protected(_) => "nothing was changed: `chmod u+w` it, or give another file",
        WriteError::Foreign { .. } => {
            "nothing was changed: give a file in a directory of your own, or remove this one first"
        }
        WriteError::NotRegular(_) => {
            "it was exchanged meanwhile: look at it with `ls -l`, or give another file"
        }
        WriteError::Locked { .. } => "`fuser -v FILE` shows which process has it open",
        WriteError::Open { source, .. }
        | WriteError::Create { source, .. }
        | WriteError::Write { source, .. } => {
            // What had no room is not put into its place; of standard output, a part is there already.
            let advice = of_io(source).unwrap_or("give another file");
            let unchanged = if has_no_room(source) { "nothing was changed: " } else { "" };
            return format!("{unchanged}{advice}");
        }
    };
    advice.to_owned()
}

/// What to do about a filter on ourselves.
pub(crate) const OUTSIDE: &str = "run sandprint outside of that filter";

const MORE_MEMORY: &str = "give it more memory: `ulimit -v` shows the limit, `free` what there is";

fn of_open_files(error: &io::Error) -> Option<&'static str> {
    const TOO_MANY: [i32; 2] =
        [rustix::io::Errno::MFILE.raw_os_error(), rustix::io::Errno::NFILE.raw_os_error()];
    let is_so = error.raw_os_error().is_some_and(|errno| TOO_MANY.contains(&errno));
    is_so.then_some("raise the limit on open files, which `ulimit -n` shows")
}

/// Whether an error says that more does not fit.
fn has_no_room(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), FileTooLarge | StorageFull | QuotaExceeded)
}

/// What helps against an error of the operating system while writing.
fn of_io(error: &io::Error) -> Option<&'static str> {
    if let Some(advice) = of_open_files(error) {
        return Some(advice);
    }
    if let Some(inner) = error.get_ref()
        && inner.is::<Deadly>()
    {
        return Some(OUTSIDE);
    }
    let advice = match error.kind() {
        io::ErrorKind::NotFound => "make the directory first, with `mkdir -p`",
        io::ErrorKind::NotADirectory => "a part of the path is not a directory",
        io::ErrorKind::PermissionDenied => "give a file in a directory that you may write, or use sudo",
        io::ErrorKind::ReadOnlyFilesystem => "give a file on a file system that is mounted writable",
        io::ErrorKind::FileTooLarge => "raise the limit on the size of files, which `ulimit -f` shows",
        io::ErrorKind::OutOfMemory => MORE_MEMORY,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room, or give a file on another file system"
        }
        _ => return None,
    };
    Some(advice)
}
