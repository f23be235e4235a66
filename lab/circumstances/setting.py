"""In which circumstances a program may run: environment, users, resolvers, limits, what its descriptors are."""

import dataclasses

ALL = ("start",)
LOCALES = ("C.UTF-8", "de_DE.UTF-8", "ja_JP.eucjp", "tr_TR.iso88599", "xx_YY.UTF-8")
STREAMS = ("print", "input", "message", "wide", "temporary", "abort", "assert", "smash", "free")
NAMES = ("user", "groups", "service")
HOSTS = ("host", "older-host", "address")


@dataclasses.dataclass(frozen=True)
class Circumstance:
    """One of them. `files` are of the file tree; None removes one."""

    name: str
    subjects: tuple
    env: tuple = ()
    files: tuple = ()
    uid: int = 0
    limits: tuple = ()
    stdio: str = "pipe"
    one_cpu: bool = False


PLAIN = Circumstance("plain", ())


def environment(name, subjects, **variables):
    return Circumstance(name, subjects, env=tuple(variables.items()))


def circumstances():
    """All of them, each with the subjects that it may make a difference for."""
    yield from of_language()
    yield from of_zone()
    yield from of_loading()
    yield from of_memory()
    yield from of_streams()
    yield from of_names()
    yield from of_hosts()


def of_language():
    subjects = ("language", "message", "wide", "convert", "zone", "assert")
    for locale in LOCALES:
        yield environment("locale " + locale, subjects, LANG=locale)
        yield environment(f"locale {locale}, of its own folder", subjects, LC_ALL=locale, LOCPATH="/locales")
    yield environment("two locales", subjects, LC_CTYPE="ja_JP.eucjp", LC_MESSAGES="de_DE.UTF-8")
    yield environment("languages", subjects, LANG="de_DE.UTF-8", LANGUAGE="fr:de:en")
    yield environment("languages in other characters", subjects, LANG="ja_JP.eucjp", LANGUAGE="de")
    yield environment("catalogues elsewhere", subjects, LANG="de_DE.UTF-8", NLSPATH="/nowhere/%N", MUSL_LOCPATH="/locales")
    yield environment("conversions elsewhere", subjects, LANG="ja_JP.eucjp", GCONV_PATH="/gconv")
    cache = "/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache"
    for locale in LOCALES[:4]:
        env = (("LANG", locale),)
        yield Circumstance(f"locale {locale}, no cache of conversions", subjects, env=env, files=((cache, None),))
    yield Circumstance("locale de_DE.UTF-8, no archive", subjects, env=(("LANG", "de_DE.UTF-8"),),
                       files=(("/usr/lib/locale/locale-archive", None),))


def of_zone():
    subjects = ("zone", "language")
    for zone in ("Europe/Berlin", ":Asia/Tokyo", "EST5EDT,M3.2.0,M11.1.0", "No/Such", ":/etc/localtime", ""):
        yield environment(f"time zone `{zone}`", subjects, TZ=zone)
    yield environment("time zones elsewhere", subjects, TZ="Europe/Berlin", TZDIR="/nowhere")
    yield Circumstance("a local time zone", subjects, files=(("/etc/localtime", b"TZif2"),))


def of_loading():
    subjects = ("start", "print", "threads")
    yield environment("names bound at once", subjects, LD_BIND_NOW="1")
    yield environment("a path of libraries", subjects, LD_LIBRARY_PATH="/nowhere:/usr/lib")
    yield environment("a library that is not there", subjects, LD_PRELOAD="/nowhere/lib.so")
    yield environment("a library more", subjects, LD_PRELOAD="libm.so.6")
    yield environment("a large environment", subjects, A="a" * 100_000)
    yield environment("no restartable sequences", subjects, GLIBC_TUNABLES="glibc.pthread.rseq=0")
    yield environment("small stacks", subjects, GLIBC_TUNABLES="glibc.pthread.stack_cache_size=0")
    yield environment("no optional processor features", subjects, GLIBC_TUNABLES="glibc.cpu.hwcaps=-AVX2,-ERMS")
    yield Circumstance("no cache of libraries", subjects, files=(("/etc/ld.so.cache", None),))
    yield Circumstance("preloaded for all", subjects, files=(("/etc/ld.so.preload", b"libm.so.6\n"),))
    yield Circumstance("another user", subjects, uid=4242)


