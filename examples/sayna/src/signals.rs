//! SIGTERM and SIGINT, remembered until somebody looks. The C run-time's own `signal`, which every
//! system of the plan has, Windows included: std has none.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// The same numbers on Linux, on macOS and in Windows' run-time.
const SIGINT: c_int = 2;
const SIGTERM: c_int = 15;

unsafe extern "C" {
    fn signal(signum: c_int, handler: extern "C" fn(c_int)) -> usize;
}

extern "C" fn remember(_: c_int) {
    ASKED.store(true, Ordering::Relaxed);
}

/// From now on the two signals no longer end the process.
pub(crate) fn watch() {
    for number in [SIGINT, SIGTERM] {
        // SAFETY: the handler does nothing but store into an atomic, which is safe in a signal handler
        // (POSIX.1-2024, 2.4.3), and lives as long as the process.
        unsafe { signal(number, remember) };
    }
}

/// Whether we were asked to end.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
