//! The policy file: a policy as people keep it in version control.
//!
//! TOML, because it has comments, editors know it, and a JSON Schema ([`POLICY_FILE_SCHEMA`](super::POLICY_FILE_SCHEMA)) can describe it.
//! One fact stands on one line, so that a text diff shows which fact changed: an action, a condition, a reason.
//! The order is fixed (ABI, then the call's name), except that of a call's rules, which is their meaning.
//!
//! ```toml
//! version = 1
//! default = "errno EPERM"
//! foreign = "kill-process"
//!
//! [[x86_64.socket]]
//! do = "allow"
//! when = ["arg0.u32 == AF_INET", "arg1.u32 & 0xf == SOCK_STREAM"]
//! why = [
//!     { observed = 12, runs = 2, by = ["/usr/bin/curl"] },
//!     "the update check needs it",
//! ]
//! ```
//!
//! Reading keeps the comments and where each rule stands; writing puts them back, in the fixed form.

mod action;
mod comments;
mod condition;
mod marks;
mod reader;
mod reason;
mod writer;

use std::collections::BTreeMap;
use std::fmt;

use crate::{Abi, Condition, Policy, Rule, Syscall};
use comments::Comments;

/// A version that this module writes and the newest that it reads. It counts apart from the JSON form's.
const VERSION: i64 = 1;

/// Most bytes of a policy file that is read; the largest real profiles have some 100 KiB.
pub const MOST_BYTES: usize = 16 * 1024 * 1024;

/// A policy that was read from a policy file, with what only the file holds.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// What it says.
    pub policy: Policy,
    comments: Comments,
    positions: BTreeMap<(Syscall, usize), RulePosition>,
}

/// Where a rule and its conditions stand.
#[derive(Debug, Clone, Default)]
struct RulePosition {
    rule: Position,
    conditions: Vec<Position>,
}

/// A place in a text: line and column, both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Default for Position {
    /// The start of the text.
    fn default() -> Position {
        Position { line: 1, column: 1 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Something in a policy file that cannot be understood. Text from the file is escaped and cut.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub at: Position,
    /// What is wrong there.
    pub message: String,
    /// What would be right, where that is known.
    pub hint: Option<String>,
}

/// A condition of a call in words, as the policy file has it: `arg0.u32 == AF_INET`.
pub fn condition_in_words(syscall: Syscall, condition: &Condition) -> String {
    condition::write(syscall, condition)
}

/// Reads a condition as the policy file has it; the error says what is wrong.
pub fn condition_from_words(abi: Abi, text: &str) -> Result<Condition, String> {
    condition::read(abi, text)
}

/// Most parts of a key, `a.b.c`. A table comes of each, so this is looked at before anything is made of the text.
const MOST_KEYS: usize = 64;

/// Most marks of structure: a hundred times as many as the largest policies have.
const MOST_MARKS: usize = 2_000_000;

/// Where a key has too many parts. Words of a sentence that dots join are none: white space stands between them.
fn deep_key(text: &str) -> Option<Position> {
    for (line, words) in text.lines().enumerate() {
        let (mut parts, mut after_space, mut after_dot) = (0, false, false);
        for (column, c) in words.char_indices() {
            match c {
                '.' => {
                    parts += 1;
                    after_dot = true;
                    if parts > MOST_KEYS {
                        return Some(Position { line: line + 1, column: column + 1 });
                    }
                }
                c if c.is_whitespace() => after_space = true,
                c if c.is_alphanumeric() || matches!(c, '_' | '-' | '"' | '\'') => {
                    if after_space && !after_dot {
                        parts = 0;
                    }
                    (after_space, after_dot) = (false, false);
                }
                _ => (parts, after_space, after_dot) = (0, false, false),
            }
        }
    }
    None
}

impl PolicyFile {
    /// Reads a policy file. Every problem is reported, in the order of the text, not only the first.
    pub fn read(text: &str) -> Result<PolicyFile, Vec<Problem>> {
        if marks::exceed(text, MOST_MARKS) {
            let at = Position { line: 1, column: 1 };
            let message = format!("it has more than {MOST_MARKS} brackets, commas, dots and equals signs");
            return Err(vec![Problem { at, message, hint: Some("no policy has so many".to_owned()) }]);
        }
        match deep_key(text) {
            None => reader::read(text),
            Some(at) => {
                let message = format!("a key has more than {MOST_KEYS} parts");
                Err(vec![Problem { at, message, hint: Some("a policy file has keys of two".to_owned()) }])
            }
        }
    }

    /// A file without comments.
    pub fn new(policy: Policy) -> PolicyFile {
        PolicyFile { policy, comments: Comments::default(), positions: BTreeMap::new() }
    }

    /// The file in its fixed form: what the policy says now, with the comments that were read.
    ///
    /// A comment stays with the fact that it stood at; that of a fact which is gone moves to the end.
    pub fn write(&self) -> String {
        writer::write(&self.policy, &self.comments)
    }

    /// Where a rule of a call stands, or one of its conditions; none where the policy came from elsewhere.
    pub fn position(&self, syscall: Syscall, rule: usize, condition: Option<usize>) -> Option<Position> {
        let found = self.positions.get(&(syscall, rule))?;
        match condition {
            Some(condition) => found.conditions.get(condition).copied(),
            None => Some(found.rule),
        }
    }

    /// What stands in comments at a rule of a call and in it, without their `#`; nothing where the policy came from
    /// elsewhere. Rules of a call that say the same share theirs.
    pub fn comments(&self, syscall: Syscall, rule: &Rule) -> Vec<String> {
        let place = writer::rule_place(syscall, rule);
        self.comments.within(&place).map(|line| line.trim_start_matches('#').trim().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests;
