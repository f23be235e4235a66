//! What the policy file promises: nothing lost, comments kept, every mistake told with its place.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::wire::POLICY_FILE_SCHEMA;
use crate::wire::tests::schema;
use crate::{Abi, Action, Call, arbitrary};

const HAND_WRITTEN: &str = r#"# What curl may do.
# Owner: the update team.

version = 1   # of the form
foreign = "kill-process"
default = "errno EPERM" # not ENOSYS: see the issue
kernel = "5.10"

# -- network --
[[x86_64.socket]] # IPv4 only
# no datagrams
when = [ "arg0.u32 == 0x2", # AF_INET
   # streams
   "arg1.u32 & 0xf == 1" ] # closed
do = "allow"
why = [ "the update check",
  # more to come
]

[[x86_64.socket]]
do = "errno EAFNOSUPPORT"

# anything may read
[[x86_64.read]]
do = "allow"
why = [{ by = ["/usr/bin/curl", {path = "/bin/sh", script = "./a\\xff"}], runs = 2, observed = 12 }, { baseline = "b" }]

[aarch64]
# inline
read = [{ do = "allow" }, { do = "log", when = [] }]
# the end
"#;

const NORMAL: &str = r#"# What curl may do.
# Owner: the update team.

version = 1 # of the form
kernel = "5.10"
default = "errno EPERM" # not ENOSYS: see the issue
foreign = "kill-process"

[[aarch64.read]]
# inline
do = "allow"

[[aarch64.read]]
do = "log"

# anything may read
[[x86_64.read]]
do = "allow"
why = [
    { observed = 12, runs = 2, by = ["/usr/bin/curl", { path = "/bin/sh", script = "./a\\xff" }] },
    { baseline = "b" },
]

# -- network --
[[x86_64.socket]] # IPv4 only
do = "allow"
# no datagrams
when = [
    "arg0.u32 == AF_INET", # AF_INET
    # streams
    "arg1.u32 & 0xf == SOCK_STREAM", # closed
]
why = [
    "the update check",
    # more to come
]

[[x86_64.socket]]
do = "errno EAFNOSUPPORT"

# the end
"#;

