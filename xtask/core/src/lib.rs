//! The pure rooms of the release toolchain. No clock, no files, no programs, no network: what is
//! here can be tested by a table, and the compiler enforces it (`no_std` and `alloc`).
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod audit;
pub mod formats;
pub mod image;
pub mod plan;
pub mod release;
pub mod report;
pub mod sign;
pub mod workflow;

#[cfg(test)]
mod mutants;
