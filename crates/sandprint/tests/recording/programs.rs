//! Every BPF program is loaded on every kernel that should take it, and the recorder takes the way that is exact there.

use sandprint_record::ebpf::{self, Options, Recorder};
use sandprint_record::host::HostFacts;
use sandprint_record::target::Target;

use crate::{recorder, turns};

#[test]
fn every_program_is_taken_by_this_kernel() {
    let _turn = turns::beside_others();
    if !recorder::can_record() {
        return;
    }
    let attempts = ebpf::load_every_program(&HostFacts::probe()).expect("this machine can record");
    assert!(!attempts.is_empty());
    for ebpf::Attempt { form, programs, result } in attempts {
        eprintln!("{form}: {programs} programs");
        assert_ne!(programs, 0, "{form}");
        result.unwrap_or_else(|error| panic!("{form}: {error}"));
    }
}

#[test]
fn the_recorder_takes_the_best_way_on_this_kernel() {
    let _turn = turns::beside_others();
    if !recorder::can_record() {
        return;
    }
    let facts = HostFacts::probe();
    let options = Options { targets: vec![Target::Command], follow_children: true, tasks: None, hooks: None };
    let recorder = Recorder::load(&options, &facts).expect("this machine can record");
    eprintln!("{}: {:?}, {:?}", facts.release, recorder.hooks(), recorder.tasks());
    assert_eq!(recorder.refused().map(ToString::to_string), None);
    let best = (ebpf::choose_hooks(facts.kernel()), ebpf::choose_tasks(facts.kernel()));
    assert_eq!((recorder.hooks(), recorder.tasks()), best);
}
