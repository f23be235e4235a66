//! How files, sockets, memory, namespaces and operations of `io_uring` are written, each as a line of its table.

use serde::{Deserialize, Serialize};

use super::facts::Table;
use super::groups::{Heads, Indexes};
use crate::errno::{self, Errno};
use crate::sockets::Address;
use crate::wire::content::{self, Object, Refused, present};
use crate::wire::{ContentProblem, quoted};
use crate::{
    Abi, ByteString, Capability, Count, Doubt, Facts, Failures, Family, FileSeen, Meaning, Memory,
    MemoryKind, Name, Operation, Outcomes, Rights, Socket, SocketType, Syscall, Trace,
};

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives it by reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// Says in which field of a trace the facts of a table are.
macro_rules! of_field {
    ($field:ident) => {
        fn of(trace: &Trace) -> &Facts<Self::Key, Self::Value> {
            &trace.$field
        }

        fn of_mut(trace: &mut Trace) -> &mut Facts<Self::Key, Self::Value> {
            &mut trace.$field
        }
    };
}

/// The table of files.
pub(super) struct Files;

/// What was done to a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileLine {
    path: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    rights: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Object<FailedLine>>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    tried: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    written: Option<u32>,
    #[serde(default, skip_serializing_if = "is_false")]
    by_kernel: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    doubts: Vec<String>,
}

/// What failed with one error.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FailedLine {
    errno: u16,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    rights: String,
}

fn rights(field: &str, text: &str) -> Result<Rights, Refused> {
    content::word(field, "list of rights", text, Rights::parse)
}

impl Table for Files {
    const NAME: &'static str = "files";
    type Key = ByteString;
    type Value = FileSeen;
    type Line = FileLine;

    of_field!(files);

    fn line(path: &ByteString, seen: &FileSeen, indexes: &Indexes<'_>) -> FileLine {
        let failed = seen.failed.iter().map(|(error, rights)| FailedLine {
            errno: error.0,
            error: errno::name(error.0).map(str::to_owned),
            rights: rights.to_string(),
        });
        FileLine {
            path: indexes.path(path),
            rights: seen.succeeded.to_string(),
            failed: failed.map(Object).collect(),
            tried: seen.tried.to_string(),
            written: seen.written.as_ref().map(|path| indexes.path(path)),
            by_kernel: seen.by_kernel,
            doubts: seen.doubts.iter().map(|doubt| doubt.name().to_owned()).collect(),
        }
    }

    fn fact(line: FileLine, heads: &Heads) -> Result<(ByteString, FileSeen), Refused> {
        let mut failed = Failures::default();
        for (at, Object(line)) in line.failed.into_iter().enumerate() {
            let within = |refused: Refused| refused.within(&format!("failed[{at}]"));
            if line.errno > Errno::MOST {
                let problem = ContentProblem::TooLarge { found: line.errno.into(), most: Errno::MOST.into() };
                return Err(within(Refused::new("errno", problem)));
            }
            if let Some(word) = line.error.as_deref()
                && let Some(named) = errno::number(word)
                && named != line.errno
            {
                let problem =
                    ContentProblem::ErrorContradicts { errno: line.errno, name: quoted(word), named };
                return Err(within(Refused::new("errno", problem)));
            }
            let rights = rights("rights", &line.rights).map_err(within)?;
            if rights.is_empty() {
                return Err(within(Refused::new("rights", ContentProblem::NoRights)));
            }
            if !failed.get(Errno(line.errno)).is_empty() {
                return Err(within(Refused::new("", ContentProblem::Repeated)));
            }
            failed.add(Errno(line.errno), rights);
        }
        let doubt = |(at, name): (usize, &String)| {
            content::word(&format!("doubts[{at}]"), "doubt", name, Doubt::from_name)
        };
        let seen = FileSeen {
            succeeded: rights("rights", &line.rights)?,
            failed,
            tried: rights("tried", &line.tried)?,
            written: line.written.map(|path| heads.path("written", path)).transpose()?,
            by_kernel: line.by_kernel,
            doubts: line.doubts.iter().enumerate().map(doubt).collect::<Result<_, _>>()?,
        };
        if seen.all().is_empty() {
            return Err(Refused::new("", ContentProblem::NoRights));
        }
        Ok((heads.path("path", line.path)?, seen))
    }
}

/// The table of sockets.
pub(super) struct Sockets;

/// What was done with a socket.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SocketLine {
    family: String,
    r#type: String,
    protocol: u32,
    operation: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    succeeded: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    failed: bool,
}

impl Table for Sockets {
    const NAME: &'static str = "sockets";
    type Key = Socket;
    type Value = Outcomes;
    type Line = SocketLine;

    of_field!(sockets);

    fn line(socket: &Socket, outcomes: &Outcomes, _: &Indexes<'_>) -> SocketLine {
        let has_address = socket.address != Address::None;
        SocketLine {
            family: socket.family.to_string(),
            r#type: socket.kind.to_string(),
            protocol: socket.protocol,
            operation: socket.operation.name().to_owned(),
            address: has_address.then(|| socket.address.to_string()),
            succeeded: outcomes.succeeded,
            failed: outcomes.failed,
        }
    }

    fn fact(line: SocketLine, _: &Heads) -> Result<(Socket, Outcomes), Refused> {
        let address = line.address.map(|text| content::word("address", "address", &text, Address::parse));
        let socket = Socket {
            family: content::word("family", "family of sockets", &line.family, Family::parse)?,
            kind: content::word("type", "type of sockets", &line.r#type, SocketType::parse)?,
            protocol: line.protocol,
            operation: content::word("operation", "operation", &line.operation, Operation::from_name)?,
            address: address.transpose()?.unwrap_or(Address::None),
        };
        Ok((socket, Outcomes { succeeded: line.succeeded, failed: line.failed }))
    }
}

/// The table of names.
pub(super) struct Names;

/// A name, and what it stands for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NameLine {
    name: String,
    address: String,
    source: String,
}

