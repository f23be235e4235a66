"""runc and crun: containers that are started in several ways, and executed in."""

import errno
import json
import os
import subprocess
from functools import partial

from .host import Load, run

# The names of the tasks that load the filter, until their execve.
TASKS = {"runc": r"runc:\[.*|runc", "crun": r"crun|[0-9]"}
# What a workload prints whose exit status cannot be seen.
SIGN = "the-workload-ran"
CREATE_AND_START = """
launcher=$1 bundle=$2 name=$3
"$launcher" create --bundle "$bundle" "$name" || exit 1
"$launcher" start "$name"
status=$?
for i in 1 2 3 4 5 6 7 8 9 10; do
    "$launcher" state "$name" | grep -q stopped && break
    usleep ${i}0000
done
"$launcher" delete --force "$name"
exit $status
"""


def learn(findings, tree, launcher, runs):
    """Learns what that launcher calls, where it runs."""
    # A profile without any rule is not loaded.
    one_rule = [{"names": ["reboot"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EPERM}]
    log = {"defaultAction": "SCMP_ACT_LOG", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": one_rule}
    for key in keys(tree, launcher):
        containers(tree, key, log, partial(findings.observe, key, TASKS[launcher]), runs)


def try_it(findings, tree, launcher, runs):
    """Runs everything again with nothing allowed but what was learned, and what the workload needs."""
    for key in keys(tree, launcher):
        names = sorted(findings.kept(key) | findings.workload)
        for refusal in (errno.EPERM, errno.ENOSYS):
            only = {
                "defaultAction": "SCMP_ACT_ERRNO",
                "defaultErrnoRet": refusal,
                "architectures": ["SCMP_ARCH_X86_64"],
                "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}],
            }
            containers(tree, key, only, lambda _how, *command: run(*command), runs)


def keys(tree, launcher):
    """Under what a launcher's calls are noted; nothing where it does not run."""
    version = tree.version(launcher)
    return [(launcher, version, no_new_privs) for no_new_privs in ("yes", "no")] if version else []


def containers(tree, key, seccomp, perform, runs):
    """Starts containers and executes in one, under that profile, as `perform` wants it done.

    Each thing is done `runs` times on a machine that we leave idle, and as often on a busy one.
    """
    launcher = key[0]
    base = base_config(tree, launcher)
    base["linux"]["seccomp"] = seccomp
    # Looking the user up in a long list makes a Go program grow its heap and collect garbage.
    many = {**base, "root": {"path": "rootfs-of-many", "readonly": True}}
    processes = process_variants(base, key[2] == "yes")

    def repeat(how, terminal, sign, command):
        for number in range(2 * runs):
            # Every other run may use one core only: the Go runtime behaves differently then.
            one_core = [tree.busybox, "taskset", "1"] if number % 2 else []
            with Load(number >= runs):
                perform(how, tree.command(*one_core, *command(f"sandprint-learn-{number}")), terminal, sign)

    for process, config in [*((process, base) for process in processes), (processes[1], many)]:
        write_json(tree, "config.json", {**config, "process": process})
        repeat("start", process["terminal"], "", lambda name: [launcher, "run", "--bundle", tree.bundle, name])

    # Container engines create a container first, which then waits, and start it later.
    for process in processes[:2]:
        write_json(tree, "config.json", {**base, "process": {**process, "args": ["echo", SIGN]}})
        script = [tree.busybox, "sh", "-c", CREATE_AND_START, "sh", launcher, tree.bundle]
        repeat("start", False, SIGN, lambda name, script=script: [*script, name])

    write_json(tree, "config.json", {**many, "process": {**processes[0], "args": ["sleep", "1000"]}})
    name = "sandprint-learn-exec"
    start = tree.command(launcher, "run", "--detach", "--bundle", tree.bundle, name)
    # Its output would go to pipes of ours, which the container would then keep open.
    subprocess.run(start, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        for process in processes:
            write_json(tree, "process.json", process)
            command = [launcher, "exec", "--process", tree.bundle + "/process.json", name]
            repeat("exec", process["terminal"], "", lambda _name, command=command: command)
    finally:
        subprocess.run(tree.command(launcher, "delete", "--force", name), check=True)


def base_config(tree, launcher):
    """The launcher's own idea of a container."""
    path = tree.scratch.bundle + "/config.json"
    if os.path.exists(path):
        os.remove(path)
    subprocess.run(tree.command(launcher, "spec", "--bundle", tree.bundle), check=True)
    with open(path, encoding="utf-8") as file:
        base = json.load(file)
    # Rules about devices need more locked memory than a machine may allow.
    base["linux"].pop("resources", None)
    return base


def process_variants(base, no_new_privs):
    """Root; another user with groups, few capabilities and limits; root on a terminal."""
    common = {**base["process"], "args": ["true"], "noNewPrivileges": no_new_privs, "terminal": False}
    capabilities = ["CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_KILL"]
    sets = ("bounding", "effective", "inheritable", "permitted", "ambient")
    user = {
        "user": {"uid": 1000, "gid": 1000, "additionalGids": [5, 6]},
        "cwd": "/tmp",
        "oomScoreAdj": 500,
        "capabilities": {name: capabilities for name in sets},
        "rlimits": [{"type": "RLIMIT_CORE", "hard": 0, "soft": 0}],
    }
    root = {"user": {"uid": 0, "gid": 0}}
    return [{**common, **root}, {**common, **user}, {**common, **root, "terminal": True}]


def write_json(tree, name, value):
    """Writes a file of the bundle."""
    with open(f"{tree.scratch.bundle}/{name}", "w", encoding="utf-8") as file:
        json.dump(value, file)
