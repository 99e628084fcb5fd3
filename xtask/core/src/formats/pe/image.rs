//! The headers, and the map from addresses to places in the file.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::size_of;
use object::LittleEndian as LE;
use object::pe::{
    DllFlags, FileFlags, IMAGE_NT_OPTIONAL_HDR32_MAGIC, IMAGE_NT_OPTIONAL_HDR64_MAGIC,
    IMAGE_NT_SIGNATURE, IMAGE_NUMBEROF_DIRECTORY_ENTRIES, ImageDataDirectory, ImageDosHeader,
    ImageFileHeader, ImageOptionalHeader32, ImageOptionalHeader64, ImageSectionHeader, Machine,
    Subsystem,
};
use object::pod::{self, Pod};

use super::{damaged, unread};
use crate::formats::{Source, Unread};

/// Below a page, sections are not mapped one by one.
const PAGE: u32 = 0x1000;

/// The loader rounds a section's place in the file down to a sector, whatever the header says.
const SECTOR: u32 = 0x200;

/// The longest string read, in bytes: no file name on Windows is longer.
const MAX_STRING: u64 = 260;

/// What the headers say.
pub(super) struct Image {
    pub(super) machine: Machine,
    pub(super) file_flags: FileFlags,
    pub(super) dll_flags: DllFlags,
    pub(super) subsystem: Subsystem,
    pub(super) is_64: bool,
    pub(super) image_base: u64,
    file_len: u64,
    size_of_headers: u32,
    directories: Vec<Directory>,
    sections: Vec<Section>,
}

/// A data directory's place.
#[derive(Clone, Copy)]
pub(super) struct Directory {
    pub(super) rva: u32,
    pub(super) size: u32,
}

struct Section {
    address: u32,
    size: u32,
    raw_offset: u32,
    raw_size: u32,
}

/// A place in the file, and how many bytes of its section are left there.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) left: u64,
}

/// The fields that both forms of the optional header have.
struct Optional {
    dll_flags: DllFlags,
    subsystem: Subsystem,
    image_base: u64,
    section_alignment: u32,
    size_of_headers: u32,
    directories: u32,
}

impl Image {
    /// Reads the headers.
    ///
    /// # Errors
    /// When they are damaged, a section is cut off, or the reader fails.
    pub(super) fn read(source: &dyn Source) -> Result<Self, Unread> {
        let dos: ImageDosHeader = pod(source, 0).map_err(|_| damaged("no DOS header"))?;
        let mut at = u64::from(dos.e_lfanew.get(LE));
        let signature: object::U32<LE> = next(source, &mut at)?;
        if signature.get(LE) != IMAGE_NT_SIGNATURE {
            return Err(damaged("no PE header: a DOS program, or not a program at all"));
        }
        let file: ImageFileHeader = next(source, &mut at)?;
        let optional_len = usize::from(file.size_of_optional_header.get(LE));
        let mut bytes = alloc::vec![0; optional_len];
        source.read_at(at, &mut bytes).map_err(unread)?;
        at += optional_len as u64;
        let (is_64, optional, mut rest) = optional_header(&bytes)?;

        let mut directories = Vec::new();
        let count = (optional.directories as usize).min(IMAGE_NUMBEROF_DIRECTORY_ENTRIES);
        for _ in 0..count {
            let (directory, left) = split::<ImageDataDirectory>(rest)?;
            rest = left;
            directories.push(Directory {
                rva: directory.virtual_address.get(LE),
                size: directory.size.get(LE),
            });
        }
        let mut image = Self {
            machine: file.machine.get(LE),
            file_flags: file.characteristics.get(LE),
            dll_flags: optional.dll_flags,
            subsystem: optional.subsystem,
            is_64,
            image_base: optional.image_base,
            file_len: source.len(),
            size_of_headers: optional.size_of_headers,
            directories,
            sections: Vec::new(),
        };
        for _ in 0..file.number_of_sections.get(LE) {
            let section: ImageSectionHeader = next(source, &mut at)?;
            image.add_section(&section, optional.section_alignment)?;
        }
        Ok(image)
    }

    fn add_section(&mut self, section: &ImageSectionHeader, alignment: u32) -> Result<(), Unread> {
        let raw_size = section.size_of_raw_data.get(LE);
        let mut raw_offset = section.pointer_to_raw_data.get(LE);
        if alignment >= PAGE {
            raw_offset -= raw_offset % SECTOR;
        }
        if raw_size > 0 {
            let name = String::from_utf8_lossy(&section.name);
            let name = format!("section {}", name.trim_end_matches('\0'));
            self.check_inside(raw_offset, raw_size, &name)?;
        }
        self.sections.push(Section {
            address: section.virtual_address.get(LE),
            size: section.virtual_size.get(LE),
            raw_offset,
            raw_size,
        });
        Ok(())
    }

