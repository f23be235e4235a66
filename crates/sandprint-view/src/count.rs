//! How many, in words: "1 call", "2 calls".

use std::fmt::Display;

/// A number and what it counts. An `s` makes the noun more than one.
pub fn counted<N: Copy + Display + Eq + From<u8>>(number: N, noun: &str) -> String {
    let s = if number == N::from(1) { "" } else { "s" };
    format!("{number} {noun}{s}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_is_one() {
        let words = [0_u64, 1, 2].map(|number| super::counted(number, "call"));
        assert_eq!(words, ["0 calls", "1 call", "2 calls"]);
        assert_eq!(super::counted(1_usize, "kind"), "1 kind");
    }
}
