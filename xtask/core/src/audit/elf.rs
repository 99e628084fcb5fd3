//! Rules for ELF.

use super::policy::allows;
use super::{Check, Judge, Policy, Reads, Rule};
use crate::formats::elf::Elf;

pub(super) static RULES: &[Rule] = &[Rule {
    id: "elf-needed",
    title: "it needs no library outside the package's allow-list",
    reads: Reads::Headers,
    why: "Each DT_NEEDED entry must be on the user's machine, or the program does not start: \
          `error while loading shared libraries`. A build picks libraries up from its host without \
          a word.",
    fix: "link it statically, drop the dependency, or add it to the package's `needed` list",
    check: Check::Elf(needed_is_allowed),
}];

fn needed_is_allowed(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    let Some(allowed) = &policy.needed else { return };
    for library in elf.needed.iter().filter(|library| !allows(allowed, library)) {
        judge.finding(allowed.join(", "), library);
    }
}
