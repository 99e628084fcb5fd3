//! ELF files built by table, of any class and byte order, for tests. One PT_LOAD maps the whole file;
//! nothing has section headers.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// The address of the file's first byte.
const BASE: u64 = 0x10000;

/// How the number of symbols can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    GnuHash,
    /// A GNU hash table of a file that exports nothing, and relocations.
    EmptyGnuHash,
    /// The same as LLD writes it: the first exported symbol would come after the last one. No
    /// relocations.
    UnhashedGnuHash,
    Hash {
        wide: bool,
    },
    Relocations,
    MipsTag,
}

/// One file.
#[derive(Debug, Clone)]
pub(super) struct Fixture {
    pub(super) is_64: bool,
    pub(super) big: bool,
    pub(super) machine: u16,
    pub(super) kind: u16,
    pub(super) interpreter: Option<&'static str>,
    pub(super) needed: Vec<&'static str>,
    pub(super) soname: Option<&'static str>,
    /// Library, then its versions: name and flags.
    pub(super) versions: Vec<(&'static str, Vec<(&'static str, u16)>)>,
    /// Name, weak, defined here, and the number of its version counted from 1 over all libraries.
    pub(super) symbols: Vec<(&'static str, bool, bool, u16)>,
    pub(super) count: Count,
    /// PT_GNU_STACK's flags.
    pub(super) stack: Option<u32>,
    pub(super) relro: bool,
    /// Further dynamic tags.
    pub(super) tags: Vec<(u64, u64)>,
    pub(super) is_dynamic: bool,
}

pub(super) const ET_EXEC: u16 = 2;
pub(super) const ET_DYN: u16 = 3;
pub(super) const DF_1_PIE: (u64, u64) = (0x6fff_fffb, 0x0800_0000);

impl Fixture {
    /// A dynamic program for glibc.
    pub(super) fn glibc(is_64: bool, big: bool, machine: u16) -> Self {
        Self {
            is_64,
            big,
            machine,
            kind: ET_DYN,
            interpreter: Some("/lib/ld-linux.so.2"),
            needed: vec!["libc.so.6"],
            soname: None,
            versions: vec![("libc.so.6", vec![("GLIBC_2.4", 0), ("GLIBC_2.39", 0)])],
            symbols: vec![("puts", false, false, 1), ("pidfd_getpid", true, false, 2)],
            count: Count::GnuHash,
            stack: Some(6),
            relro: true,
            tags: vec![DF_1_PIE],
            is_dynamic: true,
        }
    }

    /// The file's bytes.
    pub(super) fn build(&self) -> Vec<u8> {
        let mut out = Bytes { big: self.big, is_64: self.is_64, bytes: Vec::new() };
        let headers = 2
            + u16::from(self.interpreter.is_some())
            + u16::from(self.stack.is_some())
            + u16::from(self.relro)
            - u16::from(!self.is_dynamic);
        let header_size = if self.is_64 { 64 + headers * 56 } else { 52 + headers * 32 };
        out.bytes.resize(usize::from(header_size), 0);

        let interpreter = self.interpreter.map(|path| {
            let at = out.at();
            out.bytes.extend(path.as_bytes());
            out.bytes.push(0);
            (at, out.at() - at)
        });
        let mut strings = Strings(vec![0]);
        let mut tags: Vec<(u64, u64)> =
            self.needed.iter().map(|name| (1, strings.add(name))).collect();
        tags.extend(self.soname.map(|name| (14, strings.add(name))));
        if !self.versions.is_empty() {
            let at = self.verneed(&mut out, &mut strings);
            tags.extend([(0x6fff_fffe, BASE + at), (0x6fff_ffff, self.versions.len() as u64)]);
        }
        let versym = out.align();
        out.u16(0);
        for (.., version) in &self.symbols {
            out.u16(if *version == 0 { 1 } else { version + 1 });
        }
        let symtab = out.align();
        self.symtab(&mut out, &mut strings);
        tags.extend([(0x6fff_fff0, BASE + versym), (6, BASE + symtab)]);
        tags.push((11, if self.is_64 { 24 } else { 16 }));
        self.tables(&mut out, &mut tags);
        let strtab = out.at();
        out.bytes.extend(&strings.0);
        tags.extend([(5, BASE + strtab), (10, strings.0.len() as u64)]);
        tags.extend(&self.tags);
        tags.push((0, 0));
        let dynamic = out.align();
        for (tag, value) in tags {
            out.word(tag);
            out.word(value);
        }
        let dynamic = (dynamic, out.at() - dynamic);
        let len = out.at();
        self.header(&mut out, headers);
        let mut header = if self.is_64 { 64 } else { 52 };
        let mut segment = |kind: u32, flags: u32, (at, size): (u64, u64)| {
            header = out.segment(header, kind, flags, at, size);
        };
        segment(1, 5, (0, len));
        if let Some(interpreter) = interpreter {
            segment(3, 4, interpreter);
        }
        if self.is_dynamic {
            segment(2, 6, dynamic);
        }
        if let Some(flags) = self.stack {
            segment(0x6474_e551, flags, (0, 0));
        }
        if self.relro {
            segment(0x6474_e552, 4, dynamic);
        }
        out.bytes
    }

