//! What an ELF file says about itself, read before a loader is let near it: musl's checks neither
//! machine nor word size nor libc, and glibc reports some of these as a file that is not there.
//!
//! Only what a loader reads is read (program headers and the dynamic segment, System V ABI, chapters
//! 4 and 5), never section headers. Numbers from the file are bounded before use.

use crate::report::{Failure, Kind, Phase};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

mod segments;

use segments::Segments;

/// Bytes that can be read by position.
pub trait Source {
    /// The number of bytes.
    fn size(&self) -> u64;
    /// Fills `buffer` from `offset`, and returns how many bytes there were.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize;
}

impl Source for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.get(start..).unwrap_or_default();
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        count
    }
}

/// A shared library's own account of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Library {
    /// `DT_NEEDED`: the libraries it depends on; on glibc those of `DT_FILTER` too.
    pub needed: Vec<Vec<u8>>,
    /// `DT_SONAME`.
    pub soname: Option<Vec<u8>>,
    /// `DT_RPATH`, where loaders look for dependencies unless there is a `DT_RUNPATH`.
    pub rpath: Option<Vec<u8>>,
    /// `DT_RUNPATH`.
    pub runpath: Option<Vec<u8>>,
    /// Version names from `DT_VERNEED`, whichever library must have them; left out where the libc
    /// shows without them.
    pub versions: Vec<Vec<u8>>,
}

/// The processor of a library, by `e_machine`.
#[cfg(target_arch = "x86_64")]
pub const MACHINE: u16 = 62;
/// The processor of a library, by `e_machine`.
#[cfg(target_arch = "aarch64")]
pub const MACHINE: u16 = 183;
/// The processor of a library, by `e_machine`.
#[cfg(target_arch = "riscv64")]
pub const MACHINE: u16 = 243;

/// Names of `e_machine` that people meet.
const MACHINES: &[(u16, &str)] = &[
    (3, "x86 (32-bit)"),
    (8, "MIPS"),
    (20, "PowerPC"),
    (21, "PowerPC64"),
    (22, "S/390"),
    (40, "ARM (32-bit)"),
    (62, "x86-64"),
    (183, "AArch64"),
    (243, "RISC-V"),
    (258, "LoongArch"),
];

const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_SONAME: u64 = 14;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;
const DT_FLAGS_1: u64 = 0x6fff_fffb;
const DT_VERNEED: u64 = 0x6fff_fffe;
const DT_VERNEEDNUM: u64 = 0x6fff_ffff;
/// A library whose symbols stand for this one's: glibc loads it like one that is needed.
const DT_FILTER: u64 = 0x7fff_ffff;
/// The tables that a loader reads without asking whether they are there: DT_HASH, DT_STRTAB, DT_SYMTAB,
/// DT_RELA, DT_JMPREL, DT_GNU_HASH, DT_VERSYM, DT_VERNEED.
const TABLES: &[u64] = &[4, DT_STRTAB, 6, 7, 23, 0x6fff_fef5, 0x6fff_fff0, DT_VERNEED];
const DF_1_NOOPEN: u64 = 0x40;
const DF_1_PIE: u64 = 0x0800_0000;

const HEADER: usize = 64;
/// Longest name that is read whole.
const NAME: usize = 4096;
/// Bounds for tables whose length the file states: real libraries stay far below.
const MOST_DYNAMIC: usize = 4096;
const MOST_VERSIONS: usize = 4096;

/// Checks that `source` is a shared library that can be loaded on this machine, and reads what it
/// says of itself. The failure is what to tell callers.
pub fn read(source: &impl Source) -> Result<Library, Failure> {
    let (library, flags) = read_dynamic(source, Versions::IfTheyTellTheLibc)?;
    if flags & DF_1_PIE != 0 {
        return Err(fail(
            Kind::NotLoadable,
            "cannot dynamically load position-independent executable: a program, not a library",
        ));
    }
    if flags & DF_1_NOOPEN != 0 {
        return Err(fail(Kind::NotLoadable, "shared object cannot be dlopen()ed (DF_1_NOOPEN)"));
    }
    Ok(library)
}

