//! The program that makes the calls, and whether what it does can be seen.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sandprint_record::audit::LogReader;
use testkit::expect::skip;
use testkit::gcc;

/// Whether logged calls can be seen here; says so where they cannot.
pub(crate) fn can_see_logged() -> bool {
    match LogReader::open() {
        Ok(_) => true,
        Err(unseen) => {
            skip("audit", &unseen.why);
            false
        }
    }
}

/// The program, static, built once; `None` where it cannot be, which was then said.
pub(crate) fn caller() -> Option<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("watched-caller");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/watched/programs/caller.c");
        gcc::build(&source, &program, &["-pthread", "-static"]).map(|()| program)
    });
    built.as_deref().map_err(|why| skip("gcc", why)).ok()
}
