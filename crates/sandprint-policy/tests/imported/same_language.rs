//! A profile → a policy → a profile in the same language → the same policy: for everything that importers make.

use std::collections::BTreeSet;

use sandprint_model::loss::Unchecked;
use sandprint_model::{Arch, Call, Loss, LossKind, Policy};
use sandprint_policy::emit::by_name;
use sandprint_policy::import::{Format, Imported, Site, import};

use testkit::policies::{grid, losses};

fn read(format: Format, bytes: &[u8]) -> Imported {
    import(format, bytes, &Site::new(Arch::X86_64)).unwrap()
}

/// What comes back, and what the format could not say.
fn there_and_back(format: Format, policy: &Policy) -> (String, Policy, BTreeSet<Loss>) {
    let emitted = by_name(format.name()).unwrap().emit(policy).unwrap();
    let text = emitted.content.as_text().map(str::to_owned).unwrap_or_default();
    (text, read(format, emitted.content.as_bytes()).policy, emitted.losses)
}

/// Whether conditions are lost.
fn is_of_arguments(kind: &LossKind) -> bool {
    matches!(
        kind,
        LossKind::ConditionsCut { .. }
            | LossKind::LoggedWhole
            | LossKind::OtherwiseAllowed
            | LossKind::SettingRefuses(_)
            | LossKind::Systemd(Unchecked::Arguments, _)
    )
}

/// Calls at every boundary of either policy.
fn calls<'p>(one: &'p Policy, other: &'p Policy) -> impl Iterator<Item = Call> + 'p {
    grid::calls(one).chain(grid::calls(other)).filter(|call| call.syscall.abi.arch() == Arch::X86_64)
}

fn differences(one: &Policy, other: &Policy) -> BTreeSet<String> {
    calls(one, other)
        .filter(|call| one.calls.decide(call) != other.calls.decide(call))
        .map(|call| format!("{} {}", call.syscall.abi, call.syscall))
        .collect()
}

