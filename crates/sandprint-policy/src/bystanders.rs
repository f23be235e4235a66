//! Programs of a recording that are not the workload: those that start it, and those that have it started elsewhere.
//!
//! The tables are data; who they mean is told by the base name of a program, and by its words where they are known.

use sandprint_model::{ByteString, Image, Trace};

/// The table of launchers: a pattern of a base name, what it is.
const LAUNCHERS: &str = include_str!("../data/launchers.tsv");

/// The table of clients, whose head says what its columns are.
const CLIENTS: &str = include_str!("../data/clients.tsv");

/// Programs that run another one with the words that follow.
const WRAPPERS: [&str; 22] = [
    "sudo", "doas", "env", "nice", "ionice", "nohup", "setsid", "stdbuf", "time", "timeout", "chrt",
    "taskset", "xargs", "exec", "command", "sh", "bash", "dash", "zsh", "ksh", "busybox", "unshare",
];

/// A program that has its work done by somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    /// Its base name.
    pub name: &'static str,
    /// Who does the work.
    pub daemon: &'static str,
    /// What records that instead.
    pub instead: &'static str,
    /// Words of which one must follow; none where any will do.
    verbs: &'static str,
    /// Words of which none may follow.
    but: &'static str,
    /// Whether the program alone tells.
    by_image: bool,
}

fn clients() -> impl Iterator<Item = Client> {
    CLIENTS.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut fields = line.split('\t');
        let (name, verbs, but) = (fields.next()?, fields.next()?, fields.next()?);
        let by_image = fields.next()? == "yes";
        Some(Client { name, verbs, but, by_image, daemon: fields.next()?, instead: fields.next()? })
    })
}

impl Client {
    /// Whether these words, which follow its name, have work done elsewhere.
    fn hands_on(&self, words: &[&str]) -> bool {
        let any = |list: &str| words.iter().any(|word| list.split(',').any(|listed| listed == *word));
        (self.verbs == "-" || any(self.verbs)) && !any(self.but)
    }
}

/// The client that a command is, also behind programs that run others (`sudo`, `env`, `sh -c`).
pub fn client_of_command(command: &[ByteString]) -> Option<Client> {
    let words: Vec<String> =
        command.iter().map(|word| String::from_utf8_lossy(word.as_bytes()).into_owned()).collect();
    // A shell's script is one word.
    let is_shell = |word: &str| matches!(base_name(word), "sh" | "bash" | "dash" | "zsh" | "ksh");
    let has_script = words.iter().any(|word| is_shell(word))
        && words.iter().any(|word| word.starts_with('-') && word.ends_with('c'));
    let words: Vec<&str> = if has_script {
        words
            .iter()
            .flat_map(|word| word.split(|at: char| at.is_whitespace() || ";&|(){}\"'`".contains(at)))
            .collect()
    } else {
        words.iter().map(String::as_str).collect()
    };
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let is_wrapped = words.first().is_some_and(|first| WRAPPERS.contains(&base_name(first)));
    let places = if is_wrapped { words.len() } else { 1 };
    (0..places.min(words.len())).find_map(|place| {
        let (name, rest) = words.get(place..)?.split_first()?;
        clients().find(|client| client.name == base_name(name) && client.hands_on(rest))
    })
}

