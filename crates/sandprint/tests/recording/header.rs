//! What a witness program says of itself, in the comments at its top.
//!
//! A line `// key: value` of `corpus/programs/*.c` is read here; other comment lines are prose.
//!
//! | key | value |
//! | --- | --- |
//! | `expect` | `[ABI] CALL COUNT`, the call by name or as `nr=N`; or `as strace`: what strace shows |
//! | `refused` | the same, for calls that a filter refuses: strace shows them, a recording does not |
//! | `image` | the program that the `expect` lines after it are about; before the first, the witness |
//! | `gap` | a gap that the recording must name, or with `maybe` may name; no others may be there |
//! | `n` | `RECORDED STRACED`: the witness's argument in either test, and `n` in the counts |
//! | `run` | the command, where it is not the witness with its `n` |
//! | `exit` | `signal N`: how it ends, where not with status 0 |
//! | `arch`, `abi`, `libc` | the only machine it is for; `i386`: built 32-bit; `dynamic`: with a C library |
//! | `copy`, `program` | what lies beside it: a copy under another name; another witness |
//! | `script`, `setuid` | a script with its first line; a copy's owner, whose rights it takes |
//! | `needs` | what a machine may lack: the witness then ends with status 77 and says why |
//! | `strace` | `no (why)`: strace cannot show it; `totals (why)`: it cannot tell the programs apart |
//!
//! A count is `3`, `n`, `2n`, or several of these with `+` or `-` between. Names of files are escaped as
//! in traces.

use std::collections::BTreeSet;
use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};

use crate::calls::{Key, Named, Table};

/// One witness program.
#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) name: String,
    /// Built as a 32-bit program.
    pub(crate) i386: bool,
    /// Linked with a C library.
    pub(crate) libc: bool,
    /// Compared with a run under strace, since it has no table of its own.
    pub(crate) as_strace: bool,
    pub(crate) needs: Option<String>,
    pub(crate) strace: Strace,
    pub(crate) beside: Vec<Beside>,
    /// The gaps that the recording must name, and those that it may name too.
    pub(crate) gaps: BTreeSet<String>,
    pub(crate) possible_gaps: BTreeSet<String>,
    /// The signal that ends it, if one does.
    pub(crate) signal: Option<i32>,
    arch: Option<String>,
    n: Option<(u64, u64)>,
    run: Option<String>,
    expected: Vec<(Key, String)>,
    refused: Vec<(Key, String)>,
}

/// What strace can show of a witness.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Strace {
    Everything,
    /// Not which program made a call.
    Totals,
    /// Nothing, for this reason.
    Nothing(String),
}

/// A file that a witness finds beside itself. Names are escaped.
#[derive(Debug)]
pub(crate) enum Beside {
    Copy { name: String },
    Program { name: String },
    Script { name: String, first_line: String },
    Setuid { name: String, user: u32 },
}

/// In which test a witness runs: its size differs, as strace is slow.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Size {
    Recorded,
    Straced,
}

/// The folder of the witnesses' sources.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/programs")
}

impl Witness {
    /// Reads the head of `corpus/programs/NAME.c`.
    pub(crate) fn load(name: &str) -> Witness {
        let path = sources().join(format!("{name}.c"));
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Witness::parse(name, &source)
    }

    fn parse(name: &str, source: &str) -> Witness {
        let mut witness = Witness {
            name: name.to_owned(),
            i386: false,
            libc: false,
            as_strace: false,
            needs: None,
            strace: Strace::Everything,
            beside: Vec::new(),
            gaps: BTreeSet::new(),
            possible_gaps: BTreeSet::new(),
            signal: None,
            arch: None,
            n: None,
            run: None,
            expected: Vec::new(),
            refused: Vec::new(),
        };
        let mut program = name.to_owned();
        for line in source.lines().map_while(|line| line.strip_prefix("// ")) {
            if let Some((key, value)) = line.split_once(": ").filter(|(key, _)| is_key(key)) {
                witness.entry(key, value, &mut program);
            }
        }
        assert!(witness.as_strace == witness.expected.is_empty(), "{name} says what is expected, in one way");
        witness
    }

