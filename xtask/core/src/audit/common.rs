//! Rules for every format.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Check, Judge, Policy, Reads, Rule};
use crate::formats::Binary;

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "format",
        title: "the file has the target's executable format",
        reads: Reads::Headers,
        why: "A file of another platform's format under this platform's asset name starts nowhere \
              it is downloaded.",
        fix: "look at what the build step copied: the target triple and the asset name disagree",
        check: Check::Any(format_is_the_targets),
    },
    Rule {
        id: "arch",
        title: "the file is made for the target's architecture",
        reads: Reads::Headers,
        why: "`Exec format error` is what users see when an asset was built on the wrong runner or \
              copied from the wrong target folder. The name of a file proves nothing about it.",
        fix: "build for the asset's own target triple, and stage from that target's own folder",
        check: Check::Any(arch_is_the_targets),
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
