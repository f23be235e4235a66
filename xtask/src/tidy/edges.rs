//! Which crate may import which: the table of the design, and what only some crates may know.
//!
//! A crate is a permission: what it imports, it may touch. Dependencies of tests and build scripts count as well.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::Fault;
use super::tree::Tree;

/// Every crate that there may be under crates/, with the crates of ours that it may import.
const EDGES: &[(&str, &[&str])] = &[
    ("sandprint-model", &[]),
    ("sandprint-policy", &["sandprint-model"]),
    ("sandprint-view", &["sandprint-policy", "sandprint-model"]),
    ("sandprint-elf", &["sandprint-model"]),
    ("sandprint-sandbox", &["sandprint-model"]),
    ("sandprint-record", &["sandprint-sandbox", "sandprint-model"]),
    ("sandprint-trial", &["sandprint-record", "sandprint-sandbox", "sandprint-policy", "sandprint-model"]),
    ("sandprint-store", &["sandprint-model"]),
    (
        "sandprint",
        &[
            "sandprint-model",
            "sandprint-policy",
            "sandprint-view",
            "sandprint-elf",
            "sandprint-sandbox",
            "sandprint-record",
            "sandprint-trial",
            "sandprint-store",
        ],
    ),
    (TESTS, &["sandprint-model", "sandprint-policy", "sandprint-view"]),
];

/// What tests share: any crate may import it for its tests, and none otherwise.
const TESTS: &str = "testkit";

/// Libraries of others that only these crates of ours may know.
const CONFINED: &[(&str, &[&str])] = &[
    ("anyhow", &["sandprint"]),
    ("clap", &["sandprint"]),
    ("clap_complete", &["sandprint"]),
    ("clap_mangen", &["sandprint"]),
    ("libbpf-rs", &["sandprint-record"]),
    ("libbpf-sys", &["sandprint-record"]),
    (
        "libc",
        &["sandprint", "sandprint-record", "sandprint-sandbox", "sandprint-store", "sandprint-trial", TESTS],
    ),
];

/// An edge exists only if it is in [`EDGES`], and a confined library is imported only where [`CONFINED`] says.
///
/// Packages outside crates/ (developers' commands, fuzz targets) import what they like, and no crate imports them.
pub(super) fn only_drawn_edges_exist(tree: &Tree) -> Vec<Fault> {
    let packages: Vec<Package> = tree.texts().filter_map(|(path, text)| Package::read(path, text)).collect();
    let tools: BTreeSet<&str> =
        packages.iter().filter(|package| package.directory.is_none()).map(|package| &*package.name).collect();
    let mut faults = Vec::new();
    for package in &packages {
        let Some(directory) = package.directory else { continue };
        let mut fault = |what: String| faults.push(Fault::file(package.path, what));
        let name = &package.name;
        if name != directory {
            fault(format!("the crate {name} is in a directory of another name"));
        }
        let Some((_, allowed)) = EDGES.iter().find(|(known, _)| known == name) else {
            fault(format!("{name} has no row in the table of crates (xtask/src/tidy/edges.rs)"));
            continue;
        };
        for dependency in &package.dependencies {
            if dependency == TESTS && package.only_of_tests.contains(dependency) {
                continue;
            }
            let ours = EDGES.iter().any(|(known, _)| known == dependency) || tools.contains(&**dependency);
            if ours && !allowed.contains(&&**dependency) {
                fault(format!("{name} must not import {dependency}"));
            }
            let confined = CONFINED.iter().find(|(library, _)| library == dependency);
            if confined.is_some_and(|(_, crates)| !crates.contains(&&**name)) {
                fault(format!("{name} must not know {dependency}"));
            }
        }
    }
    faults
}

/// A manifest, as far as this rule looks at it.
struct Package<'a> {
    path: &'a str,
    name: String,
    /// Its directory under crates/, if it is there.
    directory: Option<&'a str>,
    dependencies: BTreeSet<String>,
    /// Those that nothing but its tests has.
    only_of_tests: BTreeSet<String>,
}

