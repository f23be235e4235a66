//! A C header for libseccomp: the lists, and functions that build and load the filter.
//!
//! The only format of these in which every ABI has rules of its own: one filter is made for each and merged.
//! Numbers without a name can be said for the native ABI. What it cannot say: some mixtures of conditions
//! (see `shape`), and for a further ABI numbers that libseccomp has no name for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sandprint_model::{
    Abi, About, Action, Arch, Comparison, Condition, KernelVersion, Loss, LossKind, Part, Policy, Reason,
    Syscall, errno,
};

use super::by_name::{close_multiplexers, cut_loss};
use super::oci::architecture;
use super::shape::{Shape, shape};
use super::unattended::unattended;
use super::{EmitError, Format, Written, escape, left_to_default, reasons};
use crate::enforce::runs;
use crate::libseccomp::OLD_LIBSECCOMP;

mod fragments;

/// `#include "sandprint_filter.h"`, then `sandprint_load_filter()`.
#[derive(Debug)]
pub struct SeccompHeader;

/// Calls of later kernels are spelt with a fallback to their number: libseccomp before 2.5 lacks the names.
/// 2.4.0 is the oldest that anybody should use (CVE-2019-9893).
const ALWAYS_NAMED: KernelVersion = KernelVersion::new(5, 0);

impl Format for SeccompHeader {
    fn name(&self) -> &'static str {
        "seccomp-h"
    }

    fn summary(&self) -> &'static str {
        "C header for libseccomp: the list, and a function that loads it"
    }

    fn file_name(&self) -> &'static str {
        "sandprint_filter.h"
    }

    fn holds(&self) -> &'static [Part] {
        &[Part::Calls]
    }

    fn write(&self, policy: &Policy) -> Result<Written, EmitError> {
        // Nobody can be notified once the loader has returned and its handle of the filter is gone.
        let (policy, mut losses) = unattended(policy, |action| action == Action::Notify);
        let policy = policy.as_ref();
        let mut machines: BTreeMap<Arch, Vec<Filter>> = BTreeMap::new();
        let abis: BTreeSet<Abi> = policy.calls.rules.keys().map(|syscall| syscall.abi).collect();
        for abi in abis {
            let filter = Filter::new(policy, abi, &mut losses);
            machines.entry(abi.arch()).or_default().push(filter);
        }
        let default = scmp_constant(policy.calls.default_action);
        let bad_arch = scmp_constant(policy.calls.foreign_action);
        let mut text = fragments::HEAD.to_owned();
        for note in &policy.notes {
            // Writing to a String cannot fail, here and below.
            writeln!(text, "/* Note: {} */", escape::c_comment(&note.to_string())).unwrap_or_default();
        }
        writeln!(text, "\n#define SANDPRINT_DEFAULT_ACTION {default}").unwrap_or_default();
        writeln!(text, "#define SANDPRINT_OTHER_ABI_ACTION {bad_arch}\n").unwrap_or_default();
        text.push_str(fragments::HELPERS);
        if machines.values().flatten().any(|filter| !filter.is_native()) {
            text.push_str(fragments::NAME_HELPERS);
        }
        if machines.values().flatten().any(|filter| !filter.conditioned.is_empty()) {
            text.push_str(fragments::CONDITION_HELPERS);
        }
        if machines.is_empty() {
            text.push_str("#if 0\n\n");
        }
        for (place, (arch, filters)) in machines.iter().enumerate() {
            text.push_str(if place == 0 { "#if " } else { "#elif " });
            text.push_str(compiled_for(*arch));
            text.push_str("\n\n");
            for filter in filters {
                filter.write_lists(&mut text);
            }
            write_build(&mut text, filters);
        }
        text.push_str(fragments::TAIL);
        Ok(Written::text(text, losses))
    }
}

/// The preprocessor condition for programs of a machine's native ABI.
fn compiled_for(arch: Arch) -> &'static str {
    match arch {
        Arch::Aarch64 => "defined(__aarch64__) && !defined(__ILP32__)",
        Arch::X86_64 => "defined(__x86_64__) && !defined(__ILP32__)",
    }
}

