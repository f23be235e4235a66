//! The lines of a unit file: sections, keys, continued lines and comments (systemd.syntax(7)).

use sandprint_model::wire::Position;

/// `Key=value` in a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// Where the line begins.
    pub(super) at: Position,
    /// The section, none before the first header.
    pub(super) section: Option<String>,
    pub(super) key: String,
    pub(super) value: String,
    /// The comment lines above it, without a blank line in between.
    pub(super) comment: String,
}

/// Every assignment, and the lines that are none.
pub(super) fn assignments(text: &str) -> (Vec<Assignment>, Vec<Position>) {
    let (mut found, mut strange) = (Vec::new(), Vec::new());
    let mut section = None;
    let mut comment: Vec<&str> = Vec::new();
    let mut lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let at = Position { line: number + 1, column: 1 };
        let line = line.trim();
        if let Some(words) = line.strip_prefix(['#', ';']) {
            comment.push(words.trim());
            continue;
        }
        let mut whole = line.to_owned();
        // A backslash at the end becomes a space; comments in between do not count.
        while let Some(kept) = whole.strip_suffix('\\') {
            let mut joined = format!("{kept} ");
            let next = lines.by_ref().map(|(_, line)| line.trim()).find(|line| !line.starts_with(['#', ';']));
            let ended = next.is_none();
            joined.push_str(next.unwrap_or_default());
            whole = joined;
            if ended {
                break;
            }
        }
        let line = whole.trim();
        if line.is_empty() {
            comment.clear();
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = Some(name.to_owned());
            comment.clear();
        } else if let Some((key, value)) = line.split_once('=') {
            found.push(Assignment {
                at,
                section: section.clone(),
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
                comment: std::mem::take(&mut comment).join(" "),
            });
        } else {
            strange.push(at);
        }
    }
    (found, strange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_comments_belong_to_what_follows() {
        let text =
            "# head\n\n[Service]\n# why\n; so\nA = b \\\n# no\n  c\\\n\nB=\nnonsense\n[Install]\nC=d\\";
        let (found, strange) = assignments(text);
        let seen: Vec<_> = found
            .iter()
            .map(|a| (a.at.line, a.section.as_deref(), a.key.as_str(), a.value.as_str(), a.comment.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                (6, Some("Service"), "A", "b  c", "why so"),
                (10, Some("Service"), "B", "", ""),
                (13, Some("Install"), "C", "d", ""),
            ]
        );
        assert_eq!(strange, [Position { line: 11, column: 1 }]);
    }
}
