//! Mach-O, thin and universal.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Format, Source, Unread};

/// One Mach-O file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachO {
    /// One slice of a thin file, all of a universal one, in file order.
    pub slices: Vec<Slice>,
}

/// One architecture's image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// For example `arm64`.
    pub arch: String,
}

/// Whether the first bytes are those of a thin or universal Mach-O file.
#[must_use]
pub fn is_magic(bytes: &[u8]) -> bool {
    const THIN: [[u8; 4]; 4] =
        [*b"\xfe\xed\xfa\xce", *b"\xce\xfa\xed\xfe", *b"\xfe\xed\xfa\xcf", *b"\xcf\xfa\xed\xfe"];
    THIN.iter().any(|magic| bytes.starts_with(magic))
}

/// Reads the slices and their signatures.
///
/// # Errors
/// When the bytes are damaged.
pub fn read(_source: &dyn Source) -> Result<MachO, Unread> {
    Err(Unread::NotAuditable { format: Format::MachO, reason: "Mach-O is not read yet".into() })
}
