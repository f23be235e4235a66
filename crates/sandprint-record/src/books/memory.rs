//! The memory of a task whose call waits, as far as it can be read without waiting for somebody.
//!
//! Another thread may change what lies there before the kernel reads it, or after: strace has the same.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

/// File systems whose files are read by the kernel alone, so that a page of them comes whoever is stopped.
const OF_THE_KERNEL: [&str; 10] =
    ["bcachefs", "btrfs", "erofs", "ext4", "f2fs", "iso9660", "overlay", "squashfs", "xfs", "zfs"];

/// The memory of a task.
#[derive(Debug)]
pub(crate) struct Memory {
    tid: u32,
    pages: File,
    bytes: File,
}

impl Memory {
    /// None where we may not read it, or where there is none.
    pub(crate) fn of(tid: u32) -> Option<Memory> {
        let pages = File::open(format!("/proc/{tid}/pagemap")).ok()?;
        let bytes = File::open(format!("/proc/{tid}/mem")).ok()?;
        Some(Memory { tid, pages, bytes })
    }

    /// Reads all of these bytes; whether that could be done.
    pub(crate) fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        let page = page_size();
        let length = u64::try_from(bytes.len()).unwrap_or_default();
        let Some(last) = address.checked_add(length.saturating_sub(1)) else { return false };
        (address / page..=last / page).all(|page| self.may_be_read(page))
            && self.bytes.read_exact_at(bytes, address).is_ok()
    }

    /// Reads a string, without the NUL that ends it, or `most` bytes of one that is longer.
    pub(crate) fn string(&self, address: u64, most: usize) -> Option<Vec<u8>> {
        let page = page_size();
        let mut text = Vec::new();
        while text.len() < most {
            let at = address.checked_add(u64::try_from(text.len()).ok()?)?;
            let here = usize::try_from(page - at % page).ok()?.min(most - text.len());
            let mut part = vec![0; here];
            if !self.read(at, &mut part) {
                return None;
            }
            if let Some(end) = part.iter().position(|byte| *byte == 0) {
                text.extend_from_slice(part.get(..end)?);
                return Some(text);
            }
            text.append(&mut part);
        }
        Some(text)
    }

    /// Whether a page can be read without waiting for the workload: it is there, or the kernel has it of a file.
    fn may_be_read(&self, page: u64) -> bool {
        /// /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst): an entry of 64 bits a page, with this bit for
        /// one that is there.
        const PRESENT: u64 = 1 << 63;
        let mut entry = [0; 8];
        let at = page.checked_mul(8);
        let is_there = at.is_some_and(|at| self.pages.read_exact_at(&mut entry, at).is_ok())
            && u64::from_ne_bytes(entry) & PRESENT != 0;
        is_there || self.is_of_a_file(page)
    }

    /// Whether a page is of a file that the kernel alone reads: a literal that the program has not touched yet.
    fn is_of_a_file(&self, page: u64) -> bool {
        let Some(address) = page.checked_mul(page_size()) else { return false };
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        // A path may be no UTF-8.
        let maps = fs::read(format!("/proc/{}/maps", self.tid)).unwrap_or_default();
        let Some(device) = device_of(&String::from_utf8_lossy(&maps), address) else { return false };
        // An overlay shows the file below it, which may be mounted only here.
        [format!("/proc/{}/mountinfo", self.tid), "/proc/self/mountinfo".to_owned()]
            .iter()
            .any(|file| is_of_the_kernel(&read(file), &device))
    }
}

fn page_size() -> u64 {
    u64::try_from(rustix::param::page_size()).unwrap_or(4096)
}

/// The device ("8:1") of the file that is mapped there, privately; none for other memory. `maps` is `/proc/PID/maps`.
fn device_of(maps: &str, address: u64) -> Option<String> {
    maps.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (begin, end) = words.next()?.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        if !(number(begin)?..number(end)?).contains(&address) {
            return None;
        }
        let (rights, _offset, device, inode) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let (major, minor) = device.split_once(':')?;
        let device = format!("{}:{}", number(major)?, number(minor)?);
        (rights.ends_with('p') && inode != "0").then_some(device)
    })
}

/// Whether a device is that of such a file system, as `/proc/PID/mountinfo` has it.
fn is_of_the_kernel(mounts: &str, device: &str) -> bool {
    mounts.lines().any(|line| {
        let has_device = line.split_ascii_whitespace().nth(2) == Some(device);
        let kind = line.split_once(" - ").and_then(|(_, rest)| rest.split_ascii_whitespace().next());
        has_device && kind.is_some_and(|kind| OF_THE_KERNEL.contains(&kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_up_to_their_end_and_no_further() {
        let tid = u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
        let memory = Memory::of(tid).unwrap();
        let mut long = vec![b'x'; 9000];
        long.push(0);
        for (text, most, expected) in [
            (&b"a/b\0c"[..], 4096, Some(3)),
            (b"\0", 4096, Some(0)),
            (&long, 9001, Some(9000)),
            (&long, 9000, Some(9000)),
            (&long, 5000, Some(5000)),
        ] {
            let read = memory.string(text.as_ptr() as u64, most);
            assert_eq!(read.as_deref(), expected.map(|length: usize| &text[..length]));
        }
        assert_eq!(memory.string(8, 4096), None);
        assert_eq!(memory.string(u64::MAX, 4096), None);
    }

    #[test]
    fn only_pages_that_the_kernel_reads_itself_are_waited_for() {
        let maps = "55d0-55e0 r--p 00000000 08:1a 1234 /usr/bin/a b\n\
                    55e0-55f0 rw-p 00000000 00:00 0 [heap]\n\
                    55f0-5600 r--s 00000000 08:1a 1234 /usr/bin/a\n\
                    5600-5610 r--p 00000000 00:2f 7 /mnt/x\n";
        for (address, expected) in [
            (0x55d0, Some("8:26")),
            (0x55df, Some("8:26")),
            (0x55e0, None),
            (0x55f0, None),
            (0x5600, Some("0:47")),
            (0x5610, None),
        ] {
            assert_eq!(device_of(maps, address).as_deref(), expected, "{address:x}");
        }
        let mounts = "21 1 8:26 / / rw,relatime shared:1 - ext4 /dev/root rw\n\
                      30 21 0:47 / /mnt rw shared:2 - fuse.sshfs x rw\n";
        assert!(is_of_the_kernel(mounts, "8:26"));
        assert!(!is_of_the_kernel(mounts, "0:47") && !is_of_the_kernel(mounts, "8:2"));
    }
}
