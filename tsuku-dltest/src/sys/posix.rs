//! Calls that POSIX systems have in common.

use crate::report::Failure;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::ffi::{CStr, c_char, c_int};
use core::fmt::{self, Write};

/// The C heap.
pub struct Heap;

// SAFETY: malloc, realloc and free keep the contract of `GlobalAlloc`. Layouts with more than the
// alignment that malloc promises (that of max_align_t, at least 2 words) are refused with null.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > 2 * size_of::<usize>() {
            return core::ptr::null_mut();
        }
        // SAFETY: any size may be asked for.
        unsafe { libc::malloc(layout.size()).cast() }
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller passes a block that `alloc` returned.
        unsafe { libc::free(block.cast()) }
    }

    unsafe fn realloc(&self, block: *mut u8, _: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller passes a block that `alloc` returned, of an alignment `alloc` allows.
        unsafe { libc::realloc(block.cast(), size).cast() }
    }
}

/// An error number of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub c_int);

impl Errno {
    /// That of the last failed call.
    pub fn last() -> Self {
        // SAFETY: the location is the thread's own and always valid.
        #[cfg(target_os = "linux")]
        return Self(unsafe { *libc::__errno_location() });
        // SAFETY: as above.
        #[cfg(target_os = "macos")]
        return Self(unsafe { *libc::__error() });
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: strerror returns a NUL-terminated string that stays valid until its next call;
        // the process has one thread.
        let text = unsafe { CStr::from_ptr(libc::strerror(self.0)) };
        out.write_str(&text.to_string_lossy())
    }
}

/// The arguments without the program's own name.
///
/// # Safety
/// `argv` points to `argc` pointers to NUL-terminated strings which live, unchanged, as long as
/// the process.
pub unsafe fn arguments(argc: c_int, argv: *const *const c_char) -> Vec<&'static [u8]> {
    (1..usize::try_from(argc).unwrap_or(0))
        // SAFETY: `index` is below `argc`; the rest is the caller's promise.
        .map(|index| unsafe { CStr::from_ptr(*argv.add(index)) }.to_bytes())
        .collect()
}

/// Writes all of `bytes` to standard output.
pub fn write_stdout(bytes: &[u8]) -> Result<(), Errno> {
    // SAFETY: ignoring a signal replaces no handler of ours. A reader that is gone must read as an
    // error, not as death by SIGPIPE.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    write_all(libc::STDOUT_FILENO, bytes)
}

/// Writes `text` to standard error; there is nobody to tell when that fails.
pub fn write_stderr(text: &str) {
    let _ = write_all(libc::STDERR_FILENO, text.as_bytes());
}

fn write_all(fd: c_int, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        // SAFETY: the pointer and the length are those of one slice.
        let written = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(_) => match Errno::last() {
                Errno(libc::EINTR) => {}
                Errno(libc::EAGAIN) => wait_writable(fd),
                error => return Err(error),
            },
        }
    }
    Ok(())
}

/// Blocks until `fd`, which somebody made non-blocking, takes bytes again.
fn wait_writable(fd: c_int) {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: the pointer is to one pollfd, and one is announced.
    unsafe { libc::poll(&raw mut poll, 1, -1) };
}

/// Loads the library at `path`, all symbols resolved and none of them shared, and unloads it.
pub fn load(path: &[u8]) -> Result<(), Failure> {
    let path = CString::new(path).map_err(|_| Failure { error: b"NUL in the path".to_vec() })?;
    // SAFETY: `path` is NUL-terminated; running the library's code is what this program is for.
    let handle = unsafe {
        libc::dlerror();
        libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL)
    };
    if handle.is_null() {
        return Err(Failure { error: dlerror() });
    }
    // SAFETY: `handle` comes from dlopen and is closed once.
    if unsafe { libc::dlclose(handle) } != 0 {
        return Err(Failure { error: [b"dlclose failed: ".as_slice(), &dlerror()].concat() });
    }
    Ok(())
}

/// The loader's message for its last failure.
fn dlerror() -> Vec<u8> {
    // SAFETY: dlerror returns null or a NUL-terminated string, valid until the next dl* call.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return b"the loader gave no reason".to_vec();
    }
    // SAFETY: as above, and not null.
    unsafe { CStr::from_ptr(text) }.to_bytes().to_vec()
}

/// Ends the process at once, with SIGABRT.
pub fn abort() -> ! {
    // SAFETY: has no preconditions.
    unsafe { libc::abort() }
}

/// The end of a panic: a message without allocating, and no answer.
pub fn die_of_panic(info: &core::panic::PanicInfo<'_>) -> ! {
    struct Stderr;
    impl Write for Stderr {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            write_stderr(text);
            Ok(())
        }
    }
    let _ = writeln!(Stderr, "tsuku-dltest: internal error: {info}");
    // SAFETY: has no preconditions. Nothing of this process is worth flushing.
    unsafe { libc::_exit(crate::exit::NO_ANSWER) }
}
