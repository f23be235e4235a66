//! The policies that workloads run under, and the filters made of them: ours and libseccomp's.

use std::fmt::Write as _;

use anyhow::{Context as _, ensure};

use super::instrument::path_of;
use super::workshop::{Workshop, words};
use crate::repository_root;

/// The policy of `true`, in the scratch directory.
pub(super) const TRUE: &str = "true.policy.toml";
/// The policy of [`RULES`] rules.
pub(super) const LARGE: &str = "large.policy.toml";
/// Our filter of it.
pub(super) const OURS: &str = "sandprint.bpf";
/// libseccomp's, as a binary tree.
pub(super) const TREE: &str = "tree.bpf";
/// libseccomp's, as it makes it by itself.
pub(super) const LIST: &str = "list.bpf";
/// Docker's default profile, below the repository's root: what most containers run under.
pub(super) const DOCKER: &str = "corpus/profiles/docker-20.10.24.json";

/// How many rules the large policy has.
const RULES: usize = 400;

/// Calls that get a rule for each value of an argument, as recordings with arguments give them: the call, the
/// argument, the values. ioctl gets as many as are missing.
const BY_ARGUMENT: &[(&str, u8, &[u32])] = &[
    ("fcntl", 1, &[0, 1, 2, 3, 4, 5, 6, 7, 1024, 1030, 1031, 1032, 1033, 1034]),
    ("futex", 1, &[0, 1, 5, 9, 10, 128, 129, 131, 132, 137, 138, 265, 393]),
    ("prctl", 0, &[1, 2, 3, 4, 8, 15, 16, 22, 23, 24, 29, 36, 38, 39, 47, 0x5356_4d41]),
    ("madvise", 2, &[0, 1, 2, 3, 4, 8, 9, 14, 15, 16, 21]),
    ("socket", 0, &[1, 2, 10, 16]),
    ("setsockopt", 1, &[0, 1, 6, 17, 41]),
    ("mprotect", 2, &[0, 1, 3, 5]),
    ("ioctl", 1, &[]),
];
/// The commands of terminals begin here (asm-generic/ioctls.h).
const FIRST_IOCTL: u32 = 0x5401;

/// How often a server made its calls. Two of them make the rows, and are half of everything between them.
const COUNTS: &[(&str, u64)] = &[
    ("fcntl", 1_000_000),
    ("getppid", 1_000_000),
    ("epoll_pwait", 450_000),
    ("read", 400_000),
    ("write", 400_000),
    ("futex", 300_000),
    ("recvfrom", 150_000),
    ("sendto", 150_000),
    ("openat", 20_000),
    ("close", 20_000),
    ("fstat", 10_000),
    ("mmap", 5_000),
    ("munmap", 5_000),
    ("accept4", 1_000),
    ("socket", 100),
    ("execve", 1),
];

/// Makes [`TRUE`], of a recording, and makes sure that it confines.
pub(super) fn of_true(workshop: &Workshop) -> anyhow::Result<()> {
    let sandprint = workshop.sandprint.display().to_string();
    let program = path_of("true")?;
    workshop.run(&words(&[&sandprint, "profile", "run", "-o", "true.json", "--", &program]))?;
    workshop.run(&words(&[
        &sandprint,
        "profile",
        "generate",
        "-i",
        "true.json",
        "-f",
        "toml",
        "-o",
        TRUE,
    ]))?;
    let other = path_of("mkdir")?;
    let refused = workshop.run(&words(&[&sandprint, "run", "-p", TRUE, "--", &other, "refused"]));
    ensure!(refused.is_err(), "under the policy of true, mkdir makes a directory");
    Ok(())
}

/// Makes [`LARGE`].
pub(super) fn large(workshop: &Workshop) -> anyhow::Result<()> {
    let sandprint = workshop.sandprint.display().to_string();
    let profile = repository_root().join(DOCKER).display().to_string();
    let imported = "docker.policy.toml";
    workshop.run(&words(&[&sandprint, "policy", "import", &profile, "-o", imported]))?;
    let text = std::fs::read_to_string(workshop.directory().join(imported)).context("read the policy")?;
    let text = enlarged(&text, std::env::consts::ARCH)?;
    std::fs::write(workshop.directory().join(LARGE), text).context("write the large policy")?;
    workshop.run(&words(&[&sandprint, "policy", "check", LARGE])).map(drop)
}

