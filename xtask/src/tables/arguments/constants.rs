//! The constants and the sets made of them, read and joined.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};

use super::super::source::rows;
use super::AbiSet;

/// A named value, on the ABIs that have it so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Constant {
    pub(super) name: String,
    pub(super) abis: AbiSet,
    /// Negative ones sign-extended.
    pub(super) value: u64,
}

/// A set of constants that an argument is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) name: String,
    /// The bits that hold one of the values: all of them, none, or some.
    pub(super) field: u64,
    pub(super) octal: bool,
    /// Indices into the constants; of two for one value, the first is the one to show.
    pub(super) members: Vec<usize>,
}

/// Every constant, by name, and every set, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vocabulary {
    pub(super) constants: Vec<Constant>,
    pub(super) sets: BTreeMap<String, Set>,
}

impl Vocabulary {
    pub(super) fn read(constants: &str, sets: &str) -> anyhow::Result<Vocabulary> {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut all: Vec<Constant> = Vec::new();
        for row in rows::<5>("constants.tsv", constants) {
            let (place, [group, name, abis, value, header]) = row?;
            ensure!(!header.is_empty(), "{place}: a constant needs its header");
            let abis = AbiSet::parse(abis).with_context(|| place.clone())?;
            let value = number(value).with_context(|| place.clone())?;
            let twice = all.iter().any(|other| other.name == name && other.abis.meets(abis));
            ensure!(!twice, "{place}: {name} has two values on one ABI");
            let names = groups.entry(group).or_default();
            if !names.contains(&name) {
                names.push(name);
            }
            all.push(Constant { name: name.to_owned(), abis, value });
        }
        all.sort_by(|one, other| (&one.name, one.abis).cmp(&(&other.name, other.abis)));
        let mut read = Vocabulary { constants: all, sets: BTreeMap::new() };
        for row in rows::<4>("sets.tsv", sets) {
            let (place, [name, shape, rest, of]) = row?;
            let set = read.set(name, shape, rest, of, &groups).with_context(|| place.clone())?;
            ensure!(read.sets.insert(name.to_owned(), set).is_none(), "{place}: {name} is there twice");
        }
        Ok(read)
    }

    fn set(
        &self,
        name: &str,
        shape: &str,
        rest: &str,
        of: &str,
        groups: &BTreeMap<&str, Vec<&str>>,
    ) -> anyhow::Result<Set> {
        let field = match shape {
            "one" => u64::MAX,
            "bits" => 0,
            mask => number(mask)?,
        };
        let octal = match rest {
            "octal" => true,
            "hex" => false,
            other => bail!("a rest is shown in hex or octal, not `{other}`"),
        };
        let mut members = Vec::new();
        let mut seen = BTreeSet::new();
        for word in of.split(',') {
            let names = groups.get(word).cloned().unwrap_or_else(|| vec![word]);
            for name in names {
                let indices = self.named(name);
                ensure!(!indices.is_empty(), "`{name}` is no constant and no group");
                ensure!(seen.insert(name), "{name} is there twice");
                members.extend(indices);
            }
        }
        Ok(Set { name: name.to_owned(), field, octal, members })
    }

    /// The indices of a constant: one for each value that it has on some ABI.
    pub(super) fn named(&self, name: &str) -> Vec<usize> {
        let all = self.constants.iter().enumerate();
        all.filter(|(_, constant)| constant.name == name).map(|(index, _)| index).collect()
    }

    /// The value of a constant on ABIs that must agree on it.
    pub(super) fn value(&self, name: &str, abis: AbiSet) -> anyhow::Result<u64> {
        let mut values = BTreeSet::new();
        for constant in self.constants.iter().filter(|constant| constant.name == name) {
            if constant.abis.meets(abis) {
                values.insert(constant.value);
            }
        }
        match values.iter().collect::<Vec<_>>()[..] {
            [value] => Ok(*value),
            [] => bail!("`{name}` is no constant of these ABIs"),
            _ => bail!("{name} differs between these ABIs"),
        }
    }
}

/// A number: decimal with or without a sign, `0x1f`, `0o17`.
pub(super) fn number(text: &str) -> anyhow::Result<u64> {
    let parsed = if let Some(digits) = text.strip_prefix("0x") {
        u64::from_str_radix(digits, 16)
    } else if let Some(digits) = text.strip_prefix("0o") {
        u64::from_str_radix(digits, 8)
    } else if text.starts_with('-') {
        text.parse::<i64>().map(i64::cast_unsigned)
    } else {
        text.parse()
    };
    parsed.with_context(|| format!("`{text}` is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSTANTS: &str = "G\tB\t*\t0x2\th\nG\tA\tarm\t1\th\nG\tA\ti386,x32\t-1\th\nH\tC\t*\t0o17\th\n";

    #[test]
    fn a_set_holds_groups_and_single_constants_in_the_order_of_the_files() {
        let read = Vocabulary::read(CONSTANTS, "S\t0x3\toctal\tC,G\n").unwrap();
        let names: Vec<(&str, u64)> =
            read.constants.iter().map(|constant| (constant.name.as_str(), constant.value)).collect();
        assert_eq!(names, [("A", 1), ("A", u64::MAX), ("B", 2), ("C", 15)]);
        let set = Set { name: "S".to_owned(), field: 3, octal: true, members: vec![3, 2, 0, 1] };
        assert_eq!(read.sets["S"], set);
        assert_eq!(read.value("A", AbiSet::parse("i386").unwrap()).unwrap(), u64::MAX);
        assert_eq!(read.value("A", AbiSet::ALL).unwrap_err().to_string(), "A differs between these ABIs");
    }

    #[test]
    fn contradictions_are_refused() {
        for (constants, sets, expected) in [
            ("G\tA\tarm\t2\th\n", "", "constants.tsv:5: A has two values on one ABI"),
            ("G\tZ\tmips\t2\th\n", "", "constants.tsv:5: `mips` is no ABI"),
            ("G\tZ\t*\ttwo\th\n", "", "constants.tsv:5: `two` is no number: invalid digit found in string"),
            ("G\tZ\t*\t2\t\n", "", "constants.tsv:5: a constant needs its header"),
            ("", "S\tone\thex\tZ\n", "sets.tsv:1: `Z` is no constant and no group"),
            ("", "S\tone\thex\tG,A\n", "sets.tsv:1: A is there twice"),
            ("", "S\tone\tbinary\tG\n", "sets.tsv:1: a rest is shown in hex or octal, not `binary`"),
            ("", "S\tone\thex\tG\nS\tone\thex\tH\n", "sets.tsv:2: S is there twice"),
        ] {
            let error = Vocabulary::read(&format!("{CONSTANTS}{constants}"), sets).unwrap_err();
            assert_eq!(format!("{error:#}"), expected);
        }
    }
}
