//! The table of counts that `-c` and `-C` write, in whichever columns `-U` asks for.

/// Where in such a table the log is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// In none.
    #[default]
    Outside,
    /// Below its first ruler.
    Rows,
    /// Below its second one, where the total stands.
    Total,
}

impl Table {
    /// Takes a line; whether it belongs to a table.
    pub(super) fn takes(&mut self, text: &[u8]) -> bool {
        if is_ruler(text) {
            *self = if *self == Table::Rows { Table::Total } else { Table::Rows };
            return true;
        }
        if *self == Table::Outside {
            return is_heading(text);
        }
        let is_row = words(text).next().is_some() && words(text).all(|word| is_number(word) || is_name(word));
        if !is_row || *self == Table::Total {
            *self = Table::Outside;
        }
        is_row
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// `------ ----------- ---------`: the columns' widths.
fn is_ruler(text: &[u8]) -> bool {
    text.starts_with(b"------") && text.iter().all(|byte| matches!(byte, b'-' | b' ' | b'\r'))
}

fn is_heading(text: &[u8]) -> bool {
    const TITLES: [&[u8]; 9] =
        [b"%", b"time", b"seconds", b"usecs/call", b"calls", b"errors", b"shortest", b"longest", b"syscall"];
    text.starts_with(b"System call usage summary for ")
        || (words(text).next().is_some() && words(text).all(|word| TITLES.contains(&word)))
}

fn is_number(word: &[u8]) -> bool {
    word.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

fn is_name(word: &[u8]) -> bool {
    word.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_passed_over_whatever_its_columns() {
        for text in [
            "% time     seconds  usecs/call     calls    errors syscall\n------ ----------- ----------- --------- --------- ----------------\n 99.0    0.000000           0         8         2 read\n  0.00    0.000000           0         8           write\n------ ----------- ----------- --------- --------- ----------------\n100.00    0.000000                   105         7 total",
            "syscall              calls    errors\n---------------- --------- ---------\nread                     8          \n---------------- --------- ---------\ntotal                  216        29",
            "    calls     seconds  longest syscall\n--------- ----------- -------- ----------------\n        2    0.000000 0.000000 pread64\n--------- ----------- -------- ----------------\n       29    0.000000 0.000000 total",
            "syscall\n----------------\nread\n----------------\ntotal",
        ] {
            let mut table = Table::default();
            let passed: Vec<bool> = text.lines().map(|line| table.takes(line.as_bytes())).collect();
            assert!(passed.iter().all(|passed| *passed), "{text}");
            assert!(!table.takes(b"read(3) = 0") && !table.takes(b"read"), "it has ended");
            let mut cut = Table::Rows;
            assert!(!cut.takes(b"1 read(3) = 0") && !cut.takes(b"word"), "{text}");
        }
    }
}
