//! Architectures by e_machine: names, and what differs between them.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use goblin::elf::header as em;

use super::image::Image;

/// The architecture's name, as distributions spell it; class and byte order make part of it.
pub(super) fn name(image: &Image<'_>) -> String {
    let (is_64, little) = (image.is_64(), image.ctx.is_little_endian());
    let machine = image.header.e_machine;
    let name = match (machine, is_64, little) {
        (em::EM_X86_64, true, _) => "x86_64",
        (em::EM_X86_64, false, _) => "x32",
        (em::EM_386, ..) => "i386",
        (em::EM_AARCH64, true, true) => "aarch64",
        (em::EM_AARCH64, true, false) => "aarch64_be",
        (em::EM_AARCH64, false, _) => "aarch64_ilp32",
        (em::EM_ARM, _, true) => "arm",
        (em::EM_ARM, _, false) => "armeb",
        (em::EM_PPC64, _, true) => "ppc64le",
        (em::EM_PPC64, _, false) => "ppc64",
        (em::EM_PPC, ..) => "ppc",
        (em::EM_S390, true, _) => "s390x",
        (em::EM_S390, false, _) => "s390",
        (em::EM_RISCV, true, _) => "riscv64",
        (em::EM_RISCV, false, _) => "riscv32",
        (EM_LOONGARCH, true, _) => "loongarch64",
        (EM_LOONGARCH, false, _) => "loongarch32",
        // The n32 ABI (EF_MIPS_ABI2) is 64-bit code in a 32-bit file.
        (em::EM_MIPS, false, true) if image.header.e_flags & EF_MIPS_ABI2 != 0 => "mipsn32el",
        (em::EM_MIPS, false, false) if image.header.e_flags & EF_MIPS_ABI2 != 0 => "mipsn32",
        (em::EM_MIPS, true, true) => "mips64el",
        (em::EM_MIPS, true, false) => "mips64",
        (em::EM_MIPS, false, true) => "mipsel",
        (em::EM_MIPS, false, false) => "mips",
        (em::EM_SPARCV9, ..) => "sparc64",
        (em::EM_SPARC | em::EM_SPARC32PLUS, ..) => "sparc",
        (EM_ALPHA | EM_OLD_ALPHA, ..) => "alpha",
        (em::EM_IA_64, ..) => "ia64",
        (em::EM_PARISC, ..) => "hppa",
        (em::EM_68K, ..) => "m68k",
        (em::EM_SH, ..) => "sh4",
        (EM_ARC, ..) => "arc",
        (EM_ARCV2, ..) => "arcv2",
        (EM_NIOS2, ..) => "nios2",
        _ => return format!("machine {machine:#x}"),
    };
    name.to_owned()
}

/// Machines goblin has no name for (`elf.h`).
const EM_LOONGARCH: u16 = 258;
const EM_ALPHA: u16 = 41;
const EM_OLD_ALPHA: u16 = 0x9026;
const EM_ARC: u16 = 93;
const EM_ARCV2: u16 = 195;
const EM_NIOS2: u16 = 113;
/// MIPS n32.
const EF_MIPS_ABI2: u32 = 0x20;

/// Whether the stack is executable when a file has no PT_GNU_STACK: DEFAULT_STACK_PERMS in glibc's
/// `sysdeps/*/stackinfo.h`.
pub(super) fn stack_is_executable_by_default(image: &Image<'_>) -> bool {
    !matches!(
        image.header.e_machine,
        em::EM_AARCH64 | em::EM_PPC64 | em::EM_RISCV | EM_LOONGARCH | EM_ARC | EM_ARCV2 | EM_NIOS2
    )
}

/// Whether DT_HASH's words are 8 bytes by the processor's ABI (s390x, alpha).
pub(super) fn hash_words_are_64_bit(image: &Image<'_>) -> bool {
    image.is_64() && matches!(image.header.e_machine, em::EM_S390 | EM_ALPHA | EM_OLD_ALPHA)
}

/// Whether it is any MIPS.
pub(super) fn is_mips(image: &Image<'_>) -> bool {
    image.header.e_machine == em::EM_MIPS
}
