//! A program that waits, by a call that every sandbox lets through which lets anything through.

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::expect::skip;
use testkit::shell::{find, run};

/// It needs `nanosleep` only.
const SOURCE: &str = r#"
#if defined(__x86_64__)
#define NANOSLEEP "mov $35, %%eax; syscall"
#define ARGUMENTS(time) "D"(time), "S"(0) : "rax", "rcx", "r11", "memory"
#else
#define NANOSLEEP "mov x8, #101; mov x1, xzr; mov x0, %0; svc #0"
#define ARGUMENTS(time) "r"(time) : "x0", "x1", "x8", "memory"
#endif
void _start(void) {
    long hour[2] = {3600, 0};
    for (;;)
        __asm__ volatile(NANOSLEEP : : ARGUMENTS(hour));
}
"#;

/// Builds it; false where that cannot be done here, which has then been said.
pub(crate) fn build(program: &Path) -> bool {
    if find("cc").is_none() {
        skip("gcc", "there is no C compiler");
        return false;
    }
    let source = program.with_extension("c");
    fs::write(&source, SOURCE).expect("the folder is ours");
    let compiled =
        run(Command::new("cc").args(["-O1", "-static", "-nostdlib", "-o"]).args([program, source.as_path()]));
    assert!(compiled.status.success(), "{compiled}");
    true
}

/// Whether a process executes it by now.
pub(crate) fn is(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "waits")
}
