//! Where in dlopen a library crashes, found by letting it crash once more under a signal handler. The
//! first time there is none: libraries look at the handlers they find.
//!
//! Loaders relocate all that they load, make the relocated parts read-only (`PT_GNU_RELRO`), and only
//! then run constructors. So at the crash, that part of the library tells.

use super::posix::{dlopen, exit_now};
use crate::record::Record;
use crate::report::Phase;
use alloc::vec;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{null_mut, without_provenance_mut};
use core::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

static RECORD: AtomicPtr<Record> = AtomicPtr::new(null_mut());
static NAME: AtomicPtr<c_char> = AtomicPtr::new(null_mut());
/// A descriptor of /dev/zero.
static ZEROS: AtomicI32 = AtomicI32::new(-1);

/// Loads the library `name`, and notes in `record` where that crashes.
pub fn crash_again(record: &Record, name: &CStr) {
    let mut stack = vec![0u8; 64 * 1024];
    // SAFETY: the record, the name and the stack live until this process ends, at the latest when
    // this function returns. The action is valid when zeroed and its handler has the right type.
    unsafe {
        ZEROS.store(libc::open(c"/dev/zero".as_ptr(), libc::O_RDONLY), Ordering::Relaxed);
        RECORD.store(core::ptr::from_ref(record).cast_mut(), Ordering::Relaxed);
        NAME.store(name.as_ptr().cast_mut(), Ordering::Relaxed);
        let stack =
            libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() };
        libc::sigaltstack(&raw const stack, null_mut());
        let mut action: libc::sigaction = core::mem::zeroed();
        let handler: extern "C" fn(c_int) = on_crash;
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_ONSTACK;
        for signal in
            [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP]
        {
            libc::sigaction(signal, &raw const action, null_mut());
        }
    }
    let _ = dlopen(name);
    exit_now(0)
}

/// Notes the phase and ends the process. If the loader holds the lock that is needed to find the
/// library, this hangs until the parent kills it, and nothing is noted.
extern "C" fn on_crash(_: c_int) {
    // SAFETY: the callback has the right type and keeps nothing.
    unsafe { libc::dl_iterate_phdr(Some(note), null_mut()) };
    exit_now(0)
}

/// Called for each loaded library.
unsafe extern "C" fn note(info: *mut libc::dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
    // SAFETY: the loader passes a valid description with its program headers; name and record were
    // set before there could be a crash. Reading a byte to an address is an error, not a crash, if
    // that is not writable, and the process ends before anybody reads what was written.
    unsafe {
        let info = &*info;
        if info.dlpi_name.is_null()
            || libc::strcmp(info.dlpi_name, NAME.load(Ordering::Relaxed)) != 0
        {
            return 0;
        }
        let zeros = ZEROS.load(Ordering::Relaxed);
        // Without /dev/zero nothing can be told.
        let headers = if zeros < 0 { 0 } else { usize::from(info.dlpi_phnum) };
        for index in 0..headers {
            let segment = &*info.dlpi_phdr.add(index);
            if segment.p_type == libc::PT_GNU_RELRO {
                let address = (info.dlpi_addr + segment.p_vaddr) as usize;
                let written = libc::read(zeros, without_provenance_mut(address), 1);
                let record = &*RECORD.load(Ordering::Relaxed);
                record.note_crash(if written == 1 {
                    Phase::Relocation
                } else {
                    Phase::Constructor
                });
            }
        }
    }
    1
}
