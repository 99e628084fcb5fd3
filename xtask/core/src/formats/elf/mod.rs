//! ELF as the dynamic loader reads it: program headers and the dynamic segment, never section
//! headers, which a loader ignores and which a stripped or hostile file need not have.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Format, Source, Unread, Version};

/// The first bytes of every ELF file.
pub const MAGIC: &[u8] = b"\x7fELF";

/// One ELF file: what a loader and a kernel make of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elf {
    /// For example `x86_64`, `aarch64`, `ppc64le`, `mipsel`; `machine 0x…` when unknown.
    pub arch: String,
    /// Whose C library it is made for.
    pub libc: Libc,
    /// How it is linked.
    pub linkage: Linkage,
    /// It is a dynamic loader itself (`ld-linux*.so`, musl's `libc.so`).
    pub loader: bool,
    /// PT_INTERP.
    pub interpreter: Option<String>,
    /// DT_SONAME.
    pub soname: Option<String>,
    /// DT_NEEDED, in file order.
    pub needed: Vec<String>,
    /// DT_RPATH; ignored by loaders where DT_RUNPATH is.
    pub rpath: Option<String>,
    /// DT_RUNPATH.
    pub runpath: Option<String>,
    /// DT_VERNEED: each version this file demands of a library.
    pub versions: Vec<VersionNeed>,
    /// Its stack is not executable, by PT_GNU_STACK or by the architecture's default without it.
    pub nx: bool,
    /// A PT_LOAD segment is writable and executable.
    pub wx: bool,
    /// DT_TEXTREL or DF_TEXTREL.
    pub textrel: bool,
    /// A position-independent executable (a shared library is none).
    pub pie: bool,
    /// What is made read-only after relocation.
    pub relro: Relro,
    /// DT_BIND_NOW, DF_BIND_NOW or DF_1_NOW.
    pub bind_now: bool,
    /// DT_RELR is there.
    pub relr: bool,
}

/// One Vernaux record: a version that a library must provide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionNeed {
    /// The library, as in DT_NEEDED.
    pub library: String,
    /// The node's name, for example `GLIBC_2.17`.
    pub name: String,
    /// VER_FLG_WEAK: a loader goes on without it.
    pub weak: bool,
    /// The symbols bound to it. Empty is possible: markers, and nodes left over.
    pub symbols: Vec<Symbol>,
}

/// A dynamic symbol bound to a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// STB_WEAK.
    pub weak: bool,
}

/// Whose C library a file is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Libc {
    /// GNU.
    Glibc,
    /// musl.
    Musl,
    /// Android.
    Bionic,
    /// FreeBSD.
    FreeBsd,
    /// No sign of any: static, or a library that needs none.
    None,
}

impl Libc {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
            Self::Bionic => "bionic",
            Self::FreeBsd => "freebsd",
            Self::None => "none",
        }
    }
}

/// How an ELF file is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linkage {
    /// A program that a dynamic loader completes.
    Dynamic,
    /// A shared library, the loader itself included.
    SharedObject,
    /// A program at a fixed address that needs no loader.
    Static,
    /// A program that needs no loader and relocates itself.
    StaticPie,
}

impl Linkage {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dynamic => "dynamic",
            Self::SharedObject => "shared-object",
            Self::Static => "static",
            Self::StaticPie => "static-pie",
        }
    }

    /// Whether no loader is involved.
    #[must_use]
    pub fn is_static(self) -> bool {
        matches!(self, Self::Static | Self::StaticPie)
    }
}

/// What is made read-only after relocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relro {
    /// PT_GNU_RELRO, and everything is bound at start.
    Full,
    /// PT_GNU_RELRO with lazy binding: the PLT's slots stay writable.
    Partial,
    /// No PT_GNU_RELRO.
    None,
    /// Statically linked: there is no lazy binding to protect.
    NotApplicable,
}

impl Relro {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::None => "none",
            Self::NotApplicable => "n/a",
        }
    }
}

/// The three answers to "which glibc does it need".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Floors {
    /// The highest numeric node listed, whatever its flags.
    pub max: Option<Version>,
    /// What a loader demands: nodes not flagged weak, nodes with a strong reference, ABI markers.
    pub floor: Option<Version>,
    /// The highest node with a strong reference.
    pub strong: Option<Version>,
}

/// Reads the file with its symbols.
///
/// # Errors
/// When the bytes are damaged.
pub fn read(_source: &dyn Source) -> Result<Elf, Unread> {
    Err(Unread::NotAuditable { format: Format::Elf, reason: "ELF is not read yet".into() })
}
