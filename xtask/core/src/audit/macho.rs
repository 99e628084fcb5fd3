//! Rules for Mach-O: each slice is judged by itself.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::policy::allows;
use super::{Check, Judge, Policy, Reads, Rule, Signed};
use crate::formats::macho::{Flaw, Kind, MachO, Signature, Slice};

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "macho-unsigned",
        title: "what macOS wants signed is signed",
        reads: Reads::Headers,
        why: "On Apple silicon the kernel ends an arm64 program without a signature at its start: \
              `Killed: 9` and nothing more. Linkers sign by themselves, but only arm64, and a later \
              `strip` that is not Apple's throws the signature away. An x86_64 program may be unsigned.",
        incidents: &[
            "cass_memory_system#43: arm64 shipped unsigned, without room for a load command to sign it by",
            "osxcross#410, dotnet/runtime#45860",
        ],
        fix: "sign it last, after every change of its bytes: `cargo xtask codesign`",
        check: Check::MachO(unsigned),
    },
    Rule {
        id: "macho-signature",
        title: "the code signature is right: its structure, and the digest of every page",
        reads: Reads::WholeFile,
        why: "A byte that is changed after signing (strip, `install_name_tool`, a stamped version, \
              an edited rpath) makes one page's digest wrong. The program is killed when that page \
              is first used, maybe long after its start. Only macOS checks it, so a build on Linux \
              does not notice.",
        incidents: &[
            "dotnet/runtime#45860, osxcross#305: strip left a signature of other bytes",
            "cctools-port#97, golang/go#42684: edited in place after it ran",
        ],
        fix: "sign after everything else that changes bytes: `cargo xtask codesign --force`",
        check: Check::MachO(signature),
    },
    Rule {
        id: "macho-identifier",
        title: "the signature's identifier is the package's",
        reads: Reads::Headers,
        why: "Linkers take the name of the output file, which is often a temporary one \
              (`a.out`, `tool-1a2b3c`). macOS keys permissions and caches to the identifier, and \
              one that changes with each build makes builds irreproducible.",
        incidents: &["rue#1445: an identifier by file name, and no two builds alike"],
        fix: "sign with an explicit identifier: `cargo xtask codesign --force --identifier NAME`",
        check: Check::MachO(identifier),
    },
    Rule {
        id: "macho-linker-signed",
        title: "a release is signed by a signer, not only by its linker",
        reads: Reads::Headers,
        why: "A linker's signature (flag 0x20000) is a stopgap: tools replace it without asking, \
              and it comes with whatever identifier the linker thought of. A release that still \
              has it skipped its signing step.",
        incidents: &["cctools-port#105: \"is already signed\"", "cctools-port#114"],
        fix: "sign it: `cargo xtask codesign --force --identifier NAME`",
        check: Check::MachO(linker_signed),
    },
    Rule {
        id: "macho-truncated",
        title: "every segment is in the file",
        reads: Reads::Headers,
        why: "An upload or a disk that ended early leaves a file whose header still looks good. \
              The kernel refuses to load it.",
        incidents: &["cli/cli#4863: assets stuck half uploaded"],
        fix: "compare its size and checksum with those where it was built, and copy it again",
        check: Check::MachO(truncated),
    },
    Rule {
        id: "macho-universal",
        title: "a universal file's table describes its slices",
        reads: Reads::Headers,
        why: "macOS chooses a slice by the table at the start of the file. One that is listed as \
              another architecture, reaches past the end of the file or shares bytes with another \
              is refused by the kernel. In a signed slice the same makes the signature wrong, \
              and is told there.",
        incidents: &[],
        fix: "make it again with `lipo -create` from slices that work alone",
        check: Check::MachO(universal),
    },
    Rule {
        id: "macho-platform",
        title: "it is made for the target's platform",
        reads: Reads::Headers,
        why: "An object or a library for iOS or a simulator links as well as one for macOS, and \
              has the same architecture; `dyld` refuses it.",
        incidents: &["delocate#273: slices for iOS and simulators taken for macOS"],
        fix: "build with the macOS SDK and target: look at `SDKROOT` and `-target`",
        check: Check::MachO(platform),
    },
    Rule {
        id: "macho-minos",
        title: "it runs on the oldest macOS that the plan names",
        reads: Reads::Headers,
        why: "Without a deployment target a linker takes that of the machine it runs on: after a \
              new runner image users read `built for newer macOS version`. sqlite-vec 0.1.9 asks \
              for 15.0 that way.",
        incidents: &[
            "sqlite-vec 0.1.9: minos 15.0, the runner's own",
            "delocate#56, #212: users ask for the file and the setting by name",
        ],
        fix: "set MACOSX_DEPLOYMENT_TARGET for everything that is compiled, C code too; a Go program \
              asks for what its toolchain supports (Go 1.27: 13.0): raise `macos-min` to that",
        check: Check::MachO(minos),
    },
    Rule {
        id: "macho-dylib",
        title: "it needs no library outside the package's allow-list",
        reads: Reads::Headers,
        why: "Each library must be on the user's machine, or the program ends with `Library not \
              loaded`. A build picks libraries up from its host without a word. Weak ones may be \
              missing and are not judged here.",
        incidents: &["mint-lang/mint#787: a program that wants Homebrew's OpenSSL 1.1"],
        fix: "link it statically, drop the dependency, or add it to the package's `needed` list",
        check: Check::MachO(dylib),
    },
    Rule {
        id: "macho-local-dylib",
        title: "its libraries are the system's or come with it",
        reads: Reads::Headers,
        why: "`/opt/homebrew/…`, `/usr/local/…` and `/nix/store/…` are on the builder's machine; \
              on the user's there is another version, another architecture or nothing, or \
              somebody else's file.",
        incidents: &[
            "owasp-noir/noir#2236, mint-lang/mint#787, clangen/musikcube#468: releases that want OpenSSL from Homebrew's folders",
        ],
        fix: "link it statically, or ship it and load it by `@loader_path` \
              (`install_name_tool -change`, before signing)",
        check: Check::MachO(local_dylib),
    },
    Rule {
        id: "macho-rpath",
        title: "its rpaths point to itself or to the system",
        reads: Reads::Headers,
        why: "An absolute LC_RPATH is a folder of the builder's machine. Where users can write to \
              it, it is also a way to have their libraries loaded.",
        incidents: &[
            "pulp#395: LC_RPATH was the runner's home",
            "vibe#495: /nix/store",
            "shapely's and pillow's wheels carry folders of the runner",
        ],
        fix: "use `@loader_path` or `@executable_path`; drop the others with \
              `install_name_tool -delete_rpath`, before signing",
        check: Check::MachO(rpath),
    },
    Rule {
        id: "macho-pie",
        title: "a program is position-independent",
        reads: Reads::Headers,
        why: "Without MH_PIE a program stands at the same address in every run, which makes \
              attacks on its memory easier. On arm64 the kernel refuses it.",
        incidents: &["Glyndor/podup#1679: a release that looked at its Linux programs alone"],
        fix: "drop `-no_pie` (`-C relocation-model=static`) from the link line",
        check: Check::MachO(pie),
    },
    Rule {
        id: "macho-encrypted",
        title: "it is not encrypted",
        reads: Reads::Headers,
        why: "A slice from the App Store is encrypted for one account: elsewhere it does not run, \
              and nothing in it can be judged.",
        incidents: &[],
        fix: "release what the linker made, not what a store delivered",
        check: Check::MachO(encrypted),
    },
];

