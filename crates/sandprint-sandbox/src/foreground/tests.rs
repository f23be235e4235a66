//! What each signal asks for, case by case.

use super::*;

const KERNEL: Sender = Sender::Kernel;
const SOMEBODY: Sender = Sender::Process(1);

#[test]
fn while_the_first_process_lives_signals_are_its_own() {
    let nothing = Duty::default();
    let hand_on = Duty { hand_on: HandOn::Process, ..nothing };
    let asked = Duty { stop_is_asked: true, then: Then::Look, ..nothing };
    let cases = [
        // What the terminal sends, the workload has too.
        (Signal::INT, KERNEL, false, nothing),
        (Signal::QUIT, KERNEL, false, nothing),
        (Signal::HUP, KERNEL, false, nothing),
        (Signal::WINCH, KERNEL, false, nothing),
        (Signal::TSTP, KERNEL, false, asked),
        (Signal::TTIN, KERNEL, false, asked),
        (Signal::TTOU, KERNEL, false, asked),
        // What somebody sends to us is for it.
        (Signal::INT, SOMEBODY, false, hand_on),
        (Signal::QUIT, SOMEBODY, false, hand_on),
        (Signal::HUP, SOMEBODY, false, hand_on),
        (Signal::TERM, SOMEBODY, false, hand_on),
        (Signal::USR1, SOMEBODY, false, hand_on),
        (Signal::USR2, SOMEBODY, false, hand_on),
        (Signal::ABRT, SOMEBODY, false, hand_on),
        (Signal::WINCH, SOMEBODY, false, hand_on),
        (Signal::TSTP, SOMEBODY, false, Duty { hand_on: HandOn::Process, ..asked }),
        (Signal::TTIN, SOMEBODY, false, Duty { hand_on: HandOn::Process, ..asked }),
        // What it sends itself, it has.
        (Signal::INT, SOMEBODY, true, nothing),
        (Signal::TERM, SOMEBODY, true, nothing),
        (Signal::TSTP, SOMEBODY, true, asked),
        (Signal::CONT, SOMEBODY, true, nothing),
        // Timers and children.
        (Signal::ALRM, KERNEL, false, hand_on),
        (Signal::ALRM, SOMEBODY, false, hand_on),
        (Signal::ALRM, SOMEBODY, true, nothing),
        (Signal::CHLD, KERNEL, false, Duty { then: Then::Look, ..nothing }),
        (Signal::CONT, SOMEBODY, false, Duty { then: Then::Continue, ..nothing }),
        (Signal::CONT, KERNEL, false, Duty { then: Then::Continue, ..nothing }),
    ];
    for (signal, sender, from_tree, expected) in cases {
        let event = Event { signal, sender };
        assert_eq!(with_workload(event, from_tree, false), expected, "{event:?}, from the tree: {from_tree}");
    }
}

#[test]
fn what_the_terminal_sends_goes_on_to_a_workload_in_a_group_of_its_own() {
    let on = Duty { hand_on: HandOn::Group, ..Duty::default() };
    let cases = [
        (Signal::INT, KERNEL, on),
        (Signal::QUIT, KERNEL, on),
        (Signal::HUP, KERNEL, on),
        (Signal::WINCH, KERNEL, on),
        (Signal::TSTP, KERNEL, Duty { stop_is_asked: true, then: Then::Look, ..on }),
        // These are not for the whole group, or about something else.
        (Signal::TTIN, KERNEL, Duty { hand_on: HandOn::No, stop_is_asked: true, then: Then::Look }),
        (Signal::TTOU, KERNEL, Duty { hand_on: HandOn::No, stop_is_asked: true, then: Then::Look }),
        (Signal::CHLD, KERNEL, Duty { hand_on: HandOn::No, then: Then::Look, ..on }),
        (Signal::CONT, KERNEL, Duty { hand_on: HandOn::No, then: Then::Continue, ..on }),
        (Signal::ALRM, KERNEL, Duty { hand_on: HandOn::Process, ..on }),
        (Signal::INT, SOMEBODY, Duty { hand_on: HandOn::Process, ..on }),
        (Signal::TERM, SOMEBODY, Duty { hand_on: HandOn::Process, ..on }),
    ];
    for (signal, sender, expected) in cases {
        let event = Event { signal, sender };
        assert_eq!(with_workload(event, false, true), expected, "{event:?}");
    }
}

#[test]
fn without_a_first_process_signals_are_ours() {
    let cases = [
        (Signal::INT, Alone::End),
        (Signal::QUIT, Alone::End),
        (Signal::TERM, Alone::End),
        (Signal::HUP, Alone::End),
        (Signal::TSTP, Alone::Stop),
        (Signal::TTIN, Alone::Stop),
        (Signal::TTOU, Alone::Stop),
        (Signal::CHLD, Alone::Nothing),
        (Signal::CONT, Alone::Nothing),
        (Signal::USR1, Alone::Nothing),
        (Signal::WINCH, Alone::Nothing),
    ];
    for (signal, expected) in cases {
        for sender in [KERNEL, SOMEBODY] {
            assert_eq!(without_workload(Event { signal, sender }), expected, "{signal}");
        }
    }
}
