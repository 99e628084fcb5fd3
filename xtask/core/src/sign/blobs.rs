//! The signature itself, as `codesign --sign -` lays it out: a super blob of the code directory,
//! empty requirements and an empty CMS wrapper (`kern/cs_blobs.h`; Security's `signer.cpp`).

use alloc::vec::Vec;
use core::mem::size_of;
use object::macho::{
    CS_ADHOC, CS_EXECSEG_MAIN_BINARY, CS_SUPPORTSEXECSEG, CSMAGIC_BLOBWRAPPER,
    CSMAGIC_CODEDIRECTORY, CSMAGIC_EMBEDDED_SIGNATURE, CSMAGIC_REQUIREMENTS,
    CSSLOT_ALTERNATE_CODEDIRECTORIES, CSSLOT_CODEDIRECTORY, CSSLOT_REQUIREMENTS,
    CSSLOT_SIGNATURESLOT, CsBlobIndex, CsSlot, CsSuperBlob,
};

use crate::formats::macho::codesign::FIXED_LEN_0X20400;
use crate::formats::macho::hash::HashType;

/// Info.plist (1) and the requirements (2).
const SPECIAL_SLOTS: u32 = 2;

/// What a signature is made of, all but the bytes.
pub(super) struct Template<'a> {
    pub(super) identifier: &'a str,
    /// Bytes of code, from the start of the slice.
    pub(super) code_limit: u32,
    /// log2 of the page size.
    pub(super) page_shift: u8,
    /// Offset and length of __TEXT: `execSegBase`, `execSegLimit`.
    pub(super) text: (u64, u64),
    /// It is a program: CS_EXECSEG_MAIN_BINARY.
    pub(super) is_main: bool,
    /// Where Info.plist starts and ends in the code.
    pub(super) info_plist: Option<(usize, usize)>,
    /// A code directory for each, the oldest first.
    pub(super) hashes: &'static [HashType],
}

impl Template<'_> {
    /// Length of the signature in bytes.
    pub(super) fn len(&self) -> u32 {
        let directories: u32 = self.hashes.iter().map(|hash| self.directory_len(*hash)).sum();
        self.table_len() + directories + REQUIREMENTS.len() as u32 + CMS.len() as u32
    }

    fn table_len(&self) -> u32 {
        let blobs = self.hashes.len() + 2;
        (size_of::<CsSuperBlob>() + blobs * size_of::<CsBlobIndex>()) as u32
    }

    fn pages(&self) -> u32 {
        self.code_limit.div_ceil(1 << self.page_shift)
    }

    /// Of the first page's digest, in the code directory.
    fn hash_offset(&self, hash: HashType) -> u32 {
        FIXED_LEN_0X20400 + self.identifier.len() as u32 + 1 + SPECIAL_SLOTS * hash.len() as u32
    }

    fn directory_len(&self, hash: HashType) -> u32 {
        self.hash_offset(hash) + self.pages() * hash.len() as u32
    }

    /// The signature of these bytes: the code, with its load commands as they will be.
    pub(super) fn fill(&self, code: &[u8]) -> Vec<u8> {
        let mut blobs: Vec<(CsSlot, Vec<u8>)> = Vec::new();
        for (i, hash) in self.hashes.iter().enumerate() {
            let slot = match i as u32 {
                0 => CSSLOT_CODEDIRECTORY,
                i => CsSlot(CSSLOT_ALTERNATE_CODEDIRECTORIES + i - 1),
            };
            blobs.push((slot, self.directory(*hash, code)));
        }
        blobs.push((CSSLOT_REQUIREMENTS, REQUIREMENTS.to_vec()));
        blobs.push((CSSLOT_SIGNATURESLOT, CMS.to_vec()));
        blobs.sort_by_key(|(slot, _)| slot.0);

        let mut out = Blob(Vec::with_capacity(self.len() as usize));
        out.u32(CSMAGIC_EMBEDDED_SIGNATURE);
        out.u32(self.len());
        out.u32(blobs.len() as u32);
        let mut offset = self.table_len();
        for (slot, blob) in &blobs {
            out.u32(slot.0);
            out.u32(offset);
            offset += blob.len() as u32;
        }
        for (_, blob) in &blobs {
            out.0.extend_from_slice(blob);
        }
        out.0
    }

    fn directory(&self, hash: HashType, code: &[u8]) -> Vec<u8> {
        let mut out = Blob(Vec::with_capacity(self.directory_len(hash) as usize));
        out.u32(CSMAGIC_CODEDIRECTORY);
        out.u32(self.directory_len(hash));
        out.u32(CS_SUPPORTSEXECSEG.0);
        out.u32(CS_ADHOC.0);
        out.u32(self.hash_offset(hash));
        out.u32(FIXED_LEN_0X20400); // identOffset
        out.u32(SPECIAL_SLOTS);
        out.u32(self.pages());
        out.u32(self.code_limit);
        out.0.extend_from_slice(&[hash.len() as u8, hash.number().0, 0, self.page_shift]);
        out.u32(0); // spare2
        out.u32(0); // scatterOffset
        out.u32(0); // teamOffset
        out.u32(0); // spare3
        out.u64(0); // codeLimit64: codeLimit is enough
        out.u64(self.text.0);
        out.u64(self.text.1);
        out.u64(if self.is_main { CS_EXECSEG_MAIN_BINARY.0 } else { 0 });
        out.0.extend_from_slice(self.identifier.as_bytes());
        out.0.push(0);
        out.0.extend_from_slice(hash.hash(&REQUIREMENTS).as_bytes());
        match self.info_plist {
            Some((start, end)) => {
                out.0.extend_from_slice(hash.hash(&code[start..end]).as_bytes());
            }
            None => out.0.resize(out.0.len() + hash.len(), 0),
        }
        for page in code.chunks(1 << self.page_shift) {
            out.0.extend_from_slice(hash.hash(page).as_bytes());
        }
        out.0
    }
}

/// Requirements: none.
const REQUIREMENTS: [u8; 12] = concat(CSMAGIC_REQUIREMENTS, [12, 0]);

/// A CMS message: none.
const CMS: [u8; 8] = concat(CSMAGIC_BLOBWRAPPER, [8]);

/// Big-endian words.
const fn concat<const WORDS: usize, const LEN: usize>(magic: u32, rest: [u32; WORDS]) -> [u8; LEN] {
    let mut out = [0; LEN];
    let mut i = 0;
    while i < LEN {
        let word = if i < 4 { magic } else { rest[i / 4 - 1] };
        out[i] = word.to_be_bytes()[i % 4];
        i += 1;
    }
    out
}

struct Blob(Vec<u8>);

impl Blob {
    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }
}
