//! Verification of a slice's embedded code signature: all that can be checked without Apple's
//! certificates.
//!
//! Refused is what xnu (`cs_validate_csblob`, `cs_validate_codedirectory`) or Security's strict
//! validation (`CodeDirectory::checkIntegrity`, `MachO::validateStructure`, `Universal`) refuses.
//! Where a file has several code directories all must be well formed, and the one with the
//! strongest digest is compared with the bytes, as both do.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem::size_of;
use object::BigEndian;
use object::macho::{
    self, CS_ADHOC, CS_LINKER_SIGNED, CS_RUNTIME, CSMAGIC_EMBEDDED_SIGNATURE, CSSLOT_CODEDIRECTORY,
    CSSLOT_INFOSLOT, CSSLOT_RESOURCEDIR, CSSLOT_SIGNATURESLOT, CsBlobIndex, CsGenericBlob, CsSlot,
    CsSuperBlob,
};
use object::pod::{self, Pod};

use super::codesign::{self, CodeDirectory};
use super::hash::{HashType, Hasher};
use super::{Flaw, FlawKind, Image, Window};
use crate::formats::{ReadError, Source};

/// The code signature of one slice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signature {
    /// CS_ADHOC: no certificate.
    pub adhoc: bool,
    /// CS_LINKER_SIGNED: made by a linker, which tools may replace without asking.
    pub linker_signed: bool,
    /// CS_RUNTIME: the hardened runtime.
    pub runtime: bool,
    /// The identifier.
    pub identifier: Option<String>,
    /// The developer's team.
    pub team: Option<String>,
    /// `sha256`, `sha1`, `sha384`, `sha256-truncated`: that of the strongest code directory.
    pub hash: Option<&'static str>,
    /// Bytes of code per digest.
    pub page_size: Option<u32>,
    /// Digests of pages.
    pub code_slots: Option<u32>,
    /// Digests of other things: Info.plist, requirements, entitlements.
    pub special_slots: Option<u32>,
    /// What `codesign -dvvv` calls CDHash: the first 20 bytes of the code directory's digest.
    pub cdhash: Option<String>,
    /// Everything that is wrong, in the order it was found.
    pub flaws: Vec<Flaw>,
}

impl Signature {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.flaws.is_empty()
    }
}

/// Bytes of code read at once: whole pages of either size.
const CHUNK: usize = 256 * 1024;

/// The most wrong pages that are listed.
const MAX_PAGE_FLAWS: usize = 1000;

/// The most blobs a super blob may list: signers write five or fewer.
const MAX_BLOBS: u32 = 64;

/// The most special slots a code directory may have: 11 have a meaning.
const MAX_SPECIAL_SLOTS: u32 = 16;

/// The longest identifier or team identifier read, in bytes.
const MAX_TEXT: u64 = 4096;

/// The longest CMS signature read, in bytes: a chain of certificates and a time stamp are 10,000.
const MAX_CMS: u64 = 1 << 20;

/// Verifies the signature of a slice, if it has one. `flaws` are those of its place in the file.
///
/// # Errors
/// When the reader fails.
pub(super) fn verify(
    slice: &Window<'_>,
    image: &Image,
    flaws: Vec<Flaw>,
) -> Result<Option<Signature>, ReadError> {
    let Some(command) = image.code_signatures.first() else { return Ok(None) };
    let mut verifier = Verifier { slice, image, flaws };
    if let Some(second) = image.code_signatures.get(1) {
        verifier.flaw(FlawKind::Commands, second.command);
    }
    let mut signature = Signature::default();
    let (start, end) = (command.dataoff, command.dataoff + command.datasize);
    if end <= slice.len {
        verifier.check_linkedit(start, end);
        verifier.check_blobs(start, end - start, &mut signature)?;
    } else {
        verifier.flaw(FlawKind::Bounds, command.command);
    }
    signature.flaws = verifier.flaws;
    Ok(Some(signature))
}

struct Verifier<'a> {
    slice: &'a Window<'a>,
    image: &'a Image,
    flaws: Vec<Flaw>,
}

