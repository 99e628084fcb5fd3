//! Names of architectures and platforms, as Apple's tools spell them.

use alloc::format;
use alloc::string::String;
use object::macho::{self, CpuSubtype, CpuType, Platform};

/// A CPU type with its subtype (`mach/machine.h`).
pub(crate) type Cpu = (CpuType, CpuSubtype);

/// The high byte of a subtype holds capability bits (`CPU_SUBTYPE_MASK`), not the subtype.
const CPU_SUBTYPE_MASK: u32 = 0xff00_0000;

/// The subtype without its capability bits.
pub(super) fn cpu(cputype: CpuType, subtype: CpuSubtype) -> Cpu {
    (cputype, CpuSubtype(subtype.0 & !CPU_SUBTYPE_MASK))
}

/// The name `lipo` and `file` use.
pub(super) fn name((cputype, subtype): Cpu) -> String {
    let name = match (cputype, subtype.0) {
        (macho::CPU_TYPE_ARM64, 2) => "arm64e",
        (macho::CPU_TYPE_ARM64, _) => "arm64",
        (macho::CPU_TYPE_ARM64_32, _) => "arm64_32",
        (macho::CPU_TYPE_X86_64, 8) => "x86_64h",
        (macho::CPU_TYPE_X86_64, _) => "x86_64",
        (macho::CPU_TYPE_X86, _) => "i386",
        (macho::CPU_TYPE_ARM, 6) => "armv6",
        (macho::CPU_TYPE_ARM, 9) => "armv7",
        (macho::CPU_TYPE_ARM, 11) => "armv7s",
        (macho::CPU_TYPE_ARM, 12) => "armv7k",
        (macho::CPU_TYPE_ARM, _) => "arm",
        (macho::CPU_TYPE_POWERPC, _) => "ppc",
        (macho::CPU_TYPE_POWERPC64, _) => "ppc64",
        (cputype, _) => return format!("cpu-{:#x}", cputype.0),
    };
    name.into()
}

/// The name of a `PLATFORM_*` number, without its prefix.
pub(super) fn platform(platform: Platform) -> String {
    let name = match platform {
        macho::PLATFORM_MACOS => "macos",
        macho::PLATFORM_IOS => "ios",
        macho::PLATFORM_TVOS => "tvos",
        macho::PLATFORM_WATCHOS => "watchos",
        macho::PLATFORM_BRIDGEOS => "bridgeos",
        macho::PLATFORM_MACCATALYST => "maccatalyst",
        macho::PLATFORM_IOSSIMULATOR => "iossimulator",
        macho::PLATFORM_TVOSSIMULATOR => "tvossimulator",
        macho::PLATFORM_WATCHOSSIMULATOR => "watchossimulator",
        macho::PLATFORM_DRIVERKIT => "driverkit",
        macho::PLATFORM_VISIONOS => "visionos",
        macho::PLATFORM_VISIONOSSIMULATOR => "visionossimulator",
        other => return format!("platform-{}", other.0),
    };
    name.into()
}
