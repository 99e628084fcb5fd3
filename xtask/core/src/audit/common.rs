//! Rules for every format.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Check, Forbidden, Judge, Policy, Reads, Rule};
use crate::formats::{Binary, ReadError, Source};

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "format",
        title: "the file has the target's executable format",
        reads: Reads::Headers,
        why: "A file of another platform's format under this platform's asset name starts nowhere \
              it is downloaded.",
        incidents: &[
            "dundee/disk_usage_exporter#16: the asset `linux_amd64` was a Mach-O file",
            "miekg/mmark#111: the archives for all systems held one Linux program",
            "fajarhide/omni#597: a release script tested a program that it never builds",
        ],
        fix: "look at what the build step copied: the target triple and the asset name disagree",
        check: Check::Any(format_is_the_targets),
    },
    Rule {
        id: "arch",
        title: "the file is made for the target's architecture",
        reads: Reads::Headers,
        why: "`Exec format error` is what users see when an asset was built on the wrong runner or \
              copied from the wrong target folder. The name of a file proves nothing about it.",
        incidents: &[
            "Dicklesworthstone/destructive_command_guard#112, #174: the aarch64 archive held an x86-64 program, under a checksum that was right; and again two months later",
            "enix/x509-certificate-exporter#29: the arm64 asset was an x86-64 program",
            "miekg/mmark#111",
        ],
        fix: "build for the asset's own target triple, and stage from that target's own folder",
        check: Check::Any(arch_is_the_targets),
    },
    Rule {
        id: "embedded-path",
        title: "no home or build folder is written in it",
        reads: Reads::WholeFile,
        why: "Panic messages, debug information and `__FILE__` carry the builder's folders into the \
              release: they tell strangers who built it and where, and make two builds of one \
              source differ.",
        incidents: &[
            "Open-Resin-Alliance/DragonFruit#610: 1,374 paths of the runner in a release, and a maintainer's account in a panic message",
            "banso-labs/banso#791: two of a project's release builds were overlooked when paths were remapped",
            "rust-lang/rust#75799, #40552",
        ],
        fix: "build with `--remap-path-prefix` (Rust) or `-ffile-prefix-map` (C), `-trimpath` (Go), \
              and strip debug information",
        check: Check::Bytes(embedded_paths),
    },
];

fn format_is_the_targets(binary: &Binary, policy: &Policy, judge: &mut Judge<'_>) {
    if let Some(format) = policy.format
        && binary.format() != format
    {
        judge.finding(format.name(), binary.format().name());
    }
}

fn arch_is_the_targets(binary: &Binary, policy: &Policy, judge: &mut Judge<'_>) {
    if policy.archs.is_empty() {
        return;
    }
    let mut found: Vec<&str> = match binary {
        Binary::Elf(elf) => alloc::vec![&elf.arch],
        Binary::MachO(macho) => macho.slices.iter().map(|slice| slice.arch.as_str()).collect(),
        Binary::Pe(pe) => alloc::vec![&pe.machine],
    };
    let mut expected: Vec<&str> = policy.archs.iter().map(AsRef::as_ref).collect();
    found.sort_unstable();
    expected.sort_unstable();
    if found != expected {
        judge.finding(list(&expected), list(&found));
    }
}

/// `a, b and c` is for prose; findings say `a, b, c`.
fn list(names: &[&str]) -> String {
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

/// Bytes read at once.
const CHUNK: usize = 256 * 1024;
/// Bytes of context shown from a hit on.
const SHOWN: usize = 64;

fn embedded_paths(
    source: &dyn Source,
    policy: &Policy,
    judge: &mut Judge<'_>,
) -> Result<(), ReadError> {
    let mut open: Vec<&Forbidden> =
        policy.forbidden.iter().filter(|forbidden| !forbidden.bytes.is_empty()).collect();
    let Some(longest) = open.iter().map(|forbidden| forbidden.bytes.len()).max() else {
        return Ok(());
    };
    // Each window overlaps the last one, so that no hit is cut in two.
    let overlap = longest.max(SHOWN);
    let mut buffer = alloc::vec![0; CHUNK + overlap];
    let mut at = 0;
    while at < source.len() && !open.is_empty() {
        let len = (source.len() - at).min(buffer.len() as u64) as usize;
        let window = &mut buffer[..len];
        source.read_at(at, window)?;
        for (start, forbidden) in hits(window, &mut open) {
            let text = printable(&window[start..]);
            let found = format!("{}, {text:?} at byte {:#x}", forbidden.what, at + start as u64);
            let expected = String::from_utf8_lossy(&forbidden.bytes);
            judge.finding(format!("no {expected:?}"), found);
        }
        at += CHUNK as u64;
    }
    Ok(())
}

/// The first hit of each byte string, all looked for in one pass; what was hit is no longer open.
fn hits<'a>(window: &[u8], open: &mut Vec<&'a Forbidden>) -> Vec<(usize, &'a Forbidden)> {
    let mut starts = [false; 256];
    for first in open.iter().filter_map(|forbidden| forbidden.bytes.first()) {
        starts[usize::from(*first)] = true;
    }
    let mut hits = Vec::new();
    for (at, byte) in window.iter().enumerate() {
        if starts[usize::from(*byte)] {
            let rest = &window[at..];
            open.retain(|forbidden| {
                let hit = rest.starts_with(&forbidden.bytes);
                if hit {
                    hits.push((at, *forbidden));
                }
                !hit
            });
        }
    }
    hits
}

/// The text from here to the first byte that is none, short.
fn printable(bytes: &[u8]) -> String {
    let text = bytes.iter().take(SHOWN).take_while(|byte| matches!(byte, b' '..=b'~'));
    text.map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Finding, Severity};
    use alloc::borrow::Cow;

    fn findings(bytes: &[u8]) -> Vec<Finding> {
        let forbidden = Forbidden { bytes: Cow::Borrowed(b"/home/"), what: "a home".into() };
        let policy = Policy { forbidden: Cow::Owned(alloc::vec![forbidden]), ..Policy::NONE };
        let mut findings = Vec::new();
        let rule = &RULES[2];
        let mut judge = Judge { rule, severity: Severity::Error, findings: &mut findings };
        embedded_paths(&bytes, &policy, &mut judge).unwrap();
        findings
    }

    #[test]
    fn a_path_is_found_wherever_a_window_ends() {
        for at in [0, 1, CHUNK - 7, CHUNK - 6, CHUNK - 3, CHUNK, CHUNK + 1, 3 * CHUNK - 3] {
            let mut bytes = alloc::vec![0u8; 3 * CHUNK + 3];
            bytes[at..at + 6].copy_from_slice(b"/home/");
            let found = findings(&bytes);
            assert_eq!(found.len(), 1, "at {at}");
            assert!(found[0].found.ends_with(&format!("at byte {at:#x}")), "{}", found[0].found);
        }
        assert!(findings(b"/hom/e/").is_empty());
        assert!(findings(b"").is_empty());
    }
}
