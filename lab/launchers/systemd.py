"""systemd: booted as PID 1 of its own namespaces, with services of several kinds."""

import os
import re
import shutil
import subprocess
import sys

from .audit import call_name
from .host import LAB, Load, write

# Until its execve a service's task is named after the last 8 letters of its program, in parentheses.
SERVICES = {
    "yes-root": ["NoNewPrivileges=yes"],
    "yes-user": ["NoNewPrivileges=yes", "User=nobody", "Group=nogroup", "AmbientCapabilities=CAP_NET_BIND_SERVICE"],
    "yes-box": [
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "PrivateTmp=yes",
        "MemoryDenyWriteExecute=yes",
        "RestrictRealtime=yes",
        "RestrictNamespaces=yes",
        "LockPersonality=yes",
        "CapabilityBoundingSet=CAP_CHOWN",
    ],
    "no-root": ["NoNewPrivileges=no"],
    "no-user": ["NoNewPrivileges=no", "User=nobody", "Group=nogroup"],
    "no-caps": [
        "NoNewPrivileges=no",
        "User=nobody",
        "CapabilityBoundingSet=CAP_CHOWN",
        "PrivateTmp=yes",
        "AmbientCapabilities=CAP_CHOWN",
        "SecureBits=noroot",
    ],
}


def learn(findings, tree, runs):
    """Learns what systemd calls, where it is."""
    if not os.path.exists(tree.usr + "/lib/systemd/systemd"):
        return
    version = tree.version("systemd")
    root = f"{tree.scratch.path}/systemd-{tree.suite}"
    shutil.rmtree(root, ignore_errors=True)
    units = root + "/etc/systemd/system"
    for folder in (units, root + "/opt", root + "/var/tmp"):
        os.makedirs(folder)
    write(root + "/etc/passwd", ["root:x:0:0::/:/bin/sh", "nobody:x:65534:65534::/:/bin/sh"])
    write(root + "/etc/group", ["root:x:0:", "nogroup:x:65534:"])
    write(root + "/etc/machine-id", [])
    for name in SERVICES:
        os.link(tree.scratch.bundle + "/rootfs/bin/busybox", f"{root}/opt/{name}")
    unit = ["[Unit]", "DefaultDependencies=no"]
    names = " ".join(name + ".service" for name in SERVICES)
    write(units + "/default.target", [*unit, f"Wants={names} off.service", f"After={names}"])
    off = ["SuccessAction=poweroff-force", "[Service]", "Type=oneshot", "ExecStart=/busybox true"]
    write(units + "/off.service", [*unit, f"After={names}", *off])
    for kind, starts in (("oneshot", runs), ("exec", 1)):
        for name, settings in SERVICES.items():
            # SystemCallLog= is the filter of SystemCallFilter=, loaded at the same place, with another action.
            service = ["[Service]", f"Type={kind}", *settings, "SystemCallArchitectures=native"]
            service += ["SystemCallLog=~reboot", *[f"ExecStart=@/opt/{name} true"] * starts]
            write(f"{units}/{name}.service", [*unit, *service])
        for loaded in (False, True):
            with Load(loaded):
                observe_boot(findings, tree, version, root)
    shutil.rmtree(root, ignore_errors=True)


def observe_boot(findings, tree, version, root):
    """One boot: each service's calls until its execve."""
    findings.audit.records()
    boot = [LAB + "/boot-systemd", tree.usr, root, tree.scratch.busybox]
    result = subprocess.run(boot, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    records = findings.audit.records()
    for name in SERVICES:
        calls, starts = set(), 0
        for task, number in records:
            if not re.fullmatch(rf"\({name}\)", task):
                continue
            calls.add(call_name(number))
            if call_name(number) == "execve":
                findings.note(("systemd", version, name.split("-")[0]), "start", calls)
                calls, starts = set(), starts + 1
        if starts == 0:
            sys.exit(f"systemd {version}: {name} did not run under its filter\n{result.stdout}{result.stderr}")
