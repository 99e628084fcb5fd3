//! The file as a loader maps it: header, segments, addresses turned into offsets, and the few
//! pages that are read.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};

use goblin::container::{Container, Ctx};
use goblin::elf::header::{EI_CLASS, EI_DATA, EI_VERSION, EV_CURRENT, Header, SIZEOF_IDENT};
use goblin::elf::program_header::{PT_LOAD, ProgramHeader};
use scroll::{Endian, Pread};

use crate::formats::{ReadError, Source, Unread};

/// Why reading stopped.
#[derive(Debug)]
pub(super) enum Fault {
    /// The bytes contradict themselves or the format.
    Damaged(String),
    /// The reader failed.
    Io(String),
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::PastEnd { .. } => Self::Damaged(error.to_string()),
            ReadError::Io(text) => Self::Io(text),
        }
    }
}

impl From<Fault> for Unread {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Damaged(reason) => {
                Self::NotAuditable { format: crate::formats::Format::Elf, reason }
            }
            Fault::Io(text) => Self::Io(text),
        }
    }
}

pub(super) type Outcome<T> = Result<T, Fault>;

/// `Err(Fault::Damaged)` with a formatted reason.
macro_rules! damaged {
    ($($arg:tt)*) => { Err($crate::formats::elf::image::Fault::Damaged(alloc::format!($($arg)*))) };
}
pub(super) use damaged;

/// Part of the file that holds one table: from an address to the end of its segment's bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    /// Offset in the file.
    pub(super) offset: u64,
    /// Bytes from there to the end of the segment.
    pub(super) len: u64,
}

/// Bytes read at once. No machine has smaller pages of memory, and files are mapped by those.
const PAGE: usize = 4096;
/// The most program headers, in bytes, that Linux takes (`load_elf_phdrs` in `fs/binfmt_elf.c`).
const MAX_PROGRAM_HEADERS: usize = 64 * 1024;
/// Pages kept: enough for the names of a symbol table read in order.
const SLOTS: usize = 32;
/// A name longer than this is taken for damage.
const MAX_STRING: u64 = 64 * 1024;
/// All names of one file together: bounds memory whatever the tables say.
const MAX_STRINGS: u64 = 16 * 1024 * 1024;

/// One ELF file, opened.
pub(super) struct Image<'a> {
    source: &'a dyn Source,
    pub(super) header: Header,
    pub(super) ctx: Ctx,
    pub(super) segments: Vec<ProgramHeader>,
    pages: Vec<Option<Page>>,
    string_budget: u64,
}

struct Page {
    number: u64,
    len: usize,
    bytes: Box<[u8; PAGE]>,
}

impl<'a> Image<'a> {
    /// Reads the ELF header and the program headers.
    pub(super) fn open(source: &'a dyn Source) -> Outcome<Self> {
        let mut image = Self {
            source,
            header: Header::new(Ctx::new(Container::Big, Endian::Little)),
            ctx: Ctx::new(Container::Big, Endian::Little),
            segments: Vec::new(),
            pages: Vec::new(),
            string_budget: MAX_STRINGS,
        };
        image.pages.resize_with(SLOTS, || None);
        image.read_header()?;
        Ok(image)
    }

    fn read_header(&mut self) -> Outcome<()> {
        let mut ident = [0; SIZEOF_IDENT];
        self.read(0, &mut ident)?;
        let container = match ident[EI_CLASS] {
            1 => Container::Little,
            2 => Container::Big,
            class => return damaged!("EI_CLASS is {class}: neither 32 nor 64 bit"),
        };
        let endian = match ident[EI_DATA] {
            1 => Endian::Little,
            2 => Endian::Big,
            data => return damaged!("EI_DATA is {data}: neither little nor big endian"),
        };
        if ident[EI_VERSION] != EV_CURRENT {
            return damaged!("EI_VERSION is {}, not 1", ident[EI_VERSION]);
        }
        self.ctx = Ctx::new(container, endian);
        let mut bytes = vec![0; Header::size(self.ctx)];
        self.read(0, &mut bytes)?;
        self.header = parse(&bytes, 0, endian)?;
        if self.header.e_version != u32::from(EV_CURRENT) {
            return damaged!("e_version is {}, not 1", self.header.e_version);
        }
        Ok(())
    }

