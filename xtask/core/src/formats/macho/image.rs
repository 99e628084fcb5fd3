//! The header and the load commands of one image (`mach-o/loader.h`).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::size_of;
use object::Endianness;
use object::macho::{self, CpuType, FileFlags, FileType, Platform};
use object::read::macho::{LoadCommandData, LoadCommandVariant, MachHeader, Section, Segment};

use super::arch::{self, Cpu};
use super::{Cut, damaged, unread};
use crate::formats::{Source, Unread, Version};

/// The most bytes of load commands read: a hundred times what a linker writes. A universal file
/// may name the same ones for each of its slices.
const MAX_COMMANDS: u32 = 512 << 10;

/// What the load commands say.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) cpu: Cpu,
    pub(crate) filetype: FileType,
    pub(crate) flags: FileFlags,
    pub(crate) is_64: bool,
    pub(crate) endian: Endianness,
    pub(crate) ncmds: u32,
    /// First byte after the space for load commands.
    pub(crate) commands_end: u64,
    /// First byte after the last load command. There may be space left behind it.
    pub(crate) last_command_end: u64,
    pub(crate) segments: Vec<SegmentRange>,
    /// The lowest file offset at which a section, or a segment without the header, has bytes.
    pub(crate) first_content: Option<u64>,
    /// `__TEXT,__info_plist`: offset and length.
    pub(crate) info_plist: Option<(u64, u64)>,
    /// LC_CODE_SIGNATURE, each one: a right file has one at most.
    pub(crate) code_signatures: Vec<CodeSignatureCommand>,
    pub(crate) install_name: Option<String>,
    pub(crate) dylibs: Vec<String>,
    pub(crate) weak_dylibs: Vec<String>,
    pub(crate) rpaths: Vec<String>,
    pub(crate) encrypted: bool,
    builds: Vec<(Platform, u32)>,
    version_min: Option<(Platform, u32)>,
}

/// LC_SEGMENT or LC_SEGMENT_64.
#[derive(Debug, Clone)]
pub(crate) struct SegmentRange {
    pub(crate) name: String,
    /// Where the command stands.
    pub(crate) command: u64,
    pub(crate) fileoff: u64,
    pub(crate) filesize: u64,
    pub(crate) vmsize: u64,
}

impl SegmentRange {
    /// First byte after its bytes in the slice.
    pub(crate) fn end(&self) -> u64 {
        self.fileoff.saturating_add(self.filesize)
    }
}

/// LC_CODE_SIGNATURE: where the signature lies, from the start of the slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodeSignatureCommand {
    /// Where the command stands.
    pub(crate) command: u64,
    pub(crate) dataoff: u64,
    pub(crate) datasize: u64,
}

pub(super) fn is_magic(bytes: &[u8]) -> bool {
    header_size(bytes).is_some()
}

/// The header's length, by its magic number.
fn header_size(bytes: &[u8]) -> Option<usize> {
    match u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) {
        macho::MH_MAGIC | macho::MH_CIGAM => Some(size_of::<macho::MachHeader32<Endianness>>()),
        macho::MH_MAGIC_64 | macho::MH_CIGAM_64 => {
            Some(size_of::<macho::MachHeader64<Endianness>>())
        }
        _ => None,
    }
}

impl Image {
    /// Reads the header and the load commands of a slice.
    ///
    /// # Errors
    /// When they are damaged or the reader fails.
    pub(crate) fn read(slice: &dyn Source) -> Result<Self, Unread> {
        let mut magic = [0; 8];
        slice.read_at(0, &mut magic).map_err(unread)?;
        if &magic == b"!<arch>\n" {
            return Err(damaged("it is a static library, not code that runs"));
        }
        let Some(header_size) = header_size(&magic) else {
            return Err(damaged("no Mach-O header"));
        };
        let mut bytes = alloc::vec![0; header_size];
        slice.read_at(0, &mut bytes).map_err(unread)?;
        if header_size == size_of::<macho::MachHeader64<Endianness>>() {
            Self::walk::<macho::MachHeader64<Endianness>>(slice, bytes)
        } else {
            Self::walk::<macho::MachHeader32<Endianness>>(slice, bytes)
        }
    }

