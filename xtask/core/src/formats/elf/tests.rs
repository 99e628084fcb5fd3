//! Every trap by table: classes, byte orders, ways to count symbols, kinds of files.

use alloc::string::{String, ToString};
use alloc::vec;

use super::fixture::{Count, DF_1_PIE, ET_DYN, ET_EXEC, Fixture, bound};
use super::*;
use crate::formats::{Binary, Format, Version};
use crate::mutants::{judged, mutants};

const X86_64: u16 = 62;
const MIPS: u16 = 8;
const S390: u16 = 22;

/// Class, byte order, e_machine, name, and whether a stack without PT_GNU_STACK is executable.
const MACHINES: [(bool, bool, u16, &str, bool); 24] = [
    (true, false, 62, "x86_64", true),
    (false, false, 62, "x32", true),
    (false, false, 3, "i386", true),
    (true, false, 183, "aarch64", false),
    (true, true, 183, "aarch64_be", false),
    (false, false, 40, "arm", true),
    (false, true, 40, "armeb", true),
    (true, false, 21, "ppc64le", false),
    (true, true, 21, "ppc64", false),
    (false, true, 20, "ppc", true),
    (true, true, 22, "s390x", true),
    (false, true, 22, "s390", true),
    (true, false, 243, "riscv64", false),
    (false, false, 243, "riscv32", false),
    (true, false, 258, "loongarch64", false),
    (true, false, 8, "mips64el", true),
    (true, true, 8, "mips64", true),
    (false, false, 8, "mipsel", true),
    (false, true, 8, "mips", true),
    (true, true, 43, "sparc64", true),
    (false, true, 2, "sparc", true),
    (true, false, 0x9026, "alpha", true),
    (false, true, 4, "m68k", true),
    (true, false, 0xfefe, "machine 0xfefe", true),
];

fn read_ok(fixture: &Fixture) -> Elf {
    read(&fixture.build().as_slice()).unwrap_or_else(|error| panic!("{error}: {fixture:?}"))
}

fn refused(bytes: &[u8]) -> String {
    match read(&bytes) {
        Err(Unread::NotAuditable { format: Format::Elf, reason }) => reason,
        other => panic!("{other:?}"),
    }
}

fn texts(floors: Floors) -> [Option<String>; 3] {
    [floors.max, floors.floor, floors.strong].map(|version| version.map(|v| v.to_string()))
}

fn some(text: &str) -> Option<String> {
    Some(text.into())
}

#[test]
fn every_machine_class_and_byte_order() {
    for (is_64, big, machine, name, executable_stack) in MACHINES {
        let mut fixture = Fixture::glibc(is_64, big, machine);
        let elf = read_ok(&fixture);
        assert_eq!(elf.arch, name);
        assert_eq!(texts(elf.floors()), [some("2.39"), some("2.39"), some("2.4")], "{name}");
        assert_eq!(bound(&elf.versions[0]), ["puts"], "{name}");
        assert_eq!(bound(&elf.versions[1]), ["?pidfd_getpid"], "{name}");
        assert_eq!(elf.needed, ["libc.so.6"]);
        assert!(elf.nx && elf.pie && !elf.wx && !elf.textrel);
        fixture.stack = None;
        assert_eq!(read_ok(&fixture).nx, !executable_stack, "{name} without PT_GNU_STACK");
        fixture.stack = Some(7);
        assert!(!read_ok(&fixture).nx, "{name}");
    }
}

#[test]
fn symbols_are_counted_by_every_table() {
    for (is_64, big, machine, name, _) in MACHINES {
        let mut counts = vec![
            Count::GnuHash,
            Count::EmptyGnuHash,
            Count::UnhashedGnuHash,
            Count::Hash { wide: false },
            Count::Relocations,
        ];
        if name == "s390x" || name == "alpha" {
            counts.push(Count::Hash { wide: true });
        }
        if machine == MIPS {
            counts.push(Count::MipsTag);
        }
        for count in counts {
            let fixture = Fixture { count, ..Fixture::glibc(is_64, big, machine) };
            let elf = read_ok(&fixture);
            assert_eq!(bound(&elf.versions[1]), ["?pidfd_getpid"], "{name} {count:?}");
        }
    }
}