/// A blob of the super blob, by its place in the slice. It lies inside the super blob.
#[derive(Clone, Copy)]
struct Blob {
    slot: CsSlot,
    offset: u64,
    len: u64,
}

/// A code directory that is well formed, and where it stands.
#[derive(Clone, Copy)]
struct Directory {
    blob: Blob,
    fields: CodeDirectory,
    hash: HashType,
}

impl Directory {
    /// Where digest `slot` stands in the slice; special slots are negative.
    fn slot_offset(&self, slot: i64) -> u64 {
        let first = self.blob.offset + u64::from(self.fields.hash_offset);
        first.wrapping_add_signed(slot * self.hash.len() as i64)
    }
}

impl Verifier<'_> {
    /// Notes a flaw at an offset of the slice.
    fn flaw(&mut self, kind: FlawKind, offset: u64) {
        self.flaws.push(Flaw::at(kind, self.slice.start.saturating_add(offset)));
    }

    fn pod<T: Pod + Copy>(&self, offset: u64) -> Result<T, ReadError> {
        let mut bytes = alloc::vec![0; size_of::<T>()];
        self.slice.read_at(offset, &mut bytes)?;
        match pod::from_bytes::<T>(&bytes) {
            Ok((value, _)) => Ok(*value),
            Err(()) => Err(ReadError::PastEnd { offset, len: bytes.len() as u64 }),
        }
    }

    /// The signature is the last thing in __LINKEDIT, and that the last thing in the slice.
    fn check_linkedit(&mut self, start: u64, end: u64) {
        let right = self.image.segment("__LINKEDIT").is_some_and(|linkedit| {
            linkedit.fileoff <= start && linkedit.end() == end && end == self.slice.len
        });
        if !right {
            self.flaw(FlawKind::Linkedit, start);
        }
    }

    fn check_blobs(
        &mut self,
        start: u64,
        len: u64,
        signature: &mut Signature,
    ) -> Result<(), ReadError> {
        let Some(blobs) = self.blobs(start, len)? else { return Ok(()) };
        let mut directories: Vec<Directory> = Vec::new();
        for blob in blobs.iter().filter(|blob| codesign::is_directory(blob.slot)) {
            let Some(directory) = self.directory(*blob, start)? else { continue };
            if directories.iter().any(|other| other.hash == directory.hash) {
                self.flaw(FlawKind::DirectoryTwice, blob.offset);
            }
            directories.push(directory);
        }
        if !blobs.iter().any(|blob| blob.slot == CSSLOT_CODEDIRECTORY) {
            self.flaw(FlawKind::NoDirectory, start);
        }
        let Some(directory) = directories.iter().max_by_key(|directory| directory.hash) else {
            return Ok(());
        };
        self.describe(directory, signature)?;
        // Slices that share bytes would be hashed once each, as many as there are.
        if self.flaws.iter().any(|flaw| flaw.kind == FlawKind::FatOverlap) {
            return Ok(());
        }
        self.check_special_slots(directory, &blobs)?;
        self.check_pages(directory)?;
        if !signature.adhoc {
            self.check_cms(&blobs, start)?;
        }
        Ok(())
    }

    /// Reads the super blob's table. `None`: it is so wrong that nothing can be read.
    fn blobs(&mut self, start: u64, len: u64) -> Result<Option<Vec<Blob>>, ReadError> {
        let header_len = size_of::<CsSuperBlob>() as u64;
        let entry_len = size_of::<CsBlobIndex>() as u64;
        if len < header_len {
            self.flaw(FlawKind::SuperBlob, start);
            return Ok(None);
        }
        let header: CsSuperBlob = self.pod(start)?;
        let length = u64::from(header.length.get(BigEndian));
        let count = header.count.get(BigEndian);
        let table_end = header_len + u64::from(count) * entry_len;
        if header.magic.get(BigEndian) != CSMAGIC_EMBEDDED_SIGNATURE
            || length > len
            || count > MAX_BLOBS
            || table_end > length
        {
            self.flaw(FlawKind::SuperBlob, start);
            return Ok(None);
        }
        let mut blobs: Vec<Blob> = Vec::new();
        for i in 0..u64::from(count) {
            let entry_at = start + header_len + i * entry_len;
            let entry: CsBlobIndex = self.pod(entry_at)?;
            let (slot, offset) = (entry.slot.get(BigEndian), entry.offset.get(BigEndian).into());
            if blobs.iter().any(|blob| blob.slot == slot) {
                self.flaw(FlawKind::BlobTwice, entry_at);
            }
            match self.blob(slot, start, offset, table_end, length)? {
                Some(blob) => blobs.push(blob),
                None => self.flaw(FlawKind::Blob, entry_at),
            }
        }
        Ok(Some(blobs))
    }

    /// The blob at `offset` of the super blob, which starts at `start` and is `length` long.
    fn blob(
        &self,
        slot: CsSlot,
        start: u64,
        offset: u64,
        table_end: u64,
        length: u64,
    ) -> Result<Option<Blob>, ReadError> {
        let header_len = size_of::<CsGenericBlob>() as u64;
        if offset < table_end || offset + header_len > length {
            return Ok(None);
        }
        let header: CsGenericBlob = self.pod(start + offset)?;
        let len = u64::from(header.length.get(BigEndian));
        let magic = header.magic.get(BigEndian);
        let wrong_magic = codesign::magic_of(slot).is_some_and(|right| right != magic);
        if len < header_len || offset + len > length || wrong_magic {
            return Ok(None);
        }
        Ok(Some(Blob { slot, offset: start + offset, len }))
    }

    /// Reads a code directory. Flaws that still let its digests be found do not stop it.
    fn directory(&mut self, blob: Blob, signature_at: u64) -> Result<Option<Directory>, ReadError> {
        let mut fixed = alloc::vec![0; blob.len.min(codesign::MAX_FIXED_LEN.into()) as usize];
        self.slice.read_at(blob.offset, &mut fixed)?;
        let fields = match CodeDirectory::parse(&fixed) {
            Ok(fields) => fields,
            Err(kind) => {
                self.flaw(kind, blob.offset);
                return Ok(None);
            }
        };
        let Some(hash) = HashType::of(fields.hash_type)
            .filter(|hash| hash.len() == usize::from(fields.hash_size))
        else {
            self.flaw(FlawKind::HashType, blob.offset);
            return Ok(None);
        };
        let hash_len = hash.len() as u64;
        let before = u64::from(fields.special_slots) * hash_len;
        let after = u64::from(fields.code_slots) * hash_len;
        let hash_offset = u64::from(fields.hash_offset);
        if hash_offset < before
            || hash_offset + after > blob.len
            || fields.special_slots > MAX_SPECIAL_SLOTS
        {
            self.flaw(FlawKind::Slots, blob.offset);
            return Ok(None);
        }
        if !self.is_page_shift(fields.page_shift) {
            self.flaw(FlawKind::PageSize, blob.offset);
            return Ok(None);
        }
        if self.text(blob, fields.ident_offset)?.is_none() {
            self.flaw(FlawKind::Identifier, blob.offset);
        }
        if fields.team_offset != 0 && self.text(blob, fields.team_offset)?.is_none() {
            self.flaw(FlawKind::Team, blob.offset);
        }
        let linkage_out_of_bounds = fields
            .linkage
            .is_some_and(|(offset, size)| u64::from(offset) + u64::from(size) > blob.len);
        if fields.scatter_offset != 0 || linkage_out_of_bounds {
            self.flaw(FlawKind::Unsupported, blob.offset);
        }
        if fields.code_limit != signature_at {
            self.flaw(FlawKind::CodeLimit, blob.offset);
        }
        if fields.code_limit == 0 || fields.covered_pages() != u64::from(fields.code_slots) {
            self.flaw(FlawKind::SlotCount, blob.offset);
        }
        Ok(Some(Directory { blob, fields, hash }))
    }

    /// xnu takes 4 KiB and the machine's own page size, which is 16 KiB on all but x86.
    fn is_page_shift(&self, shift: u8) -> bool {
        let x86 = matches!(self.image.cputype(), macho::CPU_TYPE_X86 | macho::CPU_TYPE_X86_64);
        shift == 12 || shift == 14 && !x86
    }

    /// A string that ends inside the blob.
    fn text(&self, blob: Blob, offset: u32) -> Result<Option<String>, ReadError> {
        let left = blob.len.saturating_sub(offset.into()).min(MAX_TEXT);
        if left == 0 {
            return Ok(None);
        }
        let mut bytes = alloc::vec![0; left as usize];
        self.slice.read_at(blob.offset + u64::from(offset), &mut bytes)?;
        let end = bytes.iter().position(|byte| *byte == 0);
        Ok(end.map(|end| String::from_utf8_lossy(&bytes[..end]).into_owned()))
    }

    fn describe(&self, directory: &Directory, to: &mut Signature) -> Result<(), ReadError> {
        let fields = &directory.fields;
        to.adhoc = fields.flags.contains(CS_ADHOC);
        to.linker_signed = fields.flags.contains(CS_LINKER_SIGNED);
        to.runtime = fields.flags.contains(CS_RUNTIME);
        to.identifier = self.text(directory.blob, fields.ident_offset)?;
        if fields.team_offset != 0 {
            to.team = self.text(directory.blob, fields.team_offset)?;
        }
        to.hash = Some(directory.hash.name());
        to.page_size = Some(1 << fields.page_shift);
        to.code_slots = Some(fields.code_slots);
        to.special_slots = Some(fields.special_slots);
        let digest = self.hash_range(directory.hash, directory.blob.offset, directory.blob.len)?;
        to.cdhash = Some(hex::encode(&digest[..20]));
        Ok(())
    }

    fn hash_range(&self, hash: HashType, offset: u64, len: u64) -> Result<Vec<u8>, ReadError> {
        let mut hasher = Hasher::new(hash);
        let mut chunk = alloc::vec![0; len.min(CHUNK as u64) as usize];
        let mut done = 0;
        while done < len {
            let take = (len - done).min(CHUNK as u64) as usize;
            self.slice.read_at(offset + done, &mut chunk[..take])?;
            hasher.update(&chunk[..take]);
            done += take as u64;
        }
        Ok(hasher.finish().as_bytes().to_vec())
    }

    /// Slot k holds the digest of the blob in slot k, or zeros where there is none. Slots 1 and 3
    /// are Info.plist and the sealed resources. A lone file may have the former inside; a bundle
    /// has both beside it, out of our sight: the seal of resources tells them apart.
    fn check_special_slots(
        &mut self,
        directory: &Directory,
        blobs: &[Blob],
    ) -> Result<(), ReadError> {
        let slots = i64::from(directory.fields.special_slots);
        let mut in_bundle = false;
        for slot in (1..=slots).rev() {
            let mut stored = alloc::vec![0; directory.hash.len()];
            let stored_at = directory.slot_offset(-slot);
            self.slice.read_at(stored_at, &mut stored)?;
            let absent = stored.iter().all(|byte| *byte == 0);
            let slot = CsSlot(slot as u32);
            let place = match slot {
                CSSLOT_RESOURCEDIR => {
                    in_bundle = !absent;
                    continue;
                }
                CSSLOT_INFOSLOT if in_bundle || absent => continue,
                CSSLOT_INFOSLOT => self.image.info_plist,
                slot => {
                    let blob = blobs.iter().find(|blob| blob.slot == slot);
                    blob.map(|blob| (blob.offset, blob.len))
                }
            };
            let right = match place {
                None => absent,
                Some((offset, len)) if offset.saturating_add(len) > self.slice.len => false,
                Some((offset, len)) => self.hash_range(directory.hash, offset, len)? == stored,
            };
            if !right {
                self.flaw(FlawKind::SpecialSlot, stored_at);
            }
        }
        // A blob that the directory has no slot for is vouched for by nothing.
        for blob in blobs {
            let special = (1..macho::CSSLOT_ALTERNATE_CODEDIRECTORIES).contains(&blob.slot.0);
            if special && i64::from(blob.slot.0) > slots {
                self.flaw(FlawKind::SpecialSlot, blob.offset);
            }
        }
        Ok(())
    }

    /// Compares each page's digest. The last page ends where the code does.
    fn check_pages(&mut self, directory: &Directory) -> Result<(), ReadError> {
        let page_size = 1_u64 << directory.fields.page_shift;
        let pages = directory.fields.covered_pages().min(directory.fields.code_slots.into());
        let limit = directory.fields.code_limit;
        let hash_len = directory.hash.len();
        let per_chunk = CHUNK as u64 / page_size;
        let mut code = alloc::vec![0; CHUNK.min(limit.min(self.slice.len) as usize)];
        let mut stored = alloc::vec![0; per_chunk as usize * hash_len];
        let mut wrong = 0;
        let mut first = 0;
        while first < pages {
            let count = per_chunk.min(pages - first);
            let start = first * page_size;
            let end = (start + count * page_size).min(limit).min(self.slice.len);
            let code = &mut code[..end.saturating_sub(start) as usize];
            let stored = &mut stored[..count as usize * hash_len];
            if !code.is_empty() {
                self.slice.read_at(start, code)?;
            }
            self.slice.read_at(directory.slot_offset(first as i64), stored)?;
            let mut bytes = code.chunks(page_size as usize);
            for (page, stored) in (first..).zip(stored.chunks_exact(hash_len)) {
                let right = bytes
                    .next()
                    .is_some_and(|bytes| directory.hash.hash(bytes).as_bytes() == stored);
                if right {
                    continue;
                }
                let offset = self.slice.start + page * page_size;
                if wrong == MAX_PAGE_FLAWS {
                    self.flaws.push(Flaw::at(FlawKind::MorePages, offset));
                    return Ok(());
                }
                wrong += 1;
                let page = u32::try_from(page).ok();
                self.flaws.push(Flaw { kind: FlawKind::PageHash, page, offset });
            }
            first += count;
        }
        Ok(())
    }

    /// A signature that is not ad hoc carries a CMS message (RFC 5652) over the first code
    /// directory. Its certificates are Apple's to judge; that it speaks of this directory is seen
    /// from the digest among its signed attributes.
    fn check_cms(&mut self, blobs: &[Blob], start: u64) -> Result<(), ReadError> {
        let find = |slot| blobs.iter().find(|blob| blob.slot == slot).copied();
        let (Some(cms), Some(directory)) = (find(CSSLOT_SIGNATURESLOT), find(CSSLOT_CODEDIRECTORY))
        else {
            self.flaw(FlawKind::Cms, start);
            return Ok(());
        };
        let mut message = alloc::vec![0; cms.len.min(MAX_CMS) as usize];
        self.slice.read_at(cms.offset, &mut message)?;
        for digest in message_digests(&message) {
            let hash = match digest.len() {
                20 => HashType::Sha1,
                32 => HashType::Sha256,
                48 => HashType::Sha384,
                _ => continue,
            };
            if self.hash_range(hash, directory.offset, directory.len)? == digest {
                return Ok(());
            }
        }
        self.flaw(FlawKind::Cms, cms.offset);
        Ok(())
    }
}

/// The messageDigest attributes (RFC 5652, 11.2) of a CMS message, as DER: the object identifier
/// 1.2.840.113549.1.9.4, a SET, an OCTET STRING.
fn message_digests(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    const ATTRIBUTE: [u8; 11] = *b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04";
    // A digest is hashed for each: a message has one, and one in its time stamp.
    const MOST: usize = 16;
    let at = message.windows(ATTRIBUTE.len()).enumerate();
    let at = at.filter(|(_, window)| *window == ATTRIBUTE).take(MOST);
    at.filter_map(|(at, _)| {
        let value = message.get(at + ATTRIBUTE.len()..)?;
        match value {
            [0x31, _, 0x04, len, rest @ ..] => rest.get(..usize::from(*len)),
            _ => None,
        }
    })
}
