//! Small filters in classic BPF, put together by hand.

use sandprint_sandbox::confine::Filter;

pub(crate) const ALLOW: u32 = 0x7fff_0000;
pub(crate) const ERRNO: u32 = 0x0005_0000;
pub(crate) const KILL_PROCESS: u32 = 0x8000_0000;
pub(crate) const USER_NOTIF: u32 = 0x7fc0_0000;

fn instruction(code: u16, jump_true: u8, jump_false: u8, k: u32) -> Vec<u8> {
    [&code.to_ne_bytes()[..], &[jump_true, jump_false], &k.to_ne_bytes()].concat()
}

fn load_number() -> Vec<u8> {
    instruction(0x20, 0, 0, 0)
}

fn returns(value: u32) -> Vec<u8> {
    instruction(0x06, 0, 0, value)
}

/// Decides these numbers so, and all others in another way.
pub(crate) fn deciding(numbers: &[(i64, u32)], otherwise: u32) -> Filter {
    let mut bytes = load_number();
    for (number, value) in numbers {
        bytes.extend(instruction(0x15, 0, 1, u32::try_from(*number).unwrap()));
        bytes.extend(returns(*value));
    }
    bytes.extend(returns(otherwise));
    Filter::new(&bytes).unwrap()
}

/// As long as a filter can be, allowing everything.
pub(crate) fn longest() -> Filter {
    Filter::new(&[load_number().repeat(4095), returns(ALLOW)].concat()).unwrap()
}

/// Ends without a return, which the kernel refuses.
pub(crate) fn invalid() -> Filter {
    Filter::new(&load_number()).unwrap()
}

/// Whatever makes a directory.
#[cfg(target_arch = "x86_64")]
pub(crate) const MKDIR: &[i64] = &[libc::SYS_mkdir, libc::SYS_mkdirat];
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const MKDIR: &[i64] = &[libc::SYS_mkdirat];

/// Answers whatever makes a directory with an errno that the kernel itself never gives.
pub(crate) fn refusing_mkdir(errno: u32) -> Filter {
    let numbers: Vec<_> = MKDIR.iter().map(|number| (*number, ERRNO + errno)).collect();
    deciding(&numbers, ALLOW)
}

/// What comes of making a directory: its errno.
pub(crate) fn make_directory() -> Result<(), i32> {
    let scratch = std::env::temp_dir().join(format!("sandprint-{:?}", std::thread::current().id()));
    let made = std::fs::create_dir(&scratch);
    if made.is_ok() {
        std::fs::remove_dir(&scratch).unwrap();
    }
    made.map_err(|error| error.raw_os_error().unwrap())
}

/// Runs in a thread, which may confine itself.
pub(crate) fn in_a_thread<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(what).join().unwrap()
}
