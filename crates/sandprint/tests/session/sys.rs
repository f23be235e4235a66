//! The system call of these tests that the standard library does not wrap: who has BPF programs loaded.
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// bpf(2) with a command and the leading words of its argument, which is otherwise zero.
fn bpf(command: libc::c_long, words: &mut [u32; 32]) -> io::Result<libc::c_long> {
    // SAFETY: the argument is larger than any these commands know, initialized, and ours for the call; the
    // kernel wants what it does not know to be zero, which it is.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, words.as_mut_ptr(), size_of_val(words)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The users who loaded the BPF programs that the kernel has now, one entry for each program.
pub(crate) fn owners_of_programs() -> Vec<u32> {
    const PROG_GET_NEXT_ID: libc::c_long = 11;
    const PROG_GET_FD_BY_ID: libc::c_long = 13;
    const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
    /// Where `created_by_uid` is in `struct bpf_prog_info`, in words of 4 bytes.
    const CREATED_BY_UID: usize = 12;
    let mut owners = Vec::new();
    let mut words = [0; 32];
    while bpf(PROG_GET_NEXT_ID, &mut words).is_ok() {
        // start_id, next_id: the next becomes the start.
        let id = words[1];
        words = [0; 32];
        words[0] = id;
        // It may have gone just now.
        let Ok(fd) = bpf(PROG_GET_FD_BY_ID, &mut words.clone()) else { continue };
        let fd = i32::try_from(fd).expect("a descriptor is an int");
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut info = [0_u32; 32];
        let address = ((&raw mut info) as u64).to_ne_bytes();
        let mut request = [0; 32];
        request[0] = fd.as_raw_fd().cast_unsigned();
        request[1] = u32::try_from(size_of_val(&info)).expect("it is small");
        for (word, bytes) in request[2..4].iter_mut().zip(address.chunks_exact(4)) {
            *word = u32::from_ne_bytes(bytes.try_into().expect("4 bytes"));
        }
        if bpf(OBJ_GET_INFO_BY_FD, &mut request).is_ok() {
            owners.push(info[CREATED_BY_UID]);
        }
    }
    owners
}
