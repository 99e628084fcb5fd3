//! Imports, the load configuration and the resources.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::size_of;
use object::LittleEndian as LE;
use object::pe::{
    IMAGE_GUARD_CF_INSTRUMENTED, IMAGE_ORDINAL_FLAG32, IMAGE_ORDINAL_FLAG64,
    ImageDelayloadDescriptor, ImageImportDescriptor, ImageResourceDirectory,
    ImageResourceDirectoryEntry, RT_MANIFEST, RT_VERSION,
};
use object::pod::Pod;

use super::damaged;
use super::image::{Image, pod, string};
use crate::formats::{Source, Unread};

/// The most libraries a file may import. The loader has no limit, and no file comes near.
const MAX_LIBRARIES: usize = 1 << 16;

/// The most functions a file may import from all of them.
const MAX_FUNCTIONS: u64 = 1 << 20;

/// One library in a table of imports, by addresses.
struct Library {
    name: u32,
    /// The list of its functions; the loader reads it before the program starts.
    functions: Option<u32>,
}

/// The libraries of the import table: it ends with an entry without a name or addresses.
pub(super) fn imports(source: &dyn Source, image: &Image, rva: u32) -> Result<Vec<String>, Unread> {
    names(source, image, rva, "import table", |entry: &ImageImportDescriptor| {
        let (name, thunk) = (entry.name.get(LE), entry.first_thunk.get(LE));
        // Old linkers left the first list out: the second, which takes the addresses, is the same then.
        let functions = match entry.original_first_thunk.get(LE) {
            0 => thunk,
            list => list,
        };
        (name != 0 && thunk != 0).then_some(Library { name, functions: Some(functions) })
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
    names(source, image, rva, "delay import table", |entry: &ImageDelayloadDescriptor| {
        let name = match entry.dll_name_rva.get(LE) {
            0 => return None,
            name if entry.attributes.get(LE) & RVA_BASED == 0 => name.wrapping_sub(base),
            name => name,
        };
        Some(Library { name, functions: None })
    })
}

/// Walks a table to its end: the loader ignores the size that the directory gives.
fn names<T: Pod + Copy>(
    source: &dyn Source,
    image: &Image,
    rva: u32,
    what: &str,
    library: impl Fn(&T) -> Option<Library>,
) -> Result<Vec<String>, Unread> {
    let mut names = Vec::new();
    let mut functions = 0;
    let table = image.place(rva, what)?;
    let entry_len = size_of::<T>() as u64;
    for i in 0..table.left / entry_len {
        let entry: T = pod(source, table.offset + i * entry_len)?;
        let Some(library) = library(&entry) else { return Ok(names) };
        if names.len() == MAX_LIBRARIES {
            return Err(damaged(format!("the {what} has no end")));
        }
        let name = string(source, image.place(library.name, "name of a library")?, what)?;
        if let Some(list) = library.functions {
            functions += check_functions(source, image, list, &name, MAX_FUNCTIONS - functions)?;
        }
        names.push(name);
    }
    Err(damaged(format!("the {what} does not end inside its section")))
}

/// Walks the list of the functions that are imported from `library`, `most` of them, each by ordinal or
/// by the address of its name; returns how many there are. The loader follows all of them.
fn check_functions(
    source: &dyn Source,
    image: &Image,
    rva: u32,
    library: &str,
    most: u64,
) -> Result<u64, Unread> {
    let what = format!("list of imports from {library:?}");
    let list = image.place(rva, &what)?;
    let width: u64 = if image.is_64 { 8 } else { 4 };
    for i in 0..list.left / width {
        let at = list.offset + i * width;
        let (entry, by_ordinal) = if image.is_64 {
            let entry = pod::<object::U64<LE>>(source, at)?.get(LE);
            (entry, entry & IMAGE_ORDINAL_FLAG64 != 0)
        } else {
            let entry = pod::<object::U32<LE>>(source, at)?.get(LE);
            (entry.into(), entry & IMAGE_ORDINAL_FLAG32 != 0)
        };
        match entry {
            0 => return Ok(i),
            _ if i == most => return Err(damaged(format!("the {what} has no end"))),
            _ if by_ordinal => {}
            name => {
                let name = u32::try_from(name).unwrap_or(u32::MAX);
                image.place(name, &format!("name of an import from {library:?}"))?;
            }
        }
    }
    Err(damaged(format!("the {what} does not end inside its section")))
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
