//! A record of seccomp by itself, as the kernel's audit multicast brings it: with the action, which no import needs.

use super::record::{self, Call, Fields, Found};
use crate::{ByteString, Syscall};

/// What the kernel wrote of a call that a filter did not let pass in silence (`audit_seccomp`, kernel/auditsc.c).
///
/// It has no arguments of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeccompRecord {
    /// Milliseconds since 1970.
    pub at_ms: Option<u64>,
    /// The call.
    pub syscall: Syscall,
    /// The process, in the initial PID namespace (`task_tgid_nr`).
    pub pid: u32,
    /// The name of the thread.
    pub comm: ByteString,
    /// The executable, as its process sees the path; empty where the record does not name it.
    pub exe: ByteString,
    /// Just behind the instruction that made the call.
    pub instruction_pointer: u64,
    /// What the filter returned, without its lower half (`SECCOMP_RET_ACTION_FULL`).
    pub returned: u32,
}

/// Reads the text of a record of type 1326: `audit(1795317671.620:42): auid=... code=0x7ffc0000`. None where it lacks
/// what one must have, or is of a machine that sandprint does not know.
pub fn seccomp_record(text: &[u8]) -> Option<SeccompRecord> {
    let line = [b"type=1326 ", text].concat();
    let Found::Record(found) = record::find(&line) else { return None };
    let Call::Is(syscall) = found.call else { return None };
    let fields = Fields::of(text);
    let hexadecimal = |key: &[u8]| {
        let digits = str::from_utf8(fields.number(key)?.strip_prefix(b"0x")?).ok()?;
        u64::from_str_radix(digits, 16).ok()
    };
    Some(SeccompRecord {
        at_ms: found.event.and_then(|event| event.at_ms),
        syscall,
        pid: found.pid,
        instruction_pointer: hexadecimal(b"ip")?,
        returned: u32::try_from(hexadecimal(b"code")?).ok()?,
        comm: found.comm,
        exe: found.exe,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Abi;

    #[test]
    fn a_record_is_read_with_its_action() {
        let text = b"audit(1795317671.620:1420871): auid=4294967295 uid=0 gid=0 ses=4294967295 pid=5233 \
            comm=612062 exe=\"/tmp/caller\" sig=0 arch=c000003e syscall=83 compat=0 ip=0x7f340a1c9f37 code=0x7ffc0000";
        let expected = SeccompRecord {
            at_ms: Some(1_795_317_671_620),
            syscall: Syscall { abi: Abi::X86_64, nr: 83 },
            pid: 5233,
            comm: ByteString::from("a b"),
            exe: ByteString::from("/tmp/caller"),
            instruction_pointer: 0x7f34_0a1c_9f37,
            returned: 0x7ffc_0000,
        };
        assert_eq!(seccomp_record(text), Some(expected));
    }

    #[test]
    fn calls_of_every_abi_are_told_apart() {
        for (arch, nr, expected) in [
            ("40000003", "102", Some(Syscall { abi: Abi::I386, nr: 102 })),
            ("c000003e", "1073741826", Some(Syscall { abi: Abi::X32, nr: 2 })),
            ("c000003e", "-1", Some(Syscall { abi: Abi::X86_64, nr: u32::MAX })),
            ("c00000b7", "63", Some(Syscall { abi: Abi::Aarch64, nr: 63 })),
            ("12345678", "63", None),
        ] {
            let text = format!(
                "audit(1.000:2): pid=1 comm=\"a\" exe=\"/b\" sig=0 arch={arch} syscall={nr} ip=0x1 code=0x7ffc0000"
            );
            assert_eq!(seccomp_record(text.as_bytes()).map(|record| record.syscall), expected, "{arch} {nr}");
        }
    }

    #[test]
    fn what_is_no_such_record_is_none() {
        for text in
            ["", "audit(1.000:2):", "audit(1.000:2): arch=c000003e syscall=1 pid=2", "nonsense code=0x1"]
        {
            assert_eq!(seccomp_record(text.as_bytes()), None, "{text}");
        }
        // A name cannot pretend to be a field: it is in quotes, or in digits.
        let text = b"audit(1.000:2): pid=1 comm=\"code=0x1\" exe=\"/b\" arch=c000003e syscall=1 ip=0x1 code=0x7ffc0000";
        assert_eq!(seccomp_record(text).map(|record| record.returned), Some(0x7ffc_0000));
    }
}
