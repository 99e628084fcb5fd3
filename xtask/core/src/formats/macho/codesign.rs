//! The structures of an embedded code signature (xnu's `kern/cs_blobs.h`), all big-endian.
//!
//! LC_CODE_SIGNATURE points to a super blob: a table of (slot, offset), then blobs. The code
//! directory is the blob that matters: it holds a digest of each page of code, and in front of
//! those, at negative slots, digests of the other blobs.

use core::mem::size_of;
use object::BigEndian;
use object::macho::{
    CS_SUPPORTSCODELIMIT64, CS_SUPPORTSEXECSEG, CS_SUPPORTSLINKAGE, CS_SUPPORTSRUNTIME,
    CS_SUPPORTSSCATTER, CS_SUPPORTSTEAMID, CSMAGIC_BLOBWRAPPER, CSMAGIC_CODEDIRECTORY,
    CSMAGIC_EMBEDDED_DER_ENTITLEMENTS, CSMAGIC_EMBEDDED_ENTITLEMENTS,
    CSMAGIC_EMBEDDED_LAUNCH_CONSTRAINT, CSMAGIC_REQUIREMENTS, CSSLOT_CODEDIRECTORY,
    CSSLOT_DER_ENTITLEMENTS, CSSLOT_ENTITLEMENTS, CSSLOT_LAUNCH_CONSTRAINT_SELF,
    CSSLOT_LIBRARY_CONSTRAINT, CSSLOT_REQUIREMENTS, CSSLOT_SIGNATURESLOT, CsCodeDirectoryV0,
    CsCodeDirectoryV1, CsCodeDirectoryV2, CsCodeDirectoryV3, CsFlags, CsHashType, CsSlot,
    CsVersion,
};
use object::pod::{self, Pod};

use super::FlawKind;

/// Versions that Security understands (`codedirectory.h`: `earliestVersion`,
/// `compatibilityLimit`).
const VERSIONS: core::ops::RangeInclusive<u32> = 0x20001..=0x2F000;

/// Length of the fixed fields up to version 0x20400: what a signer writes.
pub(crate) const FIXED_LEN_0X20400: u32 = 88;

/// Length of the longest fixed fields known, those of version 0x20600.
pub(crate) const MAX_FIXED_LEN: u32 = 108;

/// `linkageHashType` and what follows it stand behind `runtime` and `preEncryptOffset`.
const LINKAGE_AT: usize = FIXED_LEN_0X20400 as usize + 8;

/// The fields of a code directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodeDirectory {
    pub(crate) flags: CsFlags,
    /// Of the first page's digest; special slot k stands k digests before it.
    pub(crate) hash_offset: u32,
    pub(crate) ident_offset: u32,
    pub(crate) special_slots: u32,
    pub(crate) code_slots: u32,
    /// Bytes covered, from the start of the slice.
    pub(crate) code_limit: u64,
    pub(crate) hash_size: u8,
    pub(crate) hash_type: CsHashType,
    /// log2 of the page size.
    pub(crate) page_shift: u8,
    pub(crate) scatter_offset: u32,
    /// 0: none.
    pub(crate) team_offset: u32,
    /// Offset and length of the linkage data.
    pub(crate) linkage: Option<(u32, u32)>,
}