/// Every setting, and each way to say it: exactly back, with no loss but of what is not known yet.
#[test]
fn every_setting_of_a_unit_goes_back_into_what_it_came_from() {
    let alone = [
        (
            "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
            "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        ),
        ("RestrictAddressFamilies=~AF_ALG AF_VSOCK", "RestrictAddressFamilies=~AF_ALG AF_VSOCK"),
        ("RestrictAddressFamilies=~AF_PACKET", "RestrictAddressFamilies=~AF_PACKET"),
        ("RestrictAddressFamilies=none", ""),
        ("RestrictRealtime=yes", "RestrictRealtime=yes"),
        ("RestrictNamespaces=yes", "RestrictNamespaces=yes"),
        ("RestrictNamespaces=~user", "RestrictNamespaces=cgroup ipc mnt net pid uts"),
        ("RestrictNamespaces=net user", "RestrictNamespaces=net user"),
        ("MemoryDenyWriteExecute=yes", "MemoryDenyWriteExecute=yes"),
        ("RestrictSUIDSGID=yes", "RestrictSUIDSGID=yes"),
        ("LockPersonality=yes", "LockPersonality=yes"),
        ("DynamicUser=yes", "RestrictSUIDSGID=yes"),
        ("PrivateDevices=yes", ""),
        ("ProtectClock=yes", ""),
        ("ProtectHostname=yes", ""),
        ("ProtectKernelLogs=yes", ""),
        ("ProtectKernelModules=yes", ""),
        ("ProtectKernelTunables=yes", ""),
        (
            "RestrictRealtime=yes\nRestrictNamespaces=yes\nMemoryDenyWriteExecute=yes\nLockPersonality=yes\n\
             RestrictSUIDSGID=yes\nRestrictAddressFamilies=AF_UNIX\nProtectClock=yes\nProtectKernelModules=yes",
            "RestrictRealtime=yes",
        ),
    ];
    let with = [
        "",
        "SystemCallArchitectures=native\n",
        "SystemCallArchitectures=native\nSystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM\n",
        "SystemCallArchitectures=native x86\nSystemCallFilter=@system-service\n",
        "SystemCallFilter=~@mount ptrace:EPERM @swap:ENOSYS\nSystemCallErrorNumber=EACCES\n",
        "SystemCallArchitectures=native\nSystemCallLog=chown mount\nSystemCallFilter=@system-service\n",
    ];
    for (setting, written) in alone {
        for around in with {
            let unit = format!("[Service]\n{around}{setting}\n");
            let imported = read(Format::Systemd, unit.as_bytes());
            let (text, back, losses) = there_and_back(Format::Systemd, &imported.policy);
            let differing = differences(&imported.policy, &back);
            assert_eq!(differing, BTreeSet::new(), "{unit}\n{text}\n{losses:#?}");
            assert!(!losses.iter().any(|loss| loss.breaks), "{unit}{losses:#?}");
            // What a list of names refuses anyway needs no setting.
            let is_needed = !around.contains("SystemCallFilter=@");
            if is_needed {
                assert!(text.contains(written), "{unit}{text}");
            }
            let of_arguments: Vec<_> = losses.iter().filter(|loss| is_of_arguments(&loss.kind)).collect();
            assert_eq!(of_arguments, Vec::<&Loss>::new(), "{unit}{text}");
        }
    }
}

/// The units of this machine: what is decided otherwise is a loss, and no call is lost.
#[test]
#[expect(clippy::disallowed_methods, reason = "the units of this machine are what is tried")]
fn real_units_come_back() {
    let Ok(units) = std::fs::read_dir("/usr/lib/systemd/system") else {
        println!("skipped: there are no units of systemd here");
        return;
    };
    let mut count = 0;
    for path in units.map(|unit| unit.unwrap().path()) {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let Ok(imported) = import(Format::Systemd, &bytes, &Site::new(Arch::X86_64)) else { continue };
        count += 1;
        let policy = &imported.policy;
        let (text, back, told) = there_and_back(Format::Systemd, policy);
        assert!(!told.iter().any(|loss| loss.breaks), "{path:?} {told:#?}");
        assert_eq!(differences(policy, &back), BTreeSet::new(), "{path:?}\n{text}\n{told:#?}");
    }
    println!("{count} units came back");
}

/// What their owners' profiles hold, and every way to refuse some values of an argument.
#[test]
fn real_profiles_of_containers_come_back() {
    const DOCKER: &str = include_str!("../../../../corpus/profiles/docker-20.10.24.json");
    const PODMAN: &str = include_str!("../../../../corpus/profiles/podman-0.50.1.json");
    let entries = [
        r#"{"op":"SCMP_CMP_LT","index":0,"value":38}"#,
        r#"{"op":"SCMP_CMP_EQ","index":0,"value":39}"#,
        r#"{"op":"SCMP_CMP_GT","index":0,"value":40}"#,
        r#"{"op":"SCMP_CMP_NE","index":0,"value":40}"#,
        r#"{"op":"SCMP_CMP_MASKED_EQ","index":0,"value":4294967295,"valueTwo":2}"#,
        r#"{"op":"SCMP_CMP_MASKED_EQ","index":0,"value":2114060288,"valueTwo":0}"#,
    ];
    let entry = |args: &str| format!(r#"{{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{args}]}}"#);
    let oci = |entries: &[String]| {
        format!(
            r#"{{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"architectures":["SCMP_ARCH_X86_64"],"syscalls":[
               {{"names":["execve","exit_group"],"action":"SCMP_ACT_ALLOW"}},{}]}}"#,
            entries.join(",")
        )
    };
    let mut profiles: Vec<(Format, String)> =
        vec![(Format::Docker, DOCKER.to_owned()), (Format::Docker, PODMAN.to_owned())];
    profiles.extend(entries.iter().map(|one| (Format::Oci, oci(&[entry(one)]))));
    profiles.push((Format::Oci, oci(&entries[..3].iter().map(|one| entry(one)).collect::<Vec<_>>())));
    for (format, text) in profiles {
        let policy = read(format, text.as_bytes()).policy;
        let (written, back, told) = there_and_back(format, &policy);
        assert!(!told.iter().any(|loss| loss.breaks), "{written}{told:#?}");
        losses::check(&policy, &told, calls(&policy, &back), |call| back.calls.decide(call));
        if format == Format::Oci {
            assert_eq!(differences(&policy, &back), BTreeSet::new(), "{text}\n{written}");
        }
    }
}