impl Table for Names {
    const NAME: &'static str = "names";
    type Key = Name;
    type Value = ();
    type Line = NameLine;

    of_field!(names);

    fn line(Name { name, meaning }: &Name, (): &(), _: &Indexes<'_>) -> NameLine {
        let (address, source) = (meaning.to_string(), meaning.source().to_owned());
        NameLine { name: name.escaped(), address, source }
    }

    fn fact(line: NameLine, _: &Heads) -> Result<(Name, ()), Refused> {
        let name = content::bytes("name", &line.name)?;
        let source = content::word("source", "source of names", &line.source, |word| {
            Meaning::SOURCES.into_iter().find(|source| *source == word)
        })?;
        let address = |text: &str| Meaning::parse(source, text);
        let meaning = content::word("address", "address", &line.address, address)?;
        Ok((Name { name, meaning }, ()))
    }
}

/// The table of capabilities.
pub(super) struct Capabilities;

/// How a capability was asked for in a call, or outside of any.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CapabilityLine {
    capability: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    call: Option<Object<CallLine>>,
    #[serde(default, skip_serializing_if = "is_false")]
    granted: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    refused: bool,
}

/// A call by itself.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallLine {
    abi: String,
    nr: u32,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl CallLine {
    fn of(call: Syscall) -> CallLine {
        CallLine { abi: call.abi.name().to_owned(), nr: call.nr, name: call.name().map(str::to_owned) }
    }

    fn call(&self) -> Result<Syscall, Refused> {
        let abi = content::word("abi", "ABI", &self.abi, Abi::from_name)?;
        content::syscall(abi, self.nr, self.name.as_deref())
    }
}

impl Table for Capabilities {
    const NAME: &'static str = "capabilities";
    type Key = (Capability, Option<Syscall>);
    type Value = Outcomes;
    type Line = CapabilityLine;

    of_field!(capabilities);

    fn line(
        (capability, call): &(Capability, Option<Syscall>),
        outcomes: &Outcomes,
        _: &Indexes<'_>,
    ) -> CapabilityLine {
        CapabilityLine {
            capability: capability.to_string(),
            call: call.map(CallLine::of).map(Object),
            granted: outcomes.succeeded,
            refused: outcomes.failed,
        }
    }

    fn fact(line: CapabilityLine, _: &Heads) -> Result<((Capability, Option<Syscall>), Outcomes), Refused> {
        let capability = content::word("capability", "capability", &line.capability, Capability::parse)?;
        let call = line.call.map(|Object(call)| call.call().map_err(|refused| refused.within("call")));
        let outcomes = Outcomes { succeeded: line.granted, failed: line.refused };
        Ok(((capability, call.transpose()?), outcomes))
    }
}

/// The table of memory that became writable and executable.
pub(super) struct Memories;

/// How often memory of one file became so.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MemoryLine {
    kind: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    path: Option<u32>,
    count: u64,
}

impl Table for Memories {
    const NAME: &'static str = "memory";
    type Key = Memory;
    type Value = Count;
    type Line = MemoryLine;

    of_field!(memory);

    fn line(memory: &Memory, count: &Count, indexes: &Indexes<'_>) -> MemoryLine {
        let path = memory.path.as_ref().map(|path| indexes.path(path));
        MemoryLine { kind: memory.kind.name().to_owned(), path, count: count.0 }
    }

    fn fact(line: MemoryLine, heads: &Heads) -> Result<(Memory, Count), Refused> {
        let kind = content::word("kind", "kind of memory", &line.kind, MemoryKind::from_name)?;
        let path = line.path.map(|path| heads.path("path", path)).transpose()?;
        Ok((Memory { kind, path }, Count(line.count)))
    }
}

/// The table of calls that make tasks or namespaces.
pub(super) struct Namespaces;

/// How often such a call was made with these flags.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamespaceLine {
    abi: String,
    nr: u32,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    flags: u64,
    count: u64,
}

impl Table for Namespaces {
    const NAME: &'static str = "namespaces";
    type Key = (Syscall, u64);
    type Value = Count;
    type Line = NamespaceLine;

    of_field!(namespaces);

    fn line((call, flags): &(Syscall, u64), count: &Count, _: &Indexes<'_>) -> NamespaceLine {
        let (abi, name) = (call.abi.name().to_owned(), call.name().map(str::to_owned));
        NamespaceLine { abi, nr: call.nr, name, flags: *flags, count: count.0 }
    }

    fn fact(line: NamespaceLine, _: &Heads) -> Result<((Syscall, u64), Count), Refused> {
        let abi = content::word("abi", "ABI", &line.abi, Abi::from_name)?;
        let call = content::syscall(abi, line.nr, line.name.as_deref())?;
        Ok(((call, line.flags), Count(line.count)))
    }
}

/// The table of operations of `io_uring`.
pub(super) struct Uring;

/// How often an operation was submitted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UringLine {
    opcode: u8,
    count: u64,
}

impl Table for Uring {
    const NAME: &'static str = "io_uring";
    type Key = u8;
    type Value = Count;
    type Line = UringLine;

    of_field!(uring);

    fn line(opcode: &u8, count: &Count, _: &Indexes<'_>) -> UringLine {
        UringLine { opcode: *opcode, count: count.0 }
    }

    fn fact(line: UringLine, _: &Heads) -> Result<(u8, Count), Refused> {
        Ok((line.opcode, Count(line.count)))
    }
}
