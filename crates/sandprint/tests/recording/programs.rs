//! Every BPF program is loaded on every kernel that should take it, and the recorder takes the way that is exact there.

use sandprint_record::ebpf::{self, Options, Recorder};
use sandprint_record::host::HostFacts;
use sandprint_record::target::{Entry, Target};

use crate::{recorder, turns};

#[test]
fn every_program_is_taken_by_this_kernel() {
    let _turn = turns::beside_others();
    if !recorder::can_record() {
        return;
    }
    let attempts = ebpf::load_every_program(&HostFacts::probe()).expect("this machine can record");
    assert!(!attempts.is_empty());
    for ebpf::Attempt { form, programs, result, readers, functions, picked, differing } in attempts {
        eprintln!("{form}: {programs} programs");
        if let Err(error) = readers {
            // What the verifier refuses is EACCES or EINVAL. EPERM is for a kernel that takes no such program at all.
            let text = error.to_string();
            assert!(text.contains("prog 'read_") && text.contains(": -EPERM"), "{form}: {text}");
            eprintln!("{form}: this kernel takes no program that reads maps");
        }
        if let Err(error) = functions {
            let text = error.to_string();
            assert!(text.contains("prog 'ask_capability") && text.contains(": -EPERM"), "{form}: {text}");
            eprintln!("{form}: this kernel takes no program on its functions");
        }
        assert_ne!(programs, 0, "{form}");
        result.unwrap_or_else(|error| panic!("{form}: {error}"));
        assert!(picked, "{form}: types could not be picked out of the kernel's");
        assert_eq!(differing, [""; 0], "{form}: with the types that are needed, and with all");
    }
}

#[test]
fn the_recorder_takes_the_best_way_on_this_kernel() {
    let _turn = turns::beside_others();
    if !recorder::can_record() {
        return;
    }
    let facts = HostFacts::probe();
    let options = Options::of(vec![Target::Command], Entry::Call);
    let recorder = Recorder::load(&options, &facts).expect("this machine can record");
    eprintln!("{}: {:?}, {:?}", facts.release, recorder.hooks(), recorder.tasks());
    assert_eq!(recorder.refused().map(ToString::to_string), None);
    let best = (ebpf::choose_hooks(facts.kernel()), ebpf::choose_tasks(facts.kernel()));
    assert_eq!((recorder.hooks(), recorder.tasks()), best);
}
