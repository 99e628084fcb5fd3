//! The universal ("fat") container (`mach-o/fat.h`): a big-endian table of slices.
//!
//! The layout is judged as Security's `Universal` does for strict validation: no two slices share
//! a byte, what lies between them is alignment and zero, and nothing follows the last one.

use alloc::format;
use alloc::vec::Vec;
use core::mem::size_of;
use object::macho::{self, FatArch32, FatArch64, FatHeader};
use object::pod::{self, Pod};

use super::arch::{self, Cpu};
use super::{Flaw, FlawKind, damaged, unread};
use crate::formats::{Source, Unread};

/// No toolchain knows as many architectures.
const MAX_SLICES: u32 = 44;

/// A Java class file starts with FAT_MAGIC too. There the next four bytes are its version, the minor
/// number first; the major one began with 45 and is at 71 in 2026.
const JAVA_MAJOR: core::ops::RangeInclusive<u32> = 45..=255;

/// `MAXSECTALIGN` of cctools: the most a slice may be aligned to, as a power of 2.
const MAX_ALIGN: u32 = 15;

/// Bytes read at once where only zeros may stand.
const GAP_CHUNK: usize = 16 * 1024;

/// A file's slices, and how they are held.
#[derive(Debug)]
pub(crate) struct Container {
    /// The table's form, if the file is universal.
    pub(crate) layout: Option<Layout>,
    /// One of a thin file, at least one of a universal file.
    pub(crate) parts: Vec<Part>,
}

/// The two forms of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// FAT_MAGIC: 32-bit offsets.
    Fat32,
    /// FAT_MAGIC_64.
    Fat64,
}

/// Where one slice lies.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// What the table says; the slice's own header must agree.
    pub(crate) cpu: Option<Cpu>,
    /// First byte.
    pub(crate) offset: u64,
    /// Length in bytes, not past the end of the file.
    pub(crate) size: u64,
    /// log2 of the alignment.
    pub(crate) align: u32,
    /// What is wrong around it.
    pub(crate) flaws: Vec<Flaw>,
}

pub(super) fn is_magic(bytes: &[u8]) -> bool {
    let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    match word(0) {
        Some(macho::FAT_MAGIC) => {
            word(4).is_none_or(|count| !JAVA_MAJOR.contains(&(count & 0xffff)))
        }
        Some(macho::FAT_MAGIC_64) => true,
        _ => false,
    }
}

/// Finds the slices.
///
/// # Errors
/// When the table is damaged or the reader fails.
pub(crate) fn parts(source: &dyn Source) -> Result<Container, Unread> {
    let mut header = [0; size_of::<FatHeader>()];
    source.read_at(0, &mut header).map_err(unread)?;
    if !is_magic(&header) {
        let size = source.len();
        let part = Part { cpu: None, offset: 0, size, align: 0, flaws: Vec::new() };
        return Ok(Container { layout: None, parts: alloc::vec![part] });
    }
    let header: &FatHeader = pod_at(&header)?;
    let count = header.nfat_arch.get(object::BigEndian);
    if count == 0 || count > MAX_SLICES {
        return Err(damaged(format!("the universal header lists {count} architectures")));
    }
    let layout = if header.magic.get(object::BigEndian) == macho::FAT_MAGIC_64 {
        Layout::Fat64
    } else {
        Layout::Fat32
    };
    let entry_size = layout.entry_size();
    let mut table = alloc::vec![0; count as usize * entry_size];
    source.read_at(size_of::<FatHeader>() as u64, &mut table).map_err(unread)?;
    let mut parts = Vec::new();
    for entry in table.chunks_exact(entry_size) {
        parts.push(layout.part(entry, source.len())?);
    }
    let table_end = (size_of::<FatHeader>() + table.len()) as u64;
    judge_layout(source, table_end, &mut parts)?;
    Ok(Container { layout: Some(layout), parts })
}

impl Layout {
    pub(crate) fn entry_size(self) -> usize {
        match self {
            Self::Fat32 => size_of::<FatArch32>(),
            Self::Fat64 => size_of::<FatArch64>(),
        }
    }

    fn part(self, entry: &[u8], file_len: u64) -> Result<Part, Unread> {
        let be = object::BigEndian;
        let (cpu, offset, size, align) = match self {
            Self::Fat32 => {
                let arch: &FatArch32 = pod_at(entry)?;
                let cpu = (arch.cputype.get(be), arch.cpusubtype.get(be));
                (cpu, arch.offset.get(be).into(), arch.size.get(be).into(), arch.align.get(be))
            }
            Self::Fat64 => {
                let arch: &FatArch64 = pod_at(entry)?;
                let cpu = (arch.cputype.get(be), arch.cpusubtype.get(be));
                (cpu, arch.offset.get(be), arch.size.get(be), arch.align.get(be))
            }
        };
        let left = file_len.saturating_sub(offset);
        if left == 0 {
            return Err(damaged(format!("a slice starts at {offset:#x}, after the file's end")));
        }
        let mut flaws = Vec::new();
        if size > left {
            flaws.push(Flaw::at(FlawKind::FatCut, file_len));
        }
        if align > MAX_ALIGN || offset & ((1 << align) - 1) != 0 {
            flaws.push(Flaw::at(FlawKind::FatAlign, offset));
        }
        Ok(Part { cpu: Some(arch::cpu(cpu.0, cpu.1)), offset, size: size.min(left), align, flaws })
    }
}

/// Looks at what lies between the slices and behind them.
fn judge_layout(source: &dyn Source, table_end: u64, parts: &mut [Part]) -> Result<(), Unread> {
    let mut by_offset: Vec<&mut Part> = parts.iter_mut().collect();
    by_offset.sort_by_key(|part| part.offset);
    let mut end = table_end;
    for (i, part) in by_offset.iter_mut().enumerate() {
        match part.offset.checked_sub(end) {
            None => part.flaws.push(Flaw::at(FlawKind::FatOverlap, part.offset)),
            Some(gap) if i > 0 && part.align <= MAX_ALIGN && gap >= 1 << part.align => {
                part.flaws.push(Flaw::at(FlawKind::FatGap, end));
            }
            Some(gap) => {
                if let Some(at) = first_nonzero(source, end, gap)? {
                    part.flaws.push(Flaw::at(FlawKind::FatGap, at));
                }
            }
        }
        end = end.max(part.offset.saturating_add(part.size));
    }
    if end < source.len()
        && let Some(last) = by_offset.last_mut()
    {
        last.flaws.push(Flaw::at(FlawKind::FatTrailing, end));
    }
    Ok(())
}

fn first_nonzero(source: &dyn Source, start: u64, len: u64) -> Result<Option<u64>, Unread> {
    let mut chunk = [0; GAP_CHUNK];
    let mut done = 0;
    while done < len {
        let take = (len - done).min(GAP_CHUNK as u64);
        let bytes = &mut chunk[..take as usize];
        source.read_at(start + done, bytes).map_err(unread)?;
        if let Some(at) = bytes.iter().position(|byte| *byte != 0) {
            return Ok(Some(start + done + at as u64));
        }
        done += take;
    }
    Ok(None)
}

fn pod_at<T: Pod>(bytes: &[u8]) -> Result<&T, Unread> {
    match pod::from_bytes(bytes) {
        Ok((value, _)) => Ok(value),
        Err(()) => Err(damaged("the universal header is cut off")),
    }
}
