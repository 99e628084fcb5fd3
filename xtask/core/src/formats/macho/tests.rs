use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};

use super::fixture::{
    ARM64, Fixture, LC_BUILD_VERSION, LC_ENCRYPTION_INFO_64, LC_LOAD_DYLIB, LC_LOAD_WEAK_DYLIB,
    LC_VERSION_MIN_MACOSX, X86_64, flaws, patch, universal,
};
use super::image::Image;
use super::{MachO, Slice, Unread, read};
use crate::formats;
use crate::formats::Binary;
use crate::mutants::{judged, mutants};

fn slice(bytes: &[u8]) -> Slice {
    let MachO { mut slices, .. } = read(&bytes).unwrap();
    assert_eq!(slices.len(), 1);
    slices.remove(0)
}

/// Where things are in a signed thin file.
struct Map {
    command: u64,
    signature: u64,
    directory: u64,
    linkedit_command: u64,
}

fn map(bytes: &[u8]) -> Map {
    let image = Image::read(&bytes).unwrap();
    let command = image.code_signatures[0];
    let be = |at: u64| u32::from_be_bytes(bytes[at as usize..][..4].try_into().unwrap());
    Map {
        command: command.command,
        signature: command.dataoff,
        directory: command.dataoff + u64::from(be(command.dataoff + 16)),
        linkedit_command: image.segment("__LINKEDIT").unwrap().command,
    }
}

#[test]
fn headers_are_read_in_either_width_and_byte_order() {
    let arm = Fixture::new(ARM64)
        .with_dylib(LC_LOAD_DYLIB, "/usr/lib/libSystem.B.dylib")
        .with_dylib(LC_LOAD_WEAK_DYLIB, "/opt/x.dylib")
        .with_rpath("@loader_path");
    let arm = slice(&arm.build());
    assert_eq!((arm.arch.as_str(), arm.platform.as_deref()), ("arm64", Some("macos")));
    assert_eq!(arm.minos.unwrap().to_string(), "11.0");
    assert_eq!(arm.dylibs, ["/usr/lib/libSystem.B.dylib"]);
    assert_eq!(arm.weak_dylibs, ["/opt/x.dylib"]);
    assert_eq!(arm.rpaths, ["@loader_path"]);
    assert!(arm.pie && !arm.encrypted && arm.signature.is_none() && arm.cut.is_none());

    let ppc = Fixture::powerpc()
        .with(LC_VERSION_MIN_MACOSX, |fixture| fixture.words(&[0x000a_0405, 0]))
        .with_dylib(LC_LOAD_DYLIB, "/usr/lib/libSystem.B.dylib");
    let ppc = slice(&ppc.build());
    assert_eq!((ppc.arch.as_str(), ppc.platform.as_deref()), ("ppc", Some("macos")));
    assert_eq!(ppc.minos.unwrap().to_string(), "10.4.5");
    assert_eq!(ppc.dylibs.len(), 1);
}

#[test]
fn macos_counts_where_mac_catalyst_stands_first() {
    let catalyst = |fixture: &Fixture| fixture.words(&[6, 0x000d_0000, 0, 0]);
    let mut fixture = Fixture::new(X86_64).with(LC_BUILD_VERSION, catalyst);
    fixture.commands.reverse();
    let slice = slice(&fixture.build());
    assert_eq!(slice.platform.as_deref(), Some("macos"));
    assert_eq!(slice.minos.unwrap().to_string(), "11.0");
}

#[test]
fn an_encrypted_slice_is_seen() {
    let encrypted = |id| {
        let fixture = Fixture::new(ARM64)
            .with(LC_ENCRYPTION_INFO_64, |fixture| fixture.words(&[0x4000, 0x4000, id, 0]));
        slice(&fixture.build()).encrypted
    };
    assert!(encrypted(1));
    assert!(!encrypted(0));
}

#[test]
fn what_is_no_mach_o_is_not_taken_for_one() {
    let java = b"\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x1d\x0a\x00";
    assert_eq!(formats::read(&&java[..]), Err(Unread::NotABinary));
    let empty = b"\xca\xfe\xba\xbe\x00\x00\x00\x00";
    assert!(matches!(formats::read(&&empty[..]), Err(Unread::NotAuditable { .. })));
    let archive = universal(&[(ARM64, b"!<arch>\n12345678".to_vec())], false, 3);
    let Err(Unread::NotAuditable { reason, .. }) = read(&archive.as_slice()) else { panic!() };
    assert!(reason.contains("static library"), "{reason}");
}

