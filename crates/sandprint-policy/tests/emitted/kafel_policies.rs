//! kafel's policies are read by its grammar, and each answer compared with the policy.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sandprint_model::{Abi, Action, Call, Policy};
use sandprint_policy::emit::{Emitted, by_name};

use crate::one_machine::of_one_machine;
use testkit::policies::{any_policy, call, ls, policy};
use testkit::policies::{grid, losses};

/// A file as kafel reads it (`src/lexer.l`, `src/parser.y`).
struct File {
    abi: Abi,
    default: Action,
    /// By number: what happens, and when; every entry once, because kafel keeps the first only.
    entries: BTreeMap<u32, (Action, Option<Expression>)>,
}

enum Expression {
    Or(Vec<Expression>),
    And(Vec<Expression>),
    Compare(Operand, String, Operand),
}

/// An argument or a number, masked or not.
struct Operand {
    argument: Option<usize>,
    number: u64,
    mask: u64,
}

struct Parser<'t> {
    tokens: std::iter::Peekable<std::vec::IntoIter<&'t str>>,
    constants: BTreeMap<&'t str, u64>,
    arguments: Vec<&'t str>,
}

/// The tokens of the lexer; a `//` comment ends with its line.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for line in text.lines() {
        let mut rest = line.split_once("//").map_or(line, |(code, _)| code).trim_start();
        while !rest.is_empty() {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let length = match rest.find(|c: char| !word(c)) {
                Some(0) if ["==", "!=", "<=", ">=", "||", "&&"].iter().any(|two| rest.starts_with(two)) => 2,
                Some(0) => 1,
                Some(end) => end,
                None => rest.len(),
            };
            let (token, after) = rest.split_at(length);
            tokens.push(token);
            rest = after.trim_start();
        }
    }
    tokens
}

impl<'t> Parser<'t> {
    fn next(&mut self) -> &'t str {
        self.tokens.next().unwrap_or("")
    }

    fn takes(&mut self, token: &str) -> bool {
        self.tokens.next_if(|next| *next == token).is_some()
    }

    fn expect(&mut self, token: &str) {
        assert_eq!(self.next(), token);
    }

    fn number(&mut self) -> u64 {
        let token = self.next();
        let number =
            token.strip_prefix("0x").map_or_else(|| token.parse(), |hex| u64::from_str_radix(hex, 16));
        number.unwrap_or_else(|_| panic!("{token} is no number"))
    }

    fn file(&mut self, abi: Abi) -> File {
        while self.takes("#") {
            self.expect("define");
            let name = self.next();
            assert!(name.starts_with(|c: char| c.is_ascii_alphabetic()), "{name} is no identifier");
            let number = self.number();
            assert_eq!(self.constants.insert(name, number), None, "{name} is defined twice");
        }
        self.expect("POLICY");
        let name = self.next();
        self.expect("{");
        let mut entries = BTreeMap::new();
        if !self.takes("}") {
            loop {
                let action = self.action();
                self.expect("{");
                loop {
                    let (number, expression) = self.entry();
                    assert!(
                        entries.insert(number, (action, expression)).is_none(),
                        "a second entry is not looked at"
                    );
                    if !self.takes(",") {
                        break;
                    }
                }
                self.expect("}");
                if !self.takes(",") {
                    break;
                }
            }
            self.expect("}");
        }
        self.expect("USE");
        self.expect(name);
        self.expect("DEFAULT");
        let default = self.action();
        assert_eq!(self.next(), "", "nothing follows");
        File { abi, default, entries }
    }

    fn action(&mut self) -> Action {
        let word = self.next();
        let mut value = || {
            self.expect("(");
            let number = u16::try_from(self.number()).unwrap();
            self.expect(")");
            number
        };
        match word {
            "ALLOW" => Action::Allow,
            "LOG" => Action::Log,
            "KILL" => Action::KillThread,
            "KILL_PROCESS" => Action::KillProcess,
            "ERRNO" => Action::Errno(value()),
            "TRAP" => {
                assert_eq!(value(), 0);
                Action::Trap
            }
            other => panic!("{other} is no action"),
        }
    }

    fn entry(&mut self) -> (u32, Option<Expression>) {
        let name = self.next();
        let number = if name == "SYSCALL" {
            self.expect("[");
            let number = self.number();
            self.expect("]");
            number
        } else {
            *self.constants.get(name).unwrap_or_else(|| panic!("{name} is not defined"))
        };
        self.arguments.clear();
        if self.takes("(") {
            loop {
                let argument = self.next();
                assert!(!self.arguments.contains(&argument) && !self.constants.contains_key(argument));
                self.arguments.push(argument);
                if !self.takes(",") {
                    break;
                }
            }
            self.expect(")");
            assert!(self.arguments.len() <= 6);
        }
        let expression = self.takes("{").then(|| {
            let expression = self.either();
            self.expect("}");
            expression
        });
        (u32::try_from(number).unwrap(), expression)
    }

    fn either(&mut self) -> Expression {
        let mut all = vec![self.every()];
        while self.takes("||") {
            all.push(self.every());
        }
        Expression::Or(all)
    }

    fn every(&mut self) -> Expression {
        let mut all = vec![self.compare()];
        while self.takes("&&") {
            all.push(self.compare());
        }
        Expression::And(all)
    }

    fn compare(&mut self) -> Expression {
        let left = self.masked();
        let operator = self.next();
        assert!(["==", "!=", "<", "<=", ">", ">="].contains(&operator), "{operator}");
        Expression::Compare(left, operator.to_owned(), self.masked())
    }

    fn masked(&mut self) -> Operand {
        if self.takes("(") {
            let inner = self.masked();
            self.expect(")");
            return inner;
        }
        let mut operand = self.operand();
        if self.takes("&") {
            operand.mask = self.operand().number;
        }
        operand
    }

    fn operand(&mut self) -> Operand {
        let next = *self.tokens.peek().unwrap();
        let argument = self.arguments.iter().position(|argument| *argument == next);
        let number = if argument.is_some() {
            self.next();
            0
        } else {
            self.number()
        };
        Operand { argument, number, mask: u64::MAX }
    }
}

