//! A C program that includes the header loads the filter, and then runs the workload, or is refused.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::workload::{LISTED, recorded};
use testkit::expect::skip;
use testkit::shell::run;

/// Loads the filter and becomes its argument.
const LOADER: &str = r#"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "filter.h"

int main(int argc, char **argv) {
    int error = argc < 3 ? 1 : sandprint_load_filter();

    if (error != 0) {
        fprintf(stderr, "the filter could not be loaded: %s\n", strerror(-error));
        return 3;
    }
    execv(argv[1], argv + 2);
    return 4;
}
"#;

#[test]
fn a_program_with_the_header_runs_the_workload_and_is_refused_another() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(workload) = recorded() else { return };
    fs::write(folder.path().join("filter.h"), workload.profile("seccomp-h", &[]))
        .expect("the folder is ours");
    fs::write(folder.path().join("loader.c"), LOADER).expect("the folder is ours");
    let loader = folder.path().join("loader");
    if let Err(why) = compile(folder.path(), &loader) {
        return skip("libseccomp", &why);
    }
    let busybox = workload.root().join("bin/busybox");
    let become_applet = |arguments: &[&str]| {
        let mut command = Command::new(&loader);
        command.arg(&busybox).args(arguments).current_dir(workload.root());
        run(&mut command)
    };
    let listed = become_applet(&["ls", "list"]);
    assert!(listed.status.success(), "{listed}");
    assert_eq!(listed.stdout, LISTED);

    let refused = become_applet(&["mkdir", "tmp/refused"]);
    assert_eq!(refused.status.code(), Some(1), "{refused}");
    assert!(
        refused.stderr.contains("can't create directory 'tmp/refused': Operation not permitted"),
        "{refused}"
    );
    // Nothing but the filter stood in its way.
    let allowed = run(Command::new(&busybox).args(["mkdir", "tmp/allowed"]).current_dir(workload.root()));
    assert!(allowed.status.success(), "{allowed}");
}

/// Compiles the loader as strictly as its users may; `Err` says what is missing here.
fn compile(folder: &Path, program: &Path) -> Result<(), String> {
    let probe = run(Command::new("gcc").args(["-E", "-include", "seccomp.h", "-x", "c", "/dev/null"]));
    if !probe.status.success() {
        return Err(format!("no C compiler that finds seccomp.h: {}", probe.stderr));
    }
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o"]).arg(program);
    let ended = run(gcc.arg("loader.c").arg("-lseccomp").current_dir(folder));
    // From here on it is our fault.
    assert!(ended.status.success(), "{ended}");
    Ok(())
}
