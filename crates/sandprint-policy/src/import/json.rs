//! JSON as people write it: with comments and trailing commas, and with the place of every value.
//!
//! A whole document is one value. A part of one is also read: values in a row, and members of an object
//! without its braces.

use std::collections::BTreeSet;

use sandprint_model::sentence::quoted;
use sandprint_model::wire::Position;

use super::ImportError;

/// How deep values may lie in each other.
const DEEPEST: usize = 64;

/// A value, where it stands, and where it ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) end: Position,
    pub(super) value: Value,
}

/// A value. Numbers stay text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(Position, String, Node)>),
}

/// A comment's words, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comment {
    pub(super) at: Position,
    pub(super) words: String,
}

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    pub(super) values: Vec<Node>,
    pub(super) comments: Vec<Comment>,
    /// Whether it is no whole document, but values in a row or members without braces.
    pub(super) is_part: bool,
}

impl Value {
    /// What it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }
}

/// Reads a document or a part of one.
pub(super) fn parse(text: &str) -> Result<Document, ImportError> {
    let mut parser = Parser {
        rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        at: Position::default(),
        comments: Vec::new(),
    };
    let mut values = Vec::new();
    let mut is_part = false;
    loop {
        parser.skip()?;
        if parser.rest.is_empty() {
            break;
        }
        let (node, without_braces) = parser.top()?;
        values.push(node);
        is_part |= without_braces;
        parser.skip()?;
        match parser.peek() {
            None => break,
            Some(',') => {
                is_part = true;
                parser.step();
            }
            Some(other) => {
                return Err(parser.wrong(&format!("{} after the value", quoted(&other.to_string()))));
            }
        }
    }
    Ok(Document { values, comments: parser.comments, is_part })
}

