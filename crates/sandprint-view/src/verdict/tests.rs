//! What a verdict says in each form, and that nothing of a workload has a meaning there.

use std::collections::BTreeSet;
use std::time::Duration;

use sandprint_model::{Abi, Action, ByteString, Call, Code, Denial, Exit, Location, Syscall, is_printable};
use sandprint_policy::suggest::smallest_rule;

use super::*;

fn denial(name: &str, args: [u64; 6], location: Result<Location, String>, next: Next) -> Denial {
    let call = Call { syscall: Syscall::from_name(Abi::X86_64, name).unwrap(), args };
    let ancestor = |comm: &str, tgid, host_tgid| Ancestor { comm: ByteString::from(comm), tgid, host_tgid };
    Denial {
        call,
        action: Action::Errno(1),
        count: 2,
        image: ByteString::from("/bin/a|b\x1b"),
        ancestry: vec![ancestor("sh", Some(7), None), ancestor("a`b", None, Some(1008))],
        location,
        next,
        rule: smallest_rule(&call),
    }
}

fn verdict() -> Verdict {
    let code = Code { module: ByteString::from("/lib/<b>.so"), inode: 1, offset: 0x1234 };
    let open = [0xffff_ff9c, 0x7000, 0x80001, 0, 0, 0];
    Verdict {
        command: vec![ByteString::from("app")],
        denials: vec![
            denial("socket", [2, 1, 0, 0, 0, 0], Ok(code.within(Some("f\u{202e}".to_owned()))), Next::WentOn),
            denial("openat", open, Err("it was not read".to_owned()), Next::Ended(Duration::from_millis(3))),
        ],
        passes: vec![Pass::Observed { exit: Exit::Code(1), instructions: 9, in_force: true }],
        outside: Vec::new(),
        expected: Expected::Status(0),
        complete: true,
        interrupted: None,
        timed_out: BTreeSet::new(),
        caveats: vec!["it is a test".to_owned()],
    }
}

#[test]
fn people_are_told_all_that_is_known() {
    assert_eq!(
        verdict().text(),
        "\
Refused 4 calls, of 2 kinds; the command ended with status 1, and 0 was expected (--expect-status)

2x  socket(AF_INET, SOCK_STREAM, IPPROTO_IP)  -> errno EPERM
    by    /bin/a|b\\x1b (sh[7] > a`b[1008])
    from  f\\xe2\\x80\\xae in /lib/<b>.so (offset 0x1234)
    then  the process went on
    rule  allow socket when arg0.u32 == AF_INET and arg1.u32 & 0xf == SOCK_STREAM and arg2.u32 == 0

2x  openat(AT_FDCWD, 0x7000, O_WRONLY|O_CLOEXEC)  -> errno EPERM
    by    /bin/a|b\\x1b (sh[7] > a`b[1008])
    from  unknown: it was not read
    then  the process ended 3 ms later
    rule  allow openat when arg2.u32 & 0xfff7ffff == O_WRONLY

pass 1: under the filter itself (9 instructions, in force), with refused calls seen in the kernel, it ended with status 1
note: it is a test
"
    );
}

#[test]
fn markdown_has_as_many_cells_in_every_row() {
    let text = verdict().markdown();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 4, "{text}");
    assert!(rows.iter().all(|row| row.matches('|').count() == 8), "{text}");
    assert!(rows[2].contains("| `socket(AF_INET, SOCK_STREAM, IPPROTO_IP)` | errno EPERM |"), "{text}");
    assert!(rows[3].contains("O_WRONLY&#124;O_CLOEXEC"), "{text}");
    assert!(!text.contains("<b>"), "{text}");
}

#[test]
fn no_form_has_what_a_terminal_would_act_on() {
    let verdict = verdict();
    let forms = [verdict.text(), verdict.json(), verdict.markdown(), sarif(&verdict, "a b\n", "1")];
    for text in forms {
        assert!(text.chars().all(|c| c == '\n' || is_printable(c)), "{text}");
    }
}

#[test]
fn sarif_has_a_result_for_each_denial_and_the_end_and_names_the_policy_as_a_reference() {
    let log: serde_json::Value = serde_json::from_str(&sarif(&verdict(), "a b.toml", "1.2")).unwrap();
    let run = &log["runs"][0];
    let ids: Vec<&str> =
        run["results"].as_array().unwrap().iter().map(|result| result["ruleId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["refused/x86_64/socket", "refused/x86_64/openat", "unexpected-end"]);
    assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), 3);
    let place = &run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(place, "a%20b.toml");
}