impl<'a> Package<'a> {
    /// The package of that file, if it is the manifest of one. A manifest that is no TOML is cargo's to refuse.
    fn read(path: &'a str, text: &str) -> Option<Package<'a>> {
        let directory = path.strip_suffix("/Cargo.toml")?;
        let manifest: Table = text.parse().ok()?;
        let name = manifest.get("package")?.get("name")?.as_str()?.to_owned();
        let directory = directory.strip_prefix("crates/").filter(|rest| !rest.contains('/'));
        let of_all = dependencies(&manifest, &["dependencies", "build-dependencies"]);
        let of_tests = dependencies(&manifest, &["dev-dependencies"]);
        let only_of_tests = of_tests.difference(&of_all).cloned().collect();
        let dependencies = of_all.union(&of_tests).cloned().collect();
        Some(Package { path, name, directory, dependencies, only_of_tests })
    }
}

/// The names of all packages that a manifest depends on, in these kinds of section.
fn dependencies(manifest: &Table, kinds: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for kind in kinds {
        let section = manifest.get(*kind).and_then(Value::as_table);
        for (key, value) in section.into_iter().flatten() {
            let renamed = value.get("package").and_then(Value::as_str);
            names.insert(renamed.unwrap_or(key).to_owned());
        }
    }
    let targets = manifest.get("target").and_then(Value::as_table);
    for (_, target) in targets.into_iter().flatten() {
        names.extend(target.as_table().map(|table| dependencies(table, kinds)).unwrap_or_default());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The faults of a crate with these lines in its manifest, beside a tool named xtask.
    fn check(name: &str, manifest: &str) -> Vec<String> {
        let path = format!("crates/{name}/Cargo.toml");
        let manifest = format!("[package]\nname = \"{name}\"\n{manifest}");
        let tree = Tree::of(&[(&path, &manifest), ("xtask/Cargo.toml", "[package]\nname = \"xtask\"\n")]);
        only_drawn_edges_exist(&tree).into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn exactly_the_drawn_edges_are_allowed() {
        let mut allowed = Vec::new();
        for (from, _) in EDGES {
            for (to, _) in EDGES {
                let faults = check(from, &format!("[dependencies]\n{to}.workspace = true\n"));
                if faults.is_empty() {
                    allowed.push(format!("{from} {to}"));
                } else {
                    assert_eq!(faults, [format!("{from} must not import {to}")]);
                }
            }
        }
        // Written out a second time, as the design has it, so that a slip in the table shows.
        let drawn = [
            "sandprint-policy sandprint-model",
            "sandprint-view sandprint-model",
            "sandprint-view sandprint-policy",
            "sandprint-elf sandprint-model",
            "sandprint-sandbox sandprint-model",
            "sandprint-record sandprint-model",
            "sandprint-record sandprint-sandbox",
            "sandprint-trial sandprint-model",
            "sandprint-trial sandprint-policy",
            "sandprint-trial sandprint-sandbox",
            "sandprint-trial sandprint-record",
            "sandprint-store sandprint-model",
            "sandprint sandprint-model",
            "sandprint sandprint-policy",
            "sandprint sandprint-view",
            "sandprint sandprint-elf",
            "sandprint sandprint-sandbox",
            "sandprint sandprint-record",
            "sandprint sandprint-trial",
            "sandprint sandprint-store",
            "testkit sandprint-model",
            "testkit sandprint-policy",
            "testkit sandprint-view",
        ];
        assert_eq!(allowed, drawn);
    }

    #[test]
    fn an_edge_is_found_in_every_kind_of_section_and_under_another_name() {
        let expected = ["sandprint-record must not import sandprint-policy"];
        for manifest in [
            "[dependencies]\nsandprint-policy = { path = \"../sandprint-policy\" }\n",
            "[dev-dependencies]\nsandprint-policy.workspace = true\n",
            "[build-dependencies]\nsandprint-policy.workspace = true\n",
            "[dependencies.sandprint-policy]\nworkspace = true\n",
            "[target.'cfg(unix)'.dependencies]\nsandprint-policy.workspace = true\n",
            "[dependencies]\nrules = { package = \"sandprint-policy\", path = \"../sandprint-policy\" }\n",
        ] {
            assert_eq!(check("sandprint-record", manifest), expected, "{manifest}");
        }
    }

    #[test]
    fn what_tests_share_is_for_tests_only() {
        assert_eq!(check("sandprint-policy", "[dev-dependencies]\ntestkit.workspace = true\n"), [""; 0]);
        for sections in [
            "[dependencies]\ntestkit.workspace = true\n",
            "[build-dependencies]\ntestkit.workspace = true\n",
            "[target.'cfg(unix)'.dependencies]\ntestkit.workspace = true\n",
            "[dependencies]\ntestkit.workspace = true\n[dev-dependencies]\ntestkit.workspace = true\n",
        ] {
            assert_eq!(check("sandprint-policy", sections), ["sandprint-policy must not import testkit"]);
        }
    }

    #[test]
    fn a_confined_library_stays_where_it_belongs() {
        assert_eq!(
            check("sandprint", "[dependencies]\nclap.workspace = true\nanyhow.workspace = true\n"),
            [""; 0]
        );
        assert_eq!(check("sandprint-record", "[dependencies]\nlibbpf-rs.workspace = true\n"), [""; 0]);
        for (name, library) in [
            ("sandprint-record", "clap"),
            ("sandprint-sandbox", "anyhow"),
            ("sandprint", "libbpf-rs"),
            ("sandprint-policy", "libc"),
        ] {
            let faults = check(name, &format!("[dependencies]\n{library}.workspace = true\n"));
            assert_eq!(faults, [format!("{name} must not know {library}")]);
        }
    }

    #[test]
    fn a_crate_is_known_named_as_its_directory_and_imports_no_tool() {
        assert_eq!(
            check("sandprint-extra", ""),
            ["sandprint-extra has no row in the table of crates (xtask/src/tidy/edges.rs)"]
        );
        let tree = Tree::of(&[("crates/model/Cargo.toml", "[package]\nname = \"sandprint-model\"\n")]);
        let fault = Fault::file(
            "crates/model/Cargo.toml",
            "the crate sandprint-model is in a directory of another name",
        );
        assert_eq!(only_drawn_edges_exist(&tree), [fault]);
        assert_eq!(
            check("sandprint", "[dev-dependencies]\nxtask = { path = \"../../xtask\" }\n"),
            ["sandprint must not import xtask"]
        );
    }

    #[test]
    fn tools_import_what_they_like() {
        let manifest =
            "[package]\nname = \"fuzz\"\n[dependencies]\nsandprint-model = { path = \"..\" }\nclap = \"4\"\n";
        assert_eq!(only_drawn_edges_exist(&Tree::of(&[("fuzz/Cargo.toml", manifest)])), []);
    }
}
