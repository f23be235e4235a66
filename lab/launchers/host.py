"""What the launchers run in: file trees with their programs, a workload, and a machine that is busy or not."""

import os
import pty
import re
import shutil
import subprocess
import sys

LAB = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CGROUP2 = "/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup"
# What the workloads are.
APPLETS = ("true", "sleep", "echo")


class Scratch:
    """The folder where all is laid out, with the workload in it: a static busybox."""

    def __init__(self, path):
        self.path = path
        place = path + "/busybox"
        unpack = [LAB + "/unpack", path + "/apt", place, "bookworm", "amd64", "busybox-static"]
        subprocess.run(unpack, check=True, env={**os.environ, "NO_DEPENDS": "1"})
        self.busybox = place + "/bin/busybox"
        self.bundle = path + "/bundle"
        self.root("rootfs", 1)
        self.root("rootfs-of-many", 100_000)

    def root(self, name, users):
        """A container's root with that many users."""
        root = f"{self.bundle}/{name}"
        for folder in ("bin", "proc", "sys", "dev", "tmp", "etc"):
            os.makedirs(f"{root}/{folder}", exist_ok=True)
        shutil.copy(self.busybox, root + "/bin/busybox")
        for applet in (*APPLETS, "sh"):
            if not os.path.lexists(f"{root}/bin/{applet}"):
                os.symlink("busybox", f"{root}/bin/{applet}")
        ids = range(1000, 1000 + users)
        write(root + "/etc/passwd", ["root:x:0:0::/:/bin/sh", *(f"user{n}:x:{n}:{n}::/tmp:/bin/sh" for n in ids)])
        write(root + "/etc/group", ["root:x:0:", *(f"user{n}:x:{n}:" for n in ids)])


class Tree:
    """A file tree with launchers in it: the machine's own, or a suite's packages, unpacked."""

    PACKAGES = ("runc", "crun", "bubblewrap", "systemd", "tini", "catatonit", "busybox-static")
    # What newer suites have in packages of their own.
    SPLIT = {"sid": ("tini-static",)}

    def __init__(self, suite, scratch):
        self.suite, self.scratch = suite, scratch
        self.root = "/" if suite == "machine" else f"{scratch.path}/root-{suite}"
        if suite != "machine":
            unpack = [LAB + "/unpack", scratch.path + "/apt", self.root, suite, "amd64", *self.PACKAGES]
            unpack += self.SPLIT.get(suite, ())
            subprocess.run(unpack, check=True)
        self.usr = self.root.rstrip("/") + "/usr"
        # The bundle and busybox, as they are called in there.
        self.bundle = scratch.bundle if self.root == "/" else "/bundle"
        self.busybox = scratch.busybox if self.root == "/" else "/bin/busybox"

    def command(self, *command):
        """The command, in the tree and with a pure cgroup2."""
        return [LAB + "/enter-root", self.root, self.scratch.bundle, *command]

    def version(self, launcher):
        """The launcher's version; None where it does not run."""
        program = "/lib/systemd/systemd" if launcher == "systemd" else launcher
        result = subprocess.run(self.command(program, "--version"), capture_output=True, text=True)
        if not result.stdout:
            print(f"{self.suite}: no {launcher} that runs here", file=sys.stderr)
            return None
        return re.search(r"\d+(?:\.\d+)*", result.stdout).group()


class Load:
    """Keeps the machine busy, if wanted, so that the threads of a Go program are preempted."""

    def __init__(self, wanted):
        self.wanted, self.children = wanted, []

    def __enter__(self):
        if self.wanted:
            spin = ["sh", "-c", "while :; do :; done"]
            self.children = [subprocess.Popen(spin) for _ in range(2 * (os.cpu_count() or 1))]

    def __exit__(self, *_):
        for child in self.children:
            child.kill()
            child.wait()


def run(command, terminal=False, sign=""):
    """Runs a command, which has to succeed, and to print `sign`."""
    if terminal:
        status, output = run_on_terminal(command), "(on a terminal)"
    else:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        status, output = result.returncode, result.stdout + result.stderr
    if status != 0 or sign not in output:
        sys.exit(f"{' '.join(command)} failed with {status}:\n{output}")


def run_on_terminal(command):
    """The exit status of a command that has a terminal for itself."""
    pid, master = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    try:
        while os.read(master, 4096):
            pass
    except OSError:  # EIO: the last holder of the terminal has closed it
        pass
    os.close(master)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def write(path, lines):
    """Writes a text file."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)


class Cgroups:
    """Takes back the controllers that runtimes hand down from the real root, which they see in a pure cgroup2."""

    CONTROL = CGROUP2 + "/cgroup.subtree_control"

    def __enter__(self):
        self.before = self.now()

    def __exit__(self, *_):
        for controller in self.now() - self.before:
            write(self.CONTROL, ["-" + controller])

    def now(self):
        with open(self.CONTROL, encoding="utf-8") as file:
            return set(file.read().split())
