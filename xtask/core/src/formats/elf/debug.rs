//! Separate debug files: ELF files whose sections have names and addresses, but no contents.

use alloc::vec;

use goblin::elf::section_header::{SHF_ALLOC, SHT_NOBITS, SHT_NOTE, SectionHeader};

use super::image::{Image, parse};

/// Sections looked at; the code comes early.
const MAX_SECTIONS: u16 = 256;

/// Whether every section a loader would map, notes aside, is stripped of its contents, as
/// `objcopy --only-keep-debug` and `eu-strip -f` leave it. The only look at section headers: such
/// a file is not loaded, and only they tell it from a damaged one.
pub(super) fn is_debug_file(image: &mut Image<'_>) -> bool {
    let size = SectionHeader::size(image.ctx);
    if usize::from(image.header.e_shentsize) != size {
        return false;
    }
    let mut bytes = vec![0; size];
    let (mut empty, mut full) = (0u32, 0u32);
    for i in 0..image.header.e_shnum.min(MAX_SECTIONS) {
        let at = image.header.e_shoff.checked_add(u64::from(i) * size as u64);
        let Some(at) = at else { return false };
        if image.read(at, &mut bytes).is_err() {
            return false;
        }
        let Ok(section) = parse::<SectionHeader, _>(&bytes, 0, image.ctx) else { return false };
        if section.sh_flags & u64::from(SHF_ALLOC) == 0 {
            continue;
        }
        match section.sh_type {
            SHT_NOBITS => empty += 1,
            SHT_NOTE => {}
            _ => full += 1,
        }
    }
    full == 0 && empty > 1
}
