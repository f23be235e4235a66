//! What must not stand anywhere in the repository: the names of places on one developer's machine.

use super::Fault;
use super::tree::Tree;

/// Written in two parts, so that this file does not hold what it looks for.
const FORBIDDEN: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/tm", "p/wt"), concat!("/ro", "ot/."), concat!("../sha", "red/")];

/// No file, be it text or a compiled object with paths in its debug information, holds one of [`FORBIDDEN`].
pub(super) fn nothing_names_this_machine(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, content) in tree.files() {
        for forbidden in FORBIDDEN {
            let mut windows = content.windows(forbidden.len());
            if let Some(at) = windows.position(|window| window == forbidden.as_bytes()) {
                let line = content.iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
                let what = format!("names this machine or a place outside the repository: {forbidden}");
                faults.push(Fault::line(path, line, what));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_forbidden_string_is_found_with_its_line_and_nothing_else_is() {
        for forbidden in FORBIDDEN {
            let tree = Tree::of(&[("README.md", &format!("one\ntwo {forbidden}three\n"))]);
            let what = format!("names this machine or a place outside the repository: {forbidden}");
            assert_eq!(nothing_names_this_machine(&tree), [Fault::line("README.md", 2, what)]);
        }
        let harmless = Tree::of(&[("README.md", "/workspace/ /tmp/x ~/.cargo /root/file network/\n")]);
        assert_eq!(nothing_names_this_machine(&harmless), []);
    }

    #[test]
    fn files_that_are_no_text_are_searched_too() {
        let mut object = vec![0x7f, 0xff, 0xfe, 0x0a];
        object.extend_from_slice(FORBIDDEN[0].as_bytes());
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("recorder.o"), object).unwrap();
        let tree = Tree::read(directory.path()).unwrap();
        let found: Vec<(String, Option<usize>)> =
            nothing_names_this_machine(&tree).into_iter().map(|fault| (fault.path, fault.line)).collect();
        assert_eq!(found, [("recorder.o".to_owned(), Some(2))]);
    }
}