#[test]
fn a_version_is_looked_up_by_the_hash_of_its_name() {
    let mut bytes = Fixture::glibc(true, false, X86_64).build();
    let all_hashed = |bytes: &[u8]| {
        let versions = read(&bytes).unwrap().versions;
        versions.iter().all(|need| need.hashed)
    };
    assert!(all_hashed(&bytes));
    let name = bytes.windows(11).position(|window| window == b"GLIBC_2.39\0").unwrap();
    bytes[name + 8] = b'1';
    assert!(!all_hashed(&bytes));
}

#[test]
fn a_version_flagged_weak_counts_when_a_strong_symbol_needs_it() {
    let with = |flags, weak| {
        let mut fixture = Fixture::glibc(true, false, X86_64);
        fixture.versions[0].1[1].1 = flags;
        fixture.symbols[1].1 = weak;
        texts(read_ok(&fixture).floors())
    };
    const WEAK: u16 = 2;
    assert_eq!(with(0, true), [some("2.39"), some("2.39"), some("2.4")]);
    assert_eq!(with(WEAK, true), [some("2.39"), some("2.4"), some("2.4")]);
    assert_eq!(with(WEAK, false), [some("2.39"), some("2.39"), some("2.39")]);
    assert_eq!(
        with(1, true),
        [some("2.39"), some("2.39"), some("2.4")],
        "VER_FLG_BASE is no excuse"
    );
}

#[test]
fn a_verdict_alone_reads_symbols_only_where_the_floor_hangs_on_them() {
    let mut fixture = Fixture::glibc(true, false, X86_64);
    let verdict = |fixture: &Fixture| {
        read_with(&fixture.build().as_slice(), Depth::Verdict).unwrap().floors().floor
    };
    assert_eq!(verdict(&fixture), Some(Version::new(2, 39)));
    fixture.versions[0].1[1].1 = 2;
    assert_eq!(verdict(&fixture), Some(Version::new(2, 4)));
    fixture.symbols[1].1 = false;
    assert_eq!(verdict(&fixture), Some(Version::new(2, 39)));
}

#[test]
fn defined_symbols_are_bound_too_and_names_mean_nothing() {
    let mut fixture = Fixture::glibc(true, false, X86_64);
    fixture.symbols = vec![("GLIBC_2.99", false, false, 1), ("__rseq_offset", false, true, 2)];
    let elf = read_ok(&fixture);
    assert_eq!(bound(&elf.versions[1]), ["__rseq_offset"]);
    assert_eq!(texts(elf.floors()), [some("2.39"), some("2.39"), some("2.39")]);
}

#[test]
fn markers_private_and_unknown_nodes() {
    let with = |name| {
        let mut fixture = Fixture::glibc(true, false, X86_64);
        fixture.versions[0].1[1] = (name, 0);
        fixture.symbols.pop();
        let elf = read_ok(&fixture);
        (elf.floors().floor.map(|floor| floor.to_string()), elf.nonnumeric().join(" "))
    };
    for (name, floor) in [
        ("GLIBC_ABI_DT_RELR", "2.36"),
        ("GLIBC_ABI_GNU2_TLS", "2.43"),
        ("GLIBC_ABI_GNU_TLS", "2.43"),
        ("GLIBC_ABI_DT_X86_64_PLT", "2.43"),
        ("GLIBC_PRIVATE", "2.4"),
        ("GLIBC_TOMORROW", "2.4"),
        ("GLIBC_", "2.4"),
    ] {
        assert_eq!(with(name), (some(floor), name.to_string()));
    }
    assert_eq!(with("GLIBC_2.3.4"), (some("2.4"), String::new()));
    assert_eq!(with("GLIBC_2.10"), (some("2.10"), String::new()));
    assert_eq!(with("OPENSSL_3.9"), (some("2.4"), String::new()));
}

#[test]
fn every_library_counts_and_other_prefixes_are_apart() {
    let mut fixture = Fixture::glibc(true, false, X86_64);
    fixture.versions = vec![
        ("ld-linux-x86-64.so.2", vec![("GLIBC_2.35", 0)]),
        ("libc.so.6", vec![("GLIBC_2.4", 0)]),
        ("libstdc++.so.6", vec![("GLIBCXX_3.4.9", 0), ("GLIBCXX_3.4.29", 0), ("CXXABI_1.3", 0)]),
        ("libgcc_s.so.1", vec![("GCC_3.0", 0), ("GCC_12.0.0", 0)]),
    ];
    fixture.symbols = vec![("__rseq_offset", false, false, 1)];
    let elf = read_ok(&fixture);
    assert_eq!(elf.floors().floor, Some(Version::new(2, 35)));
    assert_eq!(elf.highest("GLIBCXX_").map(|v| v.to_string()), some("3.4.29"));
    assert_eq!(elf.highest("CXXABI_").map(|v| v.to_string()), some("1.3"));
    assert_eq!(elf.highest("GCC_").map(|v| v.to_string()), some("12.0.0"));
    assert_eq!(elf.versions[0].library, "ld-linux-x86-64.so.2");
}

