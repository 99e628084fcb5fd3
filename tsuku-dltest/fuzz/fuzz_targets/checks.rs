//! The checks before loading read files that anybody may have made: no bytes may make them panic,
//! loop, or ask for memory without bound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tsuku_dltest::elf::{self, Libc};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(library) = elf::read(&bytes) {
        let _ = library.check_libc(Libc::OWN);
    }
});
