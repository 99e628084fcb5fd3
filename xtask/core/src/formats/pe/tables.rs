//! Imports, the load configuration and the resources.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem::size_of;
use object::LittleEndian as LE;
use object::pe::{
    IMAGE_GUARD_CF_INSTRUMENTED, ImageDelayloadDescriptor, ImageImportDescriptor,
    ImageResourceDirectory, ImageResourceDirectoryEntry, RT_MANIFEST, RT_VERSION,
};
use object::pod::Pod;

use super::damaged;
use super::image::{Image, pod, string};
use crate::formats::{Source, Unread};

/// The most libraries a file may import. The loader has no limit, and no file comes near.
const MAX_LIBRARIES: usize = 1 << 16;

/// The libraries of the import table: it ends with an entry without a name or addresses.
pub(super) fn imports(source: &dyn Source, image: &Image, rva: u32) -> Result<Vec<String>, Unread> {
    names(source, image, rva, "import table", |entry: &ImageImportDescriptor| {
        let (name, thunk) = (entry.name.get(LE), entry.first_thunk.get(LE));
        if thunk == 0 { 0 } else { name }
    })
}

/// The libraries of the delay import table. Its first version, of 1998, holds addresses, not
/// offsets from the image's base.
pub(super) fn delay_imports(
    source: &dyn Source,
    image: &Image,
    rva: u32,
) -> Result<Vec<String>, Unread> {
    const RVA_BASED: u32 = 1;
    let base = image.image_base as u32;
    names(source, image, rva, "delay import table", |entry: &ImageDelayloadDescriptor| match entry
        .dll_name_rva
        .get(LE)
    {
        0 => 0,
        name if entry.attributes.get(LE) & RVA_BASED == 0 => name.wrapping_sub(base),
        name => name,
    })
}

/// Walks a table to its end: the loader ignores the size that the directory gives.
fn names<T: Pod + Copy>(
    source: &dyn Source,
    image: &Image,
    rva: u32,
    what: &str,
    name_of: impl Fn(&T) -> u32,
) -> Result<Vec<String>, Unread> {
    let mut names = Vec::new();
    let table = image.place(rva, what)?;
    let entry_len = size_of::<T>() as u64;
    for i in 0..table.left / entry_len {
        let entry: T = pod(source, table.offset + i * entry_len)?;
        match name_of(&entry) {
            0 => return Ok(names),
            _ if names.len() == MAX_LIBRARIES => {
                return Err(damaged(alloc::format!("the {what} has no end")));
            }
            name => names.push(string(source, image.place(name, "name of a library")?, what)?),
        }
    }
    Err(damaged(alloc::format!("the {what} does not end inside its section")))
}

/// `GuardFlags` of the load configuration, whose size grew with each version of Windows.
pub(super) fn is_guard_instrumented(
    source: &dyn Source,
    image: &Image,
    rva: u32,
) -> Result<bool, Unread> {
    let table = image.place(rva, "load configuration")?;
    let at: u64 = if image.is_64 { 0x90 } else { 0x58 };
    let size: object::U32<LE> = pod(source, table.offset)?;
    let field_end = at + 4;
    if u64::from(size.get(LE)) < field_end || table.left < field_end {
        return Ok(false);
    }
    let flags: object::U32<LE> = pod(source, table.offset + at)?;
    Ok(flags.get(LE) & IMAGE_GUARD_CF_INSTRUMENTED.0 != 0)
}

/// The resources that matter here.
#[derive(Default)]
pub(super) struct Resources {
    pub(super) manifest: bool,
    pub(super) version: bool,
}

/// The first level of the resource tree lists the types. The levels below it, which may form a
/// circle, are not needed.
pub(super) fn resources(source: &dyn Source, image: &Image, rva: u32) -> Result<Resources, Unread> {
    let place = image.place(rva, "resource table")?;
    let root: ImageResourceDirectory = pod(source, place.offset)?;
    let named = u64::from(root.number_of_named_entries.get(LE));
    let numbered = u64::from(root.number_of_id_entries.get(LE));
    let header_len = size_of::<ImageResourceDirectory>() as u64;
    let entry_len = size_of::<ImageResourceDirectoryEntry>() as u64;
    if header_len + (named + numbered) * entry_len > place.left {
        return Err(damaged("the resource table does not end inside its section"));
    }
    let mut resources = Resources::default();
    for i in named..named + numbered {
        let at = place.offset + header_len + i * entry_len;
        let entry: ImageResourceDirectoryEntry = pod(source, at)?;
        match entry.name_or_id.get(LE) {
            id if id == u32::from(RT_MANIFEST) => resources.manifest = true,
            id if id == u32::from(RT_VERSION) => resources.version = true,
            _ => {}
        }
    }
    Ok(resources)
}
