//! A child's record in memory that it shares with its parent.

use super::posix::Errno;
use crate::record::Record;
use core::ffi::c_int;
use core::ptr::{NonNull, null_mut};

/// A mapping of a record, removed when dropped.
#[derive(Debug)]
pub(super) struct Shared(NonNull<Record>);

impl Shared {
    /// Maps the object open as `fd`, or fresh memory that is all zero, as `flags` say.
    pub(super) fn map(fd: c_int, flags: c_int) -> Result<Self, Errno> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = flags | libc::MAP_SHARED;
        // SAFETY: the kernel chooses the place.
        let memory =
            unsafe { libc::mmap(null_mut(), size_of::<Record>(), protection, flags, fd, 0) };
        match NonNull::new(memory) {
            Some(record) if memory != libc::MAP_FAILED => Ok(Self(record.cast())),
            _ => Err(Errno::last()),
        }
    }

    pub(super) fn get(&self) -> &Record {
        // SAFETY: the mapping is page-aligned, as long as a record, and lives as long as this value.
        // Every byte pattern is a valid record, and all its parts are atomic: the other process may
        // write at any time.
        unsafe { self.0.as_ref() }
    }

    /// Keeps it from children that are forked from now on: they could answer for this one.
    #[cfg(target_os = "linux")]
    pub(super) fn keep_from_later_children(&self) {
        // SAFETY: the mapping is this value's own; the advice changes nothing in this process.
        unsafe { libc::madvise(self.0.as_ptr().cast(), size_of::<Record>(), libc::MADV_DONTFORK) };
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and no reference outlives the value.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<Record>()) };
    }
}
