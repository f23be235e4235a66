//! Constants by name, and the names that someone may have meant.

use super::tables::Constant;
use crate::Abi;

/// How many names are offered for one that does not exist.
const OFFERED: usize = 3;

/// The value of a constant on an ABI: `AF_INET`, `O_DIRECTORY`. Names are the kernel's, and case matters.
///
/// A negative value (`AT_FDCWD`, `RUSAGE_CHILDREN`) is sign-extended to 64 bits; a comparison of 32 bits takes the
/// lower half.
pub fn constant(abi: Abi, name: &str) -> Option<u64> {
    let all = Constant::all();
    let first = all.partition_point(|constant| constant.name < name);
    let mut rows = all.get(first..)?.iter().take_while(|constant| constant.name == name);
    rows.find(|constant| constant.is_of(abi)).map(|constant| constant.value)
}

/// The constants of an ABI whose names are most like one that is none: at most three, the likest first.
///
/// Another case, a slip of one or few letters (more in a longer name), and a name without its first or last part are alike.
pub fn constants_like(abi: Abi, name: &str) -> Vec<&'static str> {
    let wanted: Vec<u8> = name.bytes().map(|byte| byte.to_ascii_uppercase()).collect();
    if wanted.is_empty() || wanted.len() > LONGEST {
        return Vec::new();
    }
    let limit = 1 + wanted.len() / 6;
    let mut found: Vec<(usize, &'static str)> = Vec::new();
    for constant in Constant::all().iter().filter(|constant| constant.is_of(abi)) {
        let known = constant.name.as_bytes();
        let without_prefix = known.strip_suffix(wanted.as_slice()).is_some_and(|rest| rest.ends_with(b"_"));
        let without_end = known.strip_prefix(wanted.as_slice()).is_some_and(|rest| rest.starts_with(b"_"));
        let distance = if without_prefix || without_end { 1 } else { distance(&wanted, known) };
        if distance <= limit {
            found.push((distance, constant.name));
        }
    }
    found.sort_unstable();
    found.into_iter().take(OFFERED).map(|(_, name)| name).collect()
}

/// A name that is longer than this is like none; the longest that exists has 43 letters.
const LONGEST: usize = 64;

/// How many letters must be put in, taken out or changed, or neighbours swapped, to make one word the other.
fn distance(one: &[u8], other: &[u8]) -> usize {
    // The last three rows of the table of distances between the beginnings of both words.
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (row, letter) in one.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut left = row + 1;
        let mut last: Option<u8> = None;
        let pairs = above.iter().zip(above.iter().skip(1));
        for (column, (theirs, (diagonal, up))) in other.iter().zip(pairs).enumerate() {
            let mut best = (diagonal + usize::from(letter != theirs)).min(up + 1).min(left + 1);
            if previous == Some(*theirs) && last == Some(*letter) {
                let swapped = column.checked_sub(1).and_then(|column| before.get(column));
                best = swapped.map_or(best, |swapped| best.min(swapped + 1));
            }
            current.push(best);
            left = best;
            last = Some(*theirs);
        }
        before = std::mem::replace(&mut above, current);
        previous = Some(*letter);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_letters_and_swaps() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("ab", "", 2),
            ("AF_INET", "AF_INET", 0),
            ("AF_INTE", "AF_INET", 1),
            ("AF_NET", "AF_INET", 1),
            ("AF_INET", "AF_UNIX", 3),
            ("ba", "ab", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one.as_bytes(), other.as_bytes()), expected, "{one} {other}");
            assert_eq!(distance(other.as_bytes(), one.as_bytes()), expected, "{other} {one}");
        }
    }

    #[test]
    fn second_names_of_the_c_library_have_their_values() {
        for (name, expected) in [
            ("O_FSYNC", [0x10_1000; 2]),
            ("O_RSYNC", [0x10_1000; 2]),
            ("F_SETLK64", [6, 13]),
            ("F_GETLK64", [5, 12]),
            ("F_SETLKW64", [7, 14]),
            ("PT_TRACE_ME", [0; 2]),
            ("PT_READ_U", [3; 2]),
            ("POSIX_MADV_DONTNEED", [4; 2]),
            ("L_XTND", [2; 2]),
            ("PF_ALG", [38; 2]),
            ("S_IRWXU", [0o700; 2]),
            ("RB_AUTOBOOT", [0x0123_4567; 2]),
        ] {
            let found = [Abi::X86_64, Abi::I386].map(|abi| constant(abi, name));
            assert_eq!(found, expected.map(Some), "{name}");
        }
    }

    #[test]
    fn a_slip_leads_to_the_name() {
        for (typed, expected) in [
            ("af_inet", "AF_INET"),
            ("AF_INTE", "AF_INET"),
            ("INET6", "AF_INET6"),
            ("CLOCK_MONOTONIC_ROW", "CLOCK_MONOTONIC_RAW"),
            ("PROT_EXECUTE", "PROT_EXEC"),
            ("O_CLOEXE", "O_CLOEXEC"),
            ("SIGKIL", "SIGKILL"),
        ] {
            let offered = constants_like(Abi::X86_64, typed);
            assert!(offered.contains(&expected), "{typed}: {offered:?}");
            assert!(offered.len() <= OFFERED);
        }
        for typed in ["", "NOTHING_LIKE_THIS", &"A".repeat(1000), "größe"] {
            assert_eq!(constants_like(Abi::X86_64, typed), [""; 0], "{typed}");
        }
        assert!(constants_like(Abi::I386, "SO_RCVTIMEO").contains(&"SO_RCVTIMEO_OLD"));
        assert!(!constants_like(Abi::Aarch64, "ARCH_SET_FS").contains(&"ARCH_SET_FS"));
    }
}