/// Linkage, PIE, and whether it is a loader.
#[test]
fn kinds_of_files() {
    let base = || Fixture {
        versions: vec![],
        symbols: vec![],
        tags: vec![],
        ..Fixture::glibc(true, false, X86_64)
    };
    let none = || Fixture { interpreter: None, needed: vec![], ..base() };
    let pie = vec![DF_1_PIE];
    use Linkage::{Dynamic, SharedObject, Static, StaticPie};
    for (what, fixture, linkage, is_pie, loader) in [
        ("PIE", Fixture { tags: pie.clone(), ..base() }, Dynamic, true, false),
        ("PIE of an old linker", base(), Dynamic, true, false),
        ("fixed", Fixture { kind: ET_EXEC, ..base() }, Dynamic, false, false),
        ("Go's own PIE", Fixture { needed: vec![], ..base() }, Dynamic, true, false),
        (
            "libc.so.6",
            Fixture { soname: Some("libc.so.6"), needed: vec!["ld-linux-x86-64.so.2"], ..base() },
            SharedObject,
            false,
            false,
        ),
        (
            "a library",
            Fixture { interpreter: None, soname: Some("libx.so"), ..base() },
            SharedObject,
            false,
            false,
        ),
        (
            "a plugin without name",
            Fixture { interpreter: None, ..base() },
            SharedObject,
            false,
            false,
        ),
        ("a plugin that needs nothing", none(), SharedObject, false, false),
        (
            "self-launching",
            Fixture { interpreter: None, tags: pie.clone(), ..base() },
            Dynamic,
            true,
            false,
        ),
        ("static PIE", Fixture { tags: pie.clone(), ..none() }, StaticPie, true, false),
        ("static", Fixture { kind: ET_EXEC, is_dynamic: false, ..none() }, Static, false, false),
        ("static with tags", Fixture { kind: ET_EXEC, ..none() }, Static, false, false),
        (
            "ld.so",
            Fixture { soname: Some("ld-linux-x86-64.so.2"), ..none() },
            SharedObject,
            false,
            true,
        ),
        ("musl", Fixture { soname: Some("libc.so"), ..none() }, SharedObject, false, true),
        (
            "Alpine's musl",
            Fixture { soname: Some("libc.musl-x86_64.so.1"), ..none() },
            SharedObject,
            false,
            true,
        ),
    ] {
        let elf = read_ok(&fixture);
        assert_eq!((elf.linkage, elf.pie, elf.loader), (linkage, is_pie, loader), "{what}");
    }
}

#[test]
fn whose_libc() {
    let none = || Fixture {
        interpreter: None,
        needed: vec![],
        versions: vec![],
        symbols: vec![],
        tags: vec![],
        ..Fixture::glibc(true, false, X86_64)
    };
    let needs = |needed| Fixture { needed, ..none() };
    let node = |library, name| Fixture { versions: vec![(library, vec![(name, 0)])], ..none() };
    let starts = |path| Fixture { interpreter: Some(path), ..none() };
    for (fixture, libc) in [
        (needs(vec!["libc.so.6"]), Libc::Glibc),
        (needs(vec!["libc.so.6.1"]), Libc::Glibc),
        (needs(vec!["libm.so.6"]), Libc::Glibc),
        (node("libpthread.so.0", "GLIBC_2.17"), Libc::Glibc),
        (starts("/lib64/ld-linux-x86-64.so.2"), Libc::Glibc),
        (starts("/nix/store/x/lib/ld-linux-x86-64.so.2"), Libc::Glibc),
        (starts("/lib64/ld.so.1"), Libc::Glibc),
        (starts("/usr/lib/ld.so.1"), Libc::None),
        (needs(vec!["libc.musl-x86_64.so.1"]), Libc::Musl),
        (needs(vec!["libc.so"]), Libc::Musl),
        (needs(vec!["libgcc_s.so.1", "libc.so"]), Libc::Musl),
        (starts("/lib/ld-musl-x86_64.so.1"), Libc::Musl),
        (needs(vec!["libdl.so", "libc.so"]), Libc::Bionic),
        (needs(vec!["libc.so", "liblog.so"]), Libc::Bionic),
        (node("libc.so", "LIBC"), Libc::Bionic),
        (starts("/system/bin/linker64"), Libc::Bionic),
        (needs(vec!["libc.so.7"]), Libc::FreeBsd),
        (node("libc.so.7", "FBSD_1.0"), Libc::FreeBsd),
        (starts("/libexec/ld-elf.so.1"), Libc::FreeBsd),
        (needs(vec![]), Libc::None),
        (needs(vec!["libz.so.1"]), Libc::None),
        (Fixture { soname: Some("ld-linux-aarch64.so.1"), ..none() }, Libc::Glibc),
        (Fixture { soname: Some("libc.so"), ..none() }, Libc::Musl),
        (Fixture { symbols: vec![("__dls3", false, true, 0)], ..none() }, Libc::Musl),
        (Fixture { symbols: vec![("__dls3", false, false, 0)], ..none() }, Libc::None),
        (Fixture { symbols: vec![("dlsym", false, true, 0)], ..none() }, Libc::None),
        (Fixture { is_dynamic: false, kind: ET_EXEC, ..none() }, Libc::None),
    ] {
        assert_eq!(read_ok(&fixture).libc, libc, "{fixture:?}");
    }
}