/// The glibc that a library or a program needs at least, as far as symbols tell: the highest
/// `GLIBC_x.y` among its versions.
pub fn glibc_floor(source: &impl Source) -> Option<String> {
    let (library, _) = read_dynamic(source, Versions::All).ok()?;
    let numbers = |version: &Vec<u8>| -> Option<Vec<u32>> {
        let version = core::str::from_utf8(version.strip_prefix(b"GLIBC_")?).ok()?;
        version.split('.').map(|part| part.parse().ok()).collect()
    };
    let highest = library.versions.iter().filter_map(numbers).max()?;
    Some(highest.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}

/// Reads the dynamic segment of a library or a position-independent program, and its `DT_FLAGS_1`.
fn read_dynamic(source: &impl Source, versions: Versions) -> Result<(Library, u64), Failure> {
    let header = identify(source)?;
    library(source, &Segments::read(source, &header)?, versions)
}

fn identify(source: &impl Source) -> Result<[u8; HEADER], Failure> {
    let mut header = [0; HEADER];
    let count = source.read_at(0, &mut header);
    let known = &header[..count];
    if source.size() == 0 {
        return Err(fail(Kind::NotALibrary, "the file is empty"));
    }
    if !known.starts_with(b"\x7fELF") {
        return Err(fail(Kind::NotALibrary, foreign(known)));
    }
    if count < HEADER {
        return Err(corrupt("file too short: the ELF header is cut off"));
    }
    let class = header[4];
    let machine = half(&header, 18);
    let (known_class, known_order) = (matches!(class, 1 | 2), matches!(header[5], 1 | 2));
    if !known_class || !known_order || header[6] != 1 {
        return Err(corrupt("invalid ELF header: no such class, byte order or version"));
    }
    if header[5] != 1 {
        return Err(fail(Kind::WrongArch, "wrong byte order: the library is big-endian"));
    }
    if class != 2 {
        let bits = format!("wrong ELF class: a 32-bit library for {}", name_of(machine));
        return Err(fail(Kind::WrongArch, bits));
    }
    if machine != MACHINE {
        let (found, here) = (name_of(machine), name_of(MACHINE));
        let error = format!("wrong architecture: the library is for {found}, this is {here}");
        return Err(fail(Kind::WrongArch, error));
    }
    match half(&header, 16) {
        3 => Ok(header),
        1 => Err(fail(Kind::NotLoadable, "an object file (ET_REL), not a shared library")),
        2 => Err(fail(Kind::NotLoadable, "a program (ET_EXEC), not a shared library")),
        4 => Err(fail(Kind::NotLoadable, "a core dump (ET_CORE), not a shared library")),
        _ => Err(corrupt("invalid ELF header: no such file type")),
    }
}

/// What the first bytes of a file that is no ELF file suggest.
fn foreign(start: &[u8]) -> &'static str {
    const MAGIC: &[(&[u8], &str)] = &[
        (b"!<arch>", "invalid ELF header: a static library (archive)"),
        (b"\xcf\xfa\xed\xfe", "invalid ELF header: a Mach-O file, for macOS"),
        (b"\xce\xfa\xed\xfe", "invalid ELF header: a Mach-O file, for macOS"),
        (b"\xca\xfe\xba\xbe", "invalid ELF header: a universal Mach-O file, for macOS"),
        (b"MZ", "invalid ELF header: a PE file, for Windows"),
        (b"#!", "invalid ELF header: a script"),
        (b"/* GNU ld script", "invalid ELF header: a linker script"),
        (b"GROUP", "invalid ELF header: a linker script"),
        (b"INPUT", "invalid ELF header: a linker script"),
    ];
    let known = MAGIC.iter().find(|(magic, _)| start.starts_with(magic));
    known.map_or("invalid ELF header: not an ELF file", |(_, what)| what)
}

/// Which versions to read. There are many, and each is a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    All,
    IfTheyTellTheLibc,
}

