//! ELF as the dynamic loader reads it: program headers and the dynamic segment, never section
//! headers, which a loader ignores and which a stripped or hostile file need not have.

use alloc::string::String;
use alloc::vec::Vec;

use goblin::elf::header::{self, EI_OSABI};
use goblin::elf::program_header::{PF_W, PF_X, PT_GNU_RELRO, PT_GNU_STACK, PT_INTERP, PT_LOAD};

use self::dynamic::{Dynamic, Names};
use self::image::{Fault, Image, Outcome, damaged};
use super::{Source, Unread};

pub mod abilist;
mod arch;
mod classify;
mod debug;
mod dynamic;
mod floors;
mod image;
mod symbols;
mod verneed;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use floors::{ABI_MARKERS, Floors, GLIBC, Node, PRIVATE, demanded, node};

/// FreeBSD's EI_OSABI.
const ELFOSABI_FREEBSD: u8 = 9;

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
    /// PT_GNU_STACK is there.
    pub gnu_stack: bool,
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
    /// e_entry lies in code.
    pub starts: bool,
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
    /// vna_hash is that of the name. By it loaders look the version up.
    pub hashed: bool,
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

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Everything but the symbols; those too where a version is flagged weak, because then the
    /// floor hangs on them.
    Verdict,
    /// The symbols behind each version too.
    Symbols,
}

/// Reads the file with its symbols.
///
/// # Errors
/// When the bytes are damaged, or are no program or library.
pub fn read(source: &dyn Source) -> Result<Elf, Unread> {
    read_with(source, Depth::Symbols)
}

/// Reads the file.
///
/// # Errors
/// When the bytes are damaged, or are no program or library.
pub fn read_with(source: &dyn Source, depth: Depth) -> Result<Elf, Unread> {
    let mut image = Image::open(source)?;
    match read_image(&mut image, depth) {
        Err(Fault::Damaged(_)) if debug::is_debug_file(&mut image) => {
            let reason = "a separate debug file: its sections have no contents, so it says nothing \
                          of what the program needs; audit the program itself";
            Err(Fault::Damaged(reason.into()).into())
        }
        result => Ok(result?),
    }
}

fn read_image(image: &mut Image<'_>, depth: Depth) -> Outcome<Elf> {
    let fixed = match image.header.e_type {
        header::ET_EXEC => true,
        header::ET_DYN => false,
        header::ET_REL => {
            return damaged!("a relocatable object (ET_REL): it needs nothing before it is linked");
        }
        header::ET_CORE => return damaged!("a core dump (ET_CORE): no program"),
        other => return damaged!("e_type is {other:#x}: neither program nor library"),
    };
    if image.header.e_machine == header::EM_NONE {
        return damaged!("e_machine is 0: it is made for no machine");
    }
    image.read_segments()?;
    let interpreter = interpreter(image)?;
    let dynamic = Dynamic::read(image)?;
    if dynamic.is_none() && debug::is_debug_file(image) {
        return damaged!("no dynamic segment");
    }
    // klibc's programs have an interpreter, a fixed address and nothing to relocate. Any other loader
    // wants a dynamic segment, and so does whatever is placed at an address not known before.
    if dynamic.is_none() && (!fixed || interpreter.as_deref().is_some_and(classify::is_loader_path))
    {
        return damaged!("it has no dynamic segment (PT_DYNAMIC): no loader can load it");
    }
    let mut names = Names::default();
    let mut versions = Vec::new();
    let mut tables = None;
    if let Some(dynamic) = &dynamic {
        let strings = dynamic.strings(image)?;
        tables = Some(strings);
        names = dynamic.names(image, strings)?;
        versions = verneed::read(image, dynamic, strings)?;
        if depth == Depth::Symbols || versions.iter().any(|version| version.need.weak) {
            symbols::bind(image, dynamic, strings, &mut versions)?;
        }
    }
    let linkage = classify::linkage(classify::Signs {
        fixed,
        dynamic: dynamic.is_some(),
        interpreter: interpreter.is_some(),
        says_pie: dynamic.as_ref().is_some_and(Dynamic::says_pie),
        soname: names.soname.is_some(),
        needs: !names.needed.is_empty(),
    });
    let dynamic = dynamic.unwrap_or_default();
    let bind_now = dynamic.bind_now();
    let mut elf = Elf {
        arch: arch::name(image),
        libc: Libc::None,
        linkage,
        loader: false,
        interpreter,
        soname: names.soname,
        needed: names.needed,
        rpath: names.rpath,
        runpath: names.runpath,
        versions: versions.into_iter().map(|version| version.need).collect(),
        nx: !stack_is_executable(image),
        gnu_stack: image.segment(PT_GNU_STACK).is_some(),
        wx: image
            .segments
            .iter()
            .any(|s| s.p_type == PT_LOAD && s.p_flags & PF_W != 0 && s.p_flags & PF_X != 0),
        textrel: dynamic.textrel(),
        pie: !fixed && matches!(linkage, Linkage::Dynamic | Linkage::StaticPie),
        relro: relro(image, linkage, bind_now),
        bind_now,
        relr: dynamic.relr,
        starts: starts(image),
    };
    elf.libc = classify::libc(&elf, image.header.e_ident[EI_OSABI] == ELFOSABI_FREEBSD);
    elf.loader = classify::is_loader(&elf);
    if classify::may_be_nameless_musl(&elf)
        && let Some(strings) = tables
        && symbols::defines(image, &dynamic, strings, classify::MUSL_STAGE)?
    {
        elf.libc = Libc::Musl;
        elf.loader = true;
    }
    Ok(elf)
}

/// PT_INTERP as the kernel takes it: by file offset, NUL-terminated, no longer than a path.
fn interpreter(image: &mut Image<'_>) -> Outcome<Option<String>> {
    const PATH_MAX: u64 = 4096;
    let Some(segment) = image.segments.iter().find(|segment| segment.p_type == PT_INTERP) else {
        return Ok(None);
    };
    let (offset, size) = (segment.p_offset, segment.p_filesz);
    if !(2..=PATH_MAX).contains(&size) {
        return damaged!("PT_INTERP is {size} bytes long: no kernel takes it");
    }
    let Some(end) = offset.checked_add(size).filter(|end| *end <= image.len()) else {
        return damaged!("PT_INTERP lies outside the file");
    };
    let mut last = [0];
    image.read(end - 1, &mut last)?;
    if last != [0] {
        return damaged!("PT_INTERP does not end with NUL: no kernel takes it");
    }
    let path = image.string("PT_INTERP", offset, end)?;
    if path.is_empty() {
        return damaged!("PT_INTERP is empty: no kernel finds a loader by that");
    }
    Ok(Some(path))
}

fn stack_is_executable(image: &Image<'_>) -> bool {
    match image.segment(PT_GNU_STACK) {
        Some(segment) => segment.p_flags & PF_X != 0,
        None => arch::stack_is_executable_by_default(image),
    }
}

fn starts(image: &Image<'_>) -> bool {
    let entry = image.header.e_entry;
    image.segments.iter().any(|segment| {
        segment.p_type == PT_LOAD
            && segment.p_flags & PF_X != 0
            && entry.checked_sub(segment.p_vaddr).is_some_and(|at| at < segment.p_filesz)
    })
}

fn relro(image: &Image<'_>, linkage: Linkage, bind_now: bool) -> Relro {
    match (linkage.is_static(), image.segment(PT_GNU_RELRO).is_some(), bind_now) {
        (true, ..) => Relro::NotApplicable,
        (_, false, _) => Relro::None,
        (_, true, false) => Relro::Partial,
        (_, true, true) => Relro::Full,
    }
}
