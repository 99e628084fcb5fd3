//! Rules about version needs: "version `GLIBC_2.39' not found".

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::distros::{major, reach};
use super::{Check, Judge, Policy, Reads, Rule};
use crate::formats::Version;
use crate::formats::elf::{Elf, Node, VersionNeed, demanded, node};

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "elf-glibc-floor",
        title: "a loader demands no glibc newer than the floor promised",
        reads: Reads::Headers,
        why: "ld.so refuses a program when one needed version is missing: \"version `GLIBC_2.39' \
              not found\". The commonest real case is weak only: Rust's standard library asks for \
              `pidfd_spawnp` (2.39), `statx` (2.28) or `gettid` (2.30) by weak symbols and does \
              without them, yet the linker writes a hard version need, so the program is refused \
              all the same. A version counts unless it is flagged VER_FLG_WEAK and no strong \
              symbol is bound to it; versions demanded of ld-linux itself count, and so do those \
              of data copied into the program, and those with no symbol left.",
        incidents: &[
            "ubugeeei-prod/uf#1264, drasi-core#601, agent-sh/agnix#1371, destructive_command_guard#34, zeroclaw#3070: 2.39 by two weak symbols",
            "oven-sh/bun#29461: from 2.26 to 2.17 by wrapping three symbols",
            "t8y2/dbx#4331: a floor that was configured and never held",
            "cargo-zigbuild#231, #232: a floor replaced without a word",
            "rust-lang/rust#36826, #57497",
            "msgpackr-extract for x64: only the loader's own nodes raise the floor, which auditwheel and maturin skip",
        ],
        fix: "link against an older glibc (cargo-zigbuild's `.2.17` suffix, or an older sysroot); \
              or keep the symbols out of the link (a `cfg`, or dlsym at run time); or ship a static \
              musl build",
        check: Check::Elf(glibc_floor),
    },
    Rule {
        id: "elf-glibc-private",
        title: "it does not need GLIBC_PRIVATE",
        reads: Reads::Headers,
        why: "GLIBC_PRIVATE binds to one exact build of glibc: its internals change within a \
              release. Only glibc's own parts may need it.",
        incidents: &["auditwheel#229"],
        fix: "find the symbol named here and what uses it; it is no public interface",
        check: Check::Elf(glibc_private),
    },
    Rule {
        id: "elf-glibc-unknown-version",
        title: "every glibc version it needs is known",
        reads: Reads::Headers,
        why: "A `GLIBC_` node that is neither a number nor a known ABI marker may need any glibc \
              at all. Not knowing is no pass.",
        incidents: &[
            "GLIBC_ABI_GNU2_TLS is of 2.43 and was in images of Oracle Linux 10 (2.39) by backport: a table of today does not know tomorrow's",
        ],
        fix: "find out which glibc brings it, and add it to the table of markers",
        check: Check::Elf(glibc_unknown),
    },
    Rule {
        id: "elf-version-hash",
        title: "each version it needs carries the hash of its name",
        reads: Reads::Headers,
        why: "ld.so looks a version up by hash and name. With another hash it finds none and \
              refuses the program, although every version is there: \"version `GLIBC_2.2.5' not \
              found\" on a system that has it. No linker writes that: the name was edited in \
              place, or the file is damaged.",
        incidents: &[
            "16,047 version needs of 2,510 files were looked at: not one carries another hash",
        ],
        fix: "build or download it again; rename versions with a linker script, not in the bytes",
        check: Check::Elf(version_hash),
    },
    Rule {
        id: "elf-relr-marker",
        title: "packed relocations (DT_RELR) come with their marker",
        reads: Reads::Headers,
        why: "A glibc before 2.36 skips DT_RELR in silence and the program crashes; the marker \
              GLIBC_ABI_DT_RELR makes it refuse instead. Newer ones refuse a file that has the \
              relocations and not the marker: \"DT_RELR without GLIBC_ABI_DT_RELR dependency\".",
        incidents: &[
            "llvm/llvm-project#53775, wild#1701, mold#653: linkers that wrote DT_RELR before they wrote the marker",
            "nvidia-container-toolkit#228",
        ],
        fix: "link with `-z pack-relative-relocs`, which writes both, or with neither",
        check: Check::Elf(relr_marker),
    },
    Rule {
        id: "elf-glibcxx-floor",
        title: "it needs no libstdc++ newer than the floor promised (GLIBCXX)",
        reads: Reads::Headers,
        why: "libstdc++ has a floor of its own: a file may need GLIBC_2.14 and GLIBCXX_3.4.29, and \
              distributions of one glibc differ in it.",
        incidents: &[
            "aardappel/lobster#252: a release built on Ubuntu 22.04 does not start on 20.04",
            "taleshape-com/shaper#191: GLIBCXX_3.4.30 on Rocky Linux 9, which has 3.4.29",
            "exquo/signal-libs-build#21",
        ],
        fix: "link libstdc++ statically (`-static-libstdc++`), or build with an older compiler",
        check: Check::Elf(glibcxx_floor),
    },
    Rule {
        id: "elf-cxxabi-floor",
        title: "it needs no libstdc++ newer than the floor promised (CXXABI)",
        reads: Reads::Headers,
        why: "The C++ ABI's run-time part of libstdc++ is versioned apart from the library.",
        incidents: &[
            "SCIInstitute/ShapeWorks#152: CXXABI_1.3.8 not found",
            "aardappel/lobster#252: CXXABI_1.3.13 not found",
        ],
        fix: "link libstdc++ statically (`-static-libstdc++`), or build with an older compiler",
        check: Check::Elf(cxxabi_floor),
    },
    Rule {
        id: "elf-gcc-floor",
        title: "it needs no libgcc newer than the floor promised (GCC)",
        reads: Reads::Headers,
        why: "libgcc_s has versions of its own, by the release of GCC that added a symbol.",
        incidents: &[
            "auditwheel's policies list GCC nodes apart, because distributions of one glibc differ in them",
        ],
        fix: "link libgcc statically (`-static-libgcc`), or build with an older compiler",
        check: Check::Elf(gcc_floor),
    },
];