    fn entry(&mut self, key: &str, value: &str, image: &mut String) {
        let owned = || value.to_owned();
        let pair = || value.split_once(' ').unwrap_or_else(|| panic!("{}: {key}: {value}", self.name));
        match key {
            "expect" if value == "as strace" => self.as_strace = true,
            "expect" => self.expected.push(expectation(image, value)),
            "refused" => self.refused.push(expectation(image, value)),
            "image" => *image = owned(),
            "gap" => drop(match value.strip_prefix("maybe ") {
                Some(kind) => self.possible_gaps.insert(kind.to_owned()),
                None => self.gaps.insert(owned()),
            }),
            "n" => {
                let (recorded, straced) = pair();
                self.n = Some((recorded.parse().expect("a number"), straced.parse().expect("a number")));
            }
            "run" => self.run = Some(owned()),
            "exit" => self.signal = Some(value.strip_prefix("signal ").unwrap().parse().expect("a number")),
            "arch" => self.arch = Some(owned()),
            "abi" => self.i386 = value == "i386",
            "libc" => self.libc = value == "dynamic",
            "copy" => self.beside.push(Beside::Copy { name: owned() }),
            "program" => self.beside.push(Beside::Program { name: owned() }),
            "script" => {
                let (name, first_line) = pair();
                let (name, first_line) = (name.to_owned(), first_line.to_owned());
                self.beside.push(Beside::Script { name, first_line });
            }
            "setuid" => {
                let (name, user) = pair();
                let (name, user) = (name.to_owned(), user.parse().expect("a user id"));
                self.beside.push(Beside::Setuid { name, user });
            }
            "needs" => self.needs = Some(owned()),
            "strace" if value.starts_with("no (") => self.strace = Strace::Nothing(owned()),
            "strace" if value.starts_with("totals (") => self.strace = Strace::Totals,
            _ => panic!("{}: a line that says nothing known: {key}: {value}", self.name),
        }
    }

    /// Whether this machine is the kind that the witness is about.
    pub(crate) fn fits_this_machine(&self) -> bool {
        self.arch.as_deref().is_none_or(|arch| arch == ARCH)
    }

    /// The command, to be run in the folder that holds the witness.
    pub(crate) fn command(&self, size: Size) -> Vec<String> {
        match (&self.run, self.n) {
            (Some(run), _) => run.split(' ').map(str::to_owned).collect(),
            (None, Some(_)) => vec![format!("./{}", self.name), self.n(size).to_string()],
            (None, None) => vec![format!("./{}", self.name)],
        }
    }

    /// What a recording shows of a run of that size.
    pub(crate) fn expected(&self, size: Size) -> Table {
        self.table(self.expected.iter(), size)
    }

    /// What strace shows: calls that a filter refused are among them.
    pub(crate) fn expected_of_strace(&self, size: Size) -> Table {
        self.table(self.expected.iter().chain(&self.refused), size)
    }

    fn table<'a>(&self, lines: impl Iterator<Item = &'a (Key, String)>, size: Size) -> Table {
        let mut table = Table::new();
        for (key, count) in lines {
            *table.entry(key.clone()).or_default() += value(count, self.n(size));
        }
        table
    }

    fn n(&self, size: Size) -> u64 {
        match (size, self.n) {
            (_, None) => 0,
            (Size::Recorded, Some((recorded, _))) => recorded,
            (Size::Straced, Some((_, straced))) => straced,
        }
    }
}

fn is_key(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// `[ABI] CALL COUNT`.
fn expectation(image: &str, line: &str) -> (Key, String) {
    let words: Vec<&str> = line.split(' ').collect();
    let (abi, call, count) = match words[..] {
        [call, count] => (ARCH, call, count),
        [abi, call, count] => (abi, call, count),
        _ => panic!("not a call and a count: {line}"),
    };
    let call = match call.strip_prefix("nr=") {
        Some(nr) => Named::Number(nr.parse().expect("a number")),
        None => Named::Name(call.to_owned()),
    };
    (Key { image: image.to_owned(), abi: abi.to_owned(), call }, count.to_owned())
}

/// The value of a count such as `2n+1`.
fn value(count: &str, n: u64) -> u64 {
    let mut sum = 0;
    for term in count.split('+') {
        let mut parts = term.split('-').map(|part| match part.strip_suffix('n') {
            Some("") => n,
            Some(factor) => factor.parse::<u64>().expect("a factor of n") * n,
            None => part.parse().expect("a number"),
        });
        sum += parts.next().expect("split gives one part at least");
        sum = parts.fold(sum, |sum, part| sum - part);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_sums_of_numbers_and_multiples_of_n() {
        let cases = [("3", 3), ("n", 10), ("2n", 20), ("n+1", 11), ("2n-1+n", 29), ("n-1", 9)];
        for (count, expected) in cases {
            assert_eq!(value(count, 10), expected, "{count}");
        }
    }

    #[test]
    #[should_panic(expected = "says nothing known")]
    fn a_misspelt_key_is_refused() {
        Witness::parse("x", "// expect: execve 1\n// expects: getppid 1\n");
    }
}
