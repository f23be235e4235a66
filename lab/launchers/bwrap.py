"""bwrap: it takes a filter as it is, from a descriptor, and always sets no_new_privs."""

import struct

from .host import Load

# One instruction: return SECCOMP_RET_LOG.
LOG_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFC0000)
EVERYTHING = ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
VARIANTS = (
    ("--ro-bind", "/", "/"),
    (*EVERYTHING, "--unshare-all", "--die-with-parent", "--new-session"),
    (*EVERYTHING, "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--chdir", "/tmp"),
    (*EVERYTHING, "--unshare-pid", "--as-pid-1", "--cap-drop", "ALL"),
    (*EVERYTHING, "--unshare-pid", "--json-status-fd", "1", "--cap-add", "CAP_NET_RAW"),
)


def learn(findings, tree, runs):
    """Learns what bwrap calls, where it runs."""
    version = tree.version("bwrap")
    if version is None:
        return
    with open(tree.scratch.bundle + "/log-all.bpf", "wb") as file:
        file.write(LOG_ALL)
    with_filter = 'filter=$1; shift; exec bwrap --seccomp 9 "$@" 9<"$filter"'
    shell = [tree.bundle + "/rootfs/bin/sh", "-c", with_filter, "sh", tree.bundle + "/log-all.bpf"]
    for options in VARIANTS:
        command = tree.command(*shell, *options, tree.bundle + "/rootfs/bin/true")
        for number in range(2 * runs):
            with Load(number >= runs):
                findings.observe(("bwrap", version, "any"), "bwrap", "start", command)