/// The rules of one ABI.
#[derive(Debug)]
struct Filter {
    abi: Abi,
    /// Calls with one action whatever their arguments.
    plain: BTreeMap<Action, Vec<Entry>>,
    /// Calls with conditions: the action, and one entry for each set of conditions.
    conditioned: Vec<(Action, Entry, Vec<Condition>)>,
}

/// One call in a list.
#[derive(Debug, Clone)]
struct Entry {
    syscall: Syscall,
    name: Option<&'static str>,
    comment: String,
}

impl Filter {
    fn new(policy: &Policy, abi: Abi, losses: &mut BTreeSet<Loss>) -> Filter {
        let default = policy.calls.default_action;
        let mut filter = Filter { abi, plain: BTreeMap::new(), conditioned: Vec::new() };
        let mut named = BTreeMap::new();
        for (syscall, rules) in policy.calls.rules.iter().filter(|(syscall, _)| syscall.abi == abi) {
            let fitted = shape(abi, rules, default);
            let about = || About::Call(*syscall);
            if let Some(cut) = fitted.cut {
                losses.insert(cut_loss(*syscall, cut, rules, default));
            }
            losses.extend(fitted.lost.into_iter().map(|lost| Loss::stricter(about(), lost)));
            let name = syscall.name();
            // libseccomp's numbers are those of the ABI that it was compiled for; the others go by name.
            let sayable =
                name.is_some() || (abi == abi.arch().native_abi() && i32::try_from(syscall.nr).is_ok());
            if !sayable {
                losses.insert(left_to_default(about(), LossKind::Nameless, rules, default));
                continue;
            }
            if let Some(name) = name {
                named.insert(name, fitted.shape.clone());
            }
            let comment = comment(rules.iter().flat_map(|rule| &rule.reasons));
            filter.add(Entry { syscall: *syscall, name, comment }, fitted.shape);
        }
        if abi == Abi::I386 {
            let named = named.iter().map(|(name, shape)| (*name, shape)).collect();
            for name in close_multiplexers(&named, default, losses) {
                if let Some(syscall) = Syscall::from_name(abi, name) {
                    let comment = "libseccomp would allow it with the calls that it stands for".to_owned();
                    let enosys = Shape::Always(Action::Errno(errno::ENOSYS));
                    filter.add(Entry { syscall, name: Some(name), comment }, enosys);
                }
            }
        }
        filter.lose_unknown_names(default, losses);
        filter
    }

    /// In a further ABI a name that libseccomp does not know cannot be replaced by its number.
    fn lose_unknown_names(&self, default: Action, losses: &mut BTreeSet<Loss>) {
        if self.is_native() {
            return;
        }
        let plain =
            self.plain.iter().flat_map(|(action, entries)| entries.iter().map(|entry| (*action, entry)));
        let conditioned = self.conditioned.iter().map(|(action, entry, _)| (*action, entry));
        let unknown: Vec<_> = plain
            .chain(conditioned)
            .filter(|(_, entry)| entry.syscall.since().is_some_and(|since| since > OLD_LIBSECCOMP))
            .collect();
        for running in [true, false] {
            let names: BTreeSet<_> = unknown
                .iter()
                .filter(|(action, _)| runs(*action) == running)
                .filter_map(|(_, entry)| entry.name)
                .collect();
            if names.is_empty() {
                continue;
            }
            let names = names.into_iter().collect();
            let about = About::Newer { abi: Some(self.abi), than: OLD_LIBSECCOMP, names };
            let allows_more = runs(default) && !running;
            losses.insert(Loss::weaker_if(allows_more, about, LossKind::UnknownToLibseccomp));
        }
    }

    fn add(&mut self, entry: Entry, shape: Shape) {
        match shape {
            Shape::Default => {}
            Shape::Always(action) => self.plain.entry(action).or_default().push(entry),
            Shape::When(action, entries) => {
                self.conditioned
                    .extend(entries.into_iter().map(|conditions| (action, entry.clone(), conditions)));
            }
        }
    }

    /// What the names of this ABI's lists begin with: nothing more for the native one.
    fn prefix(&self) -> String {
        if self.is_native() { "sandprint".to_owned() } else { format!("sandprint_{}", self.abi) }
    }

    fn is_native(&self) -> bool {
        self.abi == self.abi.arch().native_abi()
    }