    /// `Ok(true)` if these bytes are in the file.
    pub(super) fn check_inside(&self, offset: u32, size: u32, what: &str) -> Result<bool, Unread> {
        let end = u64::from(offset) + u64::from(size);
        if end > self.file_len {
            let len = self.file_len;
            return Err(damaged(format!(
                "the {what} reaches to {end:#x} and the file ends at {len:#x}: it is cut off"
            )));
        }
        Ok(true)
    }

    /// A data directory, if it is there.
    pub(super) fn directory(&self, index: usize) -> Option<Directory> {
        self.directories.get(index).copied().filter(|directory| directory.rva != 0)
    }

    /// Where the bytes at an address stand in the file.
    ///
    /// # Errors
    /// When no section has bytes there.
    pub(super) fn place(&self, rva: u32, what: &str) -> Result<Place, Unread> {
        if rva < self.size_of_headers {
            let left =
                u64::from(self.size_of_headers).min(self.file_len).saturating_sub(rva.into());
            return Ok(Place { offset: rva.into(), left });
        }
        for section in &self.sections {
            let Some(into) = rva.checked_sub(section.address) else { continue };
            // Without a size in memory, that in the file counts; pages are mapped whole.
            let size = if section.size == 0 { section.raw_size } else { section.size };
            if into < section.raw_size && into / PAGE < size.div_ceil(PAGE) {
                return Ok(Place {
                    offset: u64::from(section.raw_offset) + u64::from(into),
                    left: (section.raw_size - into).into(),
                });
            }
        }
        Err(damaged(format!("the {what} at address {rva:#x} is in no section")))
    }
}

fn optional_header(bytes: &[u8]) -> Result<(bool, Optional, &[u8]), Unread> {
    let magic = bytes.get(..2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    match magic {
        IMAGE_NT_OPTIONAL_HDR32_MAGIC => {
            let (header, rest) = split::<ImageOptionalHeader32>(bytes)?;
            let optional = Optional {
                dll_flags: header.dll_characteristics.get(LE),
                subsystem: header.subsystem.get(LE),
                image_base: header.image_base.get(LE).into(),
                section_alignment: header.section_alignment.get(LE),
                size_of_headers: header.size_of_headers.get(LE),
                directories: header.number_of_rva_and_sizes.get(LE),
            };
            Ok((false, optional, rest))
        }
        IMAGE_NT_OPTIONAL_HDR64_MAGIC => {
            let (header, rest) = split::<ImageOptionalHeader64>(bytes)?;
            let optional = Optional {
                dll_flags: header.dll_characteristics.get(LE),
                subsystem: header.subsystem.get(LE),
                image_base: header.image_base.get(LE),
                section_alignment: header.section_alignment.get(LE),
                size_of_headers: header.size_of_headers.get(LE),
                directories: header.number_of_rva_and_sizes.get(LE),
            };
            Ok((true, optional, rest))
        }
        other => Err(damaged(format!("the optional header's magic number is {other:#x}"))),
    }
}

fn split<T: Pod>(bytes: &[u8]) -> Result<(&T, &[u8]), Unread> {
    pod::from_bytes(bytes).map_err(|()| damaged("the optional header is cut off"))
}

/// The structure at an offset.
pub(super) fn pod<T: Pod + Copy>(source: &dyn Source, offset: u64) -> Result<T, Unread> {
    let mut bytes = alloc::vec![0; size_of::<T>()];
    source.read_at(offset, &mut bytes).map_err(unread)?;
    split(&bytes).map(|(value, _)| *value)
}

/// The structure at an offset, which is moved behind it.
fn next<T: Pod + Copy>(source: &dyn Source, at: &mut u64) -> Result<T, Unread> {
    let value = pod(source, *at)?;
    *at += size_of::<T>() as u64;
    Ok(value)
}

/// A string that ends with NUL inside its section.
pub(super) fn string(source: &dyn Source, place: Place, what: &str) -> Result<String, Unread> {
    let mut bytes = alloc::vec![0; place.left.min(MAX_STRING) as usize];
    source.read_at(place.offset, &mut bytes).map_err(unread)?;
    match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => Ok(String::from_utf8_lossy(&bytes[..end]).into_owned()),
        None => Err(damaged(format!("the {what} at {:#x} does not end", place.offset))),
    }
}
