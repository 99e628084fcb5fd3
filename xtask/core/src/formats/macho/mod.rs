//! Mach-O, thin and universal: what each slice is, what it loads, and whether its code signature
//! is right, verified in full.
//!
//! Sources: Apple's published headers `mach-o/loader.h`, `mach-o/fat.h` and `kern/cs_blobs.h`;
//! what is refused follows xnu's `bsd/kern/ubc_subr.c` and `mach_loader.c`, and Security's
//! `codedirectory.cpp` and `machorep.cpp`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use object::macho;

use super::{Format, ReadError, Source, Unread, Version};

mod arch;
pub(crate) mod codesign;
mod fat;
mod flaw;
pub(crate) mod hash;
pub(crate) mod image;
mod signature;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub(crate) use arch::Cpu;
pub(crate) use fat::{Layout, Part, parts};
pub use flaw::{Flaw, FlawKind};
pub(crate) use image::Image;
pub use signature::Signature;

/// One Mach-O file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachO {
    /// Whether it has a universal ("fat") header.
    pub universal: bool,
    /// One slice of a thin file, all of a universal one, in the order of its header.
    pub slices: Vec<Slice>,
}

/// One architecture's image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// As Apple's tools spell it: `arm64`, `arm64e`, `x86_64`, `x86_64h`, `i386` ...
    pub arch: String,
    /// First byte in the file.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
    /// Program, library, ...
    pub kind: Kind,
    /// `macos`, `ios`, `iossimulator` ...: that of LC_BUILD_VERSION (macOS first where there are
    /// several), else that of LC_VERSION_MIN_*.
    pub platform: Option<String>,
    /// The oldest release of the platform it runs on.
    pub minos: Option<Version>,
    /// A library's own name (LC_ID_DYLIB).
    pub install_name: Option<String>,
    /// Libraries it cannot start without.
    pub dylibs: Vec<String>,
    /// Libraries it starts without (weak).
    pub weak_dylibs: Vec<String>,
    /// LC_RPATH folders.
    pub rpaths: Vec<String>,
    /// MH_PIE.
    pub pie: bool,
    /// It is encrypted (App Store): `cryptid` is not 0.
    pub encrypted: bool,
    /// The first segment that does not fit into the file: xnu refuses to load such a slice.
    pub cut: Option<Cut>,
    /// What is wrong with its place in a universal file. A signature has it among its own flaws too.
    pub misplaced: Vec<Flaw>,
    /// The code signature, if there is one.
    pub signature: Option<Signature>,
}

/// The file type of the Mach-O header, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// MH_EXECUTE.
    Executable,
    /// MH_DYLIB.
    Dylib,
    /// MH_BUNDLE: a plugin.
    Bundle,
    /// MH_OBJECT: what a compiler leaves for the linker.
    Object,
    /// MH_DSYM: debug information beside a program.
    Debug,
    /// Another one, by its number.
    Other(u32),
}

impl Kind {
    pub(crate) fn of(filetype: macho::FileType) -> Self {
        match filetype {
            macho::MH_EXECUTE => Self::Executable,
            macho::MH_DYLIB => Self::Dylib,
            macho::MH_BUNDLE => Self::Bundle,
            macho::MH_OBJECT => Self::Object,
            macho::MH_DSYM => Self::Debug,
            other => Self::Other(other.0),
        }
    }

    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Executable => "executable",
            Self::Dylib => "dylib",
            Self::Bundle => "bundle",
            Self::Object => "object",
            Self::Debug => "debug",
            Self::Other(_) => "other",
        }
    }

    /// Whether macOS loads it into a process: only such code is signed.
    #[must_use]
    pub fn is_loaded(self) -> bool {
        matches!(self, Self::Executable | Self::Dylib | Self::Bundle)
    }
}

/// A segment that ends after its slice does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The segment's name.
    pub segment: String,
    /// Where it ends, from the start of the slice.
    pub end: u64,
}

/// Whether the first bytes are those of a thin or universal Mach-O file.
#[must_use]
pub fn is_magic(bytes: &[u8]) -> bool {
    fat::is_magic(bytes) || image::is_magic(bytes)
}

/// Reads the slices and verifies their signatures: every byte of a signed slice is hashed.
///
/// # Errors
/// When a header or a load command is damaged, or the reader fails. A wrong signature is no error
/// here: it is in the slice.
pub fn read(source: &dyn Source) -> Result<MachO, Unread> {
    let container = parts(source)?;
    let slices = container.parts.iter().map(|part| read_slice(source, part));
    Ok(MachO {
        universal: container.layout.is_some(),
        slices: slices.collect::<Result<Vec<_>, _>>()?,
    })
}

fn read_slice(source: &dyn Source, part: &Part) -> Result<Slice, Unread> {
    let window = Window { source, start: part.offset, len: part.size };
    let image = Image::read(&window).map_err(|error| within(error, part))?;
    let mut flaws = part.flaws.clone();
    if part.cpu.is_some_and(|cpu| cpu != image.cpu) {
        flaws.push(Flaw::at(FlawKind::FatArch, part.offset));
    }
    let signature = signature::verify(&window, &image, flaws.clone()).map_err(unread)?;
    let (platform, minos) = image.platform();
    Ok(Slice {
        arch: arch::name(image.cpu),
        offset: part.offset,
        size: part.size,
        kind: Kind::of(image.filetype),
        platform,
        minos,
        pie: image.flags.contains(macho::MH_PIE),
        encrypted: image.encrypted,
        cut: image.cut(part.size),
        install_name: image.install_name,
        dylibs: image.dylibs,
        weak_dylibs: image.weak_dylibs,
        rpaths: image.rpaths,
        misplaced: flaws,
        signature,
    })
}

/// One slice of a file as a [`Source`] of its own.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) start: u64,
    pub(crate) len: u64,
}

impl Source for Window<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = buf.len() as u64;
        let start = self.start.checked_add(offset);
        match (start, offset.checked_add(len)) {
            (Some(start), Some(end)) if end <= self.len => self.source.read_at(start, buf),
            _ => Err(ReadError::PastEnd { offset, len }),
        }
    }
}

pub(crate) fn damaged(reason: impl Into<String>) -> Unread {
    Unread::NotAuditable { format: Format::MachO, reason: reason.into() }
}

pub(crate) fn unread(error: ReadError) -> Unread {
    match error {
        ReadError::Io(text) => Unread::Io(text),
        past_end @ ReadError::PastEnd { .. } => damaged(format!("{past_end}")),
    }
}

/// Says in which slice of a universal file.
fn within(error: Unread, part: &Part) -> Unread {
    match error {
        Unread::NotAuditable { reason, .. } if part.cpu.is_some() => {
            damaged(format!("the slice at {:#x}: {reason}", part.offset))
        }
        other => other,
    }
}
