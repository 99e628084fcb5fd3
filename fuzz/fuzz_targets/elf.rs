//! Reading ELF, the rules on it, its report.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xtask_core::audit::{self, Judged, Verdict, policies::POLICIES};
use xtask_core::formats::Binary;
use xtask_core::formats::elf::{self, Depth};
use xtask_core::report;

fuzz_target!(|data: &[u8]| {
    let Ok(read) = elf::read(&data) else { return };
    // A verdict alone tells the same floor as a whole reading.
    let verdict = elf::read_with(&data, Depth::Verdict);
    assert_eq!(verdict.map(|elf| elf.floors().floor), Ok(read.floors().floor));
    let binary = Binary::Elf(read);
    let size = Some(data.len() as u64);
    let findings = audit::audit(&binary, Some(&data), &POLICIES[1].policy).unwrap();
    let verdict = Verdict::Read { binary, findings };
    let _ = report::audit::json(&[Judged { path: "fuzz".into(), size, verdict }]);
});
