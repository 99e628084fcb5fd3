//! Container images of a released program: made on a base from a registry of the tests' own, judged from their
//! bytes, started by docker and by podman. Needs root (for dockerd), docker.io, podman, runc, skopeo,
//! docker-registry and mmdebstrap of Debian.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod making;
mod pushing;
mod registry;

use std::fs;
use std::path::Path;

use serde_json::Value;

use common::{Folder, commit, edit, run, sayna};
use registry::Registry;

pub(crate) const IMAGES: &[&str] = &["bookworm", "bookworm-arm64"];
/// As the tests' own daemon has them.
pub(crate) const BOOKWORM: &str = "docker-daemon:xtask-test/bookworm:latest";
pub(crate) const BOOKWORM_ARM64: &str = "docker-daemon:xtask-test/bookworm-arm64:latest";

pub(crate) const BASE: &str =
    "ubuntu:26.04@sha256:3131b4cc82a783df6c9df078f86e01819a13594b865c2cad47bd1bca2b7063bb";

/// The example on a base that is here, its program built.
pub(crate) fn project() -> (Folder, Registry) {
    let folder = sayna();
    let registry = Registry::start(&folder);
    let base = registry.push(BOOKWORM, "base");
    edit(&folder.join("xtask.toml"), BASE, &base);
    build(&folder);
    (folder, registry)
}

pub(crate) fn build(folder: &Folder) {
    commit(folder);
    run(&mut common::xtask(folder.path(), &["dist", "--target", "linux-amd64"])).expect(0);
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) const IMAGE: &[&str] = &["image", "--strict", "--target", "linux-amd64"];
