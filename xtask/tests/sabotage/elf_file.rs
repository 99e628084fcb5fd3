//! Small edits of 64-bit little-endian ELF files, by the loader's tables.

pub(crate) const PT_LOAD: u32 = 1;
pub(crate) const PT_DYNAMIC: u32 = 2;
pub(crate) const PT_INTERP: u32 = 3;
pub(crate) const PT_GNU_STACK: u32 = 0x6474_e551;
pub(crate) const PT_GNU_RELRO: u32 = 0x6474_e552;
pub(crate) const PT_NULL: u32 = 0;

pub(crate) const DT_NULL: u64 = 0;
pub(crate) const DT_NEEDED: u64 = 1;
pub(crate) const DT_STRTAB: u64 = 5;
pub(crate) const DT_SYMTAB: u64 = 6;
pub(crate) const DT_STRSZ: u64 = 10;
pub(crate) const DT_DEBUG: u64 = 21;
pub(crate) const DT_TEXTREL: u64 = 22;
pub(crate) const DT_FLAGS: u64 = 30;
pub(crate) const DT_RELR: u64 = 36;
pub(crate) const DT_VERSYM: u64 = 0x6fff_fff0;
pub(crate) const DT_VERNEED: u64 = 0x6fff_fffe;
pub(crate) const DT_VERNEEDNUM: u64 = 0x6fff_ffff;

/// The bytes of one file.
#[derive(Clone)]
pub(crate) struct File(pub(crate) Vec<u8>);

impl File {
    pub(crate) fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.0[at..at + 2].try_into().unwrap())
    }

    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().unwrap())
    }

    pub(crate) fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().unwrap())
    }

    pub(crate) fn set(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Offsets of the program headers.
    fn headers(&self) -> impl Iterator<Item = usize> {
        let (start, count) = (self.u64(32) as usize, usize::from(self.u16(56)));
        (0..count).map(move |i| start + i * 56)
    }

    /// Offset of the first program header of a type.
    pub(crate) fn header(&self, kind: u32) -> usize {
        self.headers().find(|at| self.u32(*at) == kind).expect("a program header of that type")
    }

    /// Offset of the first PT_LOAD with all these flags.
    pub(crate) fn load(&self, flags: u32) -> usize {
        self.headers()
            .find(|at| self.u32(*at) == PT_LOAD && self.u32(*at + 4) & flags == flags)
            .expect("a PT_LOAD with those flags")
    }

    /// File offset of an address.
    pub(crate) fn offset(&self, address: u64) -> usize {
        let load = self
            .headers()
            .filter(|at| self.u32(*at) == PT_LOAD)
            .find(|at| {
                let start = self.u64(at + 16);
                (start..start + self.u64(at + 32)).contains(&address)
            })
            .expect("an address in a segment");
        (self.u64(load + 8) + address - self.u64(load + 16)) as usize
    }

    /// Offset of the entry of a dynamic tag.
    pub(crate) fn tag(&self, tag: u64) -> usize {
        let start = self.u64(self.header(PT_DYNAMIC) + 8) as usize;
        (0..).map(|i| start + i * 16).find(|at| self.u64(*at) == tag).expect("that dynamic tag")
    }

    /// File offset of the table a dynamic tag names.
    pub(crate) fn table(&self, tag: u64) -> usize {
        self.offset(self.u64(self.tag(tag) + 8))
    }

    /// The same file without section headers: the loader needs none.
    pub(crate) fn without_sections(mut self) -> Self {
        self.set(40, &[0; 8]);
        self.set(58, &[0; 6]);
        self
    }

    /// Offset of the Vernaux record of a version.
    pub(crate) fn version(&self, name: &str) -> usize {
        let strings = self.table(DT_STRTAB);
        let mut library = self.table(DT_VERNEED);
        loop {
            let mut record = library + self.u32(library + 8) as usize;
            loop {
                let text = &self.0[strings + self.u32(record + 8) as usize..];
                if text.starts_with(name.as_bytes()) && text[name.len()] == 0 {
                    return record;
                }
                match self.u32(record + 12) {
                    0 => break,
                    next => record += next as usize,
                }
            }
            library += self.u32(library + 12) as usize;
        }
    }
}
