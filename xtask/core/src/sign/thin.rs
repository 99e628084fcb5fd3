//! Signing one slice: make room, describe the signature in the load commands, then hash.

use alloc::vec::Vec;
use object::macho::{self, LinkeditDataCommand, SegmentCommand32, SegmentCommand64};
use object::pod::{self, Pod};
use object::{Endianness, macho::CpuType};

use super::SignError;
use super::blobs::Template;
use crate::formats::Version;
use crate::formats::macho::hash::HashType;
use crate::formats::macho::image::{CodeSignatureCommand, SegmentRange};
use crate::formats::macho::{Cpu, Cut, FlawKind, Image, Kind};

/// Length of LC_CODE_SIGNATURE.
const COMMAND_LEN: u64 = size_of::<LinkeditDataCommand<Endianness>>() as u64;

/// A signature starts and ends on 16 bytes, as those of `codesign_allocate` do.
const ALIGN: u64 = 16;

/// Before macOS 10.11.4 the kernel knew SHA-1 only (Security: `MachORep::prepareForSigning`).
const FIRST_WITH_SHA256: Version = Version::new3(10, 11, 4);

pub(super) fn sign(
    slice: &[u8],
    listed_as: Option<Cpu>,
    identifier: &str,
) -> Result<Vec<u8>, SignError> {
    let image = Image::read(&slice)?;
    let kind = Kind::of(image.filetype);
    if !kind.is_loaded() {
        return Err(SignError::NotCode(kind));
    }
    if listed_as.is_some_and(|cpu| cpu != image.cpu) {
        return Err(SignError::Container { kind: FlawKind::FatArch, offset: 0 });
    }
    if let Some(cut) = image.cut(slice.len() as u64) {
        return Err(SignError::Cut(cut));
    }
    let linkedit = image.segment("__LINKEDIT").ok_or(SignError::NoLinkedit)?;
    let code_end = code_end(&image, linkedit, slice.len() as u64)?;
    let mut bytes = slice[..code_end as usize].to_vec();
    let code_limit = code_end.next_multiple_of(ALIGN);
    bytes.resize(code_limit as usize, 0);

    let template = Template {
        identifier,
        code_limit: u32::try_from(code_limit).map_err(|_| SignError::TooLarge)?,
        page_shift: page_shift(&image),
        text: image.segment("__TEXT").map_or((0, 0), |text| (text.fileoff, text.filesize)),
        is_main: kind == Kind::Executable,
        info_plist: info_plist(&image, code_limit)?,
        hashes: hashes(&image),
    };
    let len = u64::from(template.len()).next_multiple_of(ALIGN);
    let command = CodeSignatureCommand {
        command: match image.code_signatures.first() {
            Some(old) => old.command,
            None => add_command(&mut bytes, &image)?,
        },
        dataoff: code_limit,
        datasize: len,
    };
    set_command(&mut bytes, &command, image.endian).ok_or(SignError::TooLarge)?;
    let filesize = code_limit + len - linkedit.fileoff;
    set_segment(&mut bytes, &image, linkedit, filesize).ok_or(SignError::TooLarge)?;
    let signature = template.fill(&bytes);
    bytes.extend_from_slice(&signature);
    bytes.resize((code_limit + len) as usize, 0);
    Ok(bytes)
}

/// Where the code ends, without a signature. The signature, or else __LINKEDIT, must be the last
/// thing in the slice.
fn code_end(image: &Image, linkedit: &SegmentRange, len: u64) -> Result<u64, SignError> {
    let (start, end) = match image.code_signatures.as_slice() {
        [] => (linkedit.end(), linkedit.end()),
        [old] => (old.dataoff, old.dataoff + old.datasize),
        _ => return Err(SignError::TwoSignatures),
    };
    // The load commands are written to: they must be part of the code.
    let first = linkedit.fileoff.max(image.commands_end);
    if linkedit.end() != end || end != len || start < first {
        return Err(SignError::NotLast { end: linkedit.end().max(end), len });
    }
    Ok(start)
}

/// As `codesign` chooses (Security-61901, `machorep.cpp`, `MachORep::pageSize`): 16 KiB for arm64,
/// except on tvOS.
fn page_shift(image: &Image) -> u8 {
    let tvos = image.platform().0.is_some_and(|platform| platform == "tvos");
    if is_arm64(image.cputype()) && !tvos { 14 } else { 12 }
}

