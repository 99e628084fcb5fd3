//! Loads shared libraries with `dlopen` and reports, as JSON, which ones load.
//!
//! All logic of the program is here. What it promises to its callers is written in
//! `docs/dltest.md`; the JSON it prints is described by `schema/answer.schema.json`.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

use alloc::vec::Vec;

pub mod args;
pub mod json;
pub mod report;
pub mod sys;

use args::Command;
use report::Verdict;

/// The version printed by `--version`: the package's, unless `TSUKU_DLTEST_VERSION` was set and
/// not empty while building.
pub const VERSION: &str = match option_env!("TSUKU_DLTEST_VERSION") {
    Some(version) if !version.is_empty() => version,
    _ => env!("CARGO_PKG_VERSION"),
};

/// Exit codes, a part of the contract with callers.
pub mod exit {
    /// Every library loaded.
    pub const LOADED: i32 = 0;
    /// At least one library did not load.
    pub const FAILED: i32 = 1;
    /// The command line is wrong; nothing was tested.
    pub const USAGE: i32 = 2;
    /// There is no answer, or it could not be written: nothing on stdout may be believed.
    pub const NO_ANSWER: i32 = 3;
}

/// Runs the program on its arguments (without the program's own name) and returns its exit code.
pub fn run(args: &[&[u8]]) -> i32 {
    match args::parse(args) {
        Ok(Command::Version) => print(&alloc::format!("tsuku-dltest v{VERSION}\n")),
        Ok(Command::Help) => print(args::HELP),
        Ok(Command::Test(paths)) => test(&paths),
        Err(problem) => {
            sys::write_stderr(&alloc::format!("tsuku-dltest: {problem}\n{}", args::USAGE));
            exit::USAGE
        }
    }
}

fn test(paths: &[&[u8]]) -> i32 {
    let verdicts: Vec<Verdict> = paths.iter().map(|path| Verdict::of(sys::load(path))).collect();
    let code = if verdicts.iter().all(Verdict::loaded) { exit::LOADED } else { exit::FAILED };
    match sys::write_stdout(json::answer(paths, &verdicts).as_bytes()) {
        Ok(()) => code,
        Err(error) => no_answer(error),
    }
}

fn print(text: &str) -> i32 {
    match sys::write_stdout(text.as_bytes()) {
        Ok(()) => exit::LOADED,
        Err(error) => no_answer(error),
    }
}

fn no_answer(error: sys::Errno) -> i32 {
    sys::write_stderr(&alloc::format!(
        "tsuku-dltest: cannot write the answer to standard output: {error}\n"
    ));
    exit::NO_ANSWER
}
