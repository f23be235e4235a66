//! Builds the witnesses, once in each test process, and lays out the folder that one runs in.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use sandprint_model::ByteString;
use tempfile::TempDir;

use crate::header::{Beside, Witness, sources};
use testkit::gcc;

/// Where the built witnesses of this test process lie, or why one could not be built.
type Built = Arc<OnceLock<Result<PathBuf, String>>>;

static BUILT: LazyLock<Mutex<BTreeMap<String, Built>>> = LazyLock::new(Mutex::default);

/// The built witness; `Err` says why this machine's compiler could not.
pub(crate) fn build(witness: &Witness) -> Result<PathBuf, String> {
    let slot =
        Arc::clone(BUILT.lock().expect("no test panics here").entry(witness.name.clone()).or_default());
    slot.get_or_init(|| compile(witness)).clone()
}

fn compile(witness: &Witness) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("witnesses");
    fs::create_dir_all(&folder).expect("the build folder is ours");
    let source = sources().join(format!("{}.c", witness.name));
    let program = folder.join(&witness.name);
    let mut options = vec!["-fno-stack-protector", "-fno-pie", "-no-pie", "-fno-asynchronous-unwind-tables"];
    options.push("-Wl,--build-id=sha1");
    options.extend(if witness.libc {
        &["-pthread"][..]
    } else {
        &["-ffreestanding", "-nostdlib", "-static"]
    });
    options.extend(witness.i386.then_some("-m32"));
    // Without a C library there is nobody to choose between kinds of atomic instructions at run time.
    options.extend((env::consts::ARCH == "aarch64").then_some("-mno-outline-atomics"));
    gcc::try_build(&source, &program, &options).map(|()| program)
}

/// A fresh folder with the witness and what it finds beside itself.
pub(crate) fn stage(witness: &Witness) -> Result<TempDir, String> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build folder is ours");
    let place = |name: &str| folder.path().join(OsStr::from_bytes(unescaped(name).as_bytes()));
    let program = build(witness)?;
    copy(&program, &place(&witness.name));
    for beside in &witness.beside {
        match beside {
            Beside::Copy { name } => copy(&program, &place(name)),
            Beside::Program { name } => copy(&build(&Witness::load(name))?, &place(name)),
            Beside::Script { name, first_line } => {
                fs::write(place(name), format!("{first_line}\n")).expect("the folder is ours");
                fs::set_permissions(place(name), fs::Permissions::from_mode(0o755))
                    .expect("as is the script");
            }
            Beside::Setuid { name, user } => {
                if chown(place(name), Some(*user), None).is_ok() {
                    let mode = fs::Permissions::from_mode(0o4755);
                    fs::set_permissions(place(name), mode).expect("whoever may chown may chmod");
                }
            }
        }
    }
    Ok(folder)
}

fn unescaped(name: &str) -> ByteString {
    ByteString::from_escaped(name).unwrap_or_else(|| panic!("not escaped as in traces: {name}"))
}

/// Copies a program. Not by ourselves: a child of another test would hold our descriptor until its execve, and what is
/// open for writing cannot be executed (ETXTBSY).
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status();
    assert!(
        status.as_ref().is_ok_and(ExitStatus::success),
        "{} to {}: {status:?}",
        from.display(),
        to.display()
    );
}
