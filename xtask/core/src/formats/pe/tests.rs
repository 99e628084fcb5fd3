use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Pe, read};
use crate::formats::{Binary, Unread};
use crate::mutants::{judged, mutants};

/// Where the one section lies: at this address, and at this offset.
const ADDRESS: u32 = 0x2000;
const OFFSET: u32 = 0x400;
const SECTION_LEN: usize = 0x800;
/// Where the fixture's lists of imported functions begin.
const FUNCTIONS: u32 = 0x180;
/// The flag of an import by ordinal, in the high half of a 64-bit entry.
const ORDINAL: u32 = 0x8000_0000;

/// A PE file with one section that holds all tables.
struct Fixture {
    is_64: bool,
    machine: u16,
    file_flags: u16,
    dll_flags: u16,
    guard_flags: u32,
    directories: [(u32, u32); 16],
    section: Vec<u8>,
}

impl Fixture {
    fn new(is_64: bool) -> Self {
        let machine = if is_64 { 0x8664 } else { 0x14c };
        Self {
            is_64,
            machine,
            file_flags: 0x22,
            dll_flags: 0x8160,
            guard_flags: 0,
            directories: [(0, 0); 16],
            section: alloc::vec![0; SECTION_LEN],
        }
    }

    /// Puts bytes into the section.
    fn put(&mut self, at: u32, bytes: &[u8]) -> u32 {
        self.section[at as usize..][..bytes.len()].copy_from_slice(bytes);
        ADDRESS + at
    }

    fn words(&mut self, at: u32, words: &[u32]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(at, &bytes)
    }

    /// Puts a list of imported functions: addresses of their names, [`ORDINAL`], 0.
    fn functions(&mut self, at: u32, entries: &[u32]) -> u32 {
        let high = |entry: u32| if entry == ORDINAL { [7, ORDINAL] } else { [entry, 0] };
        match self.is_64 {
            true => self.words(at, &entries.iter().flat_map(|it| high(*it)).collect::<Vec<_>>()),
            false => self.words(at, entries),
        }
    }