/// Findings say which slice, when there are several.
fn within(macho: &MachO, slice: &Slice, text: impl Into<String>) -> String {
    let text = text.into();
    if macho.universal { format!("{}: {text}", slice.arch) } else { text }
}

/// The slices that macOS loads, and the signatures of those that have one.
fn loaded(macho: &MachO) -> impl Iterator<Item = &Slice> {
    macho.slices.iter().filter(|slice| slice.kind.is_loaded())
}

fn signatures(macho: &MachO) -> impl Iterator<Item = (&Slice, &Signature)> {
    macho.slices.iter().filter_map(|slice| Some((slice, slice.signature.as_ref()?)))
}

fn unsigned(macho: &MachO, policy: &Policy, judge: &mut Judge<'_>) {
    let Some(signed) = policy.signed else { return };
    for slice in loaded(macho).filter(|slice| slice.signature.is_none()) {
        if signed == Signed::All || slice.arch.starts_with("arm64") {
            judge.finding("a code signature", within(macho, slice, "none"));
        }
    }
}

fn signature(macho: &MachO, policy: &Policy, judge: &mut Judge<'_>) {
    if policy.signed.is_none() {
        return;
    }
    for (slice, signature) in signatures(macho).filter(|(_, signature)| !signature.is_valid()) {
        judge.finding("a valid code signature", within(macho, slice, flaws(&signature.flaws)));
    }
}

/// The flaws that one line has room for, and how many more there are.
fn flaws(flaws: &[Flaw]) -> String {
    const SHOWN: usize = 4;
    let mut lines: Vec<String> = flaws.iter().take(SHOWN).map(ToString::to_string).collect();
    if flaws.len() > SHOWN {
        lines.push(format!("{} more", flaws.len() - SHOWN));
    }
    lines.join("; ")
}

