"""tini and catatonit: inits that engines put before the workload, as PID 1, where `--init` asks for it.

They load no filter, but are under the container's one from their own start until the workload's end: they start it,
hand signals on to it, and reap what it leaves behind.
"""

from .bwrap import LOG_ALL
from .host import Load

# What docker-init is, and what Podman starts; both are static, so that they run in every image.
PROGRAMS = {"tini": "tini-static", "catatonit": "catatonit"}
# bwrap loads the filter and executes the init, which is PID 1 then. The status must be the expected one.
AS_PID_1 = """
filter=$1 expected=$2
shift 2
bwrap --seccomp 9 --ro-bind / / --dev /dev --proc /proc --unshare-pid --as-pid-1 "$@" 9<"$filter"
status=$?
[ "$status" = "$expected" ] || { echo "status $status instead of $expected"; exit 1; }
"""
ORPHANS = """
for i in 1 2 3; do ("$0" usleep ${i}0000 &); done
"$0" usleep 50000 & kill -STOP $!; kill -CONT $!; wait
"""
SIGNALS = """
received=0
for signal in HUP INT QUIT USR1 USR2 TERM CONT WINCH; do trap 'received=$((received + 1))' $signal; done
for signal in HUP INT QUIT USR1 USR2 TERM CONT WINCH; do kill -$signal 1; done
for wait in $("$0" seq 1000); do [ $received = 8 ] && break; "$0" usleep 10000; done
exit $received
"""
# What a shell does as the workload, and the status that the init must end with.
SCENES = (
    ("true", 0),
    ("exit 7", 7),
    ("kill -TERM $$", 128 + 15),
    ("kill -KILL $$", 128 + 9),
    (ORPHANS, 0),
    (SIGNALS, 8),
)
USER = ("--unshare-user", "--uid", "1000", "--gid", "1000")
# What can be asked of the init: by the environment, which is the workload's, and by options, which engines do not give.
SETTINGS = {"tini": ("TINI_SUBREAPER", "TINI_KILL_PROCESS_GROUP", "TINI_VERBOSITY"), "catatonit": ()}
OPTIONS = {"tini": ("-s", "-g"), "catatonit": ("-g",)}
# How it ends where there is no such program, after it has said so on stderr.
NO_PROGRAM = {"tini": 127, "catatonit": 1}


def learn(findings, tree, init, runs):
    """Learns what that init calls, where it runs."""
    program = PROGRAMS[init]
    version = tree.version(program)
    if version is None:
        return
    with open(tree.scratch.bundle + "/log-all.bpf", "wb") as file:
        file.write(LOG_ALL)
    busybox = tree.bundle + "/rootfs/bin/busybox"

    def repeat(expected, *words, terminal=False):
        command = tree.command(busybox, "sh", "-c", AS_PID_1, "sh", tree.bundle + "/log-all.bpf", str(expected), *words)
        for number in range(2 * runs):
            with Load(number >= runs):
                findings.observe((init, version, "any"), program, "run", command, terminal)

    def shell(scene):
        return ("--", busybox, "sh", "-c", scene, busybox)

    for scene, expected in SCENES:
        for terminal in (False, True):
            repeat(expected, program, *shell(scene), terminal=terminal)
    repeat(8, *USER, program, *shell(SIGNALS))
    for name in SETTINGS[init]:
        repeat(8, "--setenv", name, "3", program, *shell(SIGNALS))
    for option in OPTIONS[init]:
        repeat(8, program, option, *shell(SIGNALS))
    repeat(NO_PROGRAM[init], program, "--", "/no/such/program")
