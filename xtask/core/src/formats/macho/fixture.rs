//! Small Mach-O images made field by field, for what no linker makes on demand.

use alloc::string::String;
use alloc::vec::Vec;

/// What an image is made of. The defaults are a program for arm64 macOS 11 with room for
/// load commands.
#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) is_64: bool,
    pub(crate) big_endian: bool,
    pub(crate) cpu: (u32, u32),
    pub(crate) filetype: u32,
    pub(crate) flags: u32,
    /// Load commands besides segments: command number and body.
    pub(crate) commands: Vec<(u32, Vec<u8>)>,
    /// Bytes between the load commands and the section.
    pub(crate) room: usize,
    /// Bytes of __TEXT,__text.
    pub(crate) text: usize,
    pub(crate) info_plist: Option<&'static [u8]>,
    /// Bytes of __LINKEDIT.
    pub(crate) linkedit: usize,
}

pub(crate) const ARM64: (u32, u32) = (0x0100_000c, 0);
pub(crate) const X86_64: (u32, u32) = (0x0100_0007, 3);
pub(crate) const POWERPC: (u32, u32) = (18, 0);

pub(crate) const LC_BUILD_VERSION: u32 = 0x32;
pub(crate) const LC_VERSION_MIN_MACOSX: u32 = 0x24;
pub(crate) const LC_LOAD_DYLIB: u32 = 0xc;
pub(crate) const LC_LOAD_WEAK_DYLIB: u32 = 0x8000_0018;
pub(crate) const LC_RPATH: u32 = 0x8000_001c;
pub(crate) const LC_ENCRYPTION_INFO_64: u32 = 0x2c;

impl Fixture {
    pub(crate) fn new(cpu: (u32, u32)) -> Self {
        Self {
            is_64: true,
            big_endian: false,
            cpu,
            filetype: 2,
            flags: 0x0020_0085,
            commands: Vec::new(),
            room: 64,
            text: 40_000,
            info_plist: None,
            linkedit: 321,
        }
        .with(LC_BUILD_VERSION, |fixture| fixture.words(&[1, 0x000b_0000, 0x000d_0000, 0]))
    }

    /// The same without LC_BUILD_VERSION, 32-bit and big-endian.
    pub(crate) fn powerpc() -> Self {
        let fixture = Self { is_64: false, big_endian: true, ..Self::new(POWERPC) };
        Self { commands: Vec::new(), ..fixture }
    }

    pub(crate) fn with(mut self, command: u32, body: impl Fn(&Self) -> Vec<u8>) -> Self {
        let body = body(&self);
        self.commands.push((command, body));
        self
    }

    pub(crate) fn with_dylib(self, command: u32, name: &str) -> Self {
        self.with(command, |fixture| {
            let mut body = fixture.words(&[24, 2, 0x1_0000, 0x1_0000]);
            body.extend_from_slice(name.as_bytes());
            body.push(0);
            body
        })
    }

    pub(crate) fn with_rpath(self, path: &str) -> Self {
        self.with(LC_RPATH, |fixture| {
            let mut body = fixture.words(&[12]);
            body.extend_from_slice(path.as_bytes());
            body.push(0);
            body
        })
    }

