//! What an imported unit says is what the filters of its process decide, as systemd 252 makes them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::{self, Command, Stdio};

use sandprint_policy::import::{Format, ImportError, Site, import};

use testkit::expect::skip;
use testkit::shell::run;
use testkit::systemd::Host;
use testkit::wait::until;

use crate::installed::{ARCH, Stack};
use crate::waits;

/// Lines of `[Service]` sections; beside these there is one for each group of calls.
const UNITS: &[&str] = &[
    "MemoryDenyWriteExecute=yes",
    "RestrictSUIDSGID=yes",
    "DynamicUser=yes",
    "RestrictRealtime=yes",
    "LockPersonality=yes",
    "Personality=x86\nLockPersonality=yes",
    "Personality=x86-64\nLockPersonality=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelTunables=yes",
    "PrivateDevices=yes",
    "RestrictNamespaces=yes",
    "RestrictNamespaces=no",
    "RestrictNamespaces=mnt net",
    "RestrictNamespaces=~user",
    "RestrictNamespaces=~user pid\nRestrictNamespaces=~cgroup ipc",
    "RestrictNamespaces=user pid\nRestrictNamespaces=uts\nRestrictNamespaces=~pid",
    "RestrictNamespaces=yes\nRestrictNamespaces=",
    "RestrictNamespaces=user bogus",
    "RestrictNamespaces=user pid\nRestrictNamespaces=no",
    "RestrictAddressFamilies=AF_UNIX AF_INET",
    "RestrictAddressFamilies=AF_UNIX AF_INET\nRestrictAddressFamilies=AF_NETLINK",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_PACKET\nRestrictAddressFamilies=~AF_INET",
    "RestrictAddressFamilies=~AF_INET",
    "RestrictAddressFamilies=~AF_INET AF_INET6\nRestrictAddressFamilies=AF_INET6",
    "RestrictAddressFamilies=~AF_INET\nRestrictAddressFamilies=~AF_NETLINK AF_MCTP",
    "RestrictAddressFamilies=none",
    "RestrictAddressFamilies=AF_UNIX\nRestrictAddressFamilies=none",
    "RestrictAddressFamilies=AF_UNIX\nRestrictAddressFamilies=",
    "RestrictAddressFamilies=AF_UNIX\nRestrictAddressFamilies=\nRestrictAddressFamilies=~AF_INET",
    "RestrictAddressFamilies=AF_UNIX AF_NONSENSE",
    "RestrictAddressFamilies=~AF_NONSENSE",
    "RestrictAddressFamilies=AF_LOCAL AF_ROUTE",
    "SystemCallArchitectures=native",
    "SystemCallArchitectures=x86",
    "SystemCallArchitectures=x86-64 x32",
    "SystemCallArchitectures=x86\nSystemCallArchitectures=x32",
    "SystemCallArchitectures=arm64",
    "SystemCallArchitectures=native\nSystemCallFilter=~@mount",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=@system-service\nSystemCallFilter=~@privileged @resources",
    "SystemCallFilter=~@mount @swap",
    "SystemCallFilter=~@mount:EACCES ptrace:kill bpf:7 chroot:0",
    "SystemCallFilter=~@mount\nSystemCallErrorNumber=EACCES",
    "SystemCallFilter=~@mount\nSystemCallErrorNumber=kill",
    "SystemCallFilter=~@mount\nSystemCallErrorNumber=0",
    "SystemCallFilter=@basic-io\nSystemCallErrorNumber=EPERM",
    "SystemCallFilter=@basic-io socket\nSystemCallFilter=~clone3:ENOSYS",
    "SystemCallFilter=~set_mempolicy_home_node futex_waitv:EIO",
    "SystemCallFilter=~fchmodat2",
    "SystemCallFilter=~map_shadow_stack futex_wake cachestat mseal uretprobe",
    "SystemCallFilter=~",
    "DynamicUser=yes\nRestrictSUIDSGID=no",
    "DynamicUser=yes\nDynamicUser=no\nSystemCallLog=mount",
    "LockPersonality=YES",
    "LockPersonality=yes\nLockPersonality=",
    "LockPersonality=yes\nPersonality=x86\nPersonality=",
    "LockPersonality=yes\nPersonality=arm",
    "ProtectClock=maybe\nSystemCallLog=mount",
    "RestrictAddressFamilies=AF_UNIX\nRestrictAddressFamilies=~AF_UNIX\nRestrictAddressFamilies=~AF_INET",
    "RestrictAddressFamilies=none\nRestrictAddressFamilies=~AF_INET",
    "RestrictAddressFamilies=~AF_INET\nRestrictAddressFamilies=none\nRestrictAddressFamilies=AF_INET",
    "RestrictAddressFamilies=~",
    "RestrictAddressFamilies=AF_UNSPEC AF_INET",
    "RestrictAddressFamilies=~AF_UNSPEC",
    "RestrictAddressFamilies=\"AF_INET\" 'AF_INET6'",
    "RestrictAddressFamilies=~AF_MCTP AF_XDP AF_SMC AF_IB AF_MPLS",
    "SystemCallArchitectures=\"native\" nonsense",
    "SystemCallFilter=\"read\" 'mount'",
    "RestrictNamespaces=\"user\"",
    "RestrictNamespaces=~",
    "RestrictNamespaces=time user",
    "RestrictNamespaces=time",
    "RestrictNamespaces=~time",
    "RestrictNamespaces=yes\nRestrictNamespaces=time",
    "RestrictNamespaces=cgroup ipc net mnt pid user uts",
    "RestrictNamespaces=No\nRestrictNamespaces=~user",
    "SystemCallFilter=~@mount\nSystemCallFilter=umount2",
    "SystemCallFilter=@basic-io mount:EPERM",
    "SystemCallFilter=~@mount umount2:ENOSYS\nSystemCallFilter=~umount2",
    "SystemCallFilter=~@mount umount2:ENOSYS\nSystemCallFilter=~umount2:EIO",
    "SystemCallFilter=~@nonsense no_such_call\nSystemCallErrorNumber=9999",
    "SystemCallFilter=@nonsense @basic-io no_such_call",
    "SystemCallFilter=~mount\nSystemCallLog=mount bpf",
    "SystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM\nSystemCallLog=~@system-service",
    "SystemCallLog=@mount",
    "SystemCallFilter=~@mount:EACCES\nSystemCallFilter=",
    "SystemCallFilter=~personality:EIO socket:ENOSYS init_module:E2BIG sethostname:EIO mmap:EIO\n\
     LockPersonality=yes\nRestrictAddressFamilies=AF_UNIX\nProtectKernelModules=yes\nProtectHostname=yes\n\
     MemoryDenyWriteExecute=yes",
    // Which lines are one: a backslash at the very end joins, whatever stands before it, and nothing behind it does.
    "SystemCallFilter=@system-service \\ \n  ptrace\nSystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service \\\\\n  ptrace\nSystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service \\\n  ptrace\nSystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service \\\n# no\n  ; no \\\n  ptrace\nSystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service \\\t\nSystemCallFilter=~bpf mount\nSystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service \\\nSystemCallFilter=~bpf mount\nSystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service \\\n\nSystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service \\\r\nptrace\r\nSystemCallErrorNumber=EPERM\r",
    "SystemCallFilter=@system-service\rSystemCallFilter=ptrace\rSystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service pt\\race \\bpf\\ mount keyctl\nSystemCallErrorNumber=EPERM",
    "SystemCallFilter=~mount\u{a0}bpf ptrace\nSystemCallFilter\u{a0}=~keyctl",
    "SystemCallFilter=~mount \u{b}bpf\u{c} ptrace",
    "SystemCall\\\nFilter=~mount\nSystemCallLog=bpf",
    "SystemCallFilter=\\\n~mount",
    "SystemCallFilter=~mount\\\nbpf keyctl",
    "# no \\\nSystemCallFilter=~mount",
    "\u{feff}SystemCallFilter=~mount\n\u{feff}SystemCallFilter=~bpf",
    "SystemCallFilter=~mount \\",
    "RestrictAddressFamilies=AF_UNIX \"AF_INET AF_INET6",
    "RestrictAddressFamilies=AF_UNIX AF_\\INET \\",
    "RestrictNamespaces=us\\er pid",
    "RestrictNamespaces=user pid \\\\",
    "SystemCallArchitectures=nonsense",
    "SystemCallArchitectures=mips",
    "SystemCallArchitectures=x86 'x32",
    "PrivateDevices=yes\nProtectClock=yes\nProtectKernelModules=yes\nProtectKernelLogs=yes\n\
     RestrictNamespaces=yes\nRestrictRealtime=yes\nRestrictSUIDSGID=yes\nMemoryDenyWriteExecute=yes\n\
     LockPersonality=yes\nSystemCallArchitectures=native\nSystemCallFilter=@system-service\n\
     SystemCallErrorNumber=EPERM\nRestrictAddressFamilies=AF_UNIX",
];