    fn write_lists(&self, text: &mut String) {
        let element = if self.is_native() { "int" } else { "char *const" };
        for (action, entries) in &self.plain {
            let (list, what) = list_of(*action);
            writeln!(text, "/* {}: {what}. */", self.abi).unwrap_or_default();
            writeln!(text, "static const {element} {}_{list}[] = {{", self.prefix()).unwrap_or_default();
            for entry in entries {
                self.write_call(text, entry, ["", ""], ",");
            }
            text.push_str("};\n\n");
        }
        self.write_conditions(text);
    }

    /// The table of conditions, and of the calls that have some.
    fn write_conditions(&self, text: &mut String) {
        if self.conditioned.is_empty() {
            return;
        }
        let prefix = self.prefix();
        writeln!(text, "/* {}: conditions. All of an entry below must hold. */", self.abi)
            .unwrap_or_default();
        writeln!(text, "static const struct scmp_arg_cmp {prefix}_conditions[] = {{").unwrap_or_default();
        for condition in self.conditioned.iter().flat_map(|(_, _, conditions)| conditions) {
            let (op, first, second) = comparison(condition.comparison);
            writeln!(text, "    {{{}, {op}, {first:#x}ULL, {second:#x}ULL}},", condition.index)
                .unwrap_or_default();
        }
        text.push_str("};\n");
        writeln!(text, "static const struct sandprint_entry {prefix}_conditioned[] = {{").unwrap_or_default();
        let mut first = 0;
        for (action, entry, conditions) in &self.conditioned {
            let place = if self.is_native() { "" } else { ", 0" };
            let rest = format!("{place}, {}, {first}, {}}},", scmp_constant(*action), conditions.len());
            self.write_call(text, entry, ["{NULL, ", "{"], &rest);
            first += conditions.len();
        }
        text.push_str("};\n\n");
    }

    /// One element that begins with a call: by number in the native ABI, by name in others.
    ///
    /// `before` is what stands before a number, and before a name.
    fn write_call(&self, text: &mut String, entry: &Entry, before: [&str; 2], after: &str) {
        let Entry { syscall, name, comment } = entry;
        let number = syscall.nr;
        let [before_number, before_name] = before;
        match name {
            Some(name) if !self.is_native() => {
                writeln!(text, "    {before_name}\"{name}\"{after} /* {comment} */").unwrap_or_default();
            }
            Some(name) if syscall.since().is_some_and(|since| since <= ALWAYS_NAMED) => {
                writeln!(text, "    {before_number}SCMP_SYS({name}){after} /* {comment} */")
                    .unwrap_or_default();
            }
            Some(name) => {
                // A macro of another value: libseccomp, or the kernel headers, do not know the call.
                writeln!(text, "#if defined(__SNR_{name}) && __SNR_{name} == {number}").unwrap_or_default();
                writeln!(text, "    {before_number}SCMP_SYS({name}){after} /* {comment} */")
                    .unwrap_or_default();
                writeln!(text, "#else").unwrap_or_default();
                writeln!(text, "    {before_number}{number}{after} /* {name}: {comment} */")
                    .unwrap_or_default();
                writeln!(text, "#endif").unwrap_or_default();
            }
            None => {
                writeln!(text, "    {before_number}{number}{after} /* no name; {comment} */")
                    .unwrap_or_default();
            }
        }
    }

    /// The statements that add the rules of this ABI to `filter`.
    fn write_additions(&self, text: &mut String, indent: &str, filter: &str) {
        let prefix = self.prefix();
        let add = if self.is_native() { "sandprint_add" } else { "sandprint_add_names" };
        for action in self.plain.keys() {
            let list = format!("{prefix}_{}", list_of(*action).0);
            let add = format!("{add}({filter}, {}, {list}, SANDPRINT_COUNT({list}))", scmp_constant(*action));
            writeln!(text, "{indent}if (result == 0)\n{indent}    result = {add};").unwrap_or_default();
        }
        if !self.conditioned.is_empty() {
            let list = format!("{prefix}_conditioned");
            let add = format!(
                "sandprint_add_conditioned({filter}, {list}, SANDPRINT_COUNT({list}), {prefix}_conditions)"
            );
            writeln!(text, "{indent}if (result == 0)\n{indent}    result = {add};").unwrap_or_default();
        }
    }
}