/// Makes [`OURS`], [`TREE`] and [`LIST`], and makes sure that each lets through and refuses what the rows call.
pub(super) fn filters(workshop: &Workshop) -> anyhow::Result<()> {
    large(workshop)?;
    let sandprint = workshop.sandprint.display().to_string();
    for (format, file) in [("bpf", OURS), ("seccomp-h", "policy.h")] {
        workshop.run(&words(&[&sandprint, "profile", "generate", "-p", LARGE, "-f", format, "-o", file]))?;
    }
    workshop.compile_libseccomp()?;
    for (optimize, file) in [("2", TREE), ("1", LIST)] {
        workshop.run(&words(&["./libseccomp", optimize, file]))?;
    }
    // It fails for no other reason.
    workshop.run(&words(&["./calls", "1", "1", "fcntl-refused"]))?;
    for file in [OURS, TREE, LIST] {
        for call in ["getppid", "fcntl", "personality"] {
            workshop.run(&words(&["./filtered", file, "./calls", "1", "1", call]))?;
        }
        let refused = workshop.run(&words(&["./filtered", file, "./calls", "1", "1", "fcntl-refused"]));
        ensure!(refused.is_err(), "the filter {file} lets through what the policy refuses");
    }
    Ok(())
}

/// A rule that is to be written: the call, the action, the conditions.
type Rule = (String, String, Vec<String>);

/// The rules of an imported policy for calls of this machine, with rules about arguments until there are
/// [`RULES`], and counts.
fn enlarged(imported: &str, abi: &str) -> anyhow::Result<String> {
    let mut rules = imported_rules(imported, abi)?;
    rules.retain(|(call, _, _)| BY_ARGUMENT.iter().all(|(other, _, _)| other != call));
    let mut by_value = |call: &str, index: u8, value: u32| {
        rules.push((call.to_owned(), "allow".to_owned(), vec![format!("arg{index}.u32 == {value}")]));
        rules.len()
    };
    let mut count = 0;
    for (call, index, values) in BY_ARGUMENT {
        for value in *values {
            count = by_value(call, *index, *value);
        }
    }
    for command in (FIRST_IOCTL..).take(RULES.saturating_sub(count)) {
        count = by_value("ioctl", 1, command);
    }
    ensure!(count == RULES, "the large policy has {count} rules");
    Ok(written(&rules, abi))
}

fn imported_rules(text: &str, abi: &str) -> anyhow::Result<Vec<Rule>> {
    let document: toml::Table = text.parse().context("understand the imported policy")?;
    let calls =
        document.get(abi).and_then(toml::Value::as_table).context("it has no rules for this machine")?;
    let mut rules = Vec::new();
    for (call, list) in calls {
        for rule in list.as_array().context("a call without a list of rules")? {
            let action = rule.get("do").and_then(toml::Value::as_str).context("a rule that does nothing")?;
            let conditions = rule.get("when").and_then(toml::Value::as_array).into_iter().flatten();
            let conditions = conditions.filter_map(toml::Value::as_str).map(str::to_owned).collect();
            rules.push((call.clone(), action.to_owned(), conditions));
        }
    }
    Ok(rules)
}

fn written(rules: &[Rule], abi: &str) -> String {
    let mut text = "version = 1\ndefault = \"errno EPERM\"\nforeign = \"kill-process\"\n".to_owned();
    for (call, action, conditions) in rules {
        let count = COUNTS.iter().find(|(counted, _)| counted == call);
        let why = count.map_or("{ imported = \"docker\" }".to_owned(), |(_, count)| {
            format!("{{ observed = {count}, runs = 1, by = [{{ path = \"/usr/bin/server\" }}] }}")
        });
        // Writing to a String does not fail. The words of a policy need no escapes other than those of Rust.
        write!(text, "\n[[{abi}.{call}]]\ndo = {action:?}\nwhen = {conditions:?}\nwhy = [{why}]\n")
            .unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_large_policy_has_its_rules_whatever_was_imported() {
        let imported = "[[x86_64.read]]\ndo = \"allow\"\nwhy = [{ imported = \"docker\" }]\n\
                        [[x86_64.fcntl]]\ndo = \"allow\"\nwhy = [{ imported = \"docker\" }]\n\
                        [[x86_64.clone]]\ndo = \"errno ENOSYS\"\nwhen = [\"arg0.u32 & 0x10 == 0\"]\nwhy = []\n\
                        [[i386.write]]\ndo = \"allow\"\nwhy = []\n";
        let text = enlarged(imported, "x86_64").unwrap();
        let table: toml::Table = text.parse().unwrap();
        let calls = table["x86_64"].as_table().unwrap();
        let rules = |call: &str| calls[call].as_array().unwrap();
        assert_eq!(calls.values().map(|rules| rules.as_array().unwrap().len()).sum::<usize>(), RULES);
        assert_eq!(rules("clone")[0]["do"].as_str(), Some("errno ENOSYS"));
        assert_eq!(rules("clone")[0]["when"][0].as_str(), Some("arg0.u32 & 0x10 == 0"));
        assert_eq!(rules("read")[0]["why"][0]["observed"].as_integer(), Some(400_000));
        // Nothing lets it through whatever its argument.
        assert!(rules("fcntl").iter().all(|rule| !rule["when"].as_array().unwrap().is_empty()));
        assert!(!table.contains_key("i386"));
    }
}
