//! What a policy allows and why, as text, JSON and Markdown. What others wrote is escaped here.

mod json;
mod markdown;
mod text;
mod words;

use std::collections::BTreeSet;

use sandprint_model::Abi;
use sandprint_policy::explain::{AbiPart, Explanation};

use crate::Report;

/// An explanation, and the ABIs that are listed call by call; of others only the numbers are said. JSON has all.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'e> {
    /// The explanation.
    pub explanation: &'e Explanation,
    /// What is listed.
    pub abis: &'e BTreeSet<Abi>,
}

impl Report for Listing<'_> {
    fn text(&self) -> String {
        text::of(self)
    }

    fn json(&self) -> String {
        json::of(self.explanation)
    }

    fn markdown(&self) -> String {
        markdown::of(self)
    }
}

impl Listing<'_> {
    fn lists(&self, part: &AbiPart) -> bool {
        self.abis.contains(&part.abi)
    }

    /// What is listed first.
    fn parts(&self) -> impl Iterator<Item = &AbiPart> {
        let (first, then): (Vec<&AbiPart>, Vec<&AbiPart>) =
            self.explanation.abis.iter().partition(|part| self.lists(part));
        first.into_iter().chain(then)
    }
}

#[cfg(test)]
mod tests;