/// Walks the dynamic segment.
fn library(
    source: &impl Source,
    segments: &Segments,
    wanted: Versions,
) -> Result<(Library, u64), Failure> {
    let (offset, length) = segments.dynamic()?;
    let mut table = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(MOST_DYNAMIC * 16)];
    let count = source.read_at(offset, &mut table);
    let entries: Vec<(u64, u64)> = table[..count]
        .chunks_exact(16)
        .map(|entry| (double(entry, 0), double(entry, 8)))
        .take_while(|(tag, _)| *tag != 0)
        .collect();
    let value = |wanted| entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
    if let Some((tag, _)) = entries
        .iter()
        .find(|(tag, address)| TABLES.contains(tag) && *address != 0 && !segments.has(*address))
    {
        return Err(corrupt(format!(
            "the table of the dynamic entry {tag:#x} is not in the library"
        )));
    }
    let strings = value(DT_STRTAB).and_then(|address| segments.offset_of(address));
    let names = Names { source, start: strings, size: value(DT_STRSZ).unwrap_or(0) };
    let mut library = Library::default();
    for (tag, offset) in &entries {
        match *tag {
            DT_NEEDED => library.needed.push(names.get(*offset)?),
            DT_FILTER if Libc::OWN == Libc::Glibc => library.needed.push(names.get(*offset)?),
            DT_SONAME => library.soname = Some(names.get(*offset)?),
            DT_RPATH => library.rpath = Some(names.get(*offset)?),
            DT_RUNPATH => library.runpath = Some(names.get(*offset)?),
            _ => {}
        }
    }
    let wanted = wanted == Versions::All || !library.needed.iter().any(|name| is_glibc(name));
    if wanted && let (Some(address), Some(count)) = (value(DT_VERNEED), value(DT_VERNEEDNUM)) {
        let start = segments
            .offset_of(address)
            .ok_or_else(|| corrupt("the version table lies outside the file"))?;
        library.versions = versions(source, start, count, &names)?;
    }
    Ok((library, value(DT_FLAGS_1).unwrap_or(0)))
}

/// The dynamic string table.
struct Names<'a, S> {
    source: &'a S,
    start: Option<u64>,
    size: u64,
}

impl<S: Source> Names<'_, S> {
    fn get(&self, offset: u64) -> Result<Vec<u8>, Failure> {
        let outside = || corrupt("a name lies outside the string table");
        let start = self.start.and_then(|start| start.checked_add(offset)).ok_or_else(outside)?;
        let room = self.size.checked_sub(offset).filter(|room| *room > 0).ok_or_else(outside)?;
        let mut name = vec![0; 128];
        loop {
            let count = self.source.read_at(start, &mut name);
            if let Some(end) = name[..count].iter().position(|byte| *byte == 0) {
                if end as u64 >= room {
                    return Err(outside());
                }
                name.truncate(end);
                return Ok(name);
            }
            if count < name.len() || name.len() >= NAME {
                return Err(outside());
            }
            name.resize(NAME, 0);
        }
    }
}

/// Walks `DT_VERNEED` (LSB Core Specification, symbol versioning): records linked by offsets.
fn versions<S: Source>(
    source: &S,
    start: u64,
    count: u64,
    names: &Names<'_, S>,
) -> Result<Vec<Vec<u8>>, Failure> {
    let cut_off = || corrupt("the version table is cut off");
    let read = |at: u64| {
        let mut record = [0; 16];
        if source.read_at(at, &mut record) < 16 { Err(cut_off()) } else { Ok(record) }
    };
    let mut versions = Vec::new();
    let mut at = start;
    for _ in 0..count.min(MOST_VERSIONS as u64) {
        let need = read(at)?;
        let mut aux = at.checked_add(u64::from(word(&need, 8))).ok_or_else(cut_off)?;
        for _ in 0..half(&need, 2) {
            if versions.len() == MOST_VERSIONS {
                return Ok(versions);
            }
            let version = read(aux)?;
            versions.push(names.get(u64::from(word(&version, 8)))?);
            match word(&version, 12) {
                0 => break,
                next => aux = aux.checked_add(u64::from(next)).ok_or_else(cut_off)?,
            }
        }
        match word(&need, 12) {
            0 => break,
            next => at = at.checked_add(u64::from(next)).ok_or_else(cut_off)?,
        }
    }
    Ok(versions)
}

/// The C library a shared library was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Libc {
    /// GNU libc.
    Glibc,
    /// musl.
    Musl,
}

impl Libc {
    /// The one of this build.
    pub const OWN: Self = if cfg!(target_env = "musl") { Self::Musl } else { Self::Glibc };

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
        }
    }
}

fn is_glibc(name: &[u8]) -> bool {
    name.starts_with(b"libc.so.6") || name.starts_with(b"ld-linux")
}