    fn with_imports(mut self) -> Self {
        let name = self.put(0x100, b"KERNEL32.dll\0");
        let other = self.put(0x120, b"api-ms-win-crt-runtime-l1-1-0.dll\0");
        let function = self.put(0x1e0, b"\0\0ExitProcess\0");
        let list = self.functions(FUNCTIONS, &[function, ORDINAL, 0]);
        let other_list = self.functions(FUNCTIONS + 0x20, &[function, 0]);
        let first = [list, 0, 0, name, ADDRESS + 0x600];
        // As old linkers wrote it, without the first list.
        let second = [0, 0, 0, other, other_list];
        let table = self.words(0, &[first, second, [0; 5]].concat());
        self.directories[1] = (table, 0);
        let node = self.put(0x150, b"node.exe\0");
        let table = self.words(0x200, &[1, node, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.directories[13] = (table, 0);
        self
    }

    fn with_load_config(mut self) -> Self {
        let table = self.words(0x300, &[0x140]);
        let flags = if self.is_64 { 0x390 } else { 0x358 };
        self.words(flags, &[self.guard_flags]);
        self.directories[10] = (table, 0x140);
        self
    }

    fn with_resources(mut self, types: &[u32]) -> Self {
        let mut words = alloc::vec![0, 0, 0, (types.len() as u32) << 16];
        // Each type is its own subdirectory: a circle.
        words.extend(types.iter().flat_map(|id| [*id, 0x8000_0000]));
        let table = self.words(0x500, &words);
        self.directories[2] = (table, 0);
        self
    }

    fn build(&self) -> Vec<u8> {
        let optional_len: u16 = if self.is_64 { 240 } else { 224 };
        let mut file = b"MZ".to_vec();
        file.resize(60, 0);
        file.extend(0x40_u32.to_le_bytes());
        file.extend(b"PE\0\0");
        file.extend(self.machine.to_le_bytes());
        file.extend(1_u16.to_le_bytes());
        file.extend([0; 12]);
        file.extend(optional_len.to_le_bytes());
        file.extend(self.file_flags.to_le_bytes());
        let optional = file.len();
        file.extend(if self.is_64 { 0x20b_u16 } else { 0x10b }.to_le_bytes());
        file.resize(optional + 32, 0);
        file.extend(0x1000_u32.to_le_bytes()); // section alignment
        file.extend(0x200_u32.to_le_bytes());
        file.resize(optional + 60, 0);
        file.extend(OFFSET.to_le_bytes()); // size of headers
        file.extend([0; 4]);
        file.extend(3_u16.to_le_bytes()); // console
        file.extend(self.dll_flags.to_le_bytes());
        file.resize(optional + usize::from(optional_len) - 16 * 8 - 4, 0);
        file.extend(16_u32.to_le_bytes());
        for (rva, size) in self.directories {
            file.extend(rva.to_le_bytes());
            file.extend(size.to_le_bytes());
        }
        file.extend(b".rdata\0\0");
        for word in [SECTION_LEN as u32, ADDRESS, SECTION_LEN as u32, OFFSET, 0, 0, 0, 0x4000_0040]
        {
            file.extend(word.to_le_bytes());
        }
        file.resize(OFFSET as usize, 0);
        file.extend(&self.section);
        file
    }

    fn read(&self) -> Pe {
        read(&self.build().as_slice()).unwrap()
    }
}

fn reason(bytes: &[u8]) -> String {
    match read(&bytes) {
        Err(Unread::NotAuditable { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_forms_are_read() {
    for (is_64, machine) in [(true, "x86_64"), (false, "i386")] {
        let pe = Fixture::new(is_64).with_imports().with_resources(&[3, 16, 24]).read();
        assert_eq!((pe.machine.as_str(), pe.subsystem.as_str()), (machine, "console"));
        assert_eq!(pe.imports, ["KERNEL32.dll", "api-ms-win-crt-runtime-l1-1-0.dll"]);
        assert_eq!(pe.delay_imports, ["node.exe"]);
        assert!(
            pe.aslr && pe.high_entropy && pe.nx && !pe.cfg && !pe.is_dll && !pe.relocs_stripped
        );
        assert!(pe.manifest && pe.version_info && !pe.authenticode && !pe.managed);
    }
}

#[test]
fn nothing_is_claimed_that_is_not_there() {
    let pe = Fixture { dll_flags: 0, ..Fixture::new(true) }.with_resources(&[3]).read();
    assert_eq!((pe.imports.len(), pe.delay_imports.len()), (0, 0));
    assert!(!pe.aslr && !pe.high_entropy && !pe.nx && !pe.manifest && !pe.version_info);
}

#[test]
fn aslr_is_void_without_relocations() {
    let pe = Fixture { file_flags: 0x23, ..Fixture::new(false) }.read();
    assert!(pe.relocs_stripped && !pe.aslr);
}

#[test]
fn control_flow_guard_takes_both_flags() {
    for is_64 in [true, false] {
        for (dll_flags, guard_flags, cfg) in
            [(0xc160, 0x100, true), (0x8160, 0x100, false), (0xc160, 0x800, false)]
        {
            let fixture = Fixture { dll_flags, guard_flags, ..Fixture::new(is_64) };
            assert_eq!(
                fixture.with_load_config().read().cfg,
                cfg,
                "{dll_flags:#x} {guard_flags:#x}"
            );
        }
    }
}

#[test]
fn the_oldest_delay_imports_hold_addresses() {
    let mut fixture = Fixture::new(false).with_imports();
    let name = fixture.put(0x150, b"node.exe\0");
    // The image base of the fixture is 0: address and offset are one.
    fixture.words(0x200, &[0, name]);
    assert_eq!(fixture.read().delay_imports, ["node.exe"]);
}

#[test]
fn damage_is_told_by_place() {
    let good = Fixture::new(true).with_imports().build();
    let cut = &good[..good.len() - 1];
    assert_eq!(
        reason(cut),
        "the section .rdata reaches to 0xc00 and the file ends at 0xbff: it is cut off"
    );
    assert!(reason(b"MZ").contains("no DOS header"));
    assert!(reason(&[b"MZ".as_slice(), &[0; 100]].concat()).contains("no PE header"));
    let mut endless = Fixture::new(true).with_imports();
    let entry: Vec<u32> = [1, 0, 0, ADDRESS, 0x2200].repeat(SECTION_LEN / 20);
    endless.words(0, &entry);
    assert!(reason(&endless.build()).contains("does not end inside its section"));
    let mut nowhere = Fixture::new(true).with_imports();
    nowhere.words(12, &[0xdead_0000]);
    assert_eq!(
        reason(&nowhere.build()),
        "the name of a library at address 0xdead0000 is in no section"
    );
    for is_64 in [true, false] {
        let mut nowhere = Fixture::new(is_64).with_imports();
        nowhere.functions(FUNCTIONS, &[0x5000, 0]);
        assert_eq!(
            reason(&nowhere.build()),
            "the name of an import from \"KERNEL32.dll\" at address 0x5000 is in no section"
        );
        let mut endless = Fixture::new(is_64).with_imports();
        endless.functions(
            0x600,
            &[ORDINAL; (SECTION_LEN - 0x600) / 4][..if is_64 { 64 } else { 128 }],
        );
        endless.words(0, &[ADDRESS + 0x600]);
        assert_eq!(
            reason(&endless.build()),
            "the list of imports from \"KERNEL32.dll\" does not end inside its section"
        );
        let mut absent = Fixture::new(is_64).with_imports();
        absent.words(0, &[0x9000]);
        assert!(
            reason(&absent.build()).starts_with("the list of imports from \"KERNEL32.dll\" at")
        );
    }
    let mut certificate = Fixture::new(true);
    certificate.directories[4] = (0xc00, 8);
    assert!(reason(&certificate.build()).contains("certificate table"));
    certificate.directories[4] = (0xbf8, 8);
    assert!(certificate.read().authenticode);
}

#[test]
fn mutants_do_not_panic() {
    for is_64 in [true, false] {
        let fixture = Fixture::new(is_64).with_imports().with_load_config();
        let original = fixture.with_resources(&[3, 16, 24]).build();
        let (mut read_well, mut refused) = (0, 0);
        mutants(&original, 5000, |mutant| match read(mutant) {
            Ok(pe) => {
                read_well += 1;
                judged(Binary::Pe(pe), mutant);
            }
            Err(Unread::NotAuditable { reason, .. }) => {
                assert!(!reason.to_string().is_empty());
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        });
        assert!(read_well > 100 && refused > 100, "{read_well} {refused}");
    }
}