    /// `bytes` holds the header.
    fn walk<Mach: MachHeader<Endian = Endianness>>(
        slice: &dyn Source,
        mut bytes: Vec<u8>,
    ) -> Result<Self, Unread> {
        let header = *Mach::parse(bytes.as_slice(), 0).map_err(malformed)?;
        let endian = header.endian().map_err(malformed)?;
        let header_size = bytes.len();
        let commands_size = header.sizeofcmds(endian);
        let commands_end = header_size as u64 + u64::from(commands_size);
        if commands_size > MAX_COMMANDS {
            return Err(damaged(format!("{commands_size} bytes of load commands")));
        }
        if commands_end > slice.len() {
            return Err(damaged(format!(
                "it ends inside its load commands, which reach to {commands_end:#x}"
            )));
        }
        bytes.resize(header_size + commands_size as usize, 0);
        slice.read_at(header_size as u64, &mut bytes[header_size..]).map_err(unread)?;

        let cpu = arch::cpu(header.cputype(endian), header.cpusubtype(endian));
        let mut image = Self {
            cpu,
            filetype: header.filetype(endian),
            flags: header.flags(endian),
            is_64: header.is_type_64(),
            endian,
            ncmds: header.ncmds(endian),
            commands_end,
            last_command_end: header_size as u64,
            segments: Vec::new(),
            first_content: None,
            info_plist: None,
            code_signatures: Vec::new(),
            install_name: None,
            dylibs: Vec::new(),
            weak_dylibs: Vec::new(),
            rpaths: Vec::new(),
            encrypted: false,
            builds: Vec::new(),
            version_min: None,
        };
        let mut commands = header.load_commands(endian, bytes.as_slice(), 0).map_err(malformed)?;
        while let Some(command) = commands.next().map_err(malformed)? {
            if command.cmd() == macho::LC_CODE_SIGNATURE
                && command.raw_data().len() != size_of::<macho::LinkeditDataCommand<Endianness>>()
            {
                // xnu's load_code_signature calls such a file bad.
                return Err(damaged("LC_CODE_SIGNATURE is of a wrong size"));
            }
            image.last_command_end = command.offset() + command.raw_data().len() as u64;
            image.take::<Mach>(command).map_err(|error| {
                let (cmd, at) = (command.cmd().0, command.offset());
                damaged(format!("load command {cmd:#x} at {at:#x}: {error}"))
            })?;
        }
        Ok(image)
    }