fn read(text: &str) -> PolicyFile {
    PolicyFile::read(text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"))
}

#[test]
fn a_hand_written_file_is_brought_into_its_form_with_all_comments() {
    let file = read(HAND_WRITTEN);
    let written = file.write();
    let expected = NORMAL.replace("[[aarch64.read]]\n# inline\ndo", "# inline\n[[aarch64.read]]\ndo");
    assert_eq!(written, expected, "\n{written}");
    assert_eq!(read(&written).policy, file.policy);
    assert_eq!(read(&written).write(), written);
    let call = |arg0| Call {
        syscall: Syscall::from_name(Abi::X86_64, "socket").unwrap(),
        args: [arg0, 0x80801, 0, 0, 0, 0],
    };
    assert_eq!(file.policy.calls.decide(&call(2)), Action::Allow);
    assert_eq!(file.policy.calls.decide(&call(10)), Action::Errno(97));
}

#[test]
fn rules_and_conditions_know_where_they_stand() {
    let file = read(HAND_WRITTEN);
    let socket = Syscall::from_name(Abi::X86_64, "socket").unwrap();
    let at = |rule, condition| file.position(socket, rule, condition).map(|at| (at.line, at.column));
    assert_eq!(at(0, None), Some((10, 1)));
    assert_eq!(at(0, Some(0)), Some((12, 10)));
    assert_eq!(at(0, Some(1)), Some((14, 4)));
    assert_eq!(at(1, None), Some((20, 1)));
    assert_eq!((at(2, None), at(1, Some(0))), (None, None));
}

#[test]
fn a_comment_whose_fact_is_gone_stays_in_the_file() {
    let mut file = read(HAND_WRITTEN);
    file.policy.calls.rules.remove(&Syscall::from_name(Abi::X86_64, "socket").unwrap());
    let written = file.write();
    for comment in ["# -- network --", "# IPv4 only", "# no datagrams", "# AF_INET", "# streams", "# closed"]
    {
        assert!(written.contains(comment), "{comment}\n{written}");
    }
    assert_eq!(read(&written).write(), written);
}

/// What is said of a text: line, column, a part of the message, a part of the hint.
type Said = (usize, usize, &'static str, &'static str);

/// Texts, and what is said of each.
const WRONG: &[(&str, &[Said])] = &[
    ("", &[(1, 1, "`version` is missing", "version = 1")]),
    ("version = 2\nnew = 1", &[(1, 11, "version 2", "newer sandprint")]),
    ("version = \"1\"", &[(1, 11, "no version", "")]),
    ("version = 1", &[(1, 1, "`default` is missing", "errno EPERM"), (1, 1, "`foreign` is missing", "")]),
    ("{\"version\": 1}", &[(1, 1, "", "looks like JSON")]),
    ("version = 1\nversion = 1", &[(2, 1, "duplicate key", "")]),
    ("HEAD\ndefalt = \"allow\"", &[(4, 1, "`defalt` is not known", "`default`")]),
    ("HEAD\n[[x86-64.read]]\ndo=\"allow\"", &[(4, 3, "`x86-64` is not known", "`x86_64`")]),
    ("HEAD\n[[x86_64.raed]]\ndo=\"allow\"", &[(4, 10, "no system call `raed`", "`read`")]),
    ("HEAD\n[[x86_64.socketcall]]\ndo=\"allow\"", &[(4, 10, "`socketcall`", "i386 has a call of that name")]),
    ("HEAD\n[[x86_64.read]]\n", &[(4, 1, "does not say what it does", "do = ")]),
    ("HEAD\n[[x86_64.read]]\ndo=\"alow\"", &[(5, 4, "`alow` is no action", "kill-process")]),
    ("HEAD\n[[x86_64.read]]\ndo=\"errno EFOO\"", &[(5, 4, "not known", "")]),
    ("HEAD\n[[x86_64.read]]\ndo=\"errno 4096\"", &[(5, 4, "above 4095", "")]),
    ("HEAD\n[[x86_64.read]]\ndo=\"kill\"", &[(5, 4, "process or only the thread", "")]),
    ("HEAD\n[[x86_64.read]]\ndo=7", &[(5, 4, "a number, not a string", "")]),
    ("HEAD\n[[x86_64.read]]\ndo=\"allow\"\nwen=[]", &[(6, 1, "`wen` is not known", "`when`")]),
    ("HEAD\n[[x86_64.read]]\ndo=\"allow\"\nwhen=[\"arg6.u32 == 1\"]", &[(6, 7, "none is 6", "")]),
    ("HEAD\n[[x86_64.read]]\ndo=\"allow\"\nwhen=[\"arg0 == 1\"]", &[(6, 7, "arg0.u64", "")]),
    ("HEAD\n[[x86_64.read]]\ndo=\"allow\"\nwhen=[\"arg0.u32 = 1\"]", &[(6, 7, "one of ==", "")]),
    ("HEAD\n[[x86_64.read]]\ndo=\"allow\"\nwhen=[\"arg0.u32 & 3 > 1\"]", &[(6, 7, "only `==`", "")]),
    (
        "HEAD\n[[x86_64.read]]\ndo=\"allow\"\nwhen=[\"arg0.u64 == 0x10000000000000000\"]",
        &[(6, 7, "64 bits", "")],
    ),
    ("HEAD\n[[x86_64.read]]\ndo=\"allow\"\nwhen=[\"arg0.u32 == 0644\"]", &[(6, 7, "octal", "")]),
    (
        "HEAD\n[[x86_64.read]]\ndo=\"allow\"\nwhen=[1, \"x\"]",
        &[(6, 7, "not a string", ""), (6, 10, "compares nothing", "")],
    ),
    (
        "HEAD\n[[x86_64.read]]\ndo=\"allow\"\nwhy=[{ basline = \"x\" }]",
        &[(6, 6, "no reason", "plain sentences")],
    ),
    (
        "HEAD\n[[x86_64.read]]\ndo=\"allow\"\nwhy=[{ decided = \"x\", on = \"2026-02-30\", by = \"y\" }]",
        &[(6, 6, "no reason", "")],
    ),
    ("HEAD\n[x86_64]\nread = \"allow\"", &[(5, 8, "needs rules", "[[x86_64.read]]")]),
    ("HEAD\n[x86_64]\nread = []", &[(5, 8, "needs rules", "")]),
    ("HEAD\n[[x86_64.read]]\ndo=\"allow\"\n[[x86_64.0]]\ndo=\"allow\"", &[(6, 10, "here twice", "")]),
    ("HEAD\nkernel = \"5.10.1\"", &[(4, 10, "no kernel release", "5.10")]),
    ("HEAD\n[[x86_64.read]\n", &[(4, 15, "", "")]),
];

#[test]
fn every_mistake_is_told_with_its_place() {
    for (text, expected) in WRONG {
        let text = text.replace("HEAD", "version = 1\ndefault = \"errno EPERM\"\nforeign = \"kill-process\"");
        let problems = PolicyFile::read(&text).expect_err(&text);
        let places: Vec<_> = problems.iter().map(|problem| (problem.at.line, problem.at.column)).collect();
        let wanted: Vec<_> = expected.iter().map(|(line, column, _, _)| (*line, *column)).collect();
        assert_eq!(places, wanted, "{text}\n{problems:#?}");
        for (problem, (_, _, message, hint)) in problems.iter().zip(*expected) {
            assert!(problem.message.contains(message), "{text}\n{problem:#?}");
            assert!(problem.hint.as_deref().unwrap_or_default().contains(hint), "{text}\n{problem:#?}");
        }
    }
}

#[test]
fn text_of_the_workload_reaches_no_error_as_it_is() {
    let problems = PolicyFile::read("version = 1\n\"\u{1b}[2J\" = 1").unwrap_err();
    assert!(problems.iter().all(|problem| !problem.message.contains('\u{1b}')), "{problems:?}");
}

/// The data that a TOML text means, as JSON.
fn as_json(item: &toml_edit::Item) -> Value {
    if let Some(table) = item.as_table_like() {
        let fields = table.iter().map(|(key, item)| (key.to_owned(), as_json(item)));
        return Value::Object(fields.collect::<Map<_, _>>());
    }
    if let Some(tables) = item.as_array_of_tables() {
        return tables.iter().map(|table| as_json(&toml_edit::Item::Table(table.clone()))).collect();
    }
    match item.as_value() {
        Some(toml_edit::Value::String(text)) => text.value().as_str().into(),
        Some(toml_edit::Value::Integer(number)) => (*number.value()).into(),
        Some(toml_edit::Value::Array(array)) => {
            array.iter().map(|value| as_json(&toml_edit::Item::Value(value.clone()))).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn check_schema(text: &str) -> Result<(), String> {
    let document = toml_edit::Document::parse(text).unwrap();
    let json = as_json(document.as_item());
    schema::check(POLICY_FILE_SCHEMA, &json.to_string())
}

#[test]
fn the_schema_refuses_what_reading_refuses_for_its_shape() {
    assert_eq!(check_schema(HAND_WRITTEN), Ok(()));
    for wrong in [
        "version = 2\ndefault = \"allow\"\nforeign = \"allow\"",
        "version = 1\ndefault = \"alow\"\nforeign = \"allow\"",
        "version = 1\ndefault = \"allow\"\nforeign = \"allow\"\n[[x86_64.read]]\n",
        "version = 1\ndefault = \"allow\"\nforeign = \"allow\"\n[[x86_64.read]]\ndo = \"allow\"\nwhen = [\"arg6.u32 == 1\"]",
        "version = 1\ndefault = \"allow\"\nforeign = \"allow\"\n[[x86_64.read]]\ndo = \"allow\"\nwhy = [{ a = \"b\" }]",
        "version = 1\ndefault = \"allow\"\nforeign = \"allow\"\n[[vax.read]]\ndo = \"allow\"",
    ] {
        assert!(PolicyFile::read(wrong).is_err(), "{wrong}");
        assert!(check_schema(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_policy_is_read_back_as_it_was(policy in arbitrary::policy()) {
        let text = PolicyFile::new(policy.clone()).write();
        let file = read(&text);
        prop_assert_eq!(&file.policy, &policy);
        prop_assert_eq!(file.write(), text.clone());
        prop_assert_eq!(check_schema(&text), Ok(()));
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    }

    #[test]
    fn reading_any_text_ends(text in "(version = 1\n|default = \"allow\"\n|\\[\\[x86_64.read\\]\\]\n|do = \"log\"|#c\n|\\[|\\]|\"|\\{|\n|.){0,30}") {
        match PolicyFile::read(&text) {
            Ok(file) => prop_assert_eq!(&read(&file.write()).policy, &file.policy),
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }
}

#[test]
fn the_comments_of_a_rule_are_those_at_it_and_in_it_and_no_others() {
    let text = "# of the file\n\nversion = 1\ndefault = \"errno EPERM\"\nforeign = \"kill-process\"\n\n\
                # above\n[[x86_64.socket]]\ndo = \"allow\" # beside\nwhen = [\"arg0.u32 == AF_INET\"] # IPv4\n\
                why = [\n    # within\n    \"by hand\",\n]\n\n[[x86_64.socket]]\ndo = \"errno EPERM\" # another\n";
    let file = PolicyFile::read(text).unwrap();
    let (syscall, rules) = file.policy.calls.rules.iter().next().unwrap();
    let [first, second] = rules.as_slice() else { panic!() };
    let mut comments = file.comments(*syscall, first);
    comments.sort();
    assert_eq!(comments, ["IPv4", "above", "beside", "within"]);
    assert_eq!(file.comments(*syscall, second), ["another"]);
    assert!(PolicyFile::new(file.policy.clone()).comments(*syscall, first).is_empty());
}

#[test]
fn a_key_of_very_many_parts_is_refused_before_it_is_made() {
    for text in [
        "a.".repeat(100) + "a = 1",
        format!("[{}a]", "a . ".repeat(100)),
        format!("a = {{{}a = 1}}", "\"a\".".repeat(100)),
    ] {
        let problems = PolicyFile::read(&text).unwrap_err();
        assert_eq!(problems.first().unwrap().message, "a key has more than 64 parts", "{text}");
    }
    let policy = format!(
        "version = 1\ndefault = \"allow\"\nforeign = \"allow\"\nnotes = [\"{}\"]\n",
        "It is so. ".repeat(100)
    );
    assert!(PolicyFile::read(&policy).is_ok());
}

#[test]
fn structure_without_end_is_refused_before_it_is_made() {
    let wrong = |text: &str| PolicyFile::read(text).unwrap_err().remove(0).message;
    for piece in ["[", "{a = ", "[],", ". ", "a={},"] {
        let text = format!("x = {}", piece.repeat(2_100_000));
        assert_eq!(
            wrong(&text),
            "it has more than 2000000 brackets, commas, dots and equals signs",
            "{piece}"
        );
    }
    // In strings and comments there may be any number.
    let policy = format!(
        "version = 1\ndefault = \"allow\"\nforeign = \"allow\" # {0}\nnotes = [\"{0}\"]\n",
        "[".repeat(2_100_000)
    );
    assert!(PolicyFile::read(&policy).is_ok());
}

#[test]
fn comments_of_rules_that_say_the_same_are_written_once() {
    let rule =
        "[[x86_64.read]] # beside\ndo = \"allow\"\nwhy = [ # here\n    \"why\", # within\n] # behind\n";
    let text = format!("version = 1\ndefault = \"errno EPERM\"\nforeign = \"allow\"\n# above\n{rule}{rule}");
    let written = PolicyFile::read(&text).unwrap().write();
    for comment in ["above", "beside", "within", "behind"] {
        let times = written.matches(&format!("# {comment}")).count();
        assert!((1..=2).contains(&times), "{comment}: {written}");
    }
    assert_eq!(PolicyFile::read(&written).unwrap().write(), written);
}