    fn header(&self, out: &mut Bytes, headers: u16) {
        let mut header = Bytes { big: self.big, is_64: self.is_64, bytes: Vec::new() };
        let (class, data) = (1 + u8::from(self.is_64), 1 + u8::from(self.big));
        header.bytes.extend(b"\x7fELF");
        header.bytes.extend([class, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        header.u16(self.kind);
        header.u16(self.machine);
        header.u32(1);
        header.word(BASE);
        header.word(if self.is_64 { 64 } else { 52 });
        header.word(0);
        header.u32(0);
        header.u16(if self.is_64 { 64 } else { 52 });
        header.u16(if self.is_64 { 56 } else { 32 });
        header.u16(headers);
        header.u16(if self.is_64 { 64 } else { 40 });
        header.u16(0);
        header.u16(0);
        out.bytes[..header.bytes.len()].copy_from_slice(&header.bytes);
    }

    fn verneed(&self, out: &mut Bytes, strings: &mut Strings) -> u64 {
        let start = out.align();
        let mut index = 2;
        for (i, (library, versions)) in self.versions.iter().enumerate() {
            let last = i + 1 == self.versions.len();
            out.u16(1);
            out.u16(versions.len() as u16);
            out.u32(strings.add(library) as u32);
            out.u32(16);
            out.u32(if last { 0 } else { 16 + 16 * versions.len() as u32 });
            for (j, (name, flags)) in versions.iter().enumerate() {
                out.u32(super::verneed::sysv_hash(name));
                out.u16(*flags);
                out.u16(index);
                out.u32(strings.add(name) as u32);
                out.u32(if j + 1 == versions.len() { 0 } else { 16 });
                index += 1;
            }
        }
        start
    }

    fn symtab(&self, out: &mut Bytes, strings: &mut Strings) {
        out.bytes.resize(out.bytes.len() + if self.is_64 { 24 } else { 16 }, 0);
        for (name, weak, defined, _) in &self.symbols {
            let (name, section) = (strings.add(name) as u32, if *defined { 7 } else { 0 });
            let info = if *weak { 0x22 } else { 0x12 };
            if self.is_64 {
                out.u32(name);
                out.bytes.extend([info, 0]);
                out.u16(section);
                out.word(0);
                out.word(0);
            } else {
                out.u32(name);
                out.u32(0);
                out.u32(0);
                out.bytes.extend([info, 0]);
                out.u16(section);
            }
        }
    }

    /// The tables that tell how many symbols there are.
    fn tables(&self, out: &mut Bytes, tags: &mut Vec<(u64, u64)>) {
        let symbols = self.symbols.len() as u64;
        if matches!(self.count, Count::GnuHash | Count::EmptyGnuHash | Count::UnhashedGnuHash) {
            let empty = self.count != Count::GnuHash;
            let unhashed = self.count == Count::UnhashedGnuHash;
            tags.push((0x6fff_fef5, BASE + out.align()));
            out.u32(1);
            out.u32(if unhashed { symbols as u32 + 1 } else { 1 });
            out.u32(1);
            out.u32(0);
            out.word(0);
            out.u32(u32::from(!empty));
            if !empty {
                for i in 1..=symbols {
                    out.u32(u32::from(i == symbols));
                }
            }
        }
        if let Count::Hash { wide } = self.count {
            tags.push((4, BASE + out.align()));
            let words = [1, symbols + 1, 0].into_iter().chain(vec![0; symbols as usize + 1]);
            for word in words {
                if wide { out.u64(word) } else { out.u32(word as u32) }
            }
        }
        if self.count == Count::MipsTag {
            tags.push((0x7000_0011, symbols + 1));
        }
        if matches!(self.count, Count::EmptyGnuHash | Count::Relocations) {
            let start = out.align();
            let mips64el = self.machine == 8 && self.is_64 && !self.big;
            for i in 1..=symbols {
                out.word(0);
                match (self.is_64, mips64el) {
                    (false, _) => out.u32((i as u32) << 8 | 6),
                    (true, false) => out.u64(i << 32 | 6),
                    (true, true) => {
                        out.u32(i as u32);
                        out.u32(0x0600_0000);
                    }
                }
                out.word(0);
            }
            tags.extend([(7, BASE + start), (8, out.at() - start)]);
        }
    }
}

/// A string table.
struct Strings(Vec<u8>);

impl Strings {
    fn add(&mut self, text: &str) -> u64 {
        let at = self.0.len() as u64;
        self.0.extend(text.as_bytes());
        self.0.push(0);
        at
    }
}

/// Bytes in one order.
struct Bytes {
    big: bool,
    is_64: bool,
    bytes: Vec<u8>,
}

impl Bytes {
    fn at(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn align(&mut self) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        self.at()
    }

    fn u16(&mut self, value: u16) {
        self.bytes.extend(if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend(if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn u64(&mut self, value: u64) {
        self.bytes.extend(if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn word(&mut self, value: u64) {
        if self.is_64 { self.u64(value) } else { self.u32(value as u32) }
    }

    /// Writes a program header; gives where the next one goes.
    fn segment(&mut self, header: usize, kind: u32, flags: u32, at: u64, size: u64) -> usize {
        let mut out = Bytes { big: self.big, is_64: self.is_64, bytes: Vec::new() };
        out.u32(kind);
        if self.is_64 {
            out.u32(flags);
        }
        for value in [at, BASE + at, BASE + at, size, size] {
            out.word(value);
        }
        if !self.is_64 {
            out.u32(flags);
        }
        out.word(8);
        let end = header + out.bytes.len();
        self.bytes[header..end].copy_from_slice(&out.bytes);
        end
    }
}

/// The names of symbols bound to a version, weak ones with a `?`.
pub(super) fn bound(need: &super::VersionNeed) -> Vec<String> {
    let name = |symbol: &super::Symbol| {
        if symbol.weak { "?".to_string() + &symbol.name } else { symbol.name.clone() }
    };
    need.symbols.iter().map(name).collect()
}
