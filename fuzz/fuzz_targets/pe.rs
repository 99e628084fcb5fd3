//! Reading PE, the rules on it, its report.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xtask_core::audit::{self, Judged, Verdict, policies::POLICIES};
use xtask_core::formats::{Binary, pe};
use xtask_core::report;

fuzz_target!(|data: &[u8]| {
    let Ok(pe) = pe::read(&data) else { return };
    let binary = Binary::Pe(pe);
    let findings = audit::audit(&binary, Some(&data), &POLICIES[0].policy).unwrap();
    let size = Some(data.len() as u64);
    let verdict = Verdict::Read { binary, findings };
    let _ = report::audit::json(&[Judged { path: "fuzz".into(), size, verdict }]);
});