fn is_arm64(cputype: CpuType) -> bool {
    matches!(cputype, macho::CPU_TYPE_ARM64 | macho::CPU_TYPE_ARM64_32)
}

/// SHA-1 too where the oldest release it runs on, or an unknown one, has nothing else.
fn hashes(image: &Image) -> &'static [HashType] {
    match image.platform() {
        (Some(platform), Some(minos)) if platform != "macos" || minos >= FIRST_WITH_SHA256 => {
            &[HashType::Sha256]
        }
        _ => &[HashType::Sha1, HashType::Sha256],
    }
}

/// Info.plist in a section, as a range of the code.
fn info_plist(image: &Image, code_limit: u64) -> Result<Option<(usize, usize)>, SignError> {
    let Some((offset, len)) = image.info_plist else { return Ok(None) };
    match offset.checked_add(len) {
        Some(end) if end <= code_limit => Ok(Some((offset as usize, end as usize))),
        end => {
            let (segment, end) = ("__TEXT,__info_plist".into(), end.unwrap_or(u64::MAX));
            Err(SignError::Cut(Cut { segment, end }))
        }
    }
}

/// Makes room for a new load command behind the others, where nothing may be yet.
fn add_command(bytes: &mut [u8], image: &Image) -> Result<u64, SignError> {
    let start = image.last_command_end;
    let end = image.first_content.unwrap_or(0);
    let room = bytes.get(start as usize..end as usize).unwrap_or(&[]);
    let free = room.iter().take_while(|byte| **byte == 0).count() as u64;
    if free < COMMAND_LEN {
        return Err(SignError::NoRoom { free });
    }
    let more = (start + COMMAND_LEN).saturating_sub(image.commands_end);
    set_header(bytes, image, more as u32).ok_or(SignError::TooLarge)?;
    Ok(start)
}

/// Counts the new load command, which takes `more` bytes than there were.
fn set_header(bytes: &mut [u8], image: &Image, more: u32) -> Option<()> {
    // The 64-bit header is the 32-bit one with a reserved word behind it.
    let header = at::<macho::MachHeader32<Endianness>>(bytes, 0)?;
    let size = header.sizeofcmds.get(image.endian).checked_add(more)?;
    header.ncmds.set(image.endian, image.ncmds.checked_add(1)?);
    header.sizeofcmds.set(image.endian, size);
    Some(())
}

fn set_command(bytes: &mut [u8], command: &CodeSignatureCommand, endian: Endianness) -> Option<()> {
    let field = at::<LinkeditDataCommand<Endianness>>(bytes, command.command)?;
    field.cmd.set(endian, macho::LC_CODE_SIGNATURE);
    field.cmdsize.set(endian, COMMAND_LEN as u32);
    field.dataoff.set(endian, command.dataoff.try_into().ok()?);
    field.datasize.set(endian, command.datasize.try_into().ok()?);
    Some(())
}

/// __LINKEDIT holds the signature: its size in the file is exact, and in memory whole pages.
fn set_segment(
    bytes: &mut [u8],
    image: &Image,
    linkedit: &SegmentRange,
    filesize: u64,
) -> Option<()> {
    let page = if is_arm64(image.cputype()) { 0x4000 } else { 0x1000 };
    let vmsize = linkedit.vmsize.max(filesize.checked_next_multiple_of(page)?);
    if image.is_64 {
        let segment = at::<SegmentCommand64<Endianness>>(bytes, linkedit.command)?;
        segment.filesize.set(image.endian, filesize);
        segment.vmsize.set(image.endian, vmsize);
    } else {
        let segment = at::<SegmentCommand32<Endianness>>(bytes, linkedit.command)?;
        segment.filesize.set(image.endian, filesize.try_into().ok()?);
        segment.vmsize.set(image.endian, vmsize.try_into().ok()?);
    }
    Some(())
}

fn at<T: Pod>(bytes: &mut [u8], offset: u64) -> Option<&mut T> {
    let (value, _) = pod::from_bytes_mut(bytes.get_mut(offset as usize..)?).ok()?;
    Some(value)
}
