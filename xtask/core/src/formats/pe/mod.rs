//! Portable Executable: Windows programs and libraries, read as Windows maps them: by the data
//! directories, not by section names.
//!
//! Source: Microsoft, "PE Format", and the structures of `winnt.h`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use object::pe::{
    self, IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR, IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT,
    IMAGE_DIRECTORY_ENTRY_IMPORT, IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG,
    IMAGE_DIRECTORY_ENTRY_RESOURCE, IMAGE_DIRECTORY_ENTRY_SECURITY, Machine, Subsystem,
};

use super::{Format, ReadError, Source, Unread};

mod image;
mod tables;

#[cfg(test)]
mod tests;

use image::Image;

/// The DOS header's magic.
pub const MAGIC: &[u8] = b"MZ";

/// One PE file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pe {
    /// For example `x86_64`.
    pub machine: String,
    /// PE32+.
    pub is_64: bool,
    /// A library, not a program.
    pub is_dll: bool,
    /// `console`, `gui` ...
    pub subsystem: String,
    /// Libraries it cannot start without.
    pub imports: Vec<String>,
    /// Libraries it loads when they are first called.
    pub delay_imports: Vec<String>,
    /// It can be moved to a random address: DYNAMIC_BASE, and its relocations are there.
    pub aslr: bool,
    /// HIGH_ENTROPY_VA: that address may be any of 64 bits.
    pub high_entropy: bool,
    /// NX_COMPAT: its data is not executable.
    pub nx: bool,
    /// Control Flow Guard: GUARD_CF, and the load configuration says CF_INSTRUMENTED too. One of
    /// them alone does nothing.
    pub cfg: bool,
    /// RELOCS_STRIPPED.
    pub relocs_stripped: bool,
    /// It has a manifest resource.
    pub manifest: bool,
    /// It has a version resource.
    pub version_info: bool,
    /// It has an Authenticode signature, which is not judged.
    pub authenticode: bool,
    /// It is managed code (.NET).
    pub managed: bool,
}

/// Reads the headers and the import tables.
///
/// # Errors
/// When the bytes are damaged.
pub fn read(source: &dyn Source) -> Result<Pe, Unread> {
    let image = Image::read(source)?;
    let relocs_stripped = image.file_flags.contains(pe::IMAGE_FILE_RELOCS_STRIPPED);
    let has = |flag| image.dll_flags.contains(flag);
    let directory = |index: usize| image.directory(index);
    let imports = match directory(IMAGE_DIRECTORY_ENTRY_IMPORT) {
        Some(table) => tables::imports(source, &image, table.rva)?,
        None => Vec::new(),
    };
    let delay_imports = match directory(IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT) {
        Some(table) => tables::delay_imports(source, &image, table.rva)?,
        None => Vec::new(),
    };
    let instrumented = match directory(IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG) {
        Some(table) => tables::is_guard_instrumented(source, &image, table.rva)?,
        None => false,
    };
    let resources = match directory(IMAGE_DIRECTORY_ENTRY_RESOURCE) {
        Some(table) => tables::resources(source, &image, table.rva)?,
        None => tables::Resources::default(),
    };
    Ok(Pe {
        machine: machine(image.machine),
        is_64: image.is_64,
        is_dll: image.file_flags.contains(pe::IMAGE_FILE_DLL),
        subsystem: subsystem(image.subsystem),
        imports,
        delay_imports,
        aslr: has(pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE) && !relocs_stripped,
        high_entropy: has(pe::IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA),
        nx: has(pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT),
        cfg: has(pe::IMAGE_DLLCHARACTERISTICS_GUARD_CF) && instrumented,
        relocs_stripped,
        manifest: resources.manifest,
        version_info: resources.version,
        authenticode: match directory(IMAGE_DIRECTORY_ENTRY_SECURITY) {
            // The one directory whose address is an offset in the file.
            Some(table) => image.check_inside(table.rva, table.size, "certificate table")?,
            None => false,
        },
        managed: directory(IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR).is_some(),
    })
}

fn machine(machine: Machine) -> String {
    let name = match machine {
        pe::IMAGE_FILE_MACHINE_AMD64 => "x86_64",
        pe::IMAGE_FILE_MACHINE_I386 => "i386",
        pe::IMAGE_FILE_MACHINE_ARM64 => "aarch64",
        pe::IMAGE_FILE_MACHINE_ARM64EC => "arm64ec",
        pe::IMAGE_FILE_MACHINE_ARM | pe::IMAGE_FILE_MACHINE_ARMNT => "arm",
        other => return format!("machine-{:#06x}", other.0),
    };
    name.into()
}

fn subsystem(subsystem: Subsystem) -> String {
    let name = match subsystem {
        pe::IMAGE_SUBSYSTEM_NATIVE => "native",
        pe::IMAGE_SUBSYSTEM_WINDOWS_GUI => "gui",
        pe::IMAGE_SUBSYSTEM_WINDOWS_CUI => "console",
        pe::IMAGE_SUBSYSTEM_EFI_APPLICATION => "efi-application",
        other => return format!("subsystem-{}", other.0),
    };
    name.into()
}

fn damaged(reason: impl Into<String>) -> Unread {
    Unread::NotAuditable { format: Format::Pe, reason: reason.into() }
}

fn unread(error: ReadError) -> Unread {
    match error {
        ReadError::Io(text) => Unread::Io(text),
        past_end @ ReadError::PastEnd { .. } => damaged(format!("{past_end}")),
    }
}
