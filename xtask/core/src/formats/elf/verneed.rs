//! DT_VERNEED: the versions a loader demands of each library ("Symbol Versioning", Linux Standard
//! Base Core, generic part; `Elf64_Verneed` and `Elf64_Vernaux` in `elf.h`, alike in 32 bit).
//!
//! ld.so follows the links until one is zero and looks at no count. So does this; a count that
//! ends sooner than the links is damage, because other readers stop there.

use alloc::string::String;
use alloc::vec::Vec;

use super::VersionNeed;
use super::dynamic::{Dynamic, name};
use super::image::{Image, Outcome, Table, damaged};

/// A version, and the index symbols are bound to it by.
#[derive(Debug)]
pub(super) struct Indexed {
    pub(super) index: u16,
    pub(super) need: VersionNeed,
}

/// Size of a Verneed and of a Vernaux record.
const RECORD: u64 = 16;
/// VERSYM_HIDDEN: the rest is the index.
pub(super) const INDEX_MASK: u16 = 0x7fff;
/// VER_FLG_WEAK.
const WEAK: u16 = 2;
/// Versions a file can tell apart.
const MAX_VERSIONS: usize = INDEX_MASK as usize + 1;

/// Walks the table.
pub(super) fn read(
    image: &mut Image<'_>,
    dynamic: &Dynamic,
    strings: Table,
) -> Outcome<Vec<Indexed>> {
    let mut versions = Vec::new();
    let Some(address) = dynamic.verneed else {
        return match dynamic.verneednum {
            None | Some(0) => Ok(versions),
            Some(count) => damaged!("DT_VERNEEDNUM is {count}, but there is no DT_VERNEED"),
        };
    };
    // ld.so follows both without a look.
    if dynamic.symtab.is_none() || dynamic.versym.is_none() {
        return damaged!("DT_VERNEED is there, but no DT_SYMTAB or no DT_VERSYM: loaders crash");
    }
    let table = image.locate("DT_VERNEED", address)?;
    let mut at = 0;
    let mut libraries: u64 = 0;
    loop {
        libraries += 1;
        if dynamic.verneednum.is_some_and(|count| libraries > count) {
            return damaged!(
                "the DT_VERNEED table goes on after DT_VERNEEDNUM = {} records",
                libraries - 1
            );
        }
        let next = library(image, table, at, strings, &mut versions)?;
        if next == 0 {
            return Ok(versions);
        }
        at = step(at, next, "vn_next")?;
        if libraries >= MAX_VERSIONS as u64 {
            return damaged!("the DT_VERNEED table has more than {MAX_VERSIONS} records");
        }
    }
}

/// One Verneed record: a library and its versions. Gives vn_next.
fn library(
    image: &mut Image<'_>,
    table: Table,
    at: u64,
    strings: Table,
    versions: &mut Vec<Indexed>,
) -> Outcome<u32> {
    let record = record(table, at, "Verneed")?;
    let version = image.u16(record)?;
    if version != 1 {
        return damaged!("vn_version is {version} at {record:#x}, not 1");
    }
    let count = image.u16(record + 2)?;
    let file = image.u32(record + 4)?;
    let aux = image.u32(record + 8)?;
    let next = image.u32(record + 12)?;
    let library = name(image, strings, "DT_VERNEED vn_file", u64::from(file))?;
    auxiliaries(image, table, step(at, aux, "vn_aux")?, count, strings, &library, versions)?;
    Ok(next)
}

/// The chain of Vernaux records at `at`.
fn auxiliaries(
    image: &mut Image<'_>,
    table: Table,
    mut at: u64,
    count: u16,
    strings: Table,
    library: &str,
    versions: &mut Vec<Indexed>,
) -> Outcome<()> {
    for seen in 0u32.. {
        if seen >= u32::from(count) {
            return damaged!("the versions of {library} go on after vn_cnt = {count} records");
        }
        let record = record(table, at, "Vernaux")?;
        let hash = image.u32(record)?;
        let flags = image.u16(record + 4)?;
        let other = image.u16(record + 6)?;
        let name_at = image.u32(record + 8)?;
        let next = image.u32(record + 12)?;
        let name: String = name(image, strings, "DT_VERNEED vna_name", u64::from(name_at))?;
        if name.is_empty() {
            return damaged!("a version needed of {library} has an empty name");
        }
        let weak = flags & WEAK != 0;
        let hashed = hash == sysv_hash(&name);
        let need = VersionNeed { library: library.into(), name, weak, hashed, symbols: Vec::new() };
        versions.push(Indexed { index: other & INDEX_MASK, need });
        if next == 0 {
            break;
        }
        at = step(at, next, "vna_next")?;
        if versions.len() > MAX_VERSIONS {
            return damaged!("it needs more than {MAX_VERSIONS} versions");
        }
    }
    Ok(())
}

/// The hash of a name ("System V Application Binary Interface", Hash Table).
pub(super) fn sysv_hash(name: &str) -> u32 {
    name.bytes().fold(0, |hash: u32, byte| {
        let hash = (hash << 4).wrapping_add(byte.into());
        let high = hash & 0xf000_0000;
        (hash ^ high >> 24) & !high
    })
}

/// The file offset of the record at `at`, which must lie in the table's segment.
fn record(table: Table, at: u64, what: &str) -> Outcome<u64> {
    if at.checked_add(RECORD).is_none_or(|end| end > table.len) {
        return damaged!(
            "a {what} record at {at:#x} of the DT_VERNEED table is out of its segment"
        );
    }
    Ok(table.offset + at)
}

/// Forward by a link, which must lead past the record that holds it.
fn step(at: u64, link: u32, what: &str) -> Outcome<u64> {
    if u64::from(link) < RECORD {
        return damaged!(
            "{what} is {link} at {at:#x} of the DT_VERNEED table: not past its record"
        );
    }
    Ok(at + u64::from(link))
}
