//! What is known about a library once it has been tried.

use alloc::vec::Vec;

/// Why a library did not load, and in whose words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The loader's own message where there is one.
    pub error: Vec<u8>,
}

/// The answer for one library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Absent when the library loaded.
    pub failure: Option<Failure>,
}

impl Verdict {
    /// The verdict for the result of a load.
    pub fn of(result: Result<(), Failure>) -> Self {
        Self { failure: result.err() }
    }

    /// Whether the library loaded.
    pub fn loaded(&self) -> bool {
        self.failure.is_none()
    }
}
