"""The C libraries: a file tree for each suite, with programs that were compiled in it."""

import os
import struct
import subprocess

LAB = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGES = ("libc6", "libc-bin", "locales", "gcc", "gzip", "libc6-dev", "musl", "musl-dev", "musl-tools", "dash", "coreutils", "passwd",
            "busybox-static", "libnss-systemd", "libnss-myhostname", "libnss-resolve")
# The name of each, how it is compiled.
LINKED = {
    ("glibc", "dynamic"): ["gcc"],
    ("glibc", "static"): ["gcc", "-static"],
    ("musl", "dynamic"): ["musl-gcc"],
    ("musl", "static"): ["musl-gcc", "-static"],
}
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def fetch(suite, scratch):
    """Unpacks a suite's packages, if that has not been done."""
    subprocess.run([LAB + "/unpack", scratch + "/apt", f"{scratch}/{suite}", suite, "amd64", *PACKAGES], check=True)


class Tree:
    """A suite's packages, unpacked, and ready as an installation would have made them."""

    def __init__(self, suite, scratch):
        self.suite, self.root = suite, f"{scratch}/{suite}"
        self.versions = {"glibc": self.version("libc6", scratch), "musl": self.version("musl", scratch)}
        for folder in ("proc", "sys", "dev", "tmp", "etc", "locales", "gconv"):
            os.makedirs(f"{self.root}/{folder}", exist_ok=True)
        os.chmod(self.root + "/tmp", 0o1777)
        for mount in (["--rbind", "/dev"], ["--bind", "/proc"], ["--bind", "/sys"]):
            subprocess.run(["mount", *mount, self.root + mount[1]], check=True)
        self.write("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nsomebody:x:4243:4243::/:/bin/sh\n")
        self.write("/etc/group", b"root:x:0:\nsomebody:x:4243:\nmore:x:5000:somebody\n")
        self.write("/etc/hosts", b"127.0.0.1 localhost\n::1 localhost ip6-localhost\n")
        self.write("/etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\nservices: files\n")
        self.write("/etc/services", b"http 80/tcp\n")
        self.write("/etc/protocols", b"tcp 6 TCP\n")
        self.write("/etc/resolv.conf", b"nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        self.write("/usr/share/zoneinfo/Europe/Berlin", BERLIN)
        self.write("/usr/share/zoneinfo/Asia/Tokyo", BERLIN)
        for language in ("de", "fr"):
            self.write(f"/usr/share/locale/{language}/LC_MESSAGES/libc.mo", catalogue("No such file or directory", "Gibt es nicht"))
        self.write("/gconv/gconv-modules", b"module EUC-JP// INTERNAL EUC-JP 1\n")
        # An installation would have made it.
        if not os.path.lexists(self.root + "/bin/sh"):
            os.symlink("dash", self.root + "/bin/sh")
        self.run("ldconfig")
        if not os.path.exists(self.root + "/locales/de_DE.utf8"):
            for language, characters in (("de_DE", "UTF-8"), ("ja_JP", "EUC-JP"), ("tr_TR", "ISO-8859-9")):
                name = f"{language}.{characters}"
                self.run("localedef", "-i", language, "-f", characters, name)
                self.run("localedef", "--no-archive", "-i", language, "-f", characters, "/locales/" + normal(name))
        self.run("iconvconfig")
        self.compile()

    def version(self, package, scratch):
        """Of a package: what upstream calls it."""
        apt = [LAB + "/apt-suite", scratch + "/apt", self.suite, "amd64", "apt-cache", "show", package]
        shown = subprocess.run(apt, check=True, capture_output=True, text=True).stdout
        return next(line.split()[1].split("-")[0] for line in shown.splitlines() if line.startswith("Version:"))

    def path(self, name):
        return self.root + name

    def write(self, name, content):
        """A file of the tree; None removes it. Gives what was there."""
        path = self.path(name)
        before = None
        if os.path.lexists(path):
            with open(path, "rb") as file:
                before = file.read()
        if content is None:
            if before is not None:
                os.remove(path)
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
        return before

    def run(self, *command):
        subprocess.run(["chroot", self.root, *command], check=True, env=ENVIRONMENT, stderr=subprocess.DEVNULL)

    def compile(self):
        with open(LAB + "/circumstances/probe.c", "rb") as source:
            self.write("/probe.c", source.read())
        # Debian's musl-gcc of some suites looks for `cc`, which an installation would have made.
        for (libc, linked), compiler in LINKED.items():
            words = [*compiler, "-w", "-O1", "-fstack-protector-all", "-pthread", "/probe.c", "-o", f"/{libc}-{linked}"]
            self.run("env", "REALGCC=gcc", *words)


def normal(name):
    """A locale's name as its folder has it."""
    language, characters = name.split(".")
    return f"{language}.{characters.lower().replace('-', '')}"


# A zone file: version 2, one type, one hour east, and a rule.
HEADER = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 4)
BERLIN = (HEADER + struct.pack(">lbb", 3600, 0, 0) + b"CET\0") * 2 + b"\nCET-1CEST,M3.5.0,M10.5.0/3\n"


def catalogue(message, translation):
    """A file of messages (gettext's .mo) in UTF-8, which makes the C library convert them."""
    head = "Content-Type: text/plain; charset=UTF-8\n"
    originals, translations = [b"", message.encode()], [head.encode(), (translation + " \u00e4").encode()]
    texts, tables, offset = b"", b"", 28 + 4 * 8
    for column in (originals, translations):
        for text in column:
            tables += struct.pack("<2I", len(text), offset + len(texts))
            texts += text + b"\0"
    return struct.pack("<7I", 0x950412DE, 0, 2, 28, 28 + 16, 0, 28 + 32) + tables + texts
