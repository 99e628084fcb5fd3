//! Signing: whatever is signed verifies, says what it was told to, and is not changed by signing
//! again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xtask_core::formats::macho;
use xtask_core::sign::sign_adhoc;

const IDENTIFIER: &str = "org.example.fuzz";

fuzz_target!(|data: &[u8]| {
    let Ok(signed) = sign_adhoc(data, IDENTIFIER) else { return };
    let macho = macho::read(&signed.as_slice()).expect("what was signed can be read");
    for slice in &macho.slices {
        let signature = slice.signature.as_ref().expect("it is signed");
        assert!(signature.is_valid(), "{:?}", signature.flaws);
        assert_eq!(signature.identifier.as_deref(), Some(IDENTIFIER));
        assert!(slice.cut.is_none());
    }
    assert_eq!(sign_adhoc(&signed, IDENTIFIER).as_ref(), Ok(&signed), "not idempotent");
});