/// The groups of version 252.
const GROUPS: &str = include_str!("../../../../sandprint-policy/data/systemd-groups.tsv");

#[test]
fn an_imported_unit_decides_every_call_as_the_filters_of_its_process() {
    let Some(host) = Host::new() else { return };
    let version = run(Command::new("systemctl").arg("--version")).stdout;
    if !version.starts_with("systemd 252 ") {
        return skip("debian12", &format!("units are read as systemd 252 does; here is {version}"));
    }
    if !waits::build(&host.path("waits")) {
        return;
    }
    let mut units: Vec<String> = UNITS.iter().map(|lines| (*lines).to_owned()).collect();
    let mut groups: Vec<&str> = GROUPS.lines().filter_map(|line| Some(line.split_once('\t')?.0)).collect();
    groups.dedup();
    for group in groups {
        // What it starts with is let through again.
        units.push(format!("SystemCallFilter=~{group}:EXDEV\nSystemCallFilter=@default"));
        units.push(format!("SystemCallFilter={group}\nSystemCallErrorNumber=EACCES"));
    }
    // What the others have below their own filters.
    units.push(String::new());
    let mut stacks = stacks(&host, &units);
    let below = stacks.pop().expect("it was the last one");

    let mut wrong = Vec::new();
    for (unit, stack) in units.iter().zip(stacks) {
        let stack = stack.above(&below);
        match import(Format::Systemd, format!("[Service]\n{unit}\n").as_bytes(), &Site::new(ARCH)) {
            Err(ImportError::NoFilter) if stack.is_empty() => {}
            Err(error) => wrong.push(format!("{unit:?}: {error}")),
            Ok(imported) => {
                let differences = stack.differences(&imported.policy);
                wrong.extend(differences.iter().map(|difference| format!("{unit:?}: {difference}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The filters of a process of each unit.
fn stacks(host: &Host, units: &[String]) -> Vec<Stack> {
    let name = |at: usize| format!("sandprint-{}-{at}.service", process::id());
    for (at, lines) in units.iter().enumerate() {
        host.unit(&name(at), &format!("[Service]\nExecStart=/waits\n{lines}\n"));
    }
    let names: Vec<String> = (0..units.len()).map(name).collect();
    // It ends with the test process too: its time is limited.
    host.start(
        &names,
        "[Service]\nRuntimeMaxSec=600\n\
         ExecStart=/busybox sh -c 'until [ -e /left/done ]; do /busybox usleep 20000; done'\n",
    );
    let console = File::create(host.path("console")).expect("the folder is ours");
    let mut command = host.boot();
    command.stdin(Stdio::null()).stdout(console.try_clone().expect("a file")).stderr(console);
    let mut booted = command.spawn().expect("the script is there");
    let processes = until("the units, or the end", || {
        let ended = booted.try_wait().expect("it is our child").is_some();
        let found = processes(&names);
        (ended || found.len() == names.len()).then_some(found)
    });
    let read: Vec<_> = names.iter().map(|name| processes.get(name).map(|pid| Stack::of(*pid))).collect();
    fs::write(host.path("left/done"), "").expect("the folder is ours");
    booted.wait().expect("it is our child");
    let console = fs::read_to_string(host.path("console")).unwrap_or_default();
    let started = |(unit, stack): (&String, Option<_>)| -> Stack {
        let stack: Result<Stack, _> = stack.unwrap_or_else(|| panic!("did not start: {unit:?}\n{console}"));
        stack.unwrap_or_else(|error: std::io::Error| panic!("{unit:?}: {error}"))
    };
    units.iter().zip(read).map(started).collect()
}

/// The processes of these units that execute their program by now: by unit.
fn processes(units: &[String]) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("there is /proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may have ended by now.
        let read = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        if waits::is(pid)
            && let Some(unit) = read("cgroup")
                .lines()
                .find_map(|line| units.iter().find(|unit| line.rsplit('/').next() == Some(unit.as_str())))
        {
            found.insert(unit.clone(), pid);
        }
    }
    found
}
