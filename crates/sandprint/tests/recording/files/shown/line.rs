//! One line of strace, with `-xx -y`: a call, its arguments and its result. Every text in it is written in hexadecimal, so
//! that quotes, brackets and commas are strace's own.

use std::collections::BTreeMap;

/// A call that has ended.
#[derive(Debug)]
pub(super) struct Line<'l> {
    pub(super) process: u32,
    pub(super) name: &'l str,
    pub(super) args: Vec<String>,
    /// What stands behind the equals sign, up to a blank.
    pub(super) result: &'l str,
    pub(super) failed: bool,
    /// The name of the error.
    pub(super) error: &'l str,
}

impl Line<'_> {
    /// The text of an argument in quotes.
    pub(super) fn quoted(&self, at: usize) -> Option<Vec<u8>> {
        self.args.get(at)?.strip_prefix('"')?.strip_suffix('"').map(unhexed)
    }

    pub(super) fn has_flag(&self, flag: &str) -> bool {
        self.args.iter().any(|word| !word.starts_with('"') && word.contains(flag))
    }
}

/// The calls of a log that have ended, in the order of their ends.
pub(super) fn calls(log: &str) -> impl Iterator<Item = Line<'_>> {
    let mut begun: BTreeMap<u32, (&str, &str)> = BTreeMap::new();
    log.lines().filter_map(move |line| {
        let (process, text) = line.split_once(' ')?;
        let (process, text) = (process.parse().ok()?, text.trim_start());
        if text.starts_with("---") || text.starts_with("+++") {
            return None;
        }
        if let Some(first) = text.strip_suffix("<unfinished ...>") {
            begun.insert(process, first.split_once('(')?);
            return None;
        }
        let (name, first, rest) = if let Some(resumed) = text.strip_prefix("<... ") {
            let (name, first) = begun.remove(&process)?;
            (name, first, resumed.split_once(" resumed>")?.1)
        } else {
            let (name, rest) = text.split_once('(')?;
            (name, "", rest)
        };
        // No text has these in it.
        let (last, result) = rest.rsplit_once(" = ").filter(|_| rest.contains(')'))?;
        let last = last.trim_end().strip_suffix(')')?;
        let args = arguments(&[first, last].concat());
        let mut words = result.split(' ');
        let result = words.next()?;
        let failed = result == "-1";
        let error = words.next().unwrap_or_default();
        (result != "?").then_some(Line { process, name, args, result, failed, error })
    })
}

/// The arguments, which commas part that are in no brackets.
fn arguments(text: &str) -> Vec<String> {
    let mut args = vec![String::new()];
    let mut depth = 0_u32;
    for letter in text.chars() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                args.push(String::new());
                continue;
            }
            _ => {}
        }
        args.last_mut().expect("there is one").push(letter);
    }
    args.iter().map(|arg| arg.trim().to_owned()).collect()
}

/// The value at the beginning of a text, up to a comma or bracket that is not its own.
pub(super) fn value(text: &str) -> &str {
    let mut depth = 0_u32;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ',' | ')' | ']' | '}' if depth == 0 => return &text[..at],
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    text
}

/// Undoes `\x2f\x75`.
pub(super) fn unhexed(text: &str) -> Vec<u8> {
    let bytes = text.split("\\x").skip(1);
    bytes.map(|digits| u8::from_str_radix(digits, 16).expect("two digits of a byte")).collect()
}

/// The path of a descriptor, `3<\x2f\x75>`, or of the working directory.
pub(super) fn described(text: &str) -> Option<Vec<u8>> {
    Some(unhexed(text.split_once('<')?.1.split_once('>')?.0))
}

/// The address as tables of sockets have it, and the path that it is of.
pub(super) fn address(text: &str) -> (String, Option<Vec<u8>>) {
    let field = |name: &str| text.split_once(name).map(|(_, rest)| value(rest));
    let inside = |name: &str| {
        let quoted = field(name)?.split('"').nth(1)?;
        Some(String::from_utf8(unhexed(quoted)).expect("an address is text"))
    };
    let port = |name| field(name).and_then(|port| port.strip_prefix("htons(")?.strip_suffix(')'));
    match field("sa_family=") {
        Some("AF_UNIX") => {
            let Some(name) = field("sun_path=") else { return ("unnamed".to_owned(), None) };
            let bytes = unhexed(name.trim_start_matches('@').trim_matches('"'));
            let escaped = sandprint_model::ByteString::new(bytes.clone()).escaped();
            match (name.starts_with('@'), bytes.starts_with(b"/")) {
                (true, _) => (format!("@{escaped}"), None),
                (false, true) => (escaped, Some(bytes)),
                (false, false) => (format!("unix:{escaped}"), Some(bytes)),
            }
        }
        Some("AF_INET") => {
            let ip = inside("sin_addr=").expect("it has one");
            (format!("{ip}:{}", port("sin_port=").expect("it has one")), None)
        }
        Some("AF_INET6") => {
            let ip = text.split_once("inet_pton(AF_INET6, ").expect("it has one").1;
            let ip = String::from_utf8(unhexed(ip.split('"').nth(1).expect("in quotes"))).expect("text");
            (format!("[{ip}]:{}", port("sin6_port=").expect("it has one")), None)
        }
        Some("AF_NETLINK") => {
            let groups =
                u32::from_str_radix(field("nl_groups=").expect("it has them"), 16).expect("hexadecimal");
            (format!("pid={},groups={groups:#x}", field("nl_pid=").expect("it has one")), None)
        }
        Some("AF_UNSPEC") => ("unspecified".to_owned(), None),
        _ => panic!("an address of which nothing is known: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_put_together_and_their_arguments_parted() {
        let log = "1 openat(AT_FDCWD<\\x2f>, \"\\x61\\x2c\", O_RDONLY) = 3</x>\n\
                   1 bind(3<\\x73>, {sa_family=AF_INET, sin_port=htons(1)}, 16 <unfinished ...>\n\
                   2 getpid()    = 2\n\
                   2 +++ exited with 0 +++\n\
                   1 <... bind resumed>) = -1 EACCES (Permission denied)\n\
                   1 exit_group(0) = ?\n";
        let seen: Vec<String> = calls(log)
            .map(|line| {
                format!(
                    "{} {} {} {} {}",
                    line.process,
                    line.name,
                    line.args.join("|"),
                    line.result,
                    line.error
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                "1 openat AT_FDCWD<\\x2f>|\"\\x61\\x2c\"|O_RDONLY 3</x> ",
                "2 getpid  2 ",
                "1 bind 3<\\x73>|{sa_family=AF_INET, sin_port=htons(1)}|16 -1 EACCES",
            ]
        );
        assert_eq!(unhexed("\\x2f\\x75"), b"/u");
        assert_eq!(described("3<\\x2f\\x75>(deleted)"), Some(b"/u".to_vec()));
        assert_eq!(value("{a=(1, 2), b}, c"), "{a=(1, 2), b}");
    }
}
