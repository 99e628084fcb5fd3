//! `print!` and its kin for this program. Whoever reads may be gone (`cargo xtask plan | head`), where
//! those of `std` panic: here that ends us as Ctrl-C does, tidily and by the signal that a shell expects.

use std::fmt::Arguments;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::sync::OnceLock;

use anyhow::anyhow;

use crate::ops::interrupt;

macro_rules! print {
    ($($text:tt)*) => { $crate::print::out(format_args!($($text)*)) };
}
macro_rules! println {
    ($($text:tt)*) => { print!("{}\n", format_args!($($text)*)) };
}
macro_rules! eprint {
    ($($text:tt)*) => { $crate::print::err(format_args!($($text)*)) };
}
macro_rules! eprintln {
    ($($text:tt)*) => { eprint!("{}\n", format_args!($($text)*)) };
}

/// Why standard output could not be written.
static FAILED: OnceLock<io::Error> = OnceLock::new();

/// Writes to standard output.
pub(crate) fn out(text: Arguments<'_>) {
    let mut out = BufWriter::new(io::stdout().lock());
    if let Err(error) = out.write_fmt(text).and_then(|()| out.flush()) {
        // What is left in the buffer has nowhere to go.
        drop(out.into_parts());
        note(&error);
        FAILED.get_or_init(|| error);
    }
}

/// Writes to standard error. Of another failure nobody could be told.
pub(crate) fn err(text: Arguments<'_>) {
    // In one piece: several threads and programs write lines there.
    if let Err(error) = io::stderr().write_all(text.to_string().as_bytes()) {
        note(&error);
    }
}

fn note(error: &io::Error) {
    if error.kind() == ErrorKind::BrokenPipe {
        interrupt::unread();
    }
}

/// Whether the reader of standard output is gone.
pub(crate) fn unread() -> bool {
    FAILED.get().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// An error, if not all was written to standard output. A reader that went has seen what it wanted.
pub(crate) fn check() -> anyhow::Result<()> {
    match FAILED.get() {
        Some(error) if !unread() => Err(anyhow!("cannot write standard output: {error}")),
        _ => Ok(()),
    }
}