def of_memory():
    subjects = ("start", "memory", "threads", "processors", "temporary")
    for name in ("ARENA_MAX", "TOP_PAD_", "MMAP_THRESHOLD_", "TRIM_THRESHOLD_", "PERTURB_", "CHECK_"):
        yield environment(f"MALLOC_{name}", subjects, **{f"MALLOC_{name}": "1"})
    yield environment("MMAP_MAX", subjects, MALLOC_MMAP_MAX_="0")
    for tunable in ("malloc.tcache_count=0", "malloc.hugetlb=1", "malloc.hugetlb=2", "malloc.arena_test=1", "elision.enable=1"):
        yield environment("tunable " + tunable, subjects, GLIBC_TUNABLES="glibc." + tunable)
    unlimited = -1
    for limit, value in (("STACK", unlimited), ("STACK", 1 << 20), ("AS", 40 << 20), ("DATA", 1 << 20), ("NOFILE", 5),
                         ("FSIZE", 0), ("CORE", 0), ("CORE", unlimited), ("NPROC", 1)):
        yield Circumstance(f"{LIMITS[limit]} {'unlimited' if value == unlimited else value}", subjects,
                           limits=((limit, value),), uid=4242 if limit == "NPROC" else 0)
    yield Circumstance("one processor", subjects, one_cpu=True)
    yield environment("a folder for temporary files", subjects, TMPDIR="/nowhere")


LIMITS = {"STACK": "stack", "AS": "address space", "DATA": "data", "NOFILE": "open files", "FSIZE": "file size",
          "CORE": "core file", "NPROC": "processes"}


def of_streams():
    for stdio in ("terminal", "null", "file", "socket", "closed"):
        yield Circumstance(f"descriptors: {stdio}", STREAMS, stdio=stdio)
    yield Circumstance("a terminal, in another language", STREAMS, stdio="terminal", env=(("LANG", "de_DE.UTF-8"),))
    yield environment("messages of the allocator on stderr", ("free", "smash", "abort"), LIBC_FATAL_STDERR_="1")
    yield Circumstance("no core", ("abort", "assert", "free", "smash"), limits=(("CORE", 0),))
    yield Circumstance("another user", ("abort", "print", "temporary"), uid=4242)


def of_names():
    modules = {"files": "files", "files and systemd": "files systemd", "compat": "compat", "none": "nowhere",
               "systemd first": "systemd files", "files, then what is not there": "files nowhere", "databases": "db files",
               "an action": "files [NOTFOUND=continue] systemd [!UNAVAIL=return]"}
    for name, order in modules.items():
        text = "".join(f"{what}: {order}\n" for what in ("passwd", "group", "initgroups", "services", "protocols"))
        files = (("/etc/nsswitch.conf", text.encode()),)
        for uid in (0, 4242):
            yield Circumstance(f"names: {name}{', a user whom nobody knows' if uid else ''}", NAMES, files=files, uid=uid)
    yield Circumstance("names: nothing said", NAMES, files=(("/etc/nsswitch.conf", None),), uid=4242)
    yield Circumstance("names: no files", NAMES, files=(("/etc/passwd", None), ("/etc/group", None)), uid=4242)
    yield Circumstance("names: few descriptors", NAMES, limits=(("NOFILE", 4),), uid=4242)


def of_hosts():
    orders = {"files": "files", "files and DNS": "files dns", "DNS": "dns", "as systemd has it":
              "mymachines resolve [!UNAVAIL=return] files myhostname dns", "myhostname": "files myhostname", "none": "nowhere"}
    resolvers = {"a server": b"nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
                 "a server that says little": b"nameserver 127.0.0.1\noptions timeout:1 attempts:1 use-vc\n",
                 "no server": b"nameserver 127.0.0.9\noptions timeout:1 attempts:1\n",
                 "two servers": b"nameserver 127.0.0.9\nnameserver 127.0.0.1\nsearch a.example b.example\n"
                                b"options timeout:1 attempts:1 rotate single-request edns0\n",
                 "a server in IPv6": b"nameserver ::1\noptions timeout:1 attempts:1 single-request-reopen\n",
                 "nothing said": None}
    for name, order in orders.items():
        for server, text in resolvers.items():
            if server != "a server" and name != "files and DNS":
                continue
            files = (("/etc/nsswitch.conf", f"hosts: {order}\n".encode()), ("/etc/resolv.conf", text))
            yield Circumstance(f"hosts: {name}, {server}", HOSTS, files=files)
    yield Circumstance("hosts: none known", HOSTS, files=(("/etc/hosts", None),))
    yield Circumstance("hosts: options", HOSTS, env=(("RES_OPTIONS", "timeout:1 attempts:1 debug"), ("LOCALDOMAIN", "a.example"),
                                                     ("HOSTALIASES", "/etc/hosts")))
    yield Circumstance("hosts: addresses in order", HOSTS, files=(("/etc/gai.conf", b"precedence ::1/128 1\n"),
                                                                  ("/etc/host.conf", b"multi on\n")))
