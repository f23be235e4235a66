"""What was learned, and its table."""

import os
import re
import sys

from .audit import Audit, call_name
from .host import APPLETS, LAB, run

HEADER = """\
# What launchers call after they have loaded the filter, and until the execve of the workload, that call included; and
# what inits (tini, catatonit), which run under the workload's filter as PID 1, call from their own start until the end.
#
# Columns, separated by tabs: launcher, its version, no_new_privs (yes, no, or any where it makes no difference), call,
# what for. Made by lab/learn-runtimes, not by hand; the words are those of lab/runtime-reasons.tsv.
#
# How it was learned: each launcher loaded a filter that allows everything and logs it, and the kernel's audit records
# named each call that the filter saw. runc and crun: root, another user with groups and ambient capabilities, a
# terminal, a container with 100,000 users, create and then start, and exec into a running container; each {runs} times
# on an idle machine and {runs} times beside busy processes, half of them on one core. bwrap: with and without its own
# PID 1. systemd: as PID 1 of its own namespaces, with services of several users and restrictions. tini (the static one,
# which docker-init is) and catatonit: started by bwrap as PID 1, as root and as another user, on a terminal and without
# one, with a workload that ends well, ends badly, is killed, leaves orphans, is sent eight signals through PID 1, or is
# not there; and with what the environment and options can ask of them; each {runs} times idle and {runs} times busy. On
# x86_64, kernel {kernel}. Versions other than the machine's own ran on the libraries of their suites, unpacked.
#
# learn-runtimes then runs runc and crun again with nothing allowed but this list and the workload's own calls.
#
# Not here: hooks of the type startContainer (they run under the filter, with calls of their own), and the other threads
# of runc, which are under the filter only where a profile has the flag SECCOMP_FILTER_FLAG_TSYNC.
"""
OMITTED = "omitted: "
# What may come at any time: the words of such a call begin like this.
ANY_TIME = "the Go runtime"


class Findings:
    """The calls that were seen, by (launcher, version, no_new_privs)."""

    def __init__(self):
        self.audit = Audit()
        self.seen = {}  # key -> call -> {how: runs}
        self.total = {}  # key -> {how: runs}
        self.workload = set()  # what the containers' own program calls
        self.words = read_words()

    def observe(self, key, task, how, command, terminal=False, sign=""):
        """One run of a command: what tasks whose name matches `task` asked of the filter."""
        before = self.audit.records(0)
        run(command, terminal, sign)
        records = self.audit.records()
        self.workload.update(call_name(number) for name, number in before + records if name in APPLETS)
        calls = {call_name(number) for name, number in records if re.fullmatch(task, name)}
        if "execve" not in calls:
            sys.exit(f"{' '.join(command)}: the filter saw no execve of {task}, so it was not in force")
        self.note(key, how, calls)

    def note(self, key, how, calls):
        """One run's calls."""
        total = self.total.setdefault(key, {})
        total[how] = total.get(how, 0) + 1
        for call in calls:
            per_call = self.seen.setdefault(key, {}).setdefault(call, {})
            per_call[how] = per_call.get(how, 0) + 1

    def reason(self, launcher, call):
        """What a launcher wants with a call."""
        found = self.words.get((launcher, call))
        if found is None:
            print(f"no words yet for {launcher} {call}: add them to runtime-reasons.tsv", file=sys.stderr)
            return "called after the filter was loaded"
        return found

    def rows(self, key):
        """The calls of one launcher, with their reasons, which are the same words for every version."""
        found = {}
        for call, counts in self.seen[key].items():
            only = f" ({''.join(counts)} only)" if len(counts) < len(self.total[key]) else ""
            found[call] = self.reason(key[0], call) + only
        # The Go runtime acts when it must: what it does in few runs of one kind it may do in any.
        for other, calls in self.seen.items():
            for call in calls if other[0] == key[0] else ():
                reason = self.reason(key[0], call)
                if reason.startswith(ANY_TIME):
                    found[call] = reason
        return sorted(found.items())

    def kept(self, key):
        """The calls of one launcher that a profile is to allow."""
        return {call for call, reason in self.rows(key) if not reason.startswith(OMITTED)}

    def print_table(self, runs):
        """The whole table, on stdout."""
        print(HEADER.format(kernel=os.uname().release.split("-")[0], runs=runs), end="")
        for key in sorted(self.seen):
            total = self.total[key]
            print("#\n# {} {}, no_new_privs {}: ".format(*key), end="")
            print(", ".join(f"{times} times {how}" for how, times in sorted(total.items())), end="")
            seldom = [
                f"{call} in {times} of {total[how]} ({how})"
                for call, counts in sorted(self.seen[key].items())
                for how, times in sorted(counts.items())
                if times < total[how] / 2
            ]
            print("; seldom: " + ", ".join(seldom) if seldom else "")
            for call, reason in self.rows(key):
                row = "\t".join([*key, call, reason])
                print("# " + row if reason.startswith(OMITTED) else row)
        sys.stdout.flush()


def read_words():
    """What each launcher wants with a call, by hand: (launcher, call) -> words."""
    words = {}
    with open(LAB + "/runtime-reasons.tsv", encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                launcher, call, text = line.rstrip("\n").split("\t")
                words[launcher, call] = text
    return words
