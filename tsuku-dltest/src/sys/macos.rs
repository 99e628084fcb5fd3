//! Child processes on macOS.
