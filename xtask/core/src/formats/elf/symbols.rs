//! Dynamic symbols, to say which of them are behind a version.
//!
//! A symbol is bound to a version by its DT_VERSYM index alone: data that was copied into the
//! program (`__rseq_offset`, `environ`) is defined here and needs its version all the same.

use alloc::vec;

use goblin::elf::section_header::SHN_UNDEF;
use goblin::elf::sym::{STB_WEAK, Sym};

use super::Symbol;
use super::arch;
use super::dynamic::{Dynamic, name};
use super::image::{Image, Outcome, Table, damaged, parse, within};
use super::verneed::{INDEX_MASK, Indexed};

/// Symbols read at once.
const CHUNK: u64 = 1024;

/// Adds to each version the symbols bound to it.
pub(super) fn bind(
    image: &mut Image<'_>,
    dynamic: &Dynamic,
    strings: Table,
    versions: &mut [Indexed],
) -> Outcome<()> {
    let (Some(symtab), Some(versym)) = (dynamic.symtab, dynamic.versym) else { return Ok(()) };
    if versions.is_empty() {
        return Ok(());
    }
    let size = Sym::size(image.ctx.container) as u64;
    if let Some(entry) = dynamic.syment
        && entry != size
    {
        return damaged!("DT_SYMENT is {entry}, not {size}");
    }
    let symbols = image.locate("DT_SYMTAB", symtab)?;
    let indices = image.locate("DT_VERSYM", versym)?;
    let count = count(image, dynamic).or_else(|fault| within("counting the symbols", fault))?;
    if count > symbols.len / size || count > indices.len / 2 {
        return damaged!(
            "its hash or relocation tables speak of {count} symbols, more than there are"
        );
    }
    // ld.so fills an array by index: of two versions with one index the last one holds.
    let highest = versions.iter().map(|version| usize::from(version.index)).max();
    let mut by_index = vec![None; highest.map_or(0, |highest| highest + 1)];
    for (i, version) in versions.iter().enumerate() {
        by_index[usize::from(version.index)] = Some(i);
    }
    let mut symbol_bytes = vec![0; (CHUNK * size) as usize];
    let mut index_bytes = vec![0; (CHUNK * 2) as usize];
    let mut first = 0;
    while first < count {
        let here = CHUNK.min(count - first) as usize;
        let symbol_bytes = &mut symbol_bytes[..here * size as usize];
        let index_bytes = &mut index_bytes[..here * 2];
        image.read(symbols.offset + first * size, symbol_bytes)?;
        image.read(indices.offset + first * 2, index_bytes)?;
        for i in 0..here {
            let pair = [index_bytes[i * 2], index_bytes[i * 2 + 1]];
            let index = match image.ctx.le {
                scroll::Endian::Little => u16::from_le_bytes(pair),
                scroll::Endian::Big => u16::from_be_bytes(pair),
            };
            let index = usize::from(index & INDEX_MASK);
            let Some(Some(version)) = by_index.get(index).copied() else { continue };
            let symbol: Sym = parse(symbol_bytes, i * size as usize, image.ctx)?;
            let text = name(image, strings, "a symbol", symbol.st_name as u64)?;
            let weak = symbol.st_bind() == STB_WEAK;
            versions[version].need.symbols.push(Symbol { name: text, weak });
        }
        first += here as u64;
    }
    Ok(())
}