impl Operand {
    fn value(&self, args: &[u64; 6]) -> u64 {
        self.argument.map_or(self.number, |index| args[index]) & self.mask
    }
}

impl Expression {
    fn holds(&self, args: &[u64; 6]) -> bool {
        match self {
            Expression::Or(all) => all.iter().any(|one| one.holds(args)),
            Expression::And(all) => all.iter().all(|one| one.holds(args)),
            Expression::Compare(left, operator, right) => {
                let (left, right) = (left.value(args), right.value(args));
                match operator.as_str() {
                    "==" => left == right,
                    "!=" => left != right,
                    "<" => left < right,
                    "<=" => left <= right,
                    ">" => left > right,
                    _ => left >= right,
                }
            }
        }
    }
}

impl File {
    fn read(text: &str, abi: Abi) -> File {
        let tokens = tokens(text).into_iter().peekable();
        let tokens: Vec<&str> = tokens.collect();
        Parser { tokens: tokens.into_iter().peekable(), constants: BTreeMap::new(), arguments: Vec::new() }
            .file(abi)
    }

    fn decide(&self, call: &Call) -> Action {
        match call.syscall.abi {
            abi if abi == self.abi => {}
            // x32 shares the architecture, and none of the numbers.
            Abi::X32 if self.abi == Abi::X86_64 => return self.default,
            _ => return Action::KillThread,
        }
        match self.entries.get(&call.syscall.nr) {
            Some((action, None)) => *action,
            Some((action, Some(expression))) if expression.holds(&call.args) => *action,
            _ => self.default,
        }
    }
}

fn emit(policy: &Policy) -> Emitted {
    by_name("kafel").unwrap().emit(policy).unwrap()
}

#[test]
fn a_recorded_policy_is_exact_for_every_call_of_its_abi() {
    for abi in [Abi::X86_64, Abi::Aarch64] {
        let policy = policy(&ls(abi));
        let emitted = emit(&policy);
        let file = File::read(emitted.content.as_text().unwrap(), abi);
        for call in grid::calls(&policy).filter(|call| call.syscall.abi == abi) {
            assert_eq!(file.decide(&call), policy.calls.decide(&call), "{call:x?}");
        }
        losses::check(&policy, &emitted.losses, grid::calls(&policy), |call| file.decide(call));
    }
}

#[test]
fn two_machines_are_refused() {
    let both = testkit::policies::allowing(&[call(Abi::X86_64, "read"), call(Abi::Aarch64, "read")]);
    assert!(by_name("kafel").unwrap().emit(&both).unwrap_err().hint.contains("--arch"));
}

proptest! {
    #[test]
    fn every_difference_from_the_policy_is_a_loss(policy in any_policy().prop_filter_map("two machines", of_one_machine)) {
        let abi = policy.calls.rules.keys().map(|syscall| syscall.abi.arch().native_abi()).next().unwrap();
        let emitted = emit(&policy);
        let file = File::read(emitted.content.as_text().unwrap(), abi);
        losses::check(&policy, &emitted.losses, grid::calls(&policy), |call| file.decide(call));
    }
}
