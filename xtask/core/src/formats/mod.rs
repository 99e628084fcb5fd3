//! Bytes to [`Binary`]: the only room that knows executable file formats.
//!
//! Everything is read through [`Source`], needed bytes only. Nothing a file says about itself is
//! trusted: counts are not used for allocation, every table walk has bounds and forward progress.

use alloc::string::String;
use core::fmt;

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