    /// Reads the program headers and holds them against the file's length. A loader reads these
    /// and nothing else of the header's tables.
    pub(super) fn read_segments(&mut self) -> Outcome<()> {
        let size = ProgramHeader::size(self.ctx);
        let (count, entry) = (usize::from(self.header.e_phnum), self.header.e_phentsize);
        if count == 0 {
            return damaged!("it has no program headers: no loader can map it");
        }
        if usize::from(entry) != size {
            return damaged!("e_phentsize is {entry}, not {size}");
        }
        if count * size > MAX_PROGRAM_HEADERS {
            return damaged!("it has {count} program headers: no kernel takes so many");
        }
        let mut bytes = vec![0; count * size];
        self.read(self.header.e_phoff, &mut bytes)
            .or_else(|fault| within("the program headers", fault))?;
        for i in 0..count {
            self.segments.push(parse(&bytes, i * size, self.ctx)?);
        }
        self.check_loads()
    }

    fn check_loads(&self) -> Outcome<()> {
        let len = self.source.len();
        let mut any = false;
        for load in self.loads() {
            any = true;
            let (offset, size) = (load.p_offset, load.p_filesz);
            // Of memory without contents nothing is in the file, wherever it says that it would be.
            if size > 0 && offset.checked_add(size).is_none_or(|end| end > len) {
                return damaged!(
                    "the file ends inside a segment: PT_LOAD is {size} bytes at {offset:#x}, the \
                     file is {len} bytes long"
                );
            }
            if size > load.p_memsz {
                return damaged!("a PT_LOAD at {offset:#x} is larger in the file than in memory");
            }
            if size > 0 && load.p_vaddr % PAGE as u64 != offset % PAGE as u64 {
                return damaged!(
                    "a PT_LOAD at {offset:#x} has the address {:#x}: no page of it can be mapped",
                    load.p_vaddr
                );
            }
            if load.p_vaddr.checked_add(load.p_memsz).is_none() {
                return damaged!("a PT_LOAD at {offset:#x} ends beyond the address space");
            }
        }
        if any {
            Ok(())
        } else {
            damaged!("it has no PT_LOAD segment: nothing of it is ever mapped")
        }
    }

    fn loads(&self) -> impl DoubleEndedIterator<Item = &ProgramHeader> {
        self.segments.iter().filter(|segment| segment.p_type == PT_LOAD)
    }

    /// The last segment of a type, which is the one a loader goes by.
    pub(super) fn segment(&self, kind: u32) -> Option<&ProgramHeader> {
        self.segments.iter().rev().find(|segment| segment.p_type == kind)
    }

    /// Where the bytes at an address stand in the file. Later segments are mapped over earlier ones.
    pub(super) fn locate(&self, what: &str, address: u64) -> Outcome<Table> {
        for load in self.loads().rev() {
            if let Some(inside) = address.checked_sub(load.p_vaddr)
                && inside < load.p_filesz
            {
                return Ok(Table { offset: load.p_offset + inside, len: load.p_filesz - inside });
            }
        }
        damaged!("{what} is at address {address:#x}, where no segment has bytes of the file")
    }

    /// Length of the file in bytes.
    pub(super) fn len(&self) -> u64 {
        self.source.len()
    }

    /// Whether it is a 64-bit file.
    pub(super) fn is_64(&self) -> bool {
        self.ctx.is_big()
    }

    /// A 16-bit number at an offset.
    pub(super) fn u16(&mut self, offset: u64) -> Outcome<u16> {
        let mut bytes = [0; 2];
        self.read(offset, &mut bytes)?;
        Ok(match self.ctx.le {
            Endian::Little => u16::from_le_bytes(bytes),
            Endian::Big => u16::from_be_bytes(bytes),
        })
    }