fn glibc_floor(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    let Some(max) = policy.glibc_max else { return };
    let above = |need: &&VersionNeed| demanded(need).is_some_and(|version| version > max);
    let mut needs: Vec<&VersionNeed> = elf.versions.iter().filter(above).collect();
    if needs.is_empty() {
        return;
    }
    needs.sort_by_key(|need| core::cmp::Reverse(demanded(need)));
    let mut found = join(needs.iter().map(|need| described(need)), "; ");
    if needs.iter().all(|need| !need.symbols.is_empty() && !need.is_strong()) {
        found.push_str(" (weak symbols only, but the version need is hard: ld.so refuses)");
    }
    judge.finding_with_help(format!("glibc {max} or older"), found, help(elf, judge.rule().fix));
}

/// The remedies, and whom the file leaves out until then.
fn help(elf: &Elf, fix: &str) -> String {
    let Some(reach) = reach(elf) else { return fix.to_string() };
    let (oldest, left_out) = (major(&reach.oldest), major(&reach.left_out));
    let mut help = fix.to_string();
    if !left_out.is_empty() {
        help.push_str(&format!(". As it is, it does not run on {left_out} and older"));
    }
    if !oldest.is_empty() {
        help.push_str(&format!(". It runs from {oldest} on"));
    }
    help
}

/// `GLIBC_2.39 of libc.so.6: pidfd_getpid (weak), pidfd_spawnp (weak)`.
fn described(need: &VersionNeed) -> String {
    /// Symbols named before the rest is counted.
    const NAMED: usize = 8;
    let mut text = format!("{} of {}", need.name, need.library);
    if let Some(Node::Marker(release)) = node(&need.name) {
        text.push_str(&format!(" (glibc {release})"));
    }
    if need.symbols.is_empty() {
        text.push_str(": no symbol");
        return text;
    }
    let names = need.symbols.iter().take(NAMED).map(|symbol| {
        if symbol.weak { format!("{} (weak)", symbol.name) } else { symbol.name.clone() }
    });
    text.push_str(": ");
    text.push_str(&join(names, ", "));
    if need.symbols.len() > NAMED {
        text.push_str(&format!(" and {} more", need.symbols.len() - NAMED));
    }
    text
}

fn join(parts: impl Iterator<Item = String>, separator: &str) -> String {
    parts.collect::<Vec<_>>().join(separator)
}

fn glibc_private(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    if policy.portable {
        nodes(elf, Node::Private, "none: it binds to one build of glibc", judge);
    }
}

fn glibc_unknown(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    if policy.portable {
        nodes(elf, Node::Unknown, "a numbered version or a known ABI marker", judge);
    }
}

fn nodes(elf: &Elf, kind: Node, expected: &str, judge: &mut Judge<'_>) {
    let mut needs = elf.versions.iter().filter(|need| node(&need.name) == Some(kind)).peekable();
    if needs.peek().is_some() {
        judge.finding(expected, join(needs.map(described), "; "));
    }
}

fn version_hash(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    let mut wrong = elf.versions.iter().filter(|need| !need.hashed).peekable();
    if policy.portable && wrong.peek().is_some() {
        judge.finding("vna_hash is that of the name", join(wrong.map(described), "; "));
    }
}

fn relr_marker(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    // As ld.so looks: only where versions of libc are needed at all.
    let versioned = elf.versions.iter().any(|need| need.library.starts_with("libc.so."));
    let marked = elf.versions.iter().any(|need| need.name == "GLIBC_ABI_DT_RELR");
    if policy.portable && elf.relr && versioned && !marked {
        judge.finding("GLIBC_ABI_DT_RELR among the versions needed", "DT_RELR without it");
    }
}

fn glibcxx_floor(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    prefixed(elf, "GLIBCXX_", policy.glibcxx_max, judge);
}

fn cxxabi_floor(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    prefixed(elf, "CXXABI_", policy.cxxabi_max, judge);
}

fn gcc_floor(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    prefixed(elf, "GCC_", policy.gcc_max, judge);
}

fn prefixed(elf: &Elf, prefix: &str, max: Option<Version>, judge: &mut Judge<'_>) {
    let Some(max) = max else { return };
    let version = |need: &VersionNeed| need.name.strip_prefix(prefix)?.parse::<Version>().ok();
    let above = elf.versions.iter().filter(|need| version(need).is_some_and(|found| found > max));
    let above = join(above.map(described), "; ");
    if !above.is_empty() {
        judge.finding(format!("{prefix}{max} or older"), above);
    }
}
