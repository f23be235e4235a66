//! What tests need of the machine that they run on.

use sandprint_model::Abi;

/// The ABI that a compiler of this machine makes programs for.
pub(crate) const NATIVE: Abi = if cfg!(target_arch = "aarch64") { Abi::Aarch64 } else { Abi::X86_64 };

/// Runs a program; its output, or why it could not be started.
#[expect(clippy::disallowed_types, reason = "a test may start what a pure crate may not")]
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<std::process::Output, String> {
    let output = std::process::Command::new(program).args(arguments).output();
    output.map_err(|error| format!("{program}: {error}"))
}

/// Runs a program that might never end; none where it has not after so many seconds.
pub(crate) fn run_within(seconds: &str, program: &str, arguments: &[&str]) -> Option<std::process::Output> {
    const TIMED_OUT: i32 = 124;

    let output = run("timeout", &[&[seconds, program], arguments].concat()).unwrap();
    (output.status.code() != Some(TIMED_OUT)).then_some(output)
}

/// Writes a file of a test.
#[expect(clippy::disallowed_methods, reason = "a test may write what a pure crate may not")]
pub(crate) fn write(path: &std::path::Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// Makes a folder of a test, unless it is there.
pub(crate) fn make_folder(path: &std::path::Path) {
    std::fs::create_dir_all(path).unwrap();
}

/// Whether `what` is there; else says why the test is skipped. With `what` in the comma-separated list
/// `SANDPRINT_EXPECT` a skip is a failure.
#[expect(clippy::disallowed_methods, reason = "a test may look at what a pure crate may not")]
pub(crate) fn has(what: &str, found: Result<(), String>) -> bool {
    let Err(why) = found else { return true };
    let expected = std::env::var("SANDPRINT_EXPECT").unwrap_or_default();
    assert!(!expected.split(',').any(|name| name == what), "{what} is expected here: {why}");
    println!("skipped, no {what}: {why}");
    false
}
