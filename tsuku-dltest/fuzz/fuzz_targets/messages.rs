//! What libraries make a loader say is read too, and written as JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tsuku_dltest::report::{Failure, Phase, Verdict};
use tsuku_dltest::{cause, json};

fuzz_target!(|bytes: &[u8]| {
    let path = bytes.get(..bytes.len() / 3).unwrap_or_default();
    let cause = cause::of(bytes, path);
    let failure = Failure::new(cause.kind, Phase::Load, bytes);
    let verdict = Verdict { failure: Some(failure), ms: Some(1), output: bytes.to_vec() };
    let text = json::array([(path, &verdict)].into_iter());
    assert!(text.chars().filter(|it| it.is_control()).eq(['\n']));
});
