//! The dynamic segment: what a loader takes its orders from.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use goblin::elf::dynamic::{self as dt, Dyn};
use goblin::elf::program_header::PT_DYNAMIC;

use super::image::{Image, Outcome, Table, damaged, parse, within};

/// The tags that count here. Of a tag given twice the last one holds, as in ld.so.
#[derive(Debug, Default)]
pub(super) struct Dynamic {
    needed: Vec<u64>,
    soname: Option<u64>,
    rpath: Option<u64>,
    runpath: Option<u64>,
    strtab: Option<u64>,
    strsz: Option<u64>,
    flags: u64,
    flags_1: u64,
    bind_now: bool,
    textrel: bool,
    pub(super) relr: bool,
    pub(super) symtab: Option<u64>,
    pub(super) syment: Option<u64>,
    pub(super) versym: Option<u64>,
    pub(super) verneed: Option<u64>,
    pub(super) verneednum: Option<u64>,
    pub(super) hash: Option<u64>,
    pub(super) gnu_hash: Option<u64>,
    pub(super) rela: Option<u64>,
    pub(super) relasz: u64,
    pub(super) rel: Option<u64>,
    pub(super) relsz: u64,
    pub(super) jmprel: Option<u64>,
    pub(super) pltrelsz: u64,
    pub(super) pltrel: u64,
    pub(super) mips_symtabno: Option<u64>,
}

/// Tags goblin has no name for (`elf.h`).
const DT_RELR: u64 = 36;
const DT_ANDROID_RELR: u64 = 0x6fff_e000;
const DT_MIPS_SYMTABNO: u64 = 0x7000_0011;

impl Dynamic {
    /// Reads the segment PT_DYNAMIC names, by its address, until DT_NULL. `None`: there is none.
    pub(super) fn read(image: &mut Image<'_>) -> Outcome<Option<Self>> {
        let Some(segment) = image.segment(PT_DYNAMIC) else { return Ok(None) };
        let (address, size) = (segment.p_vaddr, segment.p_filesz);
        let table = image.locate("the dynamic segment", address)?;
        let entry = Dyn::size(image.ctx.container);
        let count = size.min(table.len) / entry as u64;
        let mut dynamic = Self::default();
        let mut bytes = vec![0; entry];
        for i in 0..count {
            image.read(table.offset + i * entry as u64, &mut bytes)?;
            let Dyn { d_tag, d_val } = parse(&bytes, 0, image.ctx)?;
            if d_tag == dt::DT_NULL {
                return Ok(Some(dynamic));
            }
            dynamic.take(d_tag, d_val, super::arch::is_mips(image));
        }
        damaged!("the dynamic segment has no DT_NULL in its {size} bytes")
    }

    fn take(&mut self, tag: u64, value: u64, is_mips: bool) {
        match tag {
            dt::DT_NEEDED => self.needed.push(value),
            dt::DT_SONAME => self.soname = Some(value),
            dt::DT_RPATH => self.rpath = Some(value),
            dt::DT_RUNPATH => self.runpath = Some(value),
            dt::DT_STRTAB => self.strtab = Some(value),
            dt::DT_STRSZ => self.strsz = Some(value),
            dt::DT_FLAGS => self.flags = value,
            dt::DT_FLAGS_1 => self.flags_1 = value,
            dt::DT_BIND_NOW => self.bind_now = true,
            dt::DT_TEXTREL => self.textrel = true,
            dt::DT_SYMTAB => self.symtab = Some(value),
            dt::DT_SYMENT => self.syment = Some(value),
            dt::DT_VERSYM => self.versym = Some(value),
            dt::DT_VERNEED => self.verneed = Some(value),
            dt::DT_VERNEEDNUM => self.verneednum = Some(value),
            dt::DT_HASH => self.hash = Some(value),
            dt::DT_GNU_HASH => self.gnu_hash = Some(value),
            dt::DT_RELA => self.rela = Some(value),
            dt::DT_RELASZ => self.relasz = value,
            dt::DT_REL => self.rel = Some(value),
            dt::DT_RELSZ => self.relsz = value,
            dt::DT_JMPREL => self.jmprel = Some(value),
            dt::DT_PLTRELSZ => self.pltrelsz = value,
            dt::DT_PLTREL => self.pltrel = value,
            DT_RELR | DT_ANDROID_RELR => self.relr = true,
            DT_MIPS_SYMTABNO if is_mips => self.mips_symtabno = Some(value),
            _ => {}
        }
    }

    /// DT_TEXTREL or DF_TEXTREL.
    pub(super) fn textrel(&self) -> bool {
        self.textrel || self.flags & dt::DF_TEXTREL != 0
    }

    /// Any of the three ways to say it.
    pub(super) fn bind_now(&self) -> bool {
        self.bind_now || self.flags & dt::DF_BIND_NOW != 0 || self.flags_1 & dt::DF_1_NOW != 0
    }

    /// DF_1_PIE.
    pub(super) fn says_pie(&self) -> bool {
        self.flags_1 & dt::DF_1_PIE != 0
    }

    /// The string table. Every linked file has one; a dynamic segment without it is none.
    pub(super) fn strings(&self, image: &Image<'_>) -> Outcome<Table> {
        let (Some(address), Some(size)) = (self.strtab, self.strsz) else {
            return damaged!("the dynamic segment has no string table (DT_STRTAB and DT_STRSZ)");
        };
        let table = image.locate("DT_STRTAB", address)?;
        if size > table.len {
            return damaged!(
                "DT_STRSZ is {size}, but only {} bytes of the file are mapped there",
                table.len
            );
        }
        Ok(Table { len: size, ..table })
    }

    /// The names among the tags: needed, soname, rpath, runpath.
    pub(super) fn names(&self, image: &mut Image<'_>, strings: Table) -> Outcome<Names> {
        let needed = self.needed.iter().map(|at| name(image, strings, "DT_NEEDED", *at));
        let needed = needed.collect::<Outcome<_>>()?;
        let mut one =
            |what, at: Option<u64>| at.map(|at| name(image, strings, what, at)).transpose();
        Ok(Names {
            needed,
            soname: one("DT_SONAME", self.soname)?,
            rpath: one("DT_RPATH", self.rpath)?,
            runpath: one("DT_RUNPATH", self.runpath)?,
        })
    }
}

/// Strings of the dynamic segment.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) needed: Vec<String>,
    pub(super) soname: Option<String>,
    pub(super) rpath: Option<String>,
    pub(super) runpath: Option<String>,
}

/// The string at an offset of the string table.
pub(super) fn name(image: &mut Image<'_>, strings: Table, what: &str, at: u64) -> Outcome<String> {
    if at >= strings.len {
        return damaged!(
            "{what}: its name is at {at:#x} of a string table of {} bytes",
            strings.len
        );
    }
    image
        .string(what, strings.offset + at, strings.offset + strings.len)
        .or_else(|fault| within("the string table", fault))
}