impl CodeDirectory {
    /// Reads the fixed fields from the start of a blob (at most [`MAX_FIXED_LEN`] bytes of it).
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FlawKind> {
        let mut at = 0;
        let mut fields = Fields { bytes, at: &mut at };
        let v0: &CsCodeDirectoryV0 = fields.next()?;
        let version = v0.version.get(BigEndian);
        if !VERSIONS.contains(&version.0) {
            return Err(FlawKind::Version);
        }
        let mut directory = Self {
            flags: v0.flags.get(BigEndian),
            hash_offset: v0.hash_offset.get(BigEndian),
            ident_offset: v0.ident_offset.get(BigEndian),
            special_slots: v0.n_special_slots.get(BigEndian),
            code_slots: v0.n_code_slots.get(BigEndian),
            code_limit: v0.code_limit.get(BigEndian).into(),
            hash_size: v0.hash_size,
            hash_type: v0.hash_type,
            page_shift: v0.page_size,
            scatter_offset: 0,
            team_offset: 0,
            linkage: None,
        };
        if version >= CS_SUPPORTSSCATTER {
            let v1: &CsCodeDirectoryV1 = fields.next()?;
            directory.scatter_offset = v1.scatter_offset.get(BigEndian);
        }
        if version >= CS_SUPPORTSTEAMID {
            let v2: &CsCodeDirectoryV2 = fields.next()?;
            directory.team_offset = v2.team_offset.get(BigEndian);
        }
        if version >= CS_SUPPORTSCODELIMIT64 {
            let v3: &CsCodeDirectoryV3 = fields.next()?;
            match v3.code_limit64.get(BigEndian) {
                0 => {}
                limit => directory.code_limit = limit,
            }
        }
        let fixed_len = fixed_len(version);
        if bytes.len() < fixed_len {
            return Err(FlawKind::Directory);
        }
        if version >= CS_SUPPORTSLINKAGE {
            directory.linkage = linkage(&bytes[LINKAGE_AT..]);
        }
        Ok(directory)
    }

    /// Pages that cover the code: the last one may be short.
    pub(crate) fn covered_pages(&self) -> u64 {
        self.code_limit.div_ceil(1 << self.page_shift)
    }
}

/// Length of a version's fixed fields.
fn fixed_len(version: CsVersion) -> usize {
    if version >= CS_SUPPORTSLINKAGE {
        MAX_FIXED_LEN as usize
    } else if version >= CS_SUPPORTSRUNTIME {
        LINKAGE_AT
    } else if version >= CS_SUPPORTSEXECSEG {
        FIXED_LEN_0X20400 as usize
    } else {
        // The older ones have been read field by field.
        size_of::<CsCodeDirectoryV0>()
    }
}

/// `linkageHashType`, `linkageApplicationType`, `linkageApplicationSubType`, `linkageOffset`,
/// `linkageSize`; there is none if the hash type is 0.
fn linkage(bytes: &[u8]) -> Option<(u32, u32)> {
    let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    if *bytes.first()? == 0 { None } else { Some((word(4)?, word(8)?)) }
}

struct Fields<'a> {
    bytes: &'a [u8],
    at: &'a mut usize,
}

impl<'a> Fields<'a> {
    fn next<T: Pod>(&mut self) -> Result<&'a T, FlawKind> {
        let rest = self.bytes.get(*self.at..).ok_or(FlawKind::Directory)?;
        let (field, _) = pod::from_bytes(rest).map_err(|()| FlawKind::Directory)?;
        *self.at += size_of::<T>();
        Ok(field)
    }
}

/// Whether a slot holds a code directory: the first one, or one of five alternates.
pub(crate) fn is_directory(slot: CsSlot) -> bool {
    slot == CSSLOT_CODEDIRECTORY || slot.is_alternate_codedirectory()
}

/// The magic number the blob of a slot must have; `None`: any (xnu's `cs_validate_csblob`,
/// Security's `cs.h`).
pub(crate) fn magic_of(slot: CsSlot) -> Option<u32> {
    match slot {
        slot if is_directory(slot) => Some(CSMAGIC_CODEDIRECTORY),
        CSSLOT_REQUIREMENTS => Some(CSMAGIC_REQUIREMENTS),
        CSSLOT_ENTITLEMENTS => Some(CSMAGIC_EMBEDDED_ENTITLEMENTS),
        CSSLOT_DER_ENTITLEMENTS => Some(CSMAGIC_EMBEDDED_DER_ENTITLEMENTS),
        CsSlot(CSSLOT_LAUNCH_CONSTRAINT_SELF_NUMBER..=CSSLOT_LIBRARY_CONSTRAINT_NUMBER) => {
            Some(CSMAGIC_EMBEDDED_LAUNCH_CONSTRAINT)
        }
        CSSLOT_SIGNATURESLOT => Some(CSMAGIC_BLOBWRAPPER),
        _ => None,
    }
}

const CSSLOT_LAUNCH_CONSTRAINT_SELF_NUMBER: u32 = CSSLOT_LAUNCH_CONSTRAINT_SELF.0;
const CSSLOT_LIBRARY_CONSTRAINT_NUMBER: u32 = CSSLOT_LIBRARY_CONSTRAINT.0;
