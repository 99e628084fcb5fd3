//! Everything that talks to the system, and all unsafe code.

#[cfg(self_launching)]
mod launch;
mod posix;

pub use posix::{Errno, Heap, abort, arguments, die_of_panic, load, write_stderr, write_stdout};
