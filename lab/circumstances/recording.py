"""Records the probe in a circumstance: which calls it made, with the arguments that select what they do."""

import itertools
import json
import os
import pty
import socket
import subprocess
import sys
import tempfile

from circumstances import setting, tree

SUBJECTS = ("start", "abort", "address", "assert", "convert", "free", "groups", "host", "input", "language", "memory", "message",
            "older-host", "print", "processors", "service", "smash", "temporary", "threads", "user", "wide", "zone")


def learn(place, sandprint, only):
    """By library, how it is linked, version, subject and circumstance: the calls, beyond those of the plain run."""
    found = {}
    subjects = [subject for subject in SUBJECTS if only == [""] or subject in only]
    for subject, (libc, linked) in itertools.product(subjects, tree.LINKED):
        program = f"/{libc}-{linked}"
        key = (libc, linked, place.versions[libc], subject)
        plain = record(place, sandprint, setting.PLAIN, program, subject)
        found[(*key, "plain")] = plain
        for circumstance in setting.circumstances():
            if subject in circumstance.subjects:
                calls = record(place, sandprint, circumstance, program, subject)
                found[(*key, circumstance.name)] = calls - plain
        print(place.suite, *key[:2], subject, file=sys.stderr, flush=True)
    return found


def record(place, sandprint, circumstance, program, subject):
    before = [(name, place.write(name, content)) for name, content in circumstance.files]
    try:
        with tempfile.TemporaryDirectory() as folder:
            trace = folder + "/trace.json"
            words = [sandprint, "profile", "run", "--recorder", "notify", "--timeout", "20s", "-o", trace, "--"]
            user = f"--userspec={circumstance.uid}:{circumstance.uid}"
            words += ["chroot", user, place.root, program, subject]
            run(words, circumstance, folder)
            shown = subprocess.run([sandprint, "profile", "show", "--by", "image", "-f", "json", trace], check=True,
                                   capture_output=True)
            return calls_of(json.loads(shown.stdout), program)
    finally:
        for name, content in before:
            place.write(name, content)


def run(words, circumstance, folder):
    """Whatever comes of it: a program that is short of something ends as it likes."""
    environment = {**tree.ENVIRONMENT, **dict(circumstance.env)}
    ours, theirs = [], None
    if circumstance.stdio == "terminal":
        master, theirs = pty.openpty()
        ours = [master]
    elif circumstance.stdio == "null":
        theirs = os.open("/dev/null", os.O_RDWR)
    elif circumstance.stdio == "file":
        theirs = os.open(folder + "/file", os.O_RDWR | os.O_CREAT)
    elif circumstance.stdio == "socket":
        one, other = socket.socketpair()
        one.shutdown(socket.SHUT_WR)
        ours, theirs = [one.detach()], other.detach()
    redirected = "exec 0<&- 1>&- 2>&-; " if circumstance.stdio == "closed" else ""
    limits = "".join(f"ulimit {FLAGS[name]} {number(name, value)}; " for name, value in circumstance.limits)
    at = words.index("chroot")
    script = ["sh", "-c", f"{redirected}{limits}" + 'exec "$@"', "sh"] if redirected or limits else []
    # The shell is in front of chroot, and all of it another program than the probe.
    words = words[:at] + script + words[at:]
    if circumstance.one_cpu:
        words = ["taskset", "1", *words]

    if theirs is None:
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    else:
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    process = subprocess.Popen(words, env=environment, **streams)
    if theirs is not None:
        os.close(theirs)
    if circumstance.stdio == "terminal":
        os.write(ours[0], b"line\n\4")
    process.communicate(None if theirs is not None else b"line\n")
    for descriptor in ours:
        os.close(descriptor)


FLAGS = {"STACK": "-s", "AS": "-v", "DATA": "-d", "NOFILE": "-n", "FSIZE": "-f", "CORE": "-c", "NPROC": "-p"}


def number(name, value):
    """As ulimit has it: kilobytes, or blocks of 512."""
    if value == -1:
        return "unlimited"
    return value if name in ("NOFILE", "NPROC") else value // (512 if name in ("FSIZE", "CORE") else 1024)


def calls_of(shown, program):
    """`openat(2=0x80000)`: a call with what selects what it does, by the argument's place."""
    calls = set()
    for image in shown["images"]:
        if image["image"] != program:
            continue
        for call in image["calls"]:
            values = call.get("arguments", {}).get("values", [])
            for value in values or [{"arguments": []}]:
                words = ",".join(f"{one['index']}={one['value']:#x}" for one in value["arguments"])
                calls.add(f"{call['name']}({words})" if words else call["name"])
    return calls