#[test]
fn a_signed_image_is_valid_in_every_form() {
    let arm = Fixture::new(ARM64);
    let x86 = Fixture { info_plist: Some(b"<plist/>"), ..Fixture::new(X86_64) };
    let old = Fixture::powerpc();
    for fixture in [&arm, &x86, &old] {
        let signature = slice(&fixture.signed()).signature.unwrap();
        assert_eq!(signature.flaws, []);
        assert!(signature.adhoc && !signature.linker_signed && !signature.runtime);
        assert_eq!(signature.identifier.as_deref(), Some("org.example.fixture"));
        assert_eq!((signature.special_slots, signature.hash), (Some(2), Some("sha256")));
        let page_size = if fixture.cpu == ARM64 { 0x4000 } else { 0x1000 };
        assert_eq!(signature.page_size, Some(page_size));
        assert_eq!(signature.cdhash.map(|hash| hash.len()), Some(40));
    }
    for is_64 in [false, true] {
        let slices = [(X86_64, x86.signed()), (ARM64, arm.signed())];
        assert_eq!(flaws(&universal(&slices, is_64, 14)), [""; 0]);
    }
}

#[test]
fn a_wrong_page_is_named_by_number_and_offset() {
    let fixture = Fixture::new(ARM64);
    let thin = fixture.signed();
    let fat =
        universal(&[(X86_64, Fixture::new(X86_64).build()), (ARM64, thin.clone())], false, 14);
    let start = read(&fat.as_slice()).unwrap().slices[1].offset;
    let end = map(&thin).signature;
    let header_end = Image::read(&thin.as_slice()).unwrap().commands_end;
    for offset in [header_end, 0x3fff, 0x4000, 0x8123, end - 1] {
        let page = offset / 0x4000;
        let flip = |bytes: &[u8], at: u64| patch(bytes, at, &[!bytes[at as usize]]);
        let expected = [format!("page-hash {page} {:#x}", page * 0x4000)];
        assert_eq!(flaws(&flip(&thin, offset)), expected);
        let expected = [format!("page-hash {page} {:#x}", start + page * 0x4000)];
        assert_eq!(flaws(&flip(&fat, start + offset)), expected);
    }
}

#[test]
fn each_structure_of_a_signature_is_checked() {
    let signed = Fixture::new(ARM64).signed();
    let Map { signature, directory, command, linkedit_command } = map(&signed);
    let be = |value: u32| value.to_be_bytes().to_vec();
    let le = |value: u32| value.to_le_bytes().to_vec();
    // The table of the super blob: slots at 12, 20, 28; offsets behind each.
    let requirements = signature
        + u64::from(u32::from_be_bytes(signed[signature as usize + 24..][..4].try_into().unwrap()));
    let cases: Vec<(&str, u64, Vec<u8>, &str)> = vec![
        ("super blob magic", signature, be(0xfade_0cc1), "superblob"),
        ("super blob length", signature + 4, be(0x10_0000), "superblob"),
        ("more blobs than fit", signature + 8, be(60), "superblob"),
        ("absurdly many blobs", signature + 8, be(u32::MAX), "superblob"),
        ("blob over the table", signature + 16, be(12), "blob no-code-directory"),
        ("blob out of bounds", signature + 24, be(0x7fff_ffff), "blob special-slot"),
        ("two blobs in a slot", signature + 28, be(2), "duplicate-blob blob"),
        ("no code directory", signature + 12, be(9), "blob no-code-directory"),
        ("directory magic", directory, be(0xfade_0c03), "blob no-code-directory"),
        ("directory length", directory + 4, be(0xffff_ffff), "blob no-code-directory"),
        ("short directory", directory + 4, be(80), "code-directory"),
        ("version too old", directory + 8, be(0x20000), "version"),
        ("version too new", directory + 8, be(0x2_f001), "version"),
        ("hash offset", directory + 16, be(16), "slots"),
        ("hash offset at the end", directory + 16, be(0x7fff_0000), "slots"),
        ("identifier out of bounds", directory + 20, be(0xffff), "identifier"),
        ("special slots", directory + 24, be(17), "slots"),
        ("code slots", directory + 28, be(0x10_0000), "slots"),
        ("code slots, one less", directory + 28, be(2), "slot-count"),
        ("code limit, low", directory + 32, be(0x4000), "code-limit slot-count"),
        ("code limit 0", directory + 32, be(0), "code-limit slot-count"),
        ("hash size", directory + 36, vec![20], "hash-type"),
        ("hash type", directory + 37, vec![9], "hash-type"),
        ("hash type of another size", directory + 37, vec![1], "hash-type"),
        ("page size 8 KiB", directory + 39, vec![13], "page-size"),
        ("page size 0", directory + 39, vec![0], "page-size"),
        ("scatter vector", directory + 44, be(60), "unsupported"),
        ("team out of bounds", directory + 48, be(0xff_ffff), "team-id"),
        ("code limit of 64 bits", directory + 60, be(1), "code-limit slot-count"),
        ("not ad hoc, not signed", directory + 12, be(0), "cms"),
        ("requirements", requirements + 8, be(1), "special-slot"),
        ("data size", command + 12, le(16), "linkedit superblob"),
        ("data size too large", command + 12, le(0x10_0000), "out-of-bounds"),
        ("data offset", command + 8, le(0x4000), "linkedit superblob"),
        ("__LINKEDIT size", linkedit_command + 48, le(100), "linkedit page-hash 0 0x0"),
    ];
    for (what, offset, bytes, expected) in cases {
        let flaws = flaws(&patch(&signed, offset, &bytes));
        assert!(flaws.join(" ").starts_with(expected), "{what}: {flaws:?}");
    }
}

