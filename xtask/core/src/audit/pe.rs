//! Rules for PE.

use super::{Check, Judge, Names, Policy, Reads, Rule};
use crate::formats::pe::Pe;

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "pe-aslr",
        title: "it may be loaded at a random address: DYNAMIC_BASE",
        reads: Reads::Headers,
        why: "Without it the program stands at the same address in every run, which makes attacks \
              on its memory easier.",
        incidents: &[
            "libsdl-org/SDL#3017: libraries released without DYNAMICBASE",
            "bitcoin/bitcoin#8248",
        ],
        fix: "drop `/DYNAMICBASE:NO` (`--disable-dynamicbase`) from the link line",
        check: Check::Pe(aslr),
    },
    Rule {
        id: "pe-relocs-stripped",
        title: "its relocations are there",
        reads: Reads::Headers,
        why: "With RELOCS_STRIPPED the loader cannot move the image, whatever DYNAMIC_BASE says: \
              the flag is there and the protection is not. `strip` and old MinGW linkers do that.",
        incidents: &[
            "NetSPI/PESecurity#12, trailofbits/winchecksec#2: checkers that looked at the flag alone",
            "nmap/npcap#828, msys2/MINGW-packages#3035",
        ],
        fix: "drop `/FIXED`, `--no-reloc-section` and the like; strip symbols only",
        check: Check::Pe(relocs_stripped),
    },
    Rule {
        id: "pe-high-entropy",
        title: "a 64-bit image may be loaded anywhere in its address space: HIGH_ENTROPY_VA",
        reads: Reads::Headers,
        why: "Without it the random address has 8 bits to choose from instead of 17 or more.",
        incidents: &["bitcoin/bitcoin#8248: `dynamicbase` alone was not enough"],
        fix: "drop `/HIGHENTROPYVA:NO` (`--disable-high-entropy-va`) from the link line",
        check: Check::Pe(high_entropy),
    },
    Rule {
        id: "pe-nx",
        title: "its data is not executable: NX_COMPAT",
        reads: Reads::Headers,
        why: "Without it Windows runs a 32-bit program with an executable stack and heap, and \
              policies refuse to start it.",
        incidents: &["Glyndor/podup#1679: a release that looked at its Linux programs alone"],
        fix: "drop `/NXCOMPAT:NO` (`--disable-nxcompat`) from the link line",
        check: Check::Pe(nx),
    },
    Rule {
        id: "pe-cfg",
        title: "Control Flow Guard is on, by both of its flags",
        reads: Reads::Headers,
        why: "GUARD_CF in the header and CF_INSTRUMENTED in the load configuration must both be \
              set. A program with an instrumented C run-time has the second one alone, and no \
              protection.",
        incidents: &[
            "miranda-ng/miranda-ng#450",
            "Glyndor/podup#1679: it is opt-in in Rust, and nothing asked for it",
        ],
        fix: "compile with `-C control-flow-guard` (`/guard:cf`) and link with `/guard:cf`",
        check: Check::Pe(cfg),
    },
    Rule {
        id: "pe-imports",
        title: "it imports no library outside the package's allow-list",
        reads: Reads::Headers,
        why: "Each library must be on the user's machine, or the program ends with `The code \
              execution cannot proceed because … was not found`. Delay-loaded ones fail when \
              they are first called.",
        incidents: &[
            "openai/codex#22905: a release that does not start on a clean Windows, 0xC0000135",
        ],
        fix: "link it statically, drop the dependency, or add it to the package's `needed` list",
        check: Check::Pe(imports),
    },
    Rule {
        id: "pe-dynamic-crt",
        title: "the C run-time is linked in",
        reads: Reads::Headers,
        why: "`VCRUNTIME140.dll` comes with Visual Studio and its redistributable package, not \
              with Windows: the program starts on every machine that ever built something, and on \
              few others.",
        incidents: &[
            "openai/codex#22905, ch32-rs/wchisp#36, GreptimeTeam/greptimedb#3629, volta-cli/volta#587",
        ],
        fix: "build with `-C target-feature=+crt-static` (`/MT`)",
        check: Check::Pe(dynamic_crt),
    },
];

fn aslr(pe: &Pe, policy: &Policy, judge: &mut Judge<'_>) {
    if policy.pie && !pe.aslr && !pe.relocs_stripped {
        judge.finding("DYNAMIC_BASE", "a fixed address");
    }
}

fn relocs_stripped(pe: &Pe, policy: &Policy, judge: &mut Judge<'_>) {
    if policy.pie && pe.relocs_stripped {
        judge.finding("relocations", "RELOCS_STRIPPED");
    }
}

fn high_entropy(pe: &Pe, policy: &Policy, judge: &mut Judge<'_>) {
    if policy.high_entropy && pe.is_64 && !pe.high_entropy {
        judge.finding("HIGH_ENTROPY_VA", "32 bits of address space");
    }
}

fn nx(pe: &Pe, policy: &Policy, judge: &mut Judge<'_>) {
    if policy.nx && !pe.nx {
        judge.finding("NX_COMPAT", "executable data");
    }
}

fn cfg(pe: &Pe, policy: &Policy, judge: &mut Judge<'_>) {
    if policy.cfg && !pe.cfg {
        judge.finding("GUARD_CF and CF_INSTRUMENTED", "not both");
    }
}

fn imports(pe: &Pe, policy: &Policy, judge: &mut Judge<'_>) {
    let Some(allowed) = &policy.imports else { return };
    for library in libraries(pe).filter(|library| !allows(allowed, library)) {
        judge.finding(allowed.join(", "), library);
    }
}

fn dynamic_crt(pe: &Pe, policy: &Policy, judge: &mut Judge<'_>) {
    // The names of Microsoft's C and C++ run-times since 2002, and of the parts of the universal
    // one. Plain `msvcrt.dll` is a part of Windows.
    const HEADS: [&str; 7] =
        ["vcruntime", "msvcp", "msvcr", "ucrtbase", "api-ms-win-crt-", "concrt", "vccorlib"];
    if !policy.static_crt {
        return;
    }
    for library in libraries(pe) {
        let name = library.to_ascii_lowercase();
        if name != "msvcrt.dll" && HEADS.iter().any(|head| name.starts_with(head)) {
            judge.finding("a static C run-time", library);
        }
    }
}

fn libraries(pe: &Pe) -> impl Iterator<Item = &str> {
    pe.imports.iter().chain(&pe.delay_imports).map(AsRef::as_ref)
}

/// Windows does not tell upper from lower case.
fn allows(names: &Names, library: &str) -> bool {
    let library = library.to_ascii_lowercase();
    names.iter().any(|allowed| {
        let allowed = allowed.to_ascii_lowercase();
        match allowed.strip_suffix('*') {
            Some(head) => library.starts_with(head),
            None => library == allowed,
        }
    })
}
