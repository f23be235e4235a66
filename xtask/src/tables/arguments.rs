//! The tables of system call arguments: from the five files in data/arguments to three of Rust.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{ABIS, Abi, source};

mod calls;
mod constants;
mod render;

/// The generated files with their content.
pub(super) fn generate(
    root: &Path,
    syscalls: &BTreeMap<Abi, Vec<source::Call>>,
) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let read = |name: &str| {
        let path = root.join("crates/sandprint-model/data/arguments").join(name);
        fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
    };
    let vocabulary = constants::Vocabulary::read(&read("constants.tsv")?, &read("sets.tsv")?)?;
    let texts = calls::Texts {
        calls: &read("calls.tsv")?,
        depends: &read("depends.tsv")?,
        selectors: &read("selectors.tsv")?,
    };
    let names: BTreeMap<Abi, Vec<&str>> = syscalls
        .iter()
        .map(|(abi, calls)| (*abi, calls.iter().map(|call| call.name.as_str()).collect()))
        .collect();
    let calls = calls::join(&texts, &names, &vocabulary)?;
    let directory = root.join("crates/sandprint-model/src/arguments/tables");
    Ok(vec![
        (directory.join("calls.rs"), render::calls(&calls)),
        (directory.join("constants.rs"), render::constants(&vocabulary)),
        (directory.join("sets.rs"), render::sets(&vocabulary)),
    ])
}

/// Some of the ABIs, a bit each in the order of [`ABIS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct AbiSet(u8);

impl AbiSet {
    const ALL: AbiSet = AbiSet((1 << ABIS.len()) - 1);

    /// `*`, or names separated by commas.
    fn parse(text: &str) -> anyhow::Result<AbiSet> {
        if text == "*" {
            return Ok(AbiSet::ALL);
        }
        let mut set = AbiSet::default();
        for name in text.split(',') {
            set.insert(source::abi_named(name)?);
        }
        Ok(set)
    }

    fn insert(&mut self, abi: Abi) {
        self.0 |= AbiSet::of(abi).0;
    }

    fn of(abi: Abi) -> AbiSet {
        let position = ABIS.iter().position(|other| *other == abi).unwrap_or_default();
        AbiSet(1 << position)
    }

    fn contains(self, abi: Abi) -> bool {
        self.meets(AbiSet::of(abi))
    }

    fn meets(self, other: AbiSet) -> bool {
        self.0 & other.0 != 0
    }
}