/// The clients among the programs of a trace, in name order, but for those whose command is known to do no such thing.
pub fn clients_of_trace(trace: &Trace) -> Vec<Client> {
    let mut found: Vec<Client> = Vec::new();
    for image in trace.images() {
        let name = String::from_utf8_lossy(image.path.as_bytes()).into_owned();
        let Some(client) = clients().find(|client| client.name == base_name(&name)) else { continue };
        let own: Vec<_> = trace
            .runs
            .values()
            .filter(|run| run.command.len() > 1)
            .filter(|run| {
                let first =
                    run.command.first().map(|word| String::from_utf8_lossy(word.as_bytes()).into_owned());
                first.is_some_and(|first| base_name(&first) == client.name)
            })
            .collect();
        let is_said = own.iter().any(|run| client_of_command(&run.command).is_some());
        if is_said || (client.by_image && own.is_empty()) {
            found.push(client);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// What a client means for a recording, in one sentence without its end.
pub fn in_words(client: &Client) -> String {
    format!(
        "{} has its work done by {}, which is not recorded with it: {} records that",
        client.name, client.daemon, client.instead
    )
}

/// What kind of launcher an image is, where it is one.
pub fn launcher(image: &Image) -> Option<&'static str> {
    let path = String::from_utf8_lossy(image.path.as_bytes()).into_owned();
    let name = base_name(&path);
    LAUNCHERS.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let (pattern, what) = line.split_once('\t')?;
        let of = if pattern.starts_with('*') { path.as_str() } else { name };
        crate::pattern::matches(pattern.as_bytes(), of.as_bytes()).then_some(what)
    })
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sandprint_model::{Abi, CallSeen, Recorder, Run, RunId, Subject, Syscall};

    use super::*;

    fn command(text: &str) -> Vec<ByteString> {
        text.split('~').map(|word| ByteString::new(word.as_bytes())).collect()
    }

    fn client(text: &str) -> Option<&'static str> {
        client_of_command(&command(text)).map(|client| client.name)
    }

    #[test]
    fn commands_that_hand_their_work_on_are_known_also_behind_others() {
        for (text, expected) in [
            ("docker~run~--rm~debian", Some("docker")),
            ("/usr/bin/docker~--context~x~run~debian", Some("docker")),
            ("docker~ps", None),
            ("docker~compose~up", Some("docker")),
            ("podman~run~debian", None),
            ("podman~--remote~run~debian", Some("podman")),
            ("ctr~run~image~id", Some("ctr")),
            ("nerdctl~run~image", Some("nerdctl")),
            ("kubectl~exec~pod~--~ls", Some("kubectl")),
            ("systemctl~start~nginx", Some("systemctl")),
            ("systemctl~status~nginx", None),
            ("systemd-run~ls", Some("systemd-run")),
            ("systemd-run~--scope~ls", None),
            ("machinectl~shell", Some("machinectl")),
            ("busctl~call~a~b", Some("busctl")),
            ("busctl~list", None),
            ("at~now", Some("at")),
            ("batch", Some("batch")),
            ("ssh~host~ls", Some("ssh")),
            ("sudo~-u~root~docker~run~debian", Some("docker")),
            ("env~A=b~nice~-n~5~systemctl~restart~x", Some("systemctl")),
            ("sh~-c~cd /; docker run debian && true", Some("docker")),
            ("bash~-ec~(ssh host ls)", Some("ssh")),
            ("grep~docker~run", None),
            ("ls", None),
            ("", None),
        ] {
            assert_eq!(client(text), expected, "{text}");
        }
    }

    fn trace(words: &str, images: &[&str]) -> Trace {
        let mut trace = Trace::default();
        let run = RunId::from_bits(1);
        let read = Syscall::from_name(Abi::X86_64, "read").unwrap();
        for path in images {
            let image = Image { path: ByteString::new(path.as_bytes()), build_id: None, script: None };
            trace.calls.join(Subject::of(&Arc::new(image)), read, run, CallSeen::times(1));
        }
        let run_of = Run {
            duration_ms: None,
            exit: None,
            name: None,
            command: command(words),
            target: None,
            recorder: Recorder::ALL[0],
            started_unix_ms: None,
            host: None,
            tool_version: "1".to_owned(),
            facts: std::collections::BTreeSet::new(),
            peaks: std::collections::BTreeMap::new(),
        };
        trace.runs.insert(run, run_of);
        trace
    }

    #[test]
    fn clients_are_found_by_the_programs_of_a_trace() {
        for (words, images, expected) in [
            ("./deploy.sh", &["/bin/sh", "/usr/bin/docker"][..], &["docker"][..]),
            ("docker~ps", &["/usr/bin/docker"], &[]),
            ("docker~run~x", &["/usr/bin/docker"], &["docker"]),
            ("docker", &["/usr/bin/docker"], &["docker"]),
            ("podman~run~x", &["/usr/bin/podman", "/usr/bin/crun"], &[]),
            ("podman~--remote~run~x", &["/usr/bin/podman"], &["podman"]),
            ("make", &["/usr/bin/ssh", "/usr/bin/systemctl"], &["ssh", "systemctl"]),
        ] {
            let found: Vec<_> =
                clients_of_trace(&trace(words, images)).iter().map(|client| client.name).collect();
            assert_eq!(found, expected, "{words}");
        }
    }

    #[test]
    fn launchers_are_known_by_their_base_names() {
        let kind = |path: &str| {
            launcher(&Image { path: ByteString::new(path.as_bytes()), build_id: None, script: None })
        };
        for path in [
            "/usr/bin/runc",
            "/memfd:runc_cloned:/proc/self/exe (deleted)",
            "/usr/bin/crun",
            "/usr/bin/conmon",
            "/usr/bin/containerd-shim-runc-v2",
            "/usr/bin/bwrap",
            "/usr/lib/systemd/systemd-executor",
            "/sbin/tini",
            "/usr/bin/catatonit",
            "/usr/sbin/gosu",
            "/usr/bin/setpriv",
            "/bin/su",
            "/usr/bin/sudo",
        ] {
            assert!(kind(path).is_some(), "{path}");
        }
        for path in ["/usr/bin/ls", "/usr/bin/sum", "/runc/app", ""] {
            assert_eq!(kind(path), None, "{path}");
        }
    }

    #[test]
    fn every_row_of_the_tables_is_whole() {
        let rows = |table: &'static str| table.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(rows(CLIENTS).count(), clients().count());
        assert!(clients().all(|client| client.instead.contains("sandprint profile ")));
        assert!(rows(LAUNCHERS).all(|row| row.split('\t').count() == 2));
    }
}
