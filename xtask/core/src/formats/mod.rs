//! Bytes to [`Binary`]: the only room that knows executable file formats.
//!
//! Everything is read through [`Source`], needed bytes only. Nothing a file says about itself is
//! trusted: counts are not used for allocation, every table walk has bounds and forward progress.

use alloc::string::String;
use core::fmt;

pub mod elf;
pub mod gobuild;
pub mod macho;
pub mod pe;
mod regions;
mod version;

pub use regions::{Region, regions};
pub use version::{NotAVersion, Version};

/// Random access to the bytes of one file. Implemented for slices here, for files by the caller.
pub trait Source {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there is nothing to read.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` with the bytes at `offset`.
    ///
    /// # Errors
    /// When fewer bytes than asked for are there, or the caller's reader failed.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError>;
}

/// Why a [`Source`] could not give the bytes asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// The file ends before `offset + len`.
    PastEnd {
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        len: u64,
    },
    /// The reader itself failed; the text is the operating system's.
    Io(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PastEnd { offset, len } => {
                write!(f, "the file ends before byte {offset:#x} + {len}")
            }
            Self::Io(text) => f.write_str(text),
        }
    }
}

/// So that `&&[u8]` is a `&dyn Source`.
impl<S: Source + ?Sized> Source for &S {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        (**self).read_at(offset, buf)
    }
}

impl Source for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let past_end = ReadError::PastEnd { offset, len: buf.len() as u64 };
        let Ok(start) = usize::try_from(offset) else { return Err(past_end) };
        let Some(end) = start.checked_add(buf.len()) else { return Err(past_end) };
        match self.get(start..end) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(past_end),
        }
    }
}

/// One executable file, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binary {
    /// Linux, Android, the BSDs.
    Elf(elf::Elf),
    /// macOS: one slice, or several in a universal file.
    MachO(macho::MachO),
    /// Windows.
    Pe(pe::Pe),
}

impl Binary {
    /// Which format it is.
    #[must_use]
    pub fn format(&self) -> Format {
        match self {
            Self::Elf(_) => Format::Elf,
            Self::MachO(_) => Format::MachO,
            Self::Pe(_) => Format::Pe,
        }
    }
}

/// An executable file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Executable and Linkable Format.
    Elf,
    /// Mach object, thin or universal.
    MachO,
    /// Portable Executable.
    Pe,
}

impl Format {
    /// The name in reports: `elf`, `mach-o`, `pe`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Elf => "elf",
            Self::MachO => "mach-o",
            Self::Pe => "pe",
        }
    }
}

/// Why there is no [`Binary`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// The first bytes are no executable format's: a text, an archive, a picture.
    NotABinary,
    /// The bytes claim to be this format and cannot be judged. Never to be taken for a pass.
    NotAuditable {
        /// The format claimed.
        format: Format,
        /// What is wrong, and where.
        reason: String,
    },
    /// The reader failed; the text is the operating system's.
    Io(String),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotABinary => f.write_str("not an ELF, Mach-O or PE file"),
            Self::NotAuditable { reason, .. } => f.write_str(reason),
            Self::Io(text) => f.write_str(text),
        }
    }
}

/// The longest magic number a format is told by.
const MAGIC_LEN: usize = 8;

/// The format the first bytes claim.
///
/// # Errors
/// When the reader fails. A file shorter than a magic number is none of them.
pub fn sniff(source: &dyn Source) -> Result<Option<Format>, ReadError> {
    let mut magic = [0; MAGIC_LEN];
    let len = source.len().min(MAGIC_LEN as u64) as usize;
    let magic = &mut magic[..len];
    source.read_at(0, magic)?;
    Ok(if magic.starts_with(elf::MAGIC) {
        Some(Format::Elf)
    } else if macho::is_magic(magic) {
        Some(Format::MachO)
    } else if magic.starts_with(pe::MAGIC) {
        Some(Format::Pe)
    } else {
        None
    })
}

/// Reads one file whole: everything the rules and the reports can ask of it.
///
/// # Errors
/// [`Unread`] says whether it is no binary at all, or one that cannot be judged.
pub fn read(source: &dyn Source) -> Result<Binary, Unread> {
    let format = sniff(source).map_err(|error| Unread::Io(alloc::format!("{error}")))?;
    match format {
        None => Err(Unread::NotABinary),
        Some(Format::Elf) => elf::read(source).map(Binary::Elf),
        Some(Format::MachO) => macho::read(source).map(Binary::MachO),
        Some(Format::Pe) => pe::read(source).map(Binary::Pe),
    }
}
