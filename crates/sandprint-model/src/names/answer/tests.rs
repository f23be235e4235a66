//! Answers as resolvers send them, odd ones, and hostile ones.

use proptest::prelude::*;
use simple_dns::rdata::{A, AAAA, CNAME, TXT};
use simple_dns::{QCLASS, QTYPE, Question, ResourceRecord, TYPE};

use super::*;

/// A record of an answer: whose it is, and what it says.
type Record = (&'static str, RData<'static>);

fn message(asked: &'static str, records: &[Record]) -> Vec<u8> {
    let mut packet = Packet::new_reply(7);
    let name = simple_dns::Name::new_unchecked(asked);
    packet.questions.push(Question::new(name, QTYPE::TYPE(TYPE::A), QCLASS::CLASS(CLASS::IN), false));
    packet.answers.extend(records.iter().map(|(of, data)| {
        ResourceRecord::new(simple_dns::Name::new_unchecked(of), CLASS::IN, 60, data.clone())
    }));
    packet.build_bytes_vec().unwrap()
}

fn a(last: u8) -> RData<'static> {
    RData::A(A { address: u32::from_be_bytes([192, 0, 2, last]) })
}

fn alias(of: &'static str) -> RData<'static> {
    RData::CNAME(CNAME(simple_dns::Name::new_unchecked(of)))
}

fn shown(names: Option<Vec<Name>>) -> Option<Vec<String>> {
    names.map(|names| names.iter().map(|name| format!("{} {}", name.name, name.meaning)).collect())
}

#[test]
fn the_name_that_was_asked_for_has_the_addresses_behind_its_aliases() {
    let aaaa = RData::AAAA(AAAA { address: 0x2001_0db8 << 96 | 1 });
    let records = [
        ("other.test", a(9)),
        ("b.test", alias("c.test")),
        ("WWW.test", alias("B.test")),
        ("c.test", a(1)),
        ("c.test", RData::TXT(TXT::new())),
        ("c.test", a(2)),
        ("c.test", aaaa),
    ];
    let found = shown(answered(&message("www.TEST", &records), false));
    let expected = ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map(|address| format!("www.test {address}"));
    assert_eq!(found, Some(expected.to_vec()));
    // Its own address, an alias of itself, and a circle.
    let records = [
        ("a.test", alias("a.test")),
        ("a.test", alias("b.test")),
        ("b.test", alias("a.test")),
        ("a.test", a(1)),
    ];
    let found = shown(answered(&message("a.test", &records), false));
    assert_eq!(found, Some(vec!["a.test 192.0.2.1".to_owned()]));
    // What was not asked for has no name.
    assert_eq!(answered(&message("x.test", &[("other.test", a(9))]), false), Some(Vec::new()));
}

#[test]
fn what_is_no_answer_names_nothing_and_what_is_no_message_is_told() {
    let good = message("a.test", &[("a.test", a(1))]);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        answered(&bytes, false)
    };
    // A question, an error (NXDOMAIN), more records than there is room for.
    assert_eq!((with(2, 0), with(3, 3), with(6, 255)), (Some(Vec::new()), Some(Vec::new()), None));
    for cut in 0..good.len() {
        assert_eq!(answered(&good[..cut], false), None, "{cut}");
    }
    // A name that points at itself, and one of endless labels.
    for name in [&[0xc0, 12][..], &[1, b'x', 0xc0, 12]] {
        let mut circle = message("a.test", &[]);
        circle.truncate(HEADER);
        circle.extend(name);
        circle.extend([0, 1, 0, 1]);
        assert_eq!(answered(&circle, false), None);
    }
}

#[test]
fn messages_of_a_stream_have_their_length_before_them_or_had_it_read_already() {
    let (one, two) = (message("a.test", &[("a.test", a(1))]), message("b.test", &[("b.test", a(2))]));
    let prefixed =
        |message: &[u8]| [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat();
    let both = [prefixed(&one), prefixed(&two)].concat();
    let (a, b) = ("a.test 192.0.2.1".to_owned(), "b.test 192.0.2.2".to_owned());
    assert_eq!(shown(answered(&one, true)), Some(vec![a.clone()]));
    assert_eq!(shown(answered(&both, true)), Some(vec![a.clone(), b]));
    assert_eq!(shown(answered(&prefixed(&one), true)), Some(vec![a]));
    assert_eq!(answered(&prefixed(&one)[..2], true), Some(Vec::new()));
    assert_eq!(answered(&prefixed(&one)[..20], true), None);
    assert_eq!(answered(&prefixed(&one), false), None);
}

#[test]
fn names_are_kept_so_that_they_can_be_told_apart() {
    let labels = [&b"a.b"[..], b"C\\", b"\xff\x1b"].map(Label::new_unchecked);
    assert_eq!(text(&labels), b"a\\.b.c\\\\.\xff\x1b");
    assert_eq!(text(&[]), b".");
}

proptest! {
    /// Hostile bytes: none of them may panic.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), is_stream: bool) {
        answered(&bytes, is_stream);
    }

    #[test]
    fn any_change_of_a_message_is_read_or_refused(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        is_stream: bool,
    ) {
        let records = [("www.test", alias("b.test")), ("b.test", a(1)), ("b.test", RData::TXT(TXT::new()))];
        let mut bytes = message("www.test", &records);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        answered(&bytes, is_stream);
    }
}
