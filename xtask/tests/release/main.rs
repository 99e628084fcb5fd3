//! The release commands, the built xtask and the real `gh`, against a loopback GitHub.
#![cfg(unix)]
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod conform;
mod crowd;
mod faults;
mod folder;
mod input;
mod kills;
mod rehearse;
mod server;
mod state;
mod verify;
mod wire;
mod world;
