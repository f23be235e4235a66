//! `validate` and `simulate` against the kernel: random programs, random calls.

use sandprint_policy::cbpf::{Program, returned_action, simulate, validate};
use sandprint_sandbox::confine::{self, ConfineError, Filter, Flags};

use crate::child::{ALLOW, Answer, ERRNO, compare, data, instruction, words};
use crate::programs::{argument, changed, unused_number, valid};
use crate::sys::{self, Call};
use testkit::expect::skip;
use testkit::hostile::numbers::Numbers;

const ENOSYS: i32 = 38;
const EBUSY: i32 = 16;
const EINVAL: i32 = 22;

/// What the simulator says will come of calls that no kernel has: with no tracer and no listener, ENOSYS for all that
/// is neither refused nor deadly.
fn expected(program: &Program, calls: impl IntoIterator<Item = Call>) -> Vec<(Call, Answer)> {
    let answer = |call| Answer::of(returned_action(simulate(program, &data(call))), ENOSYS, ENOSYS);
    calls.into_iter().map(|call| (call, answer(call))).collect()
}

#[test]
fn random_programs_answer_random_calls_as_simulated() {
    let mut numbers = Numbers::new(0x5eed);
    let (mut made, mut refused, mut passed, mut deaths) = (0, 0, 0, 0);
    for round in 0..1200 {
        let length = if round % 40 == 0 { 4000 } else { 8 + numbers.below(70) };
        let program = valid(&mut numbers, length);
        assert_eq!(validate(&program), Ok(()), "{program:?}");
        let calls = (0..24).map(|_| (unused_number(&mut numbers), [(); 6].map(|()| argument(&mut numbers))));
        let expected = expected(&program, calls.collect::<Vec<_>>());
        let count =
            |wanted: &dyn Fn(Answer) -> bool| expected.iter().filter(|(_, answer)| wanted(*answer)).count();
        refused += count(&|answer| matches!(answer, Answer::Errno(errno) if errno != ENOSYS));
        passed += count(&|answer| answer == Answer::Errno(ENOSYS));
        // The kernel logs each death.
        let may_die = round % 8 == 0;
        deaths += usize::from(may_die && count(&|answer| answer == Answer::Death) > 0);
        made += compare(&[&program], &expected, may_die, &|| format!("{:#x?}", program.0));
    }
    assert!(
        made > 10_000 && refused > 5_000 && passed > 500 && deaths > 10,
        "{made} {refused} {passed} {deaths}"
    );
}

#[test]
fn a_word_of_the_data_is_what_the_kernel_puts_there() {
    let mut numbers = Numbers::new(3);
    for word in 0..16 {
        for shift in [0, 8, 20] {
            let program = Program(vec![
                instruction(0x20, 0, 0, 4 * word),
                instruction(0x74, 0, 0, shift),
                instruction(0x54, 0, 0, 0xfff),
                instruction(0x44, 0, 0, ERRNO),
                instruction(0x16, 0, 0, 0),
            ]);
            let calls: Vec<Call> = (0..8)
                .map(|_| (unused_number(&mut numbers), [(); 6].map(|()| argument(&mut numbers))))
                .collect();
            compare(&[&program], &expected(&program, calls), false, &|| format!("word {word}"));
        }
    }
}

#[test]
fn every_returned_value_does_what_is_said_of_it() {
    for action in [0x7fff, 0x7ffc, 0x7ff0, 0x7fc0, 0x0005, 0x0003, 0, 0x8000, 1, 4, 6, 0x7ffe, 0xffff] {
        for low in [0, 1, 38, 4095, 4096, 0xffff] {
            let program = Program(vec![instruction(0x06, 0, 0, action << 16 | low)]);
            let expected = expected(&program, [(5000, [0; 6])]);
            // The process dies of each that kills.
            compare(&[&program], &expected, true, &|| format!("{action:#x} {low:#x}"));
        }
    }
}

/// Runs in a thread with a listener: there the kernel says of any program whether it takes it, and installs none.
fn asking<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let thread = std::thread::spawn(move || {
        confine::no_new_privileges().unwrap();
        let all = Program(vec![instruction(0x06, 0, 0, ALLOW)]);
        let listener = match Filter::new(&all.to_bytes()).unwrap().install(Flags::NEW_LISTENER) {
            Err(ConfineError::Missing { feature }) => {
                skip("notify", &feature.to_string());
                return None;
            }
            installed => installed.unwrap().unwrap(),
        };
        let result = what();
        drop(listener);
        Some(result)
    });
    thread.join().unwrap()
}

/// Whether the kernel takes a program.
fn is_taken(program: &Program) -> bool {
    match sys::ask(&words(program)) {
        EBUSY => true,
        EINVAL => false,
        other => panic!("errno {other}: {program:x?}"),
    }
}

#[test]
fn the_kernel_takes_the_programs_that_are_valid_and_no_others() {
    let Some((taken, refused)) = asking(|| {
        let mut numbers = Numbers::new(0xacce_5eed);
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..30_000 {
            let program = changed(&mut numbers);
            let valid = validate(&program);
            assert_eq!(is_taken(&program), valid.is_ok(), "{valid:?} {:#x?}", program.0);
            taken += usize::from(valid.is_ok());
            refused += usize::from(valid.is_err());
        }
        (taken, refused)
    }) else {
        return;
    };
    assert!(taken > 5_000 && refused > 5_000, "{taken} {refused}");
}

#[test]
fn each_opcode_alone_is_taken_or_refused_as_said() {
    asking(|| {
        for code in 0..=0x1ff_u16 {
            for k in [0, 1, 4, 15, 16, 31, 32, 60, 61, 62, 64, 0xffff_f000, u32::MAX] {
                let filled = [instruction(0x02, 0, 0, 0), instruction(0x02, 0, 0, 1)];
                let end = [instruction(0x06, 0, 0, 0); 2];
                let program = Program([&filled[..], &[instruction(code, 1, 0, k)], &end].concat());
                assert_eq!(is_taken(&program), validate(&program).is_ok(), "{code:#x} {k:#x}");
            }
        }
        for length in [0, 1, 2, 4095, 4096, 4097] {
            let program = Program(vec![instruction(0x06, 0, 0, 0); length]);
            assert_eq!(is_taken(&program), validate(&program).is_ok(), "{length}");
        }
    });
}