    pub(crate) fn words(&self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| self.word(*word)).collect()
    }

    fn word(&self, word: u32) -> [u8; 4] {
        if self.big_endian { word.to_be_bytes() } else { word.to_le_bytes() }
    }

    /// A word of the image's width.
    fn wide(&self, value: u64) -> Vec<u8> {
        match (self.is_64, self.big_endian) {
            (true, false) => value.to_le_bytes().to_vec(),
            (true, true) => value.to_be_bytes().to_vec(),
            (false, _) => self.word(value as u32).to_vec(),
        }
    }

    fn segment(&self, name: &str, address: u64, range: (usize, usize), sections: &[u8]) -> Vec<u8> {
        let mut body = name16(name);
        let vmsize = range.1.next_multiple_of(0x4000) as u64;
        for value in [address, vmsize, range.0 as u64, range.1 as u64] {
            body.extend(self.wide(value));
        }
        let section_len = if self.is_64 { 80 } else { 68 };
        body.extend(self.words(&[7, 5, (sections.len() / section_len) as u32, 0]));
        body.extend_from_slice(sections);
        body
    }

    fn section(&self, name: &str, offset: usize, len: usize) -> Vec<u8> {
        let mut body = name16(name);
        body.extend(name16("__TEXT"));
        body.extend(self.wide(0x1_0000_0000 + offset as u64));
        body.extend(self.wide(len as u64));
        body.extend(self.words(&[offset as u32, 4, 0, 0, 0, 0, 0]));
        if self.is_64 {
            body.extend(self.words(&[0]));
        }
        body
    }

    /// The bytes, not signed.
    pub(crate) fn build(&self) -> Vec<u8> {
        let plist = self.info_plist.unwrap_or_default();
        let header_len = if self.is_64 { 32 } else { 28 };
        // The sizes do not depend on the offsets: the first pass finds the former.
        let commands = |start: usize| {
            let text_end = start + self.text + plist.len();
            let mut sections = self.section("__text", start, self.text);
            if self.info_plist.is_some() {
                sections.extend(self.section("__info_plist", start + self.text, plist.len()));
            }
            let segment = if self.is_64 { 0x19 } else { 1 };
            let mut list = alloc::vec![
                (segment, self.segment("__TEXT", 0x1_0000_0000, (0, text_end), &sections)),
                (
                    segment,
                    self.segment("__LINKEDIT", 0x2_0000_0000, (text_end, self.linkedit), &[]),
                ),
            ];
            list.extend(self.commands.iter().cloned());
            list
        };
        let pad = |body: &[u8]| (body.len() + 8).next_multiple_of(8);
        let commands_len: usize = commands(0).iter().map(|(_, body)| pad(body)).sum();
        let start = header_len + commands_len + self.room;
        let list = commands(start);

        let magic = if self.is_64 { 0xfeed_facf } else { 0xfeed_face };
        let (cpu, subtype) = self.cpu;
        let mut file = self.words(&[magic, cpu, subtype, self.filetype]);
        file.extend(self.words(&[list.len() as u32, commands_len as u32, self.flags]));
        file.resize(header_len, 0);
        for (command, body) in &list {
            file.extend(self.words(&[*command, pad(body) as u32]));
            file.extend_from_slice(body);
            file.resize(file.len() + pad(body) - body.len() - 8, 0);
        }
        file.resize(start, 0);
        file.extend((0..self.text).map(|i| (i * 7 + i / 256) as u8));
        file.extend_from_slice(plist);
        file.extend((0..self.linkedit).map(|i| i as u8 | 1));
        file
    }

    /// The bytes, signed.
    pub(crate) fn signed(&self) -> Vec<u8> {
        crate::sign::sign_adhoc(&self.build(), "org.example.fixture").unwrap()
    }
}

fn name16(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

/// A universal file: each slice aligned to `1 << align`.
pub(crate) fn universal(slices: &[((u32, u32), Vec<u8>)], is_64: bool, align: u32) -> Vec<u8> {
    let be = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
    let entry_len = if is_64 { 32 } else { 20 };
    let mut offset = 8 + slices.len() * entry_len;
    let mut file = be(&[if is_64 { 0xcafe_babf } else { 0xcafe_babe }, slices.len() as u32]);
    let mut places = Vec::new();
    for ((cpu, subtype), slice) in slices {
        offset = offset.next_multiple_of(1 << align);
        file.extend(be(&[*cpu, *subtype]));
        let (start, len) = (offset as u32, slice.len() as u32);
        file.extend(if is_64 {
            be(&[0, start, 0, len, align, 0])
        } else {
            be(&[start, len, align])
        });
        places.push(offset);
        offset += slice.len();
    }
    for (place, (_, slice)) in places.iter().zip(slices) {
        file.resize(*place, 0);
        file.extend_from_slice(slice);
    }
    file
}

/// Changes the bytes at an offset.
pub(crate) fn patch(bytes: &[u8], offset: u64, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[offset as usize..][..new.len()].copy_from_slice(new);
    bytes
}

/// What the flaws of every slice are called, in order.
pub(crate) fn flaws(bytes: &[u8]) -> Vec<String> {
    let macho = super::read(&bytes).unwrap();
    let signatures = macho.slices.iter().filter_map(|slice| slice.signature.as_ref());
    signatures
        .flat_map(|signature| &signature.flaws)
        .map(|flaw| match flaw.page {
            Some(page) => alloc::format!("{} {page} {:#x}", flaw.kind.name(), flaw.offset),
            None => flaw.kind.name().into(),
        })
        .collect()
}
