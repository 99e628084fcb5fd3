//! Bytes to look at: of files, of standard input, of members of archives.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::Path;

use xtask_core::formats::{ReadError, Source};

use super::files;

/// One open file. Its first page is read at once: most files need little more, and those of no
/// interest nothing.
pub(crate) struct FileSource {
    file: File,
    len: u64,
    head: Vec<u8>,
}

/// Bytes read when a file is opened.
const HEAD: usize = 4096;

impl FileSource {
    /// Opens a regular file. Anything else (a pipe, a device) is an error and is not waited for.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::open_known(path, &fs::metadata(path)?)
    }

    /// The same of a path whose metadata is known.
    pub(crate) fn open_known(path: &Path, metadata: &Metadata) -> io::Result<Self> {
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Self::open_regular(path)
    }

    /// Opens what is known to be a regular file.
    pub(super) fn open_regular(path: &Path) -> io::Result<Self> {
        Self::of(File::open(path)?)
    }

    fn of(file: File) -> io::Result<Self> {
        let mut head = vec![0; HEAD];
        let mut filled = 0;
        while filled < HEAD {
            match read_some(&file, &mut head[filled..], filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        head.truncate(filled);
        // A file that ends inside its first page needs no question for its length.
        let len = if filled < HEAD { filled as u64 } else { file.metadata()?.len() };
        Ok(Self { file, len, head })
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = buf.len() as u64;
        let head = usize::try_from(offset)
            .ok()
            .and_then(|start| self.head.get(start..start.checked_add(buf.len())?));
        if let Some(head) = head {
            buf.copy_from_slice(head);
            return Ok(());
        }
        let mut filled = 0;
        while filled < buf.len() {
            match read_some(&self.file, &mut buf[filled..], offset + filled as u64) {
                Ok(0) => return Err(ReadError::PastEnd { offset, len }),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Io(error.to_string())),
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_some(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

#[cfg(windows)]
fn read_some(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}

/// Bytes that came as a stream: kept in memory when few, else in a temporary file that has no name
/// any more.
pub(crate) enum Spooled {
    Memory(Vec<u8>),
    File(FileSource),
}

/// Bytes of a stream kept in memory.
const IN_MEMORY: u64 = 16 * 1024 * 1024;
/// Bytes of a stream kept at all: a bomb ends here.
const MAX_STREAM: u64 = 8 << 30;

/// Takes a stream in.
pub(crate) fn spool(mut stream: impl Read) -> io::Result<Spooled> {
    let mut memory = Vec::new();
    stream.by_ref().take(IN_MEMORY + 1).read_to_end(&mut memory)?;
    if memory.len() as u64 <= IN_MEMORY {
        return Ok(Spooled::Memory(memory));
    }
    let path = files::temporary(&std::env::temp_dir().join("xtask-audit"));
    let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
    // Gone with its last handle. Where an open file cannot be removed it stays in the folder for
    // temporary files.
    drop(fs::remove_file(&path));
    file.write_all(&memory)?;
    drop(memory);
    let rest = io::copy(&mut stream.take(MAX_STREAM), &mut file)?;
    if rest == MAX_STREAM {
        return Err(io::Error::other("more than 8 GiB unpacked"));
    }
    Ok(Spooled::File(FileSource::of(file)?))
}

impl Source for Spooled {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(file) => file.len(),
        }
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        match self {
            Self::Memory(bytes) => bytes.as_slice().read_at(offset, buf),
            Self::File(file) => file.read_at(offset, buf),
        }
    }
}
