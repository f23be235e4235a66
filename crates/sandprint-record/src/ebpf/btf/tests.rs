//! Picking types: what is taken, what is cut, and that nonsense is refused.

use super::*;

/// BTF, written by hand.
#[derive(Default)]
struct Builder {
    types: Vec<u8>,
    strings: Vec<u8>,
}

impl Builder {
    fn new() -> Builder {
        Builder { types: Vec::new(), strings: vec![0] }
    }

    fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let at = u32::try_from(self.strings.len()).unwrap();
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        at
    }

    /// A type with `count` things and the words behind it.
    fn add(&mut self, name: &str, kind: u32, count: u32, size_or_type: u32, more: &[u32]) {
        let name = self.name(name);
        for word in [name, kind << 24 | count, size_or_type].iter().chain(more) {
            self.types.extend_from_slice(&word.to_ne_bytes());
        }
    }

    fn structure(&mut self, name: &str, members: &[(&str, u32)]) {
        let more: Vec<u32> = members.iter().flat_map(|(name, of)| [self.name(name), *of, 0]).collect();
        self.add(name, STRUCT, u32::try_from(members.len()).unwrap(), 8, &more);
    }

    fn finish(self) -> Vec<u8> {
        write(&self.types, &self.strings).unwrap()
    }
}

/// Each type as its kind, its name and what it refers to.
fn listed(bytes: &[u8]) -> Vec<(u32, String, Vec<u32>)> {
    let btf = Btf::parse(bytes).unwrap();
    let mut types = Vec::new();
    btf.walk(|found| {
        let mut refers: Vec<u32> =
            references(found).into_iter().map(|at| word(btf.types, found.at + at).unwrap()).collect();
        if found.kind == PTR {
            refers.push(word(btf.types, found.at + 8).unwrap());
        }
        let name = String::from_utf8(btf.string(found.name)?.to_vec()).unwrap();
        types.push((found.kind, name, refers));
        Some(())
    });
    types
}

/// 1: int; 2: a pointer to 5; 3: a typedef of 1; 4: `held`, 5: `other`, 6: `task`, 7: `task___old`, 8: a function's type.
fn kernel() -> Vec<u8> {
    let mut builder = Builder::new();
    builder.add("int", 1, 0, 4, &[32]);
    builder.add("", PTR, 0, 5, &[]);
    builder.add("number", TYPEDEF, 0, 1, &[]);
    builder.structure("held", &[("count", 3)]);
    builder.structure("other", &[("back", 6)]);
    builder.structure("task", &[("other", 2), ("held", 4)]);
    builder.structure("task___old", &[("first", 1)]);
    builder.add("", FUNC_PROTO, 1, 1, &[0, 6]);
    builder.finish()
}

fn wanted(names: &[&str]) -> BTreeSet<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

#[test]
fn what_a_type_holds_is_taken_and_what_it_points_to_is_not() {
    let short = shorten(&kernel(), &wanted(&["task"])).unwrap();
    let expected = [
        (1, "int", vec![]),
        (PTR, "", vec![0]),
        (TYPEDEF, "number", vec![1]),
        (STRUCT, "held", vec![3]),
        (STRUCT, "task", vec![2, 4]),
        (STRUCT, "task___old", vec![1]),
    ];
    assert_eq!(listed(&short), expected.map(|(kind, name, refers)| (kind, name.to_owned(), refers)));
}

#[test]
fn members_keep_their_names() {
    let short = shorten(&kernel(), &wanted(&["held"])).unwrap();
    let btf = Btf::parse(&short).unwrap();
    let mut members = Vec::new();
    btf.walk(|found| {
        for at in names_in(found).into_iter().skip(1) {
            members.push(btf.string(word(btf.types, found.at + at)?)?.to_vec());
        }
        Some(())
    });
    assert_eq!(members, [b"count"]);
}

#[test]
fn a_name_ends_where_c_writes_the_version_of_a_type() {
    let cases: [(&[u8], &[u8]); 6] = [
        (b"task_struct", b"task_struct"),
        (b"task_struct___old", b"task_struct"),
        (b"a___b___c", b"a___b"),
        (b"a____b", b"a____b"),
        (b"___b", b"___b"),
        (b"", b""),
    ];
    for (name, expected) in cases {
        assert_eq!(essential(name), expected, "{}", String::from_utf8_lossy(name));
    }
}

#[test]
fn what_is_cut_off_or_of_an_unknown_kind_is_refused() {
    let whole = kernel();
    for length in 0..whole.len() {
        assert_eq!(shorten(&whole[..length], &wanted(&["task"])), None, "{length} bytes");
    }
    let mut builder = Builder::new();
    builder.add("new", 20, 0, 0, &[]);
    assert_eq!(shorten(&builder.finish(), &wanted(&["new"])), None);
    // A type that refers to one that is not there.
    let mut builder = Builder::new();
    builder.structure("task", &[("far", 7)]);
    let short = shorten(&builder.finish(), &wanted(&["task"])).unwrap();
    assert_eq!(listed(&short), [(STRUCT, "task".to_owned(), vec![0])]);
}