    fn take<Mach: MachHeader<Endian = Endianness>>(
        &mut self,
        command: LoadCommandData<'_, Endianness>,
    ) -> object::Result<()> {
        let endian = self.endian;
        if let Some((segment, sections)) = Mach::Segment::from_command(command)? {
            return self.take_segment::<Mach>(command.offset(), segment, sections);
        }
        match command.variant()? {
            LoadCommandVariant::Dylib(dylib) => {
                let name = text(command.string(endian, dylib.dylib.name)?);
                let weak = command.cmd() == macho::LC_LOAD_WEAK_DYLIB
                    || command
                        .dylib_use_flags(endian, dylib)?
                        .is_some_and(|flags| flags.contains(macho::DYLIB_USE_WEAK_LINK));
                if weak { &mut self.weak_dylibs } else { &mut self.dylibs }.push(name);
            }
            LoadCommandVariant::IdDylib(dylib) => {
                self.install_name = Some(text(command.string(endian, dylib.dylib.name)?));
            }
            LoadCommandVariant::Rpath(rpath) => {
                self.rpaths.push(text(command.string(endian, rpath.path)?));
            }
            LoadCommandVariant::BuildVersion(build, _) => {
                self.builds.push((build.platform.get(endian), build.minos.get(endian).0));
            }
            LoadCommandVariant::VersionMin(version) => {
                let platform = match command.cmd() {
                    macho::LC_VERSION_MIN_IPHONEOS => macho::PLATFORM_IOS,
                    macho::LC_VERSION_MIN_TVOS => macho::PLATFORM_TVOS,
                    macho::LC_VERSION_MIN_WATCHOS => macho::PLATFORM_WATCHOS,
                    _ => macho::PLATFORM_MACOS,
                };
                self.version_min = Some((platform, version.version.get(endian).0));
            }
            LoadCommandVariant::EncryptionInfo32(info) => {
                self.encrypted |= info.cryptid.get(endian) != 0;
            }
            LoadCommandVariant::EncryptionInfo64(info) => {
                self.encrypted |= info.cryptid.get(endian) != 0;
            }
            LoadCommandVariant::LinkeditData(data) if command.cmd() == macho::LC_CODE_SIGNATURE => {
                self.code_signatures.push(CodeSignatureCommand {
                    command: command.offset(),
                    dataoff: data.dataoff.get(endian).into(),
                    datasize: data.datasize.get(endian).into(),
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn take_segment<Mach: MachHeader<Endian = Endianness>>(
        &mut self,
        command: u64,
        segment: &Mach::Segment,
        sections: &[u8],
    ) -> object::Result<()> {
        let endian = self.endian;
        let (fileoff, filesize) = segment.file_range(endian);
        if fileoff > 0 && filesize > 0 {
            self.content_at(fileoff);
        }
        for section in segment.sections(endian, sections)? {
            let offset = u64::from(section.offset(endian));
            if offset > 0 && section.size(endian).into() > 0 {
                self.content_at(offset);
            }
            if segment.name() == b"__TEXT" && section.name() == b"__info_plist" {
                self.info_plist = Some((offset, section.size(endian).into()));
            }
        }
        self.segments.push(SegmentRange {
            name: text(segment.name()),
            command,
            fileoff,
            filesize,
            vmsize: segment.vmsize(endian).into(),
        });
        Ok(())
    }

    fn content_at(&mut self, offset: u64) {
        self.first_content = Some(self.first_content.map_or(offset, |first| first.min(offset)));
    }

    /// The segment of that name.
    pub(crate) fn segment(&self, name: &str) -> Option<&SegmentRange> {
        self.segments.iter().find(|segment| segment.name == name)
    }

    /// The platform and the oldest release of it. A library for both macOS and Mac Catalyst has
    /// two LC_BUILD_VERSION: macOS counts.
    pub(crate) fn platform(&self) -> (Option<String>, Option<Version>) {
        let mac = self.builds.iter().find(|(platform, _)| *platform == macho::PLATFORM_MACOS);
        match mac.or(self.builds.first()).or(self.version_min.as_ref()) {
            Some((platform, minos)) => (Some(arch::platform(*platform)), Some(version(*minos))),
            None => (None, None),
        }
    }

    pub(crate) fn cputype(&self) -> CpuType {
        self.cpu.0
    }

    /// The first segment that does not fit into a slice of that length.
    pub(crate) fn cut(&self, len: u64) -> Option<Cut> {
        let cut =
            self.segments.iter().find(|segment| segment.filesize > 0 && segment.end() > len)?;
        Some(Cut { segment: cut.name.clone(), end: cut.end() })
    }
}

/// `xxxx.yy.zz` in nibbles: the minor and patch numbers have a byte each.
fn version(packed: u32) -> Version {
    let (major, minor, patch) = (packed >> 16, packed >> 8 & 0xff, packed & 0xff);
    if patch == 0 { Version::new(major, minor) } else { Version::new3(major, minor, patch) }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn malformed(error: object::Error) -> Unread {
    damaged(format!("{error}"))
}
