//! A profile's way through libseccomp, by the steps of runc 1.1 (`libcontainer/seccomp/seccomp_linux.go`): the
//! filter that it exports.

use std::fmt::Write;

use sandprint_model::{Abi, Action};
use sandprint_policy::cbpf::Program;

use testkit::hosts;

/// Reads lines: `default ACTION`, `optimize`, `arch NAME`, `rule ACTION NAME COUNT (INDEX OPERATOR A B)...`;
/// actions and operators as libseccomp's numbers.
const STEPS: &str = r#"
#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char line[1 << 16];
static char *word(void) { return strtok(NULL, " \n"); }

int main(void) {
    scmp_filter_ctx filter = NULL;
    uint32_t standard = 0;
    while (fgets(line, sizeof line, stdin)) {
        char *what = strtok(line, " \n");
        if (strcmp(what, "default") == 0) {
            standard = strtoul(word(), NULL, 0);
            filter = seccomp_init(standard);
        } else if (strcmp(what, "optimize") == 0) {
            seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        } else if (strcmp(what, "arch") == 0) {
            int result = seccomp_arch_add(filter, seccomp_arch_resolve_name(word()));
            if (result != 0 && result != -EEXIST)
                return 2;
        } else {
            struct scmp_arg_cmp args[6];
            uint32_t action = strtoul(word(), NULL, 0);
            int number = seccomp_syscall_resolve_name(word());
            int count = atoi(word());
            for (int i = 0; i < count; i++) {
                args[i].arg = atoi(word());
                args[i].op = atoi(word());
                args[i].datum_a = strtoull(word(), NULL, 0);
                args[i].datum_b = strtoull(word(), NULL, 0);
            }
            if (number == __NR_SCMP_ERROR || action == standard)
                continue;
            int result = seccomp_rule_add_array(filter, action, number, count, args);
            if (result != 0)
                return 100 - result;
        }
    }
    return seccomp_export_bpf(filter, 1) != 0;
}
"#;

/// A filter in the making.
#[derive(Default)]
pub(crate) struct Steps(String);

/// A comparison: argument, `enum scmp_compare`, and its two values.
pub(crate) type Compared = (u8, u8, u64, u64);

impl Steps {
    pub(crate) fn new(default: Action, abis: &[Abi]) -> Steps {
        let mut text = format!("default {}\n", number(default));
        for abi in abis {
            let name = match abi {
                Abi::Aarch64 => "aarch64",
                Abi::Arm => "arm",
                Abi::I386 => "x86",
                Abi::X32 => "x32",
                Abi::X86_64 => "x86_64",
            };
            writeln!(text, "arch {name}").unwrap();
        }
        Steps(text)
    }

    /// Asks for a tree over the numbers.
    pub(crate) fn optimize(&mut self) {
        self.0.push_str("optimize\n");
    }

    /// Adds a rule as runc's `matchCall` does.
    pub(crate) fn rule(&mut self, name: &str, action: Action, args: &[Compared]) {
        let mut indexes: Vec<u8> = args.iter().map(|arg| arg.0).collect();
        indexes.sort_unstable();
        indexes.dedup();
        let groups: Vec<&[Compared]> =
            if indexes.len() < args.len() { args.chunks(1).collect() } else { vec![args] };
        for group in groups {
            write!(self.0, "rule {} {name} {}", number(action), group.len()).unwrap();
            for (index, operator, a, b) in group {
                write!(self.0, " {index} {operator} {a} {b}").unwrap();
            }
            self.0.push('\n');
        }
    }

    /// The program, or none where libseccomp refuses a rule.
    pub(crate) fn export(&self, tool: &Tool) -> Option<Program> {
        let output = self.run("20", tool).unwrap_or_else(|| panic!("it has not ended: {}", self.0));
        self.program(&output)
    }

    /// The program, or none where libseccomp has not come to an end within a second, of which it needs a hundredth.
    pub(crate) fn export_if_it_ends(&self, tool: &Tool) -> Option<Program> {
        self.program(&self.run("1", tool)?)
    }

    fn run(&self, seconds: &str, tool: &Tool) -> Option<std::process::Output> {
        let input = tool.folder.path().join("steps");
        hosts::write(&input, &self.0);
        let command = format!("exec {} < {}", tool.program, input.to_str().unwrap());
        hosts::run_within(seconds, "sh", &["-c", &command])
    }

    fn program(&self, output: &std::process::Output) -> Option<Program> {
        match output.status.code() {
            Some(0) => Some(Program::from_bytes(&output.stdout).unwrap()),
            // EEXIST: the same conditions with another action.
            Some(117) => None,
            other => panic!("{other:?}: {}", self.0),
        }
    }
}

/// The compiled steps.
pub(crate) struct Tool {
    folder: tempfile::TempDir,
    program: String,
}

impl Tool {
    /// Compiles them, where that can be done here.
    pub(crate) fn new() -> Option<Tool> {
        let folder = tempfile::tempdir().unwrap();
        hosts::make_folder(&folder.path().join("work"));
        let source = folder.path().join("work/steps.c");
        hosts::write(&source, STEPS);
        let program = folder.path().join("steps").to_str().unwrap().to_owned() + ".out";
        let arguments = ["-O1", "-Wall", "-Werror", source.to_str().unwrap(), "-o", &program, "-lseccomp"];
        let compiled = hosts::run("cc", &arguments).and_then(|output| {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() { Ok(()) } else { Err(stderr) }
        });
        hosts::has("libseccomp", compiled).then_some(Tool { folder, program })
    }
}

/// An action as libseccomp numbers it.
fn number(action: Action) -> u32 {
    match action {
        Action::Allow => 0x7fff_0000,
        Action::Log => 0x7ffc_0000,
        Action::Errno(value) => 0x0005_0000 | u32::from(value),
        Action::Trace(value) => 0x7ff0_0000 | u32::from(value),
        Action::Notify => 0x7fc0_0000,
        Action::Trap => 0x0003_0000,
        Action::KillThread => 0,
        Action::KillProcess => 0x8000_0000,
    }
}
