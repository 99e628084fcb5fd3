//! The program headers of a library: what a loader maps, and whether that can be.
//!
//! Loaders trust what they find here. A segment that is not in the file, or not where another part of
//! the library says that it is, costs the process its life, so that nobody would learn why.

use super::{HEADER, Source, corrupt, double, half, word};
use crate::report::Failure;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_GNU_RELRO: u32 = 0x6474_e552;

const SEGMENT: usize = 56;
/// The smallest page of all supported processors.
const PAGE: u64 = 4096;
/// No supported system has room for more between the first and the last address of a library.
const MOST_ADDRESSES: u64 = 1 << 47;

/// One program header.
#[derive(Debug, Clone, Copy)]
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    /// How many bytes the file has.
    filled: u64,
    /// How many the memory will have.
    size: u64,
}

/// The program headers of one library, which fit together and the file.
#[derive(Debug)]
pub(super) struct Segments {
    loaded: Vec<Segment>,
    dynamic: Segment,
}

impl Segments {
    pub(super) fn read(source: &impl Source, header: &[u8; HEADER]) -> Result<Self, Failure> {
        let count = usize::from(half(header, 56));
        if usize::from(half(header, 54)) != SEGMENT || count == 0 {
            return Err(corrupt("invalid ELF header: no program headers of the right size"));
        }
        let mut table = vec![0; count * SEGMENT];
        if source.read_at(double(header, 32), &mut table) < table.len() {
            return Err(corrupt("file too short: the program headers are cut off"));
        }
        let all: Vec<Segment> = table.chunks_exact(SEGMENT).map(segment).collect();
        let of_kind = |kind| all.iter().filter(move |segment| segment.kind == kind).copied();
        let loaded: Vec<Segment> = of_kind(PT_LOAD).collect();
        whole(source.size(), &loaded)?;
        in_order(&loaded)?;
        let Some(dynamic) = of_kind(PT_DYNAMIC).next() else {
            return Err(corrupt("no dynamic segment, so nothing says how to load it"));
        };
        let segments = Self { loaded, dynamic };
        if !segments.has(dynamic.address) {
            return Err(corrupt("the dynamic segment lies in no loadable segment"));
        }
        if of_kind(PT_GNU_RELRO).any(|relro| !segments.spans(&relro)) {
            return Err(corrupt("the segment to protect after relocation lies in no loadable one"));
        }
        Ok(segments)
    }

    /// Where in the file the byte at `address` is.
    pub(super) fn offset_of(&self, address: u64) -> Option<u64> {
        self.loaded.iter().find_map(|segment| {
            let inside = address.checked_sub(segment.address)?;
            (inside < segment.filled).then(|| segment.offset.checked_add(inside))?
        })
    }

    /// Whether a loader will map something at `address`.
    pub(super) fn has(&self, address: u64) -> bool {
        self.loaded.iter().any(|segment| {
            address.checked_sub(segment.address).is_some_and(|inside| inside < segment.size)
        })
    }

    /// Where in the file the dynamic segment is, and its length. Loaders go by its address.
    pub(super) fn dynamic(&self) -> Result<(u64, u64), Failure> {
        match self.offset_of(self.dynamic.address) {
            Some(offset) if self.dynamic.filled > 0 => Ok((offset, self.dynamic.filled)),
            _ => Err(corrupt(
                "the dynamic segment is not in the file, as in a file of debug information",
            )),
        }
    }

    /// Whether all pages that lie in `part` as a whole are between the first and the last that are mapped.
    fn spans(&self, part: &Segment) -> bool {
        let (Some(first), Some(last)) = (self.loaded.first(), self.loaded.last()) else {
            return false;
        };
        let end = last.address.saturating_add(last.size).next_multiple_of(PAGE);
        let part_end = part.address.checked_add(part.size).map(|end| end / PAGE * PAGE);
        part.address >= first.address / PAGE * PAGE && part_end.is_some_and(|it| it <= end)
    }
}

fn segment(entry: &[u8]) -> Segment {
    Segment {
        kind: word(entry, 0),
        offset: double(entry, 8),
        address: double(entry, 16),
        filled: double(entry, 32),
        size: double(entry, 40),
    }
}

/// Every byte that a loader would map must be in the file. Touching a page behind its end means
/// SIGBUS; the rest of the last page would read as zeros, and load as another library.
fn whole(size: u64, loaded: &[Segment]) -> Result<(), Failure> {
    if loaded.is_empty() {
        return Err(corrupt("no loadable segments"));
    }
    for segment in loaded {
        let Some(end) = segment.offset.checked_add(segment.filled) else {
            return Err(corrupt("invalid program header: a segment ends beyond all bounds"));
        };
        if segment.filled > 0 && end > size {
            return Err(corrupt(format!(
                "file too short: truncated at {size} bytes, its segments need {end}"
            )));
        }
    }
    Ok(())
}

/// Loaders reserve the addresses from the first segment to the last, and map each page by page.
fn in_order(loaded: &[Segment]) -> Result<(), Failure> {
    let mut end = 0;
    for segment in loaded {
        if segment.address < end {
            return Err(corrupt("invalid program header: loadable segments overlap"));
        }
        if segment.filled > 0 && segment.address % PAGE != segment.offset % PAGE {
            return Err(corrupt("ELF load command address/offset not properly aligned"));
        }
        end = segment.address.saturating_add(segment.size.max(segment.filled));
    }
    let start = loaded.first().map_or(0, |segment| segment.address);
    if end - start > MOST_ADDRESSES {
        return Err(corrupt("invalid program header: a segment ends beyond all bounds"));
    }
    Ok(())
}
