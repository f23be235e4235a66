//! Documents with a few changes, for the short runs of the fuzz targets: mutated ones, and cut ones.

use super::numbers::Numbers;

/// One document of the corpus, or some of its lines, with a few changes; `words` are put in, which mean something to
/// a reader.
pub fn mutated(numbers: &mut Numbers, corpus: &[&[u8]], words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = sample(numbers, corpus).to_vec();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(bytes.len());
        let end = (at + 1 + numbers.below(40)).min(bytes.len());
        match numbers.below(9) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            2 if at < end => drop(bytes.drain(at..end)),
            3 => drop(bytes.splice(at..at, words[numbers.below(words.len())].iter().copied())),
            4 if at < end => drop(bytes.splice(at..end, words[numbers.below(words.len())].iter().copied())),
            5 if at < end => {
                let piece = bytes[at..end].to_vec();
                let to = numbers.below(bytes.len());
                drop(bytes.splice(to..to, piece));
            }
            // Another digit or letter keeps the form and changes what it says.
            6 | 7 => {
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
                if let Some(found) = bytes[at..].iter().position(is_word) {
                    let byte = &mut bytes[at + found];
                    *byte = if byte.is_ascii_digit() { b'0' + (*byte + 1) % 10 } else { *byte ^ 1 };
                }
            }
            _ => {
                let other = sample(numbers, corpus);
                let from = numbers.below(other.len());
                let piece = other[from..(from + numbers.below(200)).min(other.len())].to_vec();
                drop(bytes.splice(at..at, piece));
            }
        }
    }
    bytes
}

fn sample<'c>(numbers: &mut Numbers, corpus: &[&'c [u8]]) -> &'c [u8] {
    const MOST: usize = 2000;
    let document = corpus[numbers.below(corpus.len())];
    if document.len() <= MOST {
        return document;
    }
    let from = numbers.below(document.len() - MOST);
    let start = document[..from].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    &document[start..start + MOST]
}

/// Gives the property so many mutated documents, and each document cut after every so many of its first bytes.
pub fn run(
    seed: u64,
    times: usize,
    corpus: &[&[u8]],
    words: &[&[u8]],
    cut_every: usize,
    property: fn(&[u8]),
) {
    let mut numbers = Numbers::new(seed);
    for _ in 0..times {
        property(&mutated(&mut numbers, corpus, words));
    }
    for document in corpus {
        let document = &document[..document.len().min(600)];
        for length in (0..=document.len()).step_by(cut_every) {
            property(&document[..length]);
        }
    }
}
