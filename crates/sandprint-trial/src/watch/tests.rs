//! What is told of calls, and when.

use sandprint_model::{Abi, Action, ByteString, Call, Code, Syscall};
use sandprint_policy::cbpf::Instruction;
use sandprint_record::refused::Outcome;

use super::*;
use judge::By;

pub(super) fn filter(value: u32) -> Program {
    Program(vec![Instruction { code: 0x06, jump_true: 0, jump_false: 0, k: value }])
}

pub(super) fn refused(name: &str, outcome: Outcome) -> Refused {
    Refused {
        id: 1,
        call: Call { syscall: Syscall::from_name(Abi::X86_64, name).unwrap(), args: [1, 1, 0, 0, 0, 0] },
        outcome,
        count: 1,
        first: SystemTime::UNIX_EPOCH,
        last: SystemTime::UNIX_EPOCH,
        tgid: None,
        host_tid: 7,
        host_tgid: 7,
        comm: ByteString::from("app"),
        image: ByteString::from("/bin/app"),
        ancestry: Vec::new(),
        cgroup: ByteString::from("/"),
        instruction_pointer: 0x1000,
        code: Err("it was not read"),
        filters: vec![FilterId(1)],
        more_filters: false,
        traced: false,
        supervised: false,
        ended: None,
    }
}

const EPERM: u32 = 0x0005_0001;

fn read(id: FilterId) -> Option<Arc<[u8]>> {
    (id == FilterId(1)).then(|| filter(EPERM).to_bytes().into())
}

fn again(seen: &Refused, count: u64, ended: Option<u64>) -> Refused {
    Refused { count, ended: ended.map(Duration::from_millis), ..seen.clone() }
}

#[test]
fn a_denial_is_told_once_then_its_repetitions_then_its_end() {
    let mut watch = Watch::default();
    let first = refused("socket", Outcome::Returned(-1));
    let told = watch.take(first.clone(), read);
    let [News::New(seen)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(seen.judgement.verdict, Verdict::Denied { action: Action::Errno(1), by: By::Filter });
    assert_eq!(seen.judgement.filter, Some(FilterId(1)));
    assert_eq!(seen.rule.conditions.len(), 3);
    assert_eq!(seen.location, Err("it was not read".to_owned()));

    assert_eq!(watch.take(again(&first, 1, None), read), []);
    let last = SystemTime::UNIX_EPOCH;
    assert_eq!(watch.take(again(&first, 5, None), read), [News::Repeated { id: 1, more: 4, count: 5, last }]);
    assert_eq!(
        watch.take(again(&first, 6, Some(3)), read),
        [
            News::Repeated { id: 1, more: 1, count: 6, last },
            News::Ended { id: 1, after: Duration::from_millis(3) }
        ]
    );
    assert_eq!(watch.totals(), Totals { denials: 1, denied: 6, ..Totals::default() });
    assert!(watch.known.is_empty());
}

#[test]
fn a_denial_of_a_process_that_ended_is_told_with_its_end() {
    let mut watch = Watch::default();
    let seen = again(&refused("socket", Outcome::Returned(-1)), 3, Some(2));
    let told = watch.take(seen.clone(), read);
    assert!(matches!(told.as_slice(), [News::New(told)] if told.refused == seen), "{told:?}");
    assert_eq!(watch.totals(), Totals { denials: 1, denied: 3, ..Totals::default() });
}

#[test]
fn emulated_calls_are_told_and_are_no_denials() {
    let mut watch = Watch::default();
    let call = Refused { supervised: true, ..refused("mkdir", Outcome::Returned(0)) };
    let notify = |_| Some(filter(0x7fc0_0000).to_bytes().into());
    let told = watch.take(call, notify);
    assert!(
        matches!(told.as_slice(), [News::New(seen)] if seen.judgement.verdict == Verdict::Emulated { by: By::Supervisor }),
        "{told:?}"
    );
    assert_eq!(watch.totals(), Totals { emulated: 1, ..Totals::default() });
}

#[test]
fn what_was_no_denial_is_counted_and_not_told() {
    let mut watch = Watch::default();
    let call = Refused { count: 2, ..refused("mkdir", Outcome::Returned(0)) };
    let allow = |_| Some(filter(0x7fff_0000).to_bytes().into());
    assert_eq!(watch.take(call.clone(), allow), []);
    assert_eq!(watch.take(again(&call, 9, Some(1)), allow), []);
    assert_eq!(watch.totals(), Totals { not_refused: 9, ..Totals::default() });
}

#[test]
fn the_function_of_this_very_program_is_named_also_after_its_process_ended() {
    let exe = std::fs::canonicalize("/proc/self/exe").unwrap();
    let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&exe).unwrap());
    // A function whose offset in the file is known: what the maps say of an address in it.
    let address = refused as *const () as u64;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let offset = maps
        .lines()
        .find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (start, end) = words[0].split_once('-')?;
            let number = |text| u64::from_str_radix(text, 16).unwrap();
            (number(start)..number(end))
                .contains(&address)
                .then(|| address - number(start) + number(words[2]))
        })
        .unwrap();
    let code = Code { module: ByteString::from(exe.to_str().unwrap()), inode, offset: offset + 4 };
    for (tgid, ended) in [(Some(std::process::id()), None), (None, Some(Duration::ZERO))] {
        let call =
            Refused { code: Ok(code.clone()), tgid, ended, ..refused("socket", Outcome::Returned(-1)) };
        let told = Watch::default().take(call, read);
        let [News::New(seen)] = told.as_slice() else { panic!("{told:?}") };
        let location = seen.location.clone().unwrap();
        assert!(location.function.as_deref().unwrap_or_default().contains("refused"), "{location:?}");
    }
    // Another file is at the path now.
    let other = Code { inode: inode + 1, ..code };
    let call = Refused { code: Ok(other), ..refused("socket", Outcome::Returned(-1)) };
    let told = Watch::default().take(call, read);
    assert!(
        matches!(told.as_slice(), [News::New(seen)] if seen.location.as_ref().unwrap().function.is_none())
    );
}
