//! Text of others, such as a file's name, on one line without anything that a terminal would act on.

use sandprint_model::ByteString;

/// Text that claims nothing.
pub(crate) fn one_line(text: &str) -> String {
    ByteString::from(text).escaped()
}

/// Text that claims to be escaped: escaped again only where it is not.
pub(crate) fn once(text: &str) -> String {
    let read = ByteString::from_escaped(text).map(|bytes| bytes.escaped());
    read.unwrap_or_else(|| one_line(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_once() {
        for text in ["/a\\x1bb", "plain", "a\\\\b"] {
            assert_eq!(once(text), text);
        }
        assert_eq!(once("/a\\x1bb \u{1b}[2J"), "/a\\x1bb \\x1b[2J");
        assert_eq!(once("a\\b"), "a\\\\b");
        assert_eq!(one_line("a\\x1b\n"), "a\\\\x1b\\x0a");
    }
}
