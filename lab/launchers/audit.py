"""The kernel's audit records of calls that a filter logged."""

import ctypes
import re
import select
import socket
import struct
import sys

ARCH_X86_64 = "c000003e"
NETLINK_AUDIT, READLOG_GROUP, SO_RCVBUFFORCE, SECCOMP_RECORD = 9, 1, 33, 1326
SERIAL = re.compile(r"audit\([\d.]+:(\d+)\)")
# code is the filter's answer, here SECCOMP_RET_LOG.
LOGGED = re.compile(r' comm=("[^"]*"|[0-9A-F]+) .* arch=(\w+) syscall=(-?\d+) .* code=0x7ffc0000')


class Audit:
    """A listener of the multicast group of audit records. A lost record ends the program."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_AUDIT)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.bind((0, READLOG_GROUP))
        self.serial = None

    def records(self, patience=0.1):
        """The (task name, call number) of each record since the last time.

        Waits `patience` seconds for another record.
        """
        seen, missing = [], set()
        # Two cores may hand their records in in another order than they numbered them.
        while select.select([self.socket], [], [], 2 if missing else patience)[0]:
            data = self.socket.recv(65536)  # ENOBUFS, raised here, is a loss
            length, kind = struct.unpack_from("=IH", data)
            text = data[16:length].decode(errors="replace")
            serial = int(SERIAL.search(text).group(1))
            if self.serial is not None:
                missing.update(range(self.serial + 1, serial))
                missing.discard(serial)
            self.serial = max(serial, self.serial or 0)
            match = LOGGED.search(text) if kind == SECCOMP_RECORD else None
            if match is None:
                continue
            name, arch, number = match.groups()
            name = name[1:-1] if name.startswith('"') else bytes.fromhex(name).decode(errors="replace")
            seen.append((name if arch == ARCH_X86_64 else f"{name} (arch {arch})", int(number)))
        if missing:
            sys.exit(f"audit records {sorted(missing)} are lost: run again")
        return seen


def call_name(number, library=ctypes.CDLL("libseccomp.so.2")):
    """The name of a call of x86_64, by libseccomp."""
    resolve = library.seccomp_syscall_resolve_num_arch
    resolve.restype = ctypes.c_void_p
    pointer = resolve(ctypes.c_uint32(int(ARCH_X86_64, 16)), ctypes.c_int(number))
    if not pointer:
        sys.exit(f"libseccomp has no name for call {number}")
    return ctypes.string_at(pointer).decode()
