//! HOW: the only room that starts programs, touches the disk, the network or the clock.

pub(crate) mod archive;
pub(crate) mod bytes;
pub(crate) mod cargo;
pub(crate) mod codesign;
pub(crate) mod container;
pub(crate) mod files;
pub(crate) mod forge;
pub(crate) mod git;
pub(crate) mod go;
pub(crate) mod interrupt;
pub(crate) mod layout;
pub(crate) mod library;
pub(crate) mod members;
pub(crate) mod probe;
pub(crate) mod proc;
pub(crate) mod service;
pub(crate) mod skopeo;
pub(crate) mod tools;
pub(crate) mod user;
pub(crate) mod walk;
pub(crate) mod wine;
