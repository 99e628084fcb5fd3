//! The glibc floor by table: a release that no machine here runs still has a published list of symbols.

use anyhow::anyhow;
use xtask_core::formats::{Binary, elf::abilist};
use xtask_core::plan::Target;
use xtask_core::report::{Outcome, Place, SmokeRow};

use crate::ops::{library, tools};

/// Whether every symbol that the program needs is in the release of its floor. `None` where there is
/// no floor, or no zig and so no list.
pub(crate) fn check(
    binary: &Binary,
    target: &Target,
    here: &Place,
) -> anyhow::Result<Option<SmokeRow>> {
    let (Some(floor), Binary::Elf(elf)) = (target.glibc_floor, binary) else { return Ok(None) };
    if elf.versions.is_empty() {
        return Ok(None);
    }
    let Some(list) = tools::glibc_symbols()? else { return Ok(None) };
    let met = abilist::met(&list, &library::zig_abi(target), floor, elf)
        .map_err(|error| anyhow!("{}: {error}", target.platform))?;
    let (outcome, detail) = if met.missing.is_empty() {
        (Outcome::Passed, format!("{} symbols, all in glibc {floor}", met.asked))
    } else {
        (Outcome::Failed, format!("glibc {floor} lacks {}", met.missing.join(", ")))
    };
    Ok(Some(SmokeRow {
        check: "symbols".to_owned(),
        outcome,
        how: Some("by table".to_owned()),
        place: Place {
            system: format!("symbols of glibc {floor}, {} {}", tools::ZIG.name, tools::ZIG.version),
            machine: here.machine.clone(),
        },
        detail,
    }))
}
