//! WHEN: each module is one step of the release, read top to bottom.

mod artifact;
pub(crate) mod audit;
pub(crate) mod build;
mod by_table;
pub(crate) mod checksum;
pub(crate) mod ci;
mod clock;
pub(crate) mod codesign;
mod containers;
pub(crate) mod dist;
pub(crate) mod docs;
pub(crate) mod doctor;
pub(crate) mod image;
mod output;
mod pack;
pub(crate) mod plan;
mod prebuilt;
mod preflight;
pub(crate) mod release;
pub(crate) mod reproduce;
mod runner;
pub(crate) mod smoke;
pub(crate) mod tool;
pub(crate) mod workflow;
mod workspace;
