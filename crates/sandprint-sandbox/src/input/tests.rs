//! What a reader keeps and hands on. It reads descriptor 0, which is the tests' own: so nothing is started here, and
//! the whole is tried with commands (`tests/verified`).

use super::*;

#[test]
fn what_is_there_to_be_read_again_is_known() {
    // The harness gives tests what cargo was given: whichever it is, a first run can have it.
    let mut input = Input { kind: Kind::Same };
    assert_eq!(input.unrepeatable(), None);
    assert!(input.feed().unwrap().unwrap().stdin.is_none());
    let input = Input { kind: Kind::Once(Unrepeatable::Terminal) };
    assert_eq!(input.unrepeatable(), Some(Unrepeatable::Terminal));
}

#[test]
fn a_file_is_rewound_to_where_it_was() {
    let mut file = tempfile::tempfile().unwrap();
    io::Write::write_all(&mut file, b"0123456789").unwrap();
    let mut input = Input { kind: Kind::File { file: file.try_clone().unwrap(), start: 3 } };
    for _ in 0..3 {
        assert!(input.feed().unwrap().unwrap().stdin.is_none());
        let mut text = String::new();
        io::Read::read_to_string(&mut file, &mut text).unwrap();
        assert_eq!(text, "3456789");
    }
}
