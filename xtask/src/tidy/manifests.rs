//! What manifests must say: a reason for each library, and that lints and versions come from the root.

use toml::{Table, Value};

use super::Fault;
use super::tree::Tree;

/// Each library in the root's `[workspace.dependencies]` has a comment that says what it is for.
///
/// The comment stands on the line above or on the line itself. Lines that follow without a gap share it if they
/// start with the same name: `clap_complete` after `clap`. Our own crates need none.
pub(super) fn shared_dependencies_say_why(tree: &Tree) -> Vec<Fault> {
    let Some(text) = tree.text("Cargo.toml") else { return Vec::new() };
    let mut faults = Vec::new();
    let mut inside = false;
    // The first library under the last comment, once there is one.
    let mut family: Option<&str> = None;
    let mut commented = false;
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
            if line.starts_with("[workspace.dependencies.") {
                faults.push(Fault::line("Cargo.toml", index + 1, "shared dependencies are one line each"));
            }
        }
        let Some((name, value)) = line.split_once('=').filter(|_| inside && !line.starts_with('#')) else {
            commented = line.starts_with('#');
            family = None;
            continue;
        };
        let name = name.split('.').next().unwrap_or(name).trim();
        let ours = value.contains("path =");
        let related = family.is_some_and(|first| name.starts_with(first));
        if !(commented || related || ours || value.contains('#')) {
            let what = format!("{name} has no comment that says what it is for");
            faults.push(Fault::line("Cargo.toml", index + 1, what));
        }
        if commented {
            family = Some(name);
        }
        commented = false;
    }
    faults
}

/// Members of the workspace take their lints, and the versions of their dependencies, from its root.
pub(super) fn members_take_lints_and_versions_from_the_root(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| is_member(path)) {
        let manifest: Table = match text.parse() {
            Ok(manifest) => manifest,
            Err(error) => {
                faults.push(Fault::file(path, format!("is no TOML: {error}")));
                continue;
            }
        };
        if !inherited(manifest.get("lints")) {
            faults.push(Fault::file(path, "lints are not those of the workspace"));
        }
        for name in own_versions(&manifest) {
            let what = format!("the version of {name} is not that of the workspace");
            faults.push(Fault::file(path, what));
        }
    }
    faults
}

/// Whether the file is the manifest of a member, as the root lists them: `crates/*` and `xtask`.
fn is_member(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(parts[..], ["crates", _, "Cargo.toml"] | ["xtask", "Cargo.toml"])
}

fn inherited(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

/// The dependencies whose version the manifest itself gives.
fn own_versions(manifest: &Table) -> Vec<String> {
    let mut names = Vec::new();
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let section = manifest.get(kind).and_then(Value::as_table);
        for (name, value) in section.into_iter().flatten() {
            if !inherited(Some(value)) {
                names.push(name.clone());
            }
        }
    }
    let targets = manifest.get("target").and_then(Value::as_table);
    for (_, target) in targets.into_iter().flatten() {
        names.extend(target.as_table().map(own_versions).unwrap_or_default());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_without_a_reason_is_found() {
        let root = "\
[workspace]
members = [\"crates/*\"]

[workspace.dependencies]
sandprint-model = { path = \"crates/sandprint-model\" }

# The wire format.
serde = \"1\"
serde_json = \"1\"
libc = \"0.2\"
# The command line.
clap = { version = \"4\", features = [\"derive\"] }
clap_complete = \"4\"

clap_mangen = \"0.3\"
tempfile = \"3\" # Scratch directories.
insta.version = \"1\"

[workspace.lints.rust]
missing_docs = \"warn\"
";
        let faults = shared_dependencies_say_why(&Tree::of(&[("Cargo.toml", root)]));
        let found: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "Cargo.toml:10: libc has no comment that says what it is for",
                "Cargo.toml:15: clap_mangen has no comment that says what it is for",
                "Cargo.toml:17: insta has no comment that says what it is for",
            ]
        );
    }

    #[test]
    fn a_library_with_a_section_of_its_own_is_found() {
        let root = "# Why.\n[workspace.dependencies.libc]\nversion = \"0.2\"\n";
        let fault = Fault::line("Cargo.toml", 2, "shared dependencies are one line each");
        assert_eq!(shared_dependencies_say_why(&Tree::of(&[("Cargo.toml", root)])), [fault]);
    }

    #[test]
    fn a_member_with_lints_or_versions_of_its_own_is_found() {
        let check = |path: &str, text: &str| {
            let faults = members_take_lints_and_versions_from_the_root(&Tree::of(&[(path, text)]));
            faults.into_iter().map(|fault| fault.what).collect::<Vec<String>>()
        };
        let lints = "[lints]\nworkspace = true\n";
        for path in ["crates/sandprint/Cargo.toml", "xtask/Cargo.toml"] {
            assert_eq!(check(path, lints), [""; 0]);
            assert_eq!(
                check(path, "[lints.rust]\nmissing_docs = \"allow\"\n"),
                ["lints are not those of the workspace"]
            );
            for section in ["dependencies", "dev-dependencies", "target.'cfg(unix)'.build-dependencies"] {
                let manifest =
                    format!("{lints}[{section}]\nlibc = \"0.2\"\nserde = {{ workspace = true }}\n");
                assert_eq!(check(path, &manifest), ["the version of libc is not that of the workspace"]);
            }
            assert_eq!(check(path, "[lints").len(), 1);
        }
        assert_eq!(check("fuzz/Cargo.toml", "[dependencies]\nlibfuzzer-sys = \"0.4\"\n"), [""; 0]);
    }
}
