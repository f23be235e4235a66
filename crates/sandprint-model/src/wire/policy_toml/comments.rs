//! Which comment belongs to which fact.
//!
//! A comment on a line of its own belongs to the next fact below it; one behind something, to what begins on that
//! line. Facts are named by what they say, not by where they stand, so that comments follow when the order changes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml_parser::Source;
use toml_parser::lexer::TokenKind;

/// The comments of a file, by the place that each belongs to.
#[derive(Debug, Clone, Default)]
pub(super) struct Comments(BTreeMap<String, Comment>);

/// The comments of one place. Each begins with its `#`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Comment {
    /// On lines of their own, above it; an empty one is an empty line.
    pub(super) above: Vec<String>,
    /// Behind it, on its line.
    pub(super) beside: Vec<String>,
}

/// Where the comments stand that come after everything.
pub(super) const END: &str = "end";

/// A place that comments can belong to, and where it begins in the text.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) name: String,
}

impl Comments {
    /// Gives each comment of the text to a place.
    pub(super) fn collect(text: &str, mut places: Vec<Place>) -> Comments {
        places.sort_by_key(|place| place.start);
        let mut comments = Comments::default();
        let mut last_above: Option<(String, usize)> = None;
        for token in Source::new(text).lex() {
            if token.kind() != TokenKind::Comment {
                continue;
            }
            let span = token.span().start()..token.span().end();
            let words = text.get(span.clone()).unwrap_or_default().trim_end().to_owned();
            let line_start =
                text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
            let alone = text.get(line_start..span.start).is_some_and(|before| before.trim().is_empty());
            // They are in order: a comment is not compared with the places of the whole text.
            let behind = |offset: usize| {
                let at = places.partition_point(|place| place.start < offset);
                places.get(at..).unwrap_or_default().iter()
            };
            let on_line = behind(line_start).take_while(|place| place.start < span.start);
            let (brackets, mut facts): (Vec<&Place>, Vec<&Place>) =
                on_line.partition(|place| place.name.ends_with("/end"));
            // Behind a bracket that closes on this line stands what is said of the whole; else of the last element.
            // What closes an array says nothing of its own, where nothing else is on the line.
            let last = facts.pop();
            let first = facts.first().copied().or(last);
            let on_line = if brackets.is_empty() { last } else { first.or(brackets.last().copied()) };
            match on_line {
                Some(place) if !alone => comments.of(&place.name).beside.push(words),
                _ => {
                    let next = behind(span.end).next();
                    let name = next.map_or(END, |place| &place.name).to_owned();
                    let above = &mut comments.of(&name).above;
                    let follows = last_above.as_ref().filter(|(of, _)| *of == name).map(|(_, end)| *end);
                    if follows.is_some_and(|end| has_empty_line(text, end..span.start)) {
                        above.push(String::new());
                    }
                    above.push(words);
                    // An empty line between the comment and the fact keeps them apart: a heading, not a remark.
                    let until = next.map_or(span.end, |place| line_of(text, place.start));
                    if has_empty_line(text, span.end..until) && !another_comment(text, span.end..until) {
                        above.push(String::new());
                    }
                    last_above = Some((name, span.end));
                }
            }
        }
        comments
    }

    fn of(&mut self, name: &str) -> &mut Comment {
        self.0.entry(name.to_owned()).or_default()
    }

    /// The comment of a place.
    pub(super) fn at(&self, name: &str) -> Option<&Comment> {
        self.0.get(name)
    }

    /// Every comment of a place and of the places in it.
    pub(super) fn within(&self, name: &str) -> impl Iterator<Item = &String> {
        let inside = format!("{name}/");
        let places = self.0.iter().filter(move |(place, _)| *place == name || place.starts_with(&inside));
        places
            .flat_map(|(_, comment)| comment.above.iter().chain(&comment.beside))
            .filter(|line| !line.is_empty())
    }

    /// What belongs to places that are not among these, in order of their names.
    pub(super) fn left_over(&self, written: &BTreeSet<String>) -> Vec<String> {
        let lost = self.0.iter().filter(|(name, _)| *name != END && !written.contains(*name));
        lost.flat_map(|(_, comment)| comment.above.iter().chain(&comment.beside))
            .filter(|line| !line.is_empty())
            .cloned()
            .collect()
    }
}

fn has_empty_line(text: &str, range: Range<usize>) -> bool {
    text.get(range).is_some_and(|between| between.matches('\n').count() >= 2)
}

fn another_comment(text: &str, range: Range<usize>) -> bool {
    text.get(range).is_some_and(|between| between.contains('#'))
}

/// Where the line of an offset begins.
fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1)
}