impl Library {
    /// The libc that the library names as a dependency, if it names one.
    pub fn libc(&self) -> Option<Libc> {
        let musl = |name: &Vec<u8>| {
            name.starts_with(b"libc.musl-") || name.starts_with(b"ld-musl-") || name == b"libc.so"
        };
        let versioned = self.versions.iter().any(|version| version.starts_with(b"GLIBC_"));
        if versioned || self.needed.iter().any(|name| is_glibc(name)) {
            Some(Libc::Glibc)
        } else if self.needed.iter().any(musl) {
            Some(Libc::Musl)
        } else {
            None
        }
    }

    /// Refuses a library of the other libc.
    pub fn check_libc(&self, own: Libc) -> Result<(), Failure> {
        match self.libc() {
            Some(libc) if libc != own => {
                let (found, own) = (libc.name(), own.name());
                let error = format!("wrong libc: made for {found}, this process runs on {own}");
                Err(fail(Kind::WrongLibc, error))
            }
            _ => Ok(()),
        }
    }
}

fn name_of(machine: u16) -> String {
    match MACHINES.iter().find(|(number, _)| *number == machine) {
        Some((_, name)) => String::from(*name),
        None => format!("processor {machine}"),
    }
}

fn fail(kind: Kind, error: impl Into<String>) -> Failure {
    Failure::new(kind, Phase::Check, error.into().into_bytes())
}

fn corrupt(error: impl Into<String>) -> Failure {
    fail(Kind::Corrupt, error)
}

fn bytes<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    record.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}

fn half(record: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes(record, at))
}

fn word(record: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes(record, at))
}

