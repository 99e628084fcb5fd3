//! The program `tsuku-dltest`: the C entry point around the library of the same name.
//!
//! Rust's own start-up is left out (`no_main`): it would install SIGSEGV and SIGBUS handlers and
//! ignore SIGPIPE, and every library under test would inherit that. Built with `panic = "abort"`,
//! as releases are, the program also does without `std`, so that it needs the libc alone: a
//! libgcc_s.so.1 of its own in the process would hide the one that a library brings along.
#![no_main]
#![cfg_attr(panic = "abort", no_std)]

/// Called by the C start files.
#[unsafe(no_mangle)]
extern "C" fn main(argc: core::ffi::c_int, argv: *const *const core::ffi::c_char) -> i32 {
    // SAFETY: the C start files pass the arguments the kernel laid out: `argc` valid, immutable,
    // NUL-terminated strings that live as long as the process.
    let args = unsafe { tsuku_dltest::sys::arguments(argc, argv) };
    tsuku_dltest::run(&args)
}

#[cfg(panic = "abort")]
mod no_std {
    use tsuku_dltest::sys;

    #[global_allocator]
    static HEAP: sys::Heap = sys::Heap;

    #[panic_handler]
    fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
        sys::die_of_panic(info)
    }

    /// The precompiled `core` and `alloc` name this symbol in their unwind tables; nothing unwinds
    /// where a panic aborts.
    #[unsafe(no_mangle)]
    extern "C" fn rust_eh_personality() {}

    /// As above.
    #[unsafe(no_mangle)]
    extern "C" fn _Unwind_Resume() -> ! {
        sys::abort()
    }
}
