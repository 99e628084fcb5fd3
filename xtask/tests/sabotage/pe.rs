//! Bad PE files, made of a program of one import that `zig cc` links for Windows.

use std::borrow::Cow;

use xtask_core::audit::{Names, Policy, policies};
use xtask_core::formats::Format;

use super::common::fixtures::zig_cc;
use super::macho_file::{le, patch};
use super::{Caught, Recipe};

const KERNEL32: Names = Cow::Borrowed(&[Cow::Borrowed("kernel32.dll")]);

/// What a plan demands of a program for Windows.
fn release() -> Policy {
    Policy {
        format: Some(Format::Pe),
        archs: Cow::Borrowed(&[Cow::Borrowed("x86_64")]),
        imports: Some(KERNEL32),
        static_crt: true,
        high_entropy: true,
        cfg: true,
        pie: true,
        ..policies::DEFAULT.clone()
    }
}

/// It calls `ExitProcess`, and has a load configuration that says CF_INSTRUMENTED.
fn program() -> Vec<u8> {
    const SOURCE: &[u8] = b"__declspec(dllimport) void ExitProcess(unsigned);\n\
        __attribute__((aligned(8))) const struct {\n\
          unsigned size; unsigned char rest[0x8c]; unsigned guard; unsigned char more[0xb0];\n\
        } _load_config_used = { sizeof(_load_config_used), {0}, 0x100 };\n\
        void start(void) { ExitProcess(0); }\n";
    let made = zig_cc(
        &[("main.c", SOURCE)],
        &[
            "-target",
            "x86_64-windows-gnu",
            "-O1",
            "-nostdlib",
            "{in}/main.c",
            "-lkernel32",
            "-Wl,--entry=start",
            "-Wl,--subsystem,console",
        ],
    );
    let flags = u16::from_le_bytes(made[dll_flags(&made)..][..2].try_into().unwrap());
    patch(&made, dll_flags(&made), &(flags | GUARD_CF).to_le_bytes())
}

const HIGH_ENTROPY_VA: u16 = 0x20;
const DYNAMIC_BASE: u16 = 0x40;
const NX_COMPAT: u16 = 0x100;
const GUARD_CF: u16 = 0x4000;

/// The PE header's place.
fn header(bytes: &[u8]) -> usize {
    le(bytes, 60) as usize
}

fn dll_flags(bytes: &[u8]) -> usize {
    header(bytes) + 24 + 70
}

/// The entry of a data directory of PE32+.
fn directory(bytes: &[u8], index: usize) -> usize {
    header(bytes) + 24 + 112 + 8 * index
}

pub(crate) fn recipes() -> Vec<Recipe> {
    let good = program();
    let recipe = |name, bad: Vec<u8>, caught| Recipe {
        name,
        policy: release(),
        good: good.clone(),
        bad,
        caught,
    };
    let by = |name, bad, rules| recipe(name, bad, Caught::By(rules));
    let damaged = |name, bad, reason| recipe(name, bad, Caught::NotAuditable(reason));
    let without = |flag: u16| {
        let at = dll_flags(&good);
        let flags = u16::from_le_bytes(good[at..at + 2].try_into().unwrap());
        assert_eq!(flags & flag, flag);
        patch(&good, at, &(flags & !flag).to_le_bytes())
    };
    let library = |name: &[u8; 12]| {
        let at = good.windows(12).position(|window| window == b"KERNEL32.dll").unwrap();
        patch(&good, at, name)
    };
    let guard = good.windows(4).rposition(|window| window == 0x100_u32.to_le_bytes()).unwrap();
    let file_flags = header(&good) + 22;
    let import_name = {
        // The descriptor whose name is the library's: found through the section's mapping.
        let table = le(&good, directory(&good, 1));
        let section = header(&good) + 24 + 240;
        let sections = (0..8).map(|i| section + 40 * i);
        let section = sections
            .into_iter()
            .find(|at| (le(&good, at + 12)..le(&good, at + 12) + 0x1000).contains(&table))
            .unwrap();
        (table - le(&good, section + 12) + le(&good, section + 20)) as usize + 12
    };
    let last = good.len() - 1;
    vec![
        by("pe: without ASLR", without(DYNAMIC_BASE), &["pe-aslr"]),
        by("pe: without high entropy", without(HIGH_ENTROPY_VA), &["pe-high-entropy"]),
        by("pe: without NX", without(NX_COMPAT), &["pe-nx"]),
        by("pe: without GUARD_CF in the header", without(GUARD_CF), &["pe-cfg"]),
        by("pe: GUARD_CF without instrumented code", patch(&good, guard, &[0; 4]), &["pe-cfg"]),
        by(
            "pe: relocations stripped",
            patch(&good, file_flags, &[good[file_flags] | 1]),
            &["pe-relocs-stripped"],
        ),
        by("pe: a library outside the list", library(b"KERNEL99.dll"), &["pe-imports"]),
        by("pe: a dynamic C run-time", library(b"MSVCR100.dll"), &["pe-imports", "pe-dynamic-crt"]),
        Recipe {
            policy: Policy { imports: None, ..release() },
            ..by("pe: a dynamic C run-time, no list", library(b"MSVCP140.dll"), &["pe-dynamic-crt"])
        },
        by("pe: of another machine", patch(&good, header(&good) + 4, &[0x4c, 1]), &["arch"]),
        damaged("pe: cut by one byte", good[..last].to_vec(), "cut off"),
        damaged("pe: cut in the section table", good[..header(&good) + 24 + 250].to_vec(), "ends"),
        damaged("pe: cut in the optional header", good[..header(&good) + 60].to_vec(), "ends"),
        damaged("pe: a DOS header alone", good[..64].to_vec(), "ends"),
        damaged("pe: no PE header", patch(&good, header(&good), b"NE"), "no PE header"),
        damaged(
            "pe: an optional header of no known form",
            patch(&good, header(&good) + 24, &[7, 1]),
            "magic number",
        ),
        damaged(
            "pe: imports outside every section",
            patch(&good, directory(&good, 1), &0x7fff_0000_u32.to_le_bytes()),
            "in no section",
        ),
        damaged(
            "pe: a library's name outside every section",
            patch(&good, import_name, &0x7fff_0000_u32.to_le_bytes()),
            "in no section",
        ),
        damaged(
            "pe: a certificate table behind the end",
            patch(&good, directory(&good, 4), &[0xff, 0xff, 0xff, 0, 8]),
            "certificate table",
        ),
    ]
}