    /// A 32-bit number at an offset.
    pub(super) fn u32(&mut self, offset: u64) -> Outcome<u32> {
        let mut bytes = [0; 4];
        self.read(offset, &mut bytes)?;
        Ok(match self.ctx.le {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        })
    }

    /// A 64-bit number at an offset.
    pub(super) fn u64(&mut self, offset: u64) -> Outcome<u64> {
        let mut bytes = [0; 8];
        self.read(offset, &mut bytes)?;
        Ok(match self.ctx.le {
            Endian::Little => u64::from_le_bytes(bytes),
            Endian::Big => u64::from_be_bytes(bytes),
        })
    }

    /// Fills `buf` with the bytes at a file offset, by way of the kept pages.
    pub(super) fn read(&mut self, offset: u64, buf: &mut [u8]) -> Outcome<()> {
        let past_end = ReadError::PastEnd { offset, len: buf.len() as u64 };
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.source.len()) {
            return Err(past_end.into());
        }
        let mut done = 0;
        while done < buf.len() {
            let bytes = self.page_from(offset + done as u64)?;
            let take = bytes.len().min(buf.len() - done);
            buf[done..done + take].copy_from_slice(&bytes[..take]);
            done += take;
        }
        Ok(())
    }

    /// The NUL-terminated string at `offset`, which must end before `end`.
    pub(super) fn string(&mut self, what: &str, offset: u64, end: u64) -> Outcome<String> {
        let mut text = Vec::new();
        let mut at = offset;
        loop {
            if at >= end || at >= self.source.len() {
                return damaged!("{what}: the string at {offset:#x} has no end in its table");
            }
            let bytes = self.page_from(at)?;
            let bytes = &bytes[..bytes.len().min(usize::try_from(end - at).unwrap_or(usize::MAX))];
            let nul = bytes.iter().position(|byte| *byte == 0);
            text.extend_from_slice(&bytes[..nul.unwrap_or(bytes.len())]);
            at += bytes.len() as u64;
            if nul.is_some() {
                break;
            }
            if at - offset > MAX_STRING {
                return damaged!("{what}: the string at {offset:#x} is over {MAX_STRING} bytes");
            }
        }
        match self.string_budget.checked_sub(text.len() as u64) {
            Some(left) => self.string_budget = left,
            None => return damaged!("its names take more than {MAX_STRINGS} bytes"),
        }
        Ok(match String::from_utf8(text) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    /// The kept page's bytes from an offset inside the file on.
    fn page_from(&mut self, offset: u64) -> Outcome<&[u8]> {
        let number = offset / PAGE as u64;
        let slot = &mut self.pages[(number % SLOTS as u64) as usize];
        if slot.as_ref().is_none_or(|page| page.number != number) {
            let start = number * PAGE as u64;
            let len = (self.source.len() - start).min(PAGE as u64) as usize;
            let mut bytes = slot.take().map_or_else(|| Box::new([0; PAGE]), |page| page.bytes);
            self.source.read_at(start, &mut bytes[..len])?;
            *slot = Some(Page { number, len, bytes });
        }
        let page = slot.as_ref().ok_or_else(|| Fault::Damaged("no page".into()))?;
        Ok(&page.bytes[(offset % PAGE as u64) as usize..page.len])
    }
}

/// A record of goblin's at a byte offset.
pub(super) fn parse<'b, T, C>(bytes: &'b [u8], offset: usize, ctx: C) -> Outcome<T>
where
    T: scroll::ctx::TryFromCtx<'b, C, Error = goblin::error::Error>,
    C: Copy,
{
    bytes.pread_with(offset, ctx).map_err(|error| Fault::Damaged(format!("{error}")))
}

/// Names the table a fault was met in.
pub(super) fn within<T>(what: &str, fault: Fault) -> Outcome<T> {
    Err(match fault {
        Fault::Damaged(reason) => Fault::Damaged(format!("{what}: {reason}")),
        Fault::Io(text) => Fault::Io(text),
    })
}