/// Whether the file defines a dynamic symbol of this name.
pub(super) fn defines(
    image: &mut Image<'_>,
    dynamic: &Dynamic,
    strings: Table,
    wanted: &str,
) -> Outcome<bool> {
    let Some(symtab) = dynamic.symtab else { return Ok(false) };
    let symbols = image.locate("DT_SYMTAB", symtab)?;
    let count = count(image, dynamic).or_else(|fault| within("counting the symbols", fault))?;
    let mut bytes = vec![0; Sym::size(image.ctx.container)];
    let size = bytes.len() as u64;
    for i in 0..count.min(symbols.len / size) {
        image.read(symbols.offset + i * size, &mut bytes)?;
        let symbol: Sym = parse(&bytes, 0, image.ctx)?;
        if u32::from(symbol.st_shndx as u16) != SHN_UNDEF
            && name(image, strings, "a symbol", symbol.st_name as u64)? == wanted
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many dynamic symbols there are. No tag says it: the hash tables and the relocations do.
fn count(image: &mut Image<'_>, dynamic: &Dynamic) -> Outcome<u64> {
    if let Some(count) = dynamic.mips_symtabno {
        return Ok(count);
    }
    let mut unhashed = 0;
    if let Some(address) = dynamic.gnu_hash {
        match gnu_hash_count(image, address)? {
            Hashed::Last(count) => return Ok(count),
            Hashed::None { first } => unhashed = first,
        }
    }
    if let Some(address) = dynamic.hash {
        return hash_count(image, address);
    }
    Ok(relocations_count(image, dynamic)?.max(unhashed))
}

/// What DT_GNU_HASH, which lists exported symbols only, tells.
enum Hashed {
    /// The last symbol is exported: there are this many.
    Last(u64),
    /// None is exported. LLD then writes the number of symbols where the first one would be; GNU
    /// ld writes 1.
    None { first: u64 },
}

/// DT_GNU_HASH: the end of the last chain.
fn gnu_hash_count(image: &mut Image<'_>, address: u64) -> Outcome<Hashed> {
    let table = image.locate("DT_GNU_HASH", address)?;
    let buckets = u64::from(image.u32(table.offset)?);
    let first_hashed = u64::from(image.u32(table.offset + 4)?);
    let bloom_words = u64::from(image.u32(table.offset + 8)?);
    let word = if image.is_64() { 8 } else { 4 };
    let buckets_at = 16 + bloom_words * word;
    let chains_at = buckets_at + buckets * 4;
    if chains_at > table.len {
        return damaged!("DT_GNU_HASH has {buckets} buckets, more than its segment holds");
    }
    let mut last = 0;
    for bucket in 0..buckets {
        last = last.max(u64::from(image.u32(table.offset + buckets_at + bucket * 4)?));
    }
    if last == 0 {
        return Ok(Hashed::None { first: first_hashed });
    }
    let Some(mut link) = last.checked_sub(first_hashed) else {
        return damaged!("DT_GNU_HASH has a bucket before its first hashed symbol");
    };
    loop {
        let at = chains_at + link * 4;
        if at + 4 > table.len {
            return damaged!("a chain of DT_GNU_HASH runs out of its segment");
        }
        if image.u32(table.offset + at)? & 1 != 0 {
            return Ok(Hashed::Last(first_hashed + link + 1));
        }
        link += 1;
    }
}

/// DT_HASH: nchain. Its words are 8 bytes on s390x and alpha by their ABI, yet LLD writes 4.
fn hash_count(image: &mut Image<'_>, address: u64) -> Outcome<u64> {
    let table = image.locate("DT_HASH", address)?;
    if arch::hash_words_are_64_bit(image) && table.len >= 16 {
        let (buckets, chains) = (image.u64(table.offset)?, image.u64(table.offset + 8)?);
        let words = buckets.checked_add(chains).and_then(|words| words.checked_add(2));
        if words.is_some_and(|words| words <= table.len / 8) {
            return Ok(chains);
        }
    }
    let (buckets, chains) = (image.u32(table.offset)?, image.u32(table.offset + 4)?);
    let words = u64::from(buckets) + u64::from(chains) + 2;
    if words > table.len / 4 {
        return damaged!("DT_HASH has {chains} chains, more than its segment holds");
    }
    Ok(u64::from(chains))
}

/// One more than the highest symbol a relocation speaks of.
fn relocations_count(image: &mut Image<'_>, dynamic: &Dynamic) -> Outcome<u64> {
    const DT_RELA: u64 = 7;
    let word = if image.is_64() { 8 } else { 4 };
    let plt_words = if dynamic.pltrel == DT_RELA { 3 } else { 2 };
    let tables = [
        ("DT_RELA", dynamic.rela, dynamic.relasz, 3 * word),
        ("DT_REL", dynamic.rel, dynamic.relsz, 2 * word),
        ("DT_JMPREL", dynamic.jmprel, dynamic.pltrelsz, plt_words * word),
    ];
    let mut count = 0;
    for (what, address, size, entry) in tables {
        let Some(address) = address.filter(|_| size > 0) else { continue };
        let table = image.locate(what, address)?;
        if size > table.len {
            return damaged!("{what} is {size} bytes long, more than its segment holds");
        }
        for i in 0..size / entry {
            let info = table.offset + i * entry + word;
            count = count.max(symbol_of(image, info)? + 1);
        }
    }
    Ok(count)
}

/// The symbol index of the r_info at an offset. 64-bit little-endian MIPS stores it first.
fn symbol_of(image: &mut Image<'_>, info: u64) -> Outcome<u64> {
    if !image.is_64() {
        return Ok(u64::from(image.u32(info)? >> 8));
    }
    if arch::is_mips(image) && image.ctx.is_little_endian() {
        return Ok(u64::from(image.u32(info)?));
    }
    Ok(image.u64(info)? >> 32)
}