fn identifier(macho: &MachO, policy: &Policy, judge: &mut Judge<'_>) {
    let Some(expected) = policy.identifier.as_deref() else { return };
    for (slice, signature) in signatures(macho) {
        // Without an identifier the signature is not right, and that is said elsewhere.
        if let Some(found) = signature.identifier.as_deref().filter(|found| *found != expected) {
            judge.finding(expected, within(macho, slice, found));
        }
    }
}

fn linker_signed(macho: &MachO, policy: &Policy, judge: &mut Judge<'_>) {
    if policy.signed != Some(Signed::All) {
        return;
    }
    for (slice, _) in signatures(macho).filter(|(_, signature)| signature.linker_signed) {
        judge.finding("a signer's signature", within(macho, slice, "the linker's"));
    }
}

fn truncated(macho: &MachO, _: &Policy, judge: &mut Judge<'_>) {
    for slice in &macho.slices {
        if let Some(cut) = &slice.cut {
            let (segment, end, size) = (&cut.segment, cut.end, slice.size);
            let found = format!("{segment} reaches to {end:#x}, and the slice to {size:#x}");
            judge.finding("whole segments", within(macho, slice, found));
        }
    }
}

fn universal(macho: &MachO, _: &Policy, judge: &mut Judge<'_>) {
    for slice in macho.slices.iter().filter(|slice| slice.signature.is_none()) {
        for flaw in slice.misplaced.iter().filter(|flaw| flaw.kind.is_fatal_unsigned()) {
            judge.finding("the table of what is there", within(macho, slice, flaw.to_string()));
        }
    }
}

fn platform(macho: &MachO, policy: &Policy, judge: &mut Judge<'_>) {
    let Some(expected) = policy.platform.as_deref() else { return };
    for slice in &macho.slices {
        let found = slice.platform.as_deref();
        if found != Some(expected) {
            judge.finding(expected, within(macho, slice, found.unwrap_or("none")));
        }
    }
}

fn minos(macho: &MachO, policy: &Policy, judge: &mut Judge<'_>) {
    let Some(max) = policy.minos_max else { return };
    for slice in &macho.slices {
        let found = match slice.minos {
            Some(minos) if minos <= max => continue,
            Some(minos) => minos.to_string(),
            None => "none".into(),
        };
        judge.finding(format!("{max} or older"), within(macho, slice, found));
    }
}

fn dylib(macho: &MachO, policy: &Policy, judge: &mut Judge<'_>) {
    let Some(allowed) = &policy.dylibs else { return };
    for slice in &macho.slices {
        for dylib in slice.dylibs.iter().filter(|dylib| !allows(allowed, dylib)) {
            judge.finding(allowed.join(", "), within(macho, slice, dylib));
        }
    }
}

fn local_dylib(macho: &MachO, policy: &Policy, judge: &mut Judge<'_>) {
    if !policy.origin_paths_only {
        return;
    }
    for slice in &macho.slices {
        let dylibs = slice.dylibs.iter().chain(&slice.weak_dylibs);
        for dylib in dylibs.filter(|dylib| !is_relocatable(dylib)) {
            judge.finding("a library of the system, or @loader_path", within(macho, slice, dylib));
        }
    }
}

fn rpath(macho: &MachO, policy: &Policy, judge: &mut Judge<'_>) {
    if !policy.origin_paths_only {
        return;
    }
    for slice in &macho.slices {
        for rpath in slice.rpaths.iter().filter(|rpath| !is_relocatable(rpath)) {
            judge.finding("@loader_path or a system folder", within(macho, slice, rpath));
        }
    }
}

/// Whether a path means the same on every Mac: the system's, or one that moves with the program.
fn is_relocatable(path: &str) -> bool {
    const ROOTS: [&str; 2] = ["/usr/lib", "/System"];
    const MARKS: [&str; 3] = ["@loader_path", "@executable_path", "@rpath"];
    let under = |root: &&str| {
        path.strip_prefix(*root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    ROOTS.iter().chain(&MARKS).any(under)
}

fn pie(macho: &MachO, policy: &Policy, judge: &mut Judge<'_>) {
    if !policy.pie {
        return;
    }
    let programs = macho.slices.iter().filter(|slice| slice.kind == Kind::Executable);
    for slice in programs.filter(|slice| !slice.pie) {
        judge.finding("MH_PIE", within(macho, slice, "a fixed address"));
    }
}

fn encrypted(macho: &MachO, policy: &Policy, judge: &mut Judge<'_>) {
    if !policy.portable {
        return;
    }
    for slice in macho.slices.iter().filter(|slice| slice.encrypted) {
        judge.finding("plain code", within(macho, slice, "encrypted code"));
    }
}
