//! The named parts of a file, for telling where two files differ.
//!
//! Names come from section headers, which a loader ignores: this explains, it does not judge.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use goblin::elf::Elf;
use object::read::macho::{LoadCommandVariant, MachOFile64};
use object::read::pe::PeFile64;
use object::{Endianness, LittleEndian, Object as _, ObjectSection as _, macho};

/// A named part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// A section's name, or what else it is, such as `code signature`.
    pub name: String,
    /// Bytes of the file.
    pub range: Range<usize>,
}

/// The parts of an executable, in no order; what lies in none is `the rest`. Empty for other files.
pub fn regions(bytes: &[u8]) -> Vec<Region> {
    let mut found = elf(bytes).or_else(|| mach_o(bytes)).or_else(|| pe(bytes)).unwrap_or_default();
    found.retain(|region| !region.range.is_empty() && bytes.get(region.range.clone()).is_some());
    found
}

fn region(name: impl Into<String>, offset: u64, size: u64) -> Option<Region> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    Some(Region { name: name.into(), range: start..end })
}

fn elf(bytes: &[u8]) -> Option<Vec<Region>> {
    let elf = Elf::parse(bytes).ok()?;
    let mut found: Vec<_> =
        region("ELF header", 0, u64::from(elf.header.e_ehsize)).into_iter().collect();
    let phdrs = u64::from(elf.header.e_phentsize).checked_mul(u64::from(elf.header.e_phnum))?;
    found.extend(region("program headers", elf.header.e_phoff, phdrs));
    let shdrs = u64::from(elf.header.e_shentsize).checked_mul(u64::from(elf.header.e_shnum))?;
    found.extend(region("section headers", elf.header.e_shoff, shdrs));
    for section in
        elf.section_headers.iter().filter(|s| s.sh_type != goblin::elf::section_header::SHT_NOBITS)
    {
        let name = match elf.shdr_strtab.get_at(section.sh_name) {
            Some(".note.gnu.build-id") => "build id (.note.gnu.build-id)".to_owned(),
            Some(name) => format!("section {name}"),
            None => format!("section at {:#x}", section.sh_offset),
        };
        found.extend(region(name, section.sh_offset, section.sh_size));
    }
    Some(found)
}

fn mach_o(bytes: &[u8]) -> Option<Vec<Region>> {
    let file = MachOFile64::<Endianness>::parse(bytes).ok()?;
    let mut found = Vec::new();
    for section in file.sections() {
        let (Ok(name), Some((offset, size))) = (section.name(), section.file_range()) else {
            continue;
        };
        found.extend(region(format!("section {name}"), offset, size));
    }
    let endian = file.endian();
    let mut commands = file.macho_load_commands().ok()?;
    // The header is 32 bytes; the commands follow it.
    let mut at = 32_u64;
    while let Ok(Some(command)) = commands.next() {
        let size = u64::from(command.cmdsize());
        match command.variant() {
            Ok(LoadCommandVariant::Uuid(_)) => found.extend(region("LC_UUID", at, size)),
            Ok(LoadCommandVariant::LinkeditData(data))
                if command.cmd() == macho::LC_CODE_SIGNATURE =>
            {
                let (offset, size) = (data.dataoff.get(endian), data.datasize.get(endian));
                found.extend(region("code signature", u64::from(offset), u64::from(size)));
            }
            Ok(LoadCommandVariant::Symtab(table)) => {
                let (offset, size) = (table.symoff.get(endian), table.nsyms.get(endian));
                found.extend(region("symbols", u64::from(offset), u64::from(size) * 16));
                let (offset, size) = (table.stroff.get(endian), table.strsize.get(endian));
                found.extend(region("symbol names", u64::from(offset), u64::from(size)));
            }
            _ => found.extend(region(format!("load command {:#x}", command.cmd()), at, size)),
        }
        at = at.checked_add(size)?;
    }
    Some(found)
}

fn pe(bytes: &[u8]) -> Option<Vec<Region>> {
    let file = PeFile64::parse(bytes).ok()?;
    // IMAGE_FILE_HEADER follows the signature; its time stamp is 4 bytes in (PE format, "COFF File Header").
    let header = u64::from(file.dos_header().nt_headers_offset());
    let mut found: Vec<_> = region("time stamp", header.checked_add(8)?, 4).into_iter().collect();
    for section in file.section_table().iter() {
        let name = String::from_utf8_lossy(section.raw_name()).into_owned();
        let (offset, size) = (section.pointer_to_raw_data, section.size_of_raw_data);
        let (offset, size) = (offset.get(LittleEndian), size.get(LittleEndian));
        found.extend(region(format!("section {name}"), u64::from(offset), u64::from(size)));
    }
    Some(found)
}