#[test]
fn relro_takes_the_segment_and_any_way_to_bind_now() {
    const WAYS: [(u64, u64); 3] = [(24, 0), (30, 8), (0x6fff_fffb, 1)];
    let relro = |segment, tags| {
        let mut fixture = Fixture { relro: segment, ..Fixture::glibc(true, false, X86_64) };
        fixture.tags = tags;
        let elf = read_ok(&fixture);
        (elf.relro, elf.bind_now)
    };
    for way in WAYS {
        assert_eq!(relro(true, vec![way]), (Relro::Full, true));
        assert_eq!(relro(false, vec![way]), (Relro::None, true));
    }
    assert_eq!(relro(true, vec![]), (Relro::Partial, false));
    assert_eq!(relro(false, vec![]), (Relro::None, false));
    let fixture = Fixture {
        interpreter: None,
        needed: vec![],
        versions: vec![],
        ..Fixture::glibc(true, false, X86_64)
    };
    assert_eq!(read_ok(&fixture).relro, Relro::NotApplicable, "a static PIE");
}

#[test]
fn of_a_tag_given_twice_the_last_holds_and_textrel_has_two_forms() {
    for tag in [(22, 0), (30, 4)] {
        let mut fixture = Fixture::glibc(true, false, X86_64);
        fixture.tags.push(tag);
        assert!(read_ok(&fixture).textrel, "{tag:?}");
    }
    let mut fixture = Fixture::glibc(true, false, X86_64);
    fixture.tags.extend([(30, 4), (30, 0)]);
    assert!(!read_ok(&fixture).textrel);
}

#[test]
fn a_table_that_speaks_of_more_symbols_than_there_are_is_damage() {
    let mut fixture = Fixture { count: Count::MipsTag, ..Fixture::glibc(true, true, MIPS) };
    fixture.tags.push((0x7000_0011, 1 << 40));
    assert!(refused(&fixture.build()).contains("more than there are"));
}

#[test]
fn wide_hash_words_on_s390x_are_told_from_narrow_ones() {
    for wide in [true, false] {
        let fixture = Fixture { count: Count::Hash { wide }, ..Fixture::glibc(true, true, S390) };
        assert_eq!(bound(&read_ok(&fixture).versions[0]), ["puts"], "wide: {wide}");
    }
}

#[test]
fn only_a_program_at_a_fixed_address_can_do_without_a_dynamic_segment() {
    let without = |kind, interpreter| {
        let fixture =
            Fixture { is_dynamic: false, kind, interpreter, ..Fixture::glibc(true, false, X86_64) };
        fixture.build()
    };
    for bytes in [without(ET_DYN, None), without(ET_DYN, Some("/lib64/ld-linux-x86-64.so.2"))] {
        assert!(refused(&bytes).contains("no dynamic segment"));
    }
    assert!(refused(&without(ET_EXEC, Some("/lib/ld-musl-x86_64.so.1"))).contains("PT_DYNAMIC"));
    assert!(read(&without(ET_EXEC, None).as_slice()).is_ok(), "static");
    assert!(read(&without(ET_EXEC, Some("/lib/klibc-x.so")).as_slice()).is_ok(), "klibc");
}