struct Parser<'t> {
    rest: &'t str,
    at: Position,
    comments: Vec<Comment>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn step(&mut self) {
        let Some(c) = self.peek() else { return };
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '\n' {
            self.at = Position { line: self.at.line + 1, column: 1 };
        } else {
            self.at.column += 1;
        }
    }

    fn steps(&mut self, bytes: usize) {
        let left = self.rest.len().saturating_sub(bytes);
        while self.rest.len() > left {
            self.step();
        }
    }

    fn wrong(&self, problem: &str) -> ImportError {
        ImportError::Text { at: self.at, problem: problem.to_owned() }
    }

    /// Over white space and comments.
    fn skip(&mut self) -> Result<(), ImportError> {
        loop {
            let at = self.at;
            if let Some(rest) = self.rest.strip_prefix("//") {
                let words = rest.lines().next().unwrap_or_default();
                self.comments.push(Comment { at, words: words.trim().to_owned() });
                self.steps(2 + words.len());
            } else if let Some(rest) = self.rest.strip_prefix("/*") {
                let Some((words, _)) = rest.split_once("*/") else {
                    return Err(self.wrong("a comment that does not end"));
                };
                self.comments
                    .push(Comment { at, words: words.split_whitespace().collect::<Vec<_>>().join(" ") });
                self.steps(4 + words.len());
            } else if self.peek().is_some_and(|c| matches!(c, ' ' | '\t' | '\r' | '\n')) {
                self.step();
            } else {
                return Ok(());
            }
        }
    }

    /// A value, or members without braces, and whether it is the latter.
    fn top(&mut self) -> Result<(Node, bool), ImportError> {
        let at = self.at;
        let node = self.value(0)?;
        self.skip()?;
        let (Value::Text(key), Some(':')) = (&node.value, self.peek()) else { return Ok((node, false)) };
        let key = key.clone();
        self.step();
        let (mut members, mut keys) = (Vec::new(), BTreeSet::new());
        self.member(at, key, (&mut members, &mut keys), 0)?;
        loop {
            self.skip()?;
            if self.peek() != Some(',') {
                break;
            }
            self.step();
            self.skip()?;
            if self.peek().is_none() {
                break;
            }
            let at = self.at;
            let key = self.key()?;
            self.member(at, key, (&mut members, &mut keys), 0)?;
        }
        Ok((Node { at, end: self.at, value: Value::Object(members) }, true))
    }

    fn value(&mut self, depth: usize) -> Result<Node, ImportError> {
        if depth > DEEPEST {
            return Err(self.wrong(&format!("values lie deeper in each other than {DEEPEST} levels")));
        }
        let at = self.at;
        let value = match self.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Value::Text(self.text()?),
            Some('-' | '0'..='9') => Value::Number(self.number()?),
            Some('a'..='z') => self.word()?,
            Some(other) => {
                return Err(self.wrong(&format!("{} where a value should be", quoted(&other.to_string()))));
            }
            None => return Err(self.wrong("the file ends where a value should be")),
        };
        Ok(Node { at, end: self.at, value })
    }

    fn object(&mut self, depth: usize) -> Result<Value, ImportError> {
        let (mut members, mut keys) = (Vec::new(), BTreeSet::new());
        self.step();
        loop {
            self.skip()?;
            if self.peek() == Some('}') {
                break;
            }
            let at = self.at;
            let key = self.key()?;
            self.member(at, key, (&mut members, &mut keys), depth)?;
            self.skip()?;
            self.comma_or('}')?;
        }
        self.step();
        Ok(Value::Object(members))
    }

    /// A key and the colon behind it.
    fn key(&mut self) -> Result<String, ImportError> {
        if self.peek() != Some('"') {
            return Err(self.wrong("a name in double quotes should be here"));
        }
        let key = self.text()?;
        self.skip()?;
        if self.peek() != Some(':') {
            return Err(self.wrong("a colon should be here"));
        }
        self.step();
        Ok(key)
    }

    fn member(
        &mut self,
        at: Position,
        key: String,
        (members, keys): (&mut Vec<(Position, String, Node)>, &mut BTreeSet<String>),
        depth: usize,
    ) -> Result<(), ImportError> {
        if !keys.insert(key.clone()) {
            return Err(ImportError::Text {
                at,
                problem: format!("{} stands here a second time", quoted(&key)),
            });
        }
        self.skip()?;
        let value = self.value(depth + 1)?;
        members.push((at, key, value));
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Value, ImportError> {
        let mut items = Vec::new();
        self.step();
        loop {
            self.skip()?;
            if self.peek() == Some(']') {
                break;
            }
            items.push(self.value(depth + 1)?);
            self.skip()?;
            self.comma_or(']')?;
        }
        self.step();
        Ok(Value::List(items))
    }

    /// Over a comma, unless what it would separate from ends.
    fn comma_or(&mut self, close: char) -> Result<(), ImportError> {
        match self.peek() {
            Some(',') => self.step(),
            Some(c) if c == close => {}
            None => return Err(self.wrong(&format!("the file ends where `,` or `{close}` should be"))),
            Some(_) => return Err(self.wrong(&format!("`,` or `{close}` should be here"))),
        }
        Ok(())
    }

    fn text(&mut self) -> Result<String, ImportError> {
        let mut text = String::new();
        self.step();
        loop {
            match self.peek() {
                Some('"') => break,
                Some('\\') => text.push(self.escape()?),
                Some(c) if c >= ' ' => {
                    text.push(c);
                    self.step();
                }
                _ => return Err(self.wrong("a string that does not end on its line")),
            }
        }
        self.step();
        Ok(text)
    }

    fn escape(&mut self) -> Result<char, ImportError> {
        self.step();
        let c = match self.peek() {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let unit = self.unit()?;
                let second = if (0xd800..0xdc00).contains(&unit) && self.rest.starts_with("\\u") {
                    self.step();
                    Some(self.unit()?)
                } else {
                    None
                };
                let units = std::iter::once(unit).chain(second);
                // Half a pair stands for no character.
                return Ok(char::decode_utf16(units).next().and_then(Result::ok).unwrap_or('\u{fffd}'));
            }
            _ => return Err(self.wrong("no such escape in a string")),
        };
        self.step();
        Ok(c)
    }

    /// `uXXXX`.
    fn unit(&mut self) -> Result<u16, ImportError> {
        let digits = self.rest.get(1..5).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.wrong("four hexadecimal digits should follow `\\u`"))?;
        self.steps(5);
        Ok(unit)
    }

    fn number(&mut self) -> Result<String, ImportError> {
        let end = self.rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E' | 'x' | 'X' | 'a'..='d' | 'f' | 'A'..='D' | 'F'));
        let number = self.rest.get(..end.unwrap_or(self.rest.len())).unwrap_or_default().to_owned();
        if number.parse::<f64>().is_err() || number.starts_with('+') || number.ends_with('.') {
            return Err(self.wrong(&format!("{} is no number of JSON", quoted(&number))));
        }
        self.steps(number.len());
        Ok(number)
    }

    fn word(&mut self) -> Result<Value, ImportError> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric());
        let word = self.rest.get(..end.unwrap_or(self.rest.len())).unwrap_or_default().to_owned();
        let value = match word.as_str() {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return Err(self.wrong(&format!("{} where a value should be", quoted(&word)))),
        };
        self.steps(word.len());
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, column: usize) -> Position {
        Position { line, column }
    }

    #[test]
    fn comments_and_trailing_commas_do_not_move_what_follows() {
        let text = "/* a\n b */ [1, // one\n  \"//\", /* x */ {\"a\\u00e9\\ud83d\\ude00\": null,},]";
        let document = parse(text).unwrap();
        let [Node { value: Value::List(items), .. }] = document.values.as_slice() else { panic!() };
        assert_eq!(items.iter().map(|item| item.at).collect::<Vec<_>>(), [at(2, 8), at(3, 3), at(3, 17)]);
        assert_eq!(items[1].value, Value::Text("//".to_owned()));
        let Value::Object(members) = &items[2].value else { panic!() };
        assert_eq!(members[0].1, "aé😀");
        let comments: Vec<_> = document.comments.iter().map(|c| (c.at, c.words.as_str())).collect();
        assert_eq!(comments, [(at(1, 1), "a b"), (at(2, 11), "one"), (at(3, 9), "x")]);
    }

    #[test]
    fn parts_of_a_document_are_read() {
        assert_eq!(parse("1, 2,\n3").unwrap().values.len(), 3);
        let document = parse("\"a\": 1,\n\"b\": [],\n").unwrap();
        let [Node { value: Value::Object(members), .. }] = document.values.as_slice() else { panic!() };
        assert_eq!(members.iter().map(|(_, key, _)| key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, line, column, problem) in [
            ("{\"a\" 1}", 1, 6, "a colon should be here"),
            ("{\"a\": 1 \"b\": 2}", 1, 9, "`,` or `}` should be here"),
            ("[1,\n  é]", 2, 3, "`é` where a value should be"),
            ("{\"a\": ", 1, 7, "the file ends where a value should be"),
            ("[1", 1, 3, "the file ends where `,` or `]` should be"),
            ("\"a\nb\"", 1, 3, "a string that does not end on its line"),
            ("/* x", 1, 1, "a comment that does not end"),
            ("[0x10]", 1, 2, "`0x10` is no number of JSON"),
            ("[nil]", 1, 2, "`nil` where a value should be"),
            ("{\"a\": 1, \"a\": 2}", 1, 10, "`a` stands here a second time"),
            ("[\"\\q\"]", 1, 4, "no such escape in a string"),
            ("{a: 1}", 1, 2, "a name in double quotes should be here"),
            ("1 2", 1, 3, "`2` after the value"),
        ] {
            let expected = ImportError::Text { at: at(line, column), problem: problem.to_owned() };
            assert_eq!(parse(text), Err(expected), "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