/// The function that builds the filter of one machine: a filter for each ABI, merged.
fn write_build(text: &mut String, filters: &[Filter]) {
    text.push_str(
        "/* Builds the filter. Returns 0, and the filter, which is yours to release; or a negative errno. */\n\
         static inline int sandprint_build_filter(scmp_filter_ctx *built) {\n    \
         scmp_filter_ctx filter = NULL;\n    int result;\n\n    *built = NULL;\n",
    );
    for (place, filter) in filters.iter().enumerate() {
        let arch = architecture(filter.abi);
        if place == 0 {
            writeln!(text, "    result = sandprint_new_filter(&filter, {arch});").unwrap_or_default();
            filter.write_additions(text, "    ", "filter");
        } else {
            text.push_str("    if (result == 0) {\n        scmp_filter_ctx further = NULL;\n\n");
            writeln!(text, "        result = sandprint_new_filter(&further, {arch});").unwrap_or_default();
            filter.write_additions(text, "        ", "further");
            text.push_str("        if (result == 0)\n            result = seccomp_merge(filter, further);\n");
            text.push_str(
                "        if (result < 0 && further != NULL)\n            seccomp_release(further);\n    }\n",
            );
        }
    }
    text.push_str(
        "    if (result < 0) {\n        if (filter != NULL)\n            seccomp_release(filter);\n        \
         return result;\n    }\n    *built = filter;\n    return 0;\n}\n\n",
    );
}

/// What the list of an action is called, and what happens to its calls.
fn list_of(action: Action) -> (String, String) {
    let words = action.in_words();
    match action {
        Action::Allow => ("allowed".to_owned(), "these run".to_owned()),
        Action::Log => ("logged".to_owned(), "these run and are logged".to_owned()),
        Action::Errno(errno::ENOSYS) => {
            ("absent".to_owned(), "these are answered as absent, with ENOSYS".to_owned())
        }
        Action::Errno(number) => (format!("errno_{number}"), words),
        Action::Trace(value) => (format!("trace_{value}"), words),
        Action::Notify => ("notify".to_owned(), words),
        Action::Trap => ("trap".to_owned(), words),
        Action::KillThread => ("kill_thread".to_owned(), words),
        Action::KillProcess => ("kill_process".to_owned(), words),
    }
}

/// libseccomp's constant of an action that it can hold.
fn scmp_constant(action: Action) -> String {
    match action {
        Action::Allow => "SCMP_ACT_ALLOW".to_owned(),
        Action::Log => "SCMP_ACT_LOG".to_owned(),
        Action::Errno(number) => format!("SCMP_ACT_ERRNO({})", errno::name_or_number(number)),
        Action::Trace(value) => format!("SCMP_ACT_TRACE({value})"),
        Action::Notify => "SCMP_ACT_NOTIFY".to_owned(),
        Action::Trap => "SCMP_ACT_TRAP".to_owned(),
        Action::KillThread => "SCMP_ACT_KILL_THREAD".to_owned(),
        Action::KillProcess => "SCMP_ACT_KILL_PROCESS".to_owned(),
    }
}

fn comparison(comparison: Comparison) -> (&'static str, u64, u64) {
    match comparison {
        Comparison::Equal(value) => ("SCMP_CMP_EQ", value, 0),
        Comparison::NotEqual(value) => ("SCMP_CMP_NE", value, 0),
        Comparison::Less(value) => ("SCMP_CMP_LT", value, 0),
        Comparison::LessOrEqual(value) => ("SCMP_CMP_LE", value, 0),
        Comparison::Greater(value) => ("SCMP_CMP_GT", value, 0),
        Comparison::GreaterOrEqual(value) => ("SCMP_CMP_GE", value, 0),
        Comparison::MaskedEqual { mask, value } => ("SCMP_CMP_MASKED_EQ", mask, value),
    }
}

/// The reasons of a rule, fit for a comment.
fn comment<'r>(reasons: impl Iterator<Item = &'r Reason>) -> String {
    escape::c_comment(&reasons::in_words(reasons))
}