fn double(record: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes(record, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: usize = 56;
    const PT_LOAD: u32 = 1;
    const PT_DYNAMIC: u32 = 2;

    /// A library of one segment: header, program headers, dynamic segment, strings.
    fn sample(dynamic: &[(u64, u64)], strings: &[u8]) -> Vec<u8> {
        let table = HEADER + 2 * SEGMENT;
        let start = table + (dynamic.len() + 3) * 16;
        let size = (start + strings.len()) as u64;
        let mut file = vec![0; HEADER];
        file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        file[16] = 3;
        file[18..20].copy_from_slice(&MACHINE.to_le_bytes());
        file[32] = HEADER as u8;
        file[54] = SEGMENT as u8;
        file[56] = 2;
        let dynamic_size = ((dynamic.len() + 3) * 16) as u64;
        for (kind, offset, filled) in [(PT_LOAD, 0, size), (PT_DYNAMIC, table as u64, dynamic_size)]
        {
            file.extend(u64::from(kind).to_le_bytes());
            for field in [offset, offset, offset, filled, filled, 8] {
                file.extend(u64::to_le_bytes(field));
            }
        }
        let own = [(DT_STRTAB, start as u64), (DT_STRSZ, strings.len() as u64)];
        for (tag, value) in dynamic.iter().chain(&own).chain(&[(0, 0)]) {
            file.extend(tag.to_le_bytes());
            file.extend(value.to_le_bytes());
        }
        file.extend(strings);
        file
    }

    fn kind(file: &[u8]) -> Option<Kind> {
        read(&file).err().map(|failure| failure.kind)
    }

    #[test]
    fn a_library_tells_what_it_needs() {
        let file =
            sample(&[(DT_NEEDED, 1), (DT_SONAME, 7), (DT_RUNPATH, 13)], b"\0liba\0\0libs\0\0/r\0");
        let library = read(&file.as_slice()).expect("a library");
        assert_eq!(library.needed, [b"liba"]);
        assert_eq!(library.soname.as_deref(), Some(b"libs".as_slice()));
        assert_eq!(library.runpath.as_deref(), Some(b"/r".as_slice()));
    }

    #[test]
    fn each_wrong_file_has_its_kind() {
        let good = sample(&[], b"\0");
        let with = |at: usize, byte: u8| {
            let mut file = good.clone();
            file[at] = byte;
            file
        };
        for (file, expected) in [
            (good.clone(), None),
            (Vec::new(), Some(Kind::NotALibrary)),
            (b"#!/bin/sh\n".to_vec(), Some(Kind::NotALibrary)),
            (good[..20].to_vec(), Some(Kind::Corrupt)),
            (good[..100].to_vec(), Some(Kind::Corrupt)),
            (with(4, 1), Some(Kind::WrongArch)),
            (with(4, 7), Some(Kind::Corrupt)),
            (with(5, 2), Some(Kind::WrongArch)),
            (with(18, 40), Some(Kind::WrongArch)),
            (with(16, 1), Some(Kind::NotLoadable)),
            (with(16, 2), Some(Kind::NotLoadable)),
            (with(16, 9), Some(Kind::Corrupt)),
            (with(56, 0), Some(Kind::Corrupt)),
            (with(HEADER + SEGMENT, 9), Some(Kind::Corrupt)),
            (with(HEADER + 34, 9), Some(Kind::Corrupt)),
            (good[..good.len() - 1].to_vec(), Some(Kind::Corrupt)),
            // The segment's offset, address and size; the dynamic segment's address and file size.
            (with(HEADER + 9, 1), Some(Kind::Corrupt)),
            (with(HEADER + 16, 1), Some(Kind::Corrupt)),
            (with(HEADER + 46, 0xff), Some(Kind::Corrupt)),
            (with(HEADER + SEGMENT + 20, 9), Some(Kind::Corrupt)),
            (with(HEADER + SEGMENT + 32, 0), Some(Kind::Corrupt)),
            (sample(&[(6, 1 << 30)], b"\0"), Some(Kind::Corrupt)),
            (sample(&[(DT_NEEDED, 99)], b"\0"), Some(Kind::Corrupt)),
            (sample(&[(DT_FLAGS_1, DF_1_PIE)], b"\0"), Some(Kind::NotLoadable)),
            (sample(&[(DT_FLAGS_1, DF_1_NOOPEN)], b"\0"), Some(Kind::NotLoadable)),
            (sample(&[(DT_VERNEED, 1 << 40), (DT_VERNEEDNUM, 1)], b"\0"), Some(Kind::Corrupt)),
        ] {
            assert_eq!(kind(&file), expected, "{:?}", read(&file.as_slice()));
        }
    }

    #[test]
    fn the_libc_shows_by_what_is_needed() {
        for (needed, libc) in [
            ("libc.so.6", Some(Libc::Glibc)),
            ("libc.so", Some(Libc::Musl)),
            ("libc.musl-x86_64.so.1", Some(Libc::Musl)),
            ("libz.so.1", None),
        ] {
            let library = Library { needed: vec![needed.into()], ..Library::default() };
            assert_eq!(library.libc(), libc, "{needed}");
        }
    }

    #[test]
    fn the_floor_is_the_highest_version_by_number() {
        let floor = |versions: &[&str]| {
            let mut strings = b"\0".to_vec();
            let mut table = Vec::new();
            for (index, version) in versions.iter().enumerate() {
                let next: u32 = if index + 1 == versions.len() { 0 } else { 16 };
                table.extend([0u32, 0, strings.len() as u32, next].map(u32::to_le_bytes).concat());
                strings.extend([version.as_bytes(), b"\0"].concat());
            }
            let count = (versions.len() as u16).to_le_bytes();
            let need = [&[1, 0], &count[..], &[0; 4], &16u32.to_le_bytes(), &[0; 4]].concat();
            let place = strings.len();
            strings.extend([need, table].concat());
            let start = (HEADER + 2 * SEGMENT + 5 * 16 + place) as u64;
            glibc_floor(&sample(&[(DT_VERNEED, start), (DT_VERNEEDNUM, 1)], &strings).as_slice())
        };
        assert_eq!(floor(&["GLIBC_2.9", "GLIBC_2.17", "GLIBC_PRIVATE"]).as_deref(), Some("2.17"));
        assert_eq!(floor(&["GCC_3.0"]), None);
    }

    #[test]
    fn no_cut_and_no_flipped_byte_panics() {
        let file = sample(
            &[(DT_NEEDED, 1), (DT_VERNEED, 64), (DT_VERNEEDNUM, 9)],
            b"\0liba\0\x01\0\x01\0\x01\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0",
        );
        for end in 0..file.len() {
            let _ = read(&&file[..end]);
            for byte in [0, 1, 0x7f, 0xff] {
                let mut changed = file.clone();
                changed[end] = byte;
                let _ = read(&changed.as_slice());
            }
        }
    }
}