#[test]
fn damaged_load_commands_are_not_auditable() {
    let signed = Fixture::new(ARM64).signed();
    let Map { command, .. } = map(&signed);
    let reason = |offset: u64, value: u32| {
        let patched = patch(&signed, offset, &value.to_le_bytes());
        match read(&patched.as_slice()) {
            Err(Unread::NotAuditable { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reason(command + 4, 12), "LC_CODE_SIGNATURE is of a wrong size");
    assert_eq!(reason(20, 513 << 10), "525312 bytes of load commands");
    assert!(reason(20, 300 << 10).contains("ends inside its load commands"));
    assert!(reason(36, 4).contains("load command size"));
}

#[test]
fn each_digest_is_compared() {
    let fixture = Fixture { info_plist: Some(b"<plist/>"), ..Fixture::new(X86_64) };
    let signed = fixture.signed();
    let Map { directory, .. } = map(&signed);
    let be = |at: u64| u32::from_be_bytes(signed[at as usize..][..4].try_into().unwrap());
    let first = directory + u64::from(be(directory + 16));
    let pages = u64::from(be(directory + 28));
    for (digest, expected) in [(first - 64, "special-slot"), (first - 32, "special-slot")] {
        let flip = [!signed[digest as usize]];
        assert_eq!(flaws(&patch(&signed, digest, &flip)), [expected]);
    }
    for page in 0..pages {
        let at = first + page * 32 + 31;
        let expected = format!("page-hash {page} {:#x}", page * 0x1000);
        assert_eq!(flaws(&patch(&signed, at, &[!signed[at as usize]])), [expected]);
    }
}

#[test]
fn old_versions_of_the_code_directory_are_read() {
    let signed = Fixture::new(ARM64).signed();
    let Map { directory, .. } = map(&signed);
    for version in [0x20001_u32, 0x20100, 0x20200, 0x20300, 0x20400] {
        let patched = patch(&signed, directory + 8, &version.to_be_bytes());
        assert_eq!(flaws(&patched), [""; 0], "{version:#x}");
    }
}

#[test]
fn of_two_code_directories_the_stronger_counts() {
    // Older than 10.11.4: codesign adds SHA-1.
    let old = |fixture: &Fixture| fixture.words(&[0x000a_0900, 0]);
    let fixture = Fixture { commands: Vec::new(), ..Fixture::new(X86_64) };
    let signed = fixture.with(LC_VERSION_MIN_MACOSX, old).signed();
    let signature = slice(&signed).signature.unwrap();
    assert_eq!((signature.hash, signature.flaws), (Some("sha256"), vec![]));
    let Map { directory, .. } = map(&signed);
    assert_eq!(signed[directory as usize + 37], 1, "the first one is SHA-1");
    // Wrong digests in the weaker one are not looked at; a wrong page is.
    let be = |at: u64| u32::from_be_bytes(signed[at as usize..][..4].try_into().unwrap());
    let sha1_page = directory + u64::from(be(directory + 16));
    assert_eq!(flaws(&patch(&signed, sha1_page, &[!signed[sha1_page as usize]])), [""; 0]);
    assert_eq!(flaws(&patch(&signed, 0x5000, &[!signed[0x5000]])), ["page-hash 5 0x5000"]);
    // As SHA-256 cut to 20 bytes the first one is still well formed; as a second SHA-256 not.
    assert_eq!(flaws(&patch(&signed, directory + 37, &[3])), [""; 0]);
    let alternate = signed[map(&signed).signature as usize..]
        .windows(4)
        .enumerate()
        .filter(|(_, word)| *word == [0xfa, 0xde, 0x0c, 0x02])
        .nth(1)
        .map(|(at, _)| map(&signed).signature + at as u64)
        .unwrap();
    let both_sha1 = patch(&patch(&signed, alternate + 36, &[20]), alternate + 37, &[1]);
    assert!(flaws(&both_sha1).contains(&"duplicate-hash-type".into()));
}

#[test]
fn the_layout_of_a_universal_file_is_checked() {
    let slices = [(X86_64, Fixture::new(X86_64).signed()), (ARM64, Fixture::new(ARM64).signed())];
    let fat = universal(&slices, false, 14);
    let offset = |i: usize| read(&fat.as_slice()).unwrap().slices[i].offset;
    let (second, len) = (offset(1), fat.len());
    let be = |value: u64| (value as u32).to_be_bytes();
    // Entries of 20 bytes from 8: cpu, subtype, offset, size, align.
    assert_eq!(flaws(&patch(&fat, second - 1, &[1])), ["fat-gap"]);
    assert_eq!(flaws(&patch(&fat, 100, &[1])), ["fat-gap"]);
    assert_eq!(flaws(&patch(&fat, 28, &be(u64::from(X86_64.0)))), ["fat-arch"]);
    assert_eq!(flaws(&patch(&fat, 44, &be(16))), ["fat-align"]);
    assert!(flaws(&patch(&fat, 36, &be(0x4000))).contains(&"fat-overlap".into()));
    assert_eq!(flaws(&[&fat[..], b"x"].concat()), ["fat-trailing"]);
    let cut = flaws(&fat[..len - 1]);
    assert_eq!(cut[..2], ["fat-cut", "out-of-bounds"]);
    let far = patch(&fat, 36, &be(len as u64));
    assert!(matches!(read(&far.as_slice()), Err(Unread::NotAuditable { .. })));
    let wide_gap = universal(&slices, false, 15);
    assert_eq!(flaws(&patch(&patch(&wide_gap, 24, &be(12)), 44, &be(12))), ["fat-gap"]);
}

#[test]
fn a_cut_file_is_never_good() {
    let signed = Fixture { text: 9000, ..Fixture::new(ARM64) }.signed();
    for len in 0..signed.len() {
        let cut = &signed[..len];
        let is_good = match formats::read(&cut) {
            Err(_) => false,
            Ok(formats::Binary::MachO(macho)) => macho.slices.iter().all(|slice| {
                slice.cut.is_none() && slice.signature.as_ref().is_some_and(|s| s.is_valid())
            }),
            Ok(_) => true,
        };
        assert!(!is_good, "the first {len} bytes");
    }
}

#[test]
fn wrong_pages_are_listed_up_to_a_limit() {
    let fixture = Fixture { text: 5_000_000, ..Fixture::new(X86_64) };
    let mut signed = fixture.signed();
    let end = map(&signed).signature as usize;
    signed[0x1000..end].fill(0xee);
    let flaws = flaws(&signed);
    assert_eq!(flaws.len(), 1001);
    assert_eq!(flaws.last().map(String::as_str), Some("more-pages"));
}

/// Nothing panics, and what is called valid has every byte of its code.
#[test]
fn mutants_neither_panic_nor_pass() {
    let arm = Fixture { text: 20_000, ..Fixture::new(ARM64) };
    let x86 = Fixture { text: 6000, info_plist: Some(b"<plist/>"), ..Fixture::new(X86_64) };
    let thin = arm.signed();
    let fat = universal(&[(X86_64, x86.signed()), (ARM64, thin.clone())], true, 14);
    for original in [&thin, &fat, &x86.build(), &Fixture::powerpc().signed()] {
        mutants(original, 3000, |mutant| {
            let _ = crate::sign::sign_adhoc(mutant.bytes, "org.example.mutant");
            let Ok(macho) = read(mutant) else { return };
            for (start, end) in valid_code(&macho, mutant.bytes) {
                let (now, then) = (mutant.bytes.get(start..end), original.get(start..end));
                assert_eq!(now, then, "nobody saw it");
            }
            judged(Binary::MachO(macho), mutant);
        });
    }
}

/// The ranges of code that a valid signature vouches for.
fn valid_code(macho: &MachO, file: &[u8]) -> Vec<(usize, usize)> {
    let valid = |slice: &&Slice| slice.signature.as_ref().is_some_and(|s| s.flaws.is_empty());
    let code = macho.slices.iter().filter(valid).map(|slice| {
        let start = slice.offset as usize;
        let image = Image::read(&&file[start..]).unwrap();
        (start, start + image.code_signatures[0].dataoff as usize)
    });
    code.collect()
}
