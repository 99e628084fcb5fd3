//! Ad-hoc Mach-O signatures: bytes in, bytes out.
//!
//! The same bytes and identifier give the same signature, on any host, and signing what is signed
//! with that identifier changes nothing. The verifier is [`crate::formats::macho::read`].

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::mem::size_of;
use object::BigEndian;
use object::macho::{FatArch32, FatArch64, FatHeader};
use object::pod;

use crate::formats::Unread;
use crate::formats::macho::{Cut, FlawKind, Kind, Layout, parts};

mod blobs;
mod thin;

#[cfg(test)]
mod tests;

/// The longest identifier, in bytes: a bundle identifier's limit.
const MAX_IDENTIFIER: usize = 255;

/// Signs every slice ad hoc, as `codesign --force --sign - --identifier IDENTIFIER` does. A
/// signature that is there already is replaced, entitlements included.
///
/// # Errors
/// [`SignError`] says what is in the way.
pub fn sign_adhoc(bytes: &[u8], identifier: &str) -> Result<Vec<u8>, SignError> {
    if identifier.is_empty()
        || identifier.len() > MAX_IDENTIFIER
        || identifier.chars().any(char::is_control)
    {
        return Err(SignError::Identifier(identifier.into()));
    }
    let container = parts(&bytes)?;
    if let Some(flaw) = container.parts.iter().flat_map(|part| &part.flaws).next() {
        return Err(SignError::Container { kind: flaw.kind, offset: flaw.offset });
    }
    let slices = container.parts.iter().map(|part| {
        let start = part.offset as usize;
        let slice = &bytes[start..start + part.size as usize];
        thin::sign(slice, part.cpu, identifier)
    });
    let slices = slices.collect::<Result<Vec<_>, _>>()?;
    match (container.layout, slices) {
        (None, slices) => Ok(slices.concat()),
        (Some(layout), slices) => {
            let aligns: Vec<u32> = container.parts.iter().map(|part| part.align).collect();
            join(bytes, layout, &aligns, &slices)
        }
    }
}

/// A universal file of new slices: its table keeps its order, the slices theirs, gaps are zero.
fn join(
    old: &[u8],
    layout: Layout,
    aligns: &[u32],
    slices: &[Vec<u8>],
) -> Result<Vec<u8>, SignError> {
    let entry_size = layout.entry_size();
    let table = size_of::<FatHeader>();
    let mut file = old[..table + slices.len() * entry_size].to_vec();
    for (i, (slice, align)) in slices.iter().zip(aligns).enumerate() {
        let offset = file.len().next_multiple_of(1 << align);
        file.resize(offset, 0);
        file.extend_from_slice(slice);
        let entry = &mut file[table + i * entry_size..][..entry_size];
        set_place(entry, layout, offset as u64, slice.len() as u64).ok_or(SignError::TooLarge)?;
    }
    Ok(file)
}

fn set_place(entry: &mut [u8], layout: Layout, offset: u64, size: u64) -> Option<()> {
    match layout {
        Layout::Fat32 => {
            let (arch, _) = pod::from_bytes_mut::<FatArch32>(entry).ok()?;
            arch.offset.set(BigEndian, offset.try_into().ok()?);
            arch.size.set(BigEndian, size.try_into().ok()?);
        }
        Layout::Fat64 => {
            let (arch, _) = pod::from_bytes_mut::<FatArch64>(entry).ok()?;
            arch.offset.set(BigEndian, offset);
            arch.size.set(BigEndian, size);
        }
    }
    Some(())
}

/// Why there is no signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignError {
    /// The bytes are no Mach-O file, or a damaged one.
    Unread(Unread),
    /// The identifier is empty, longer than 255 bytes or has control characters.
    Identifier(String),
    /// The slices of the universal file do not lie as they should.
    Container {
        /// What is wrong.
        kind: FlawKind,
        /// Where, from the start of the file.
        offset: u64,
    },
    /// It is not a program, library or plugin.
    NotCode(Kind),
    /// There are two LC_CODE_SIGNATURE.
    TwoSignatures,
    /// A segment reaches past the end of the slice.
    Cut(Cut),
    /// There is no __LINKEDIT segment, where the signature has to lie.
    NoLinkedit,
    /// __LINKEDIT, or the signature in it, is not the end of the slice.
    NotLast {
        /// Where it ends, from the start of the slice.
        end: u64,
        /// Length of the slice.
        len: u64,
    },
    /// No 16 bytes are free after the load commands for LC_CODE_SIGNATURE.
    NoRoom {
        /// Bytes that are free.
        free: u64,
    },
    /// An offset or a size does not fit into its field.
    TooLarge,
}

impl From<Unread> for SignError {
    fn from(error: Unread) -> Self {
        Self::Unread(error)
    }
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Unread(Unread::NotABinary) => "not a Mach-O file".into(),
            Self::Unread(error) => format!("not a Mach-O file that can be signed: {error}"),
            Self::Identifier(identifier) => format!(
                "the identifier {identifier:?} must have 1 to {MAX_IDENTIFIER} bytes and no \
                 control characters"
            ),
            Self::Container { kind, offset } => format!(
                "the universal file is not laid out as lipo does ({} at {offset:#x}): put it \
                 together again with `lipo -create`",
                kind.name()
            ),
            Self::NotCode(kind) => format!(
                "only programs, libraries and plugins are signed, and this is of the type \
                 `{}`",
                kind.name()
            ),
            Self::TwoSignatures => {
                "there are two LC_CODE_SIGNATURE load commands: link it again".into()
            }
            Self::Cut(Cut { segment, end }) => format!(
                "{segment} reaches to {end:#x}, past the end of the file: it is cut off, copy it \
                 again"
            ),
            Self::NoLinkedit => "there is no __LINKEDIT segment to hold a signature: link it \
                                 with a linker for macOS"
                .into(),
            Self::NotLast { end, len } => format!(
                "__LINKEDIT with its signature ends at {end:#x} and the slice at {len:#x}: it must \
                 be whole and the last thing. Sign before anything is appended"
            ),
            Self::NoRoom { free } => format!(
                "{free} bytes are free after the load commands, and LC_CODE_SIGNATURE takes \
                 16: link it with `-headerpad 0x20`"
            ),
            Self::TooLarge => "it is too large: offsets in a Mach-O file have 32 bits".into(),
        };
        f.write_str(&text)
    }
}

impl core::error::Error for SignError {}
