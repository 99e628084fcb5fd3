//! Reading Mach-O, the rules on it, its report. A signature that verifies has its code: one flipped
//! bit of that is seen.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xtask_core::audit::{self, Judged, Verdict, policies::POLICIES};
use xtask_core::formats::{Binary, macho};
use xtask_core::report;

fuzz_target!(|data: &[u8]| {
    let Ok(macho) = macho::read(&data) else { return };
    for slice in &macho.slices {
        let Some(signature) = slice.signature.as_ref().filter(|s| s.is_valid()) else { continue };
        let pages = u64::from(signature.code_slots.unwrap_or(0));
        let start = slice.offset + (pages - 1) * u64::from(signature.page_size.unwrap_or(0));
        let mut damaged = data.to_vec();
        // The last page has at least one byte.
        damaged[start as usize] ^= 1;
        let still_valid = macho::read(&damaged.as_slice()).is_ok_and(|macho| {
            let same = macho.slices.iter().find(|other| other.offset == slice.offset);
            same.and_then(|slice| slice.signature.as_ref()).is_some_and(|s| s.is_valid())
        });
        assert!(!still_valid, "a flipped bit at {start:#x} is not seen");
    }
    let binary = Binary::MachO(macho);
    let findings = audit::audit(&binary, Some(&data), &POLICIES[0].policy).unwrap();
    let size = Some(data.len() as u64);
    let verdict = Verdict::Read { binary, findings };
    let _ = report::audit::json(&[Judged { path: "fuzz".into(), size, verdict }]);
});
