//! Portable Executable: Windows programs and libraries.

use alloc::string::String;

use super::{Format, Source, Unread};

/// The DOS header's magic.
pub const MAGIC: &[u8] = b"MZ";

/// One PE file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pe {
    /// For example `x86_64`.
    pub machine: String,
}

/// Reads the headers and the import tables.
///
/// # Errors
/// When the bytes are damaged.
pub fn read(_source: &dyn Source) -> Result<Pe, Unread> {
    Err(Unread::NotAuditable { format: Format::Pe, reason: "PE is not read yet".into() })
}
