//! What this machine lets a test do.

use std::fs;
use std::path::{Path, PathBuf};

use sandprint_sandbox::confine::landlock;
use testkit::expect::skip;
use testkit::gcc;

/// Whether this kernel has Landlock; says that a test, or a part of one, is skipped where it has not.
pub(crate) fn has_landlock() -> bool {
    let there = landlock::abi();
    if let Err(error) = &there {
        skip("landlock", &error.to_string());
    }
    there.is_ok()
}

/// The witness of that name, built; says that a test is skipped where there is no compiler.
pub(crate) fn witness(name: &str) -> Option<PathBuf> {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/confined/programs").join(format!("{name}.c"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("confined");
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join(name);
    gcc::can_build_witness(&source, &program).then_some(program)
}
