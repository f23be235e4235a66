//! Loads every program in every form, so that a test can ask any kernel whether it takes them.

use std::rc::Rc;

use libbpf_rs::libbpf_sys::bpf_insn;
use sandprint_model::KernelVersion;

use super::RecorderError;
use super::btf::Types;
use super::decode::Config;
use super::error::LoadError;
use super::program::{self, Wanted};
use super::programs::Programs;
use crate::host::HostFacts;

/// What came of loading all programs in one of their forms.
#[derive(Debug)]
pub struct Attempt {
    /// The form, in words.
    pub form: String,
    /// How many programs these are.
    pub programs: usize,
    /// What the kernel said.
    pub result: Result<(), LoadError>,
    /// What the kernel said of programs that read maps.
    pub readers: Result<(), LoadError>,
    /// What it said of those that are attached to its functions.
    pub functions: Result<(), LoadError>,
    /// Whether the types that they need could be picked out of the kernel's.
    pub picked: bool,
    /// The programs that other instructions were loaded of because libbpf was given only the types that they need.
    pub differing: Vec<String>,
}

/// Loads every program in every form that this kernel should take, and attaches none.
pub fn load_every_program(facts: &HostFacts) -> Result<Vec<Attempt>, RecorderError> {
    let arch = facts.arch().ok_or_else(|| RecorderError::UnknownArch(facts.machine.clone()))?;
    let kernel = facts.kernel().unwrap_or(KernelVersion::new(0, 0));
    let all = super::config(arch)?.with_everything();
    let forms = program::every_form(kernel).filter(|wanted| wanted.since() <= kernel);
    Ok(forms.map(|wanted| attempt(&all, &wanted)).collect())
}

fn attempt(config: &Config, wanted: &Wanted) -> Attempt {
    let form = format!("{:?}, {:?}, locates: {}", wanted.hooks, wanted.tasks, wanted.locates);
    let load = |wanted: &Wanted, types| Programs::load_with(config, wanted.clone(), types);
    let types = Types::of(wanted.hooks.object()).map(Rc::new);
    let picked = types.is_some();
    // What a kernel may refuse is asked about apart from the rest.
    let without = wanted.clone().without_functions().without_readers();
    let load_one = |wanted: &Wanted| load(wanted, types.clone()).map(drop);
    let functions = if wanted.has_functions() {
        load_one(&Wanted { functions: true, ..without.clone() })
    } else {
        Ok(())
    };
    let readers =
        if wanted.has_readers() { load_one(&Wanted { readers: true, ..without.clone() }) } else { Ok(()) };
    let taken = Wanted { functions: functions.is_ok(), readers: readers.is_ok(), ..wanted.clone() };
    let compared = load(&taken, types).and_then(|picked| Ok(differing(&picked, &load(&taken, None)?)));
    let programs = taken.at_once().count();
    match compared {
        Ok(differing) => Attempt { form, programs, result: Ok(()), readers, functions, picked, differing },
        Err(error) => {
            let (result, differing) = (Err(error), Vec::new());
            Attempt { form, programs, result, readers, functions, picked, differing }
        }
    }
}

/// The names of the programs whose instructions differ.
fn differing(one: &Programs, other: &Programs) -> Vec<String> {
    let instructions = |programs: &Programs| programs.each(|program| comparable(program.insns()));
    let (ones, others) = (instructions(one), instructions(other));
    let differ = |name: &&String| ones.get(*name) != others.get(*name);
    ones.keys().chain(others.keys()).filter(differ).cloned().collect()
}

/// Instructions as `(code, registers, offset, immediate)`, without the descriptors of maps and such that loading them twice
/// made different (`BPF_LD | BPF_IMM | BPF_DW` with a source register, `BPF_PSEUDO_MAP_FD` and others).
fn comparable(instructions: &[bpf_insn]) -> Vec<(u8, u8, i16, i32)> {
    const LD_IMM64: u8 = 0x18;
    instructions
        .iter()
        .map(|one| {
            let is_descriptor = one.code == LD_IMM64 && one.src_reg() != 0;
            let registers = one.dst_reg() << 4 | one.src_reg();
            (one.code, registers, one.off, if is_descriptor { 0 } else { one.imm })
        })
        .collect()
}
