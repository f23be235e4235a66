//! What somebody may have meant who wrote a name that there is not.

/// The known name that is nearest to one that is not known, if any is near enough to be a slip of the keyboard.
pub(super) fn nearest<'n>(found: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // One slip for short names, and one more for each four characters.
    let most = 1 + found.chars().count().min(64) / 4;
    let distances = known.into_iter().map(|name| (distance(found, name), name));
    distances.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

/// Insertions, deletions and replacements of a character, and swaps of neighbours, that make one name of another
/// (the optimal string alignment distance).
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().take(64).collect();
    let to: Vec<char> = to.chars().take(64).collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    let at = |rows: &[Vec<usize>], line: usize, column: usize| {
        rows.get(line).and_then(|row| row.get(column)).copied().unwrap_or(usize::MAX / 2)
    };
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = at(&rows, i, j) + usize::from(a != b);
            let left = row.last().copied().unwrap_or_default();
            let mut best = replaced.min(at(&rows, i, j + 1) + 1).min(left + 1);
            let swapped = i > 0 && j > 0 && from.get(i - 1) == Some(b) && to.get(j - 1) == Some(a);
            if swapped {
                best = best.min(at(&rows, i - 1, j - 1) + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    at(&rows, from.len(), to.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_other_words_are_not() {
        let known = ["openat", "open", "openat2", "read", "clock_gettime", "gettimeofday"];
        for (found, expected) in [
            ("opeant", Some("openat")),
            ("raed", Some("read")),
            ("clock_get_time", Some("clock_gettime")),
            ("reads", Some("read")),
            ("completely_different", None),
            ("", None),
        ] {
            assert_eq!(nearest(found, known), expected, "{found}");
        }
    }
}