/// Field by field, 64-bit little-endian: where in the file, what is written, and what is said of it.
#[test]
fn what_no_kernel_and_no_loader_takes_is_damage() {
    const HEADERS: usize = 64;
    let good = Fixture::glibc(true, false, X86_64).build();
    let header = |kind: u32| {
        let starts = |at: &usize| good[*at..].starts_with(&kind.to_le_bytes());
        (HEADERS..).step_by(56).find(starts).unwrap()
    };
    let tag = |tag: u64| good.windows(8).rposition(|bytes| bytes == tag.to_le_bytes()).unwrap();
    let (load, interp) = (header(PT_LOAD), header(PT_INTERP));
    let path = u64::from_le_bytes(good[interp + 8..interp + 16].try_into().unwrap()) as usize;
    let path_end = path + good[path..].iter().position(|byte| *byte == 0).unwrap();
    for (at, bytes, said) in [
        (18, &[0, 0][..], "no machine"),
        (54, &[57, 0], "e_phentsize"),
        (56, &[0, 0], "no program headers"),
        (56, &[0xff, 0xff], "no kernel takes so many"),
        (load + 16, &[8], "can be mapped"),
        (path, &[0], "PT_INTERP is empty"),
        (path_end, b"X", "PT_INTERP does not end"),
        (tag(6), &[0xff; 4], "loaders crash"),
        (tag(0x6fff_fff0), &[0xff; 4], "loaders crash"),
    ] {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        let reason = refused(&bad);
        assert!(reason.contains(said), "{said}: {reason}");
        let verdict = read_with(&bad.as_slice(), Depth::Verdict);
        assert!(verdict.is_err(), "{said}: without a look at the symbols");
    }
}

#[test]
fn memory_without_contents_may_be_said_to_lie_behind_the_files_end() {
    let mut bytes = Fixture::glibc(true, false, X86_64).build();
    let stack = 0x6474_e551_u32.to_le_bytes();
    let header = bytes.windows(4).position(|window| window == stack).unwrap();
    bytes[header..header + 8].copy_from_slice(&[1, 0, 0, 0, 6, 0, 0, 0]);
    let words = [1 << 40, 1 << 20, 1 << 20, 0, 0x1000, 0x1000_u64];
    for (i, word) in words.into_iter().enumerate() {
        let at = header + 8 + 8 * i;
        bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }
    let elf = read(&bytes.as_slice()).unwrap();
    assert_eq!(texts(elf.floors())[1], some("2.39"));
}

#[test]
fn every_cut_is_noticed() {
    let whole = Fixture::glibc(true, false, X86_64).build();
    for len in 0..whole.len() {
        if let Ok(elf) = read(&&whole[..len]) {
            panic!("{len} of {} bytes read as {elf:?}", whole.len());
        }
    }
    assert!(read(&whole.as_slice()).is_ok());
}

/// No panic, no endless walk, no memory without bounds: what is read, and what is kept, stays within
/// a small multiple of the file.
#[test]
fn mutants_are_read_or_refused_within_bounds() {
    let mut kinds = vec![];
    for (is_64, big, machine, ..) in MACHINES {
        kinds.push(Fixture::glibc(is_64, big, machine));
    }
    kinds.push(Fixture { count: Count::Hash { wide: true }, ..Fixture::glibc(true, true, S390) });
    kinds.push(Fixture { count: Count::EmptyGnuHash, ..Fixture::glibc(true, false, MIPS) });
    kinds.push(Fixture {
        kind: ET_DYN,
        soname: Some("libx.so.1"),
        ..Fixture::glibc(false, true, MIPS)
    });
    let (mut read_well, mut not_auditable) = (0, 0);
    for fixture in kinds {
        let original = fixture.build();
        mutants(&original, 2000, |mutant| {
            if !mutant.bytes.starts_with(MAGIC) {
                return;
            }
            match read(mutant) {
                Ok(elf) => {
                    read_well += 1;
                    judged(Binary::Elf(elf), mutant);
                }
                Err(Unread::NotAuditable { reason, .. }) => {
                    assert!(!reason.is_empty());
                    not_auditable += 1;
                }
                Err(other) => panic!("{other}"),
            }
        });
    }
    assert!(read_well > 5000 && not_auditable > 5000, "{read_well} {not_auditable}");
}
