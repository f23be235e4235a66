//! Build ids of executables that ran, read while their processes or files are there.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use object::read::ReadCache;

/// Most bytes of a segment of notes that are read: real ones have less than one page.
const MOST_NOTES: u64 = 1 << 20;
/// Most bytes of a build id: linkers make 8 to 32 of them.
const MOST_BUILD_ID: usize = 64;
/// Most bytes of the path of an interpreter (`PATH_MAX`).
const MOST_PATH: usize = 4096;

/// What the kernel said of an executable.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// Inode number.
    pub ino: u64,
    /// The kernel's `dev_t`: major in the upper 12 bits, minor in the lower 20.
    pub dev: u32,
    /// A process that ran it, in the initial PID namespace.
    pub tgid: u32,
    /// Its path as that process saw it.
    pub path: &'a [u8],
}

/// What could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BuildId {
    /// The build id, in hexadecimal.
    Known(String),
    /// The file has none.
    None,
    /// The file could not be found any more, or not be read.
    Unreadable,
}

/// What is read of an executable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Executable {
    pub(crate) build_id: BuildId,
    /// The interpreter that it asks for (`PT_INTERP`, elf(5)), the dynamic loader mostly: its path.
    pub(crate) interpreter: Option<Vec<u8>>,
}

impl Executable {
    const UNREADABLE: Executable = Executable { build_id: BuildId::Unreadable, interpreter: None };
}

/// Reads exactly that file, through the process or by its path, whichever is still there.
pub(crate) fn executable(wanted: &Wanted<'_>) -> Executable {
    let path = Path::new(OsStr::from_bytes(wanted.path));
    let process = PathBuf::from(format!("/proc/{}", wanted.tgid));
    let in_its_root = process.join("root").join(path.strip_prefix("/").unwrap_or(path));
    for candidate in [process.join("exe"), in_its_root, path.to_path_buf()] {
        let Ok(place) = File::options().read(true).custom_flags(libc::O_PATH).open(&candidate) else {
            continue;
        };
        if is_same_file(&place, wanted)
            && let Some(file) = open_regular(&place)
        {
            return read(file);
        }
    }
    Executable::UNREADABLE
}

/// Opens a file to be read that is open for nothing (`O_PATH`), if it is a regular one: what the workload has put there
/// may be a FIFO, which blocks, or a device, where to open it is to do something.
pub(crate) fn open_regular(place: &File) -> Option<File> {
    if !place.metadata().ok()?.is_file() {
        return None;
    }
    File::open(format!("/proc/self/fd/{}", place.as_raw_fd())).ok()
}

/// Reads the file at a path that cannot change, such as a link of `/proc/self/fd`.
pub(crate) fn executable_at(path: &Path) -> Executable {
    let place = File::options().read(true).custom_flags(libc::O_PATH).open(path);
    place.ok().and_then(|place| open_regular(&place)).map_or(Executable::UNREADABLE, read)
}

fn is_same_file(file: &File, wanted: &Wanted<'_>) -> bool {
    let Ok(metadata) = file.metadata() else { return false };
    let device = metadata.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    // Filesystems with device numbers of their own (overlay, btrfs) show stat(2) another one than the
    // superblock's; there the inode number alone has to do, and major 0 marks them.
    let same_device = (wanted.dev >> 20, wanted.dev & 0xf_ffff) == (major, minor);
    metadata.is_file() && metadata.ino() == wanted.ino && (same_device || major == 0)
}

fn read(file: File) -> Executable {
    let cache = ReadCache::new(file);
    match object::FileKind::parse(&cache) {
        Ok(object::FileKind::Elf64) => headers::<object::elf::FileHeader64<object::Endianness>>(&cache),
        Ok(object::FileKind::Elf32) => headers::<object::elf::FileHeader32<object::Endianness>>(&cache),
        _ => Ok(Executable::UNREADABLE),
    }
    .unwrap_or(Executable::UNREADABLE)
}

/// The GNU build id and the interpreter, from the program headers, which survive `strip`.
fn headers<Elf: object::read::elf::FileHeader<Endian = object::Endianness>>(
    cache: &ReadCache<File>,
) -> object::Result<Executable> {
    use object::read::elf::ProgramHeader as _;
    let header = Elf::parse(cache)?;
    let endian = header.endian()?;
    let mut found = Executable { build_id: BuildId::None, interpreter: None };
    for segment in header.program_headers(endian, cache)? {
        // The whole segment is read, and its size is the file's word.
        if segment.p_filesz(endian).into() > MOST_NOTES {
            continue;
        }
        if let Some(path) = segment.interpreter(endian, cache)? {
            found.interpreter = Some(path.to_vec()).filter(|path| path.len() <= MOST_PATH);
        }
        let Some(mut notes) = segment.notes(endian, cache)? else { continue };
        while let Some(note) = notes.next()? {
            let is_build_id = note.n_type(endian) == object::elf::NT_GNU_BUILD_ID;
            let fits = note.desc().len() <= MOST_BUILD_ID;
            if is_build_id
                && fits
                && note.name() == object::elf::ELF_NOTE_GNU
                && found.build_id == BuildId::None
            {
                found.build_id = BuildId::Known(hexadecimal(note.desc()));
            }
        }
    }
    Ok(found)
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_regular_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (file, fifo) = (folder.path().join("file"), folder.path().join("fifo"));
        std::fs::write(&file, "").unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
            .unwrap();
        let opened = |path: &Path| {
            let place = File::options().read(true).custom_flags(libc::O_PATH).open(path).unwrap();
            open_regular(&place).is_some()
        };
        assert!(opened(&file));
        assert!(!opened(&fifo) && !opened(Path::new("/dev/null")) && !opened(folder.path()));
    }

    #[test]
    fn reads_its_own_build_id_or_knows_there_is_none() {
        let metadata = std::fs::metadata("/proc/self/exe").unwrap();
        let device = metadata.dev();
        let wanted = Wanted {
            ino: metadata.ino(),
            dev: (rustix::fs::major(device) << 20) | rustix::fs::minor(device),
            tgid: std::process::id(),
            path: b"/nonexistent",
        };
        let read = executable(&wanted);
        assert_ne!(read.build_id, BuildId::Unreadable);
        assert!(read.interpreter.is_none_or(|path| path.starts_with(b"/")));
        let other = Wanted { ino: metadata.ino() + 1, ..wanted };
        assert_eq!(executable(&other), Executable::UNREADABLE);
    }
}
