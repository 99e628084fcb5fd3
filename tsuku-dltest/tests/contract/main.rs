//! The program's promises to its callers.

// A test fails by panicking, in its helpers too.
#![allow(clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod callers;
mod files;
mod limits;

use common::{Run, program};
use serde_json::Value;
use std::fs;
use std::path::Path;

pub(crate) const GOOD: &str = "int good(void) { return 1; }";

pub(crate) fn run() -> Run {
    Run::of(&program())
}

pub(crate) fn answer(paths: &[&Path]) -> Vec<Value> {
    run().args(paths).go().answer().unwrap_or_else(|error| panic!("{paths:?}: {error}"))
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
}
