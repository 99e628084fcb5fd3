//! Target triples that the plan knows, and what follows from each.

use crate::formats::Version;

/// Operating system of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os {
    /// Linux, any libc.
    Linux,
    /// macOS.
    Darwin,
    /// Windows.
    Windows,
}

/// C library of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Libc {
    /// GNU libc: needs a floor.
    Gnu,
    /// musl.
    Musl,
    /// macOS's libSystem.
    System,
    /// Windows with Microsoft's C runtime.
    Msvc,
    /// Windows with MinGW's C runtime.
    MingW,
}

impl Libc {
    /// The name used as a key in `xtask.toml` and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gnu => "gnu",
            Self::Musl => "musl",
            Self::System => "darwin",
            Self::Msvc => "msvc",
            Self::MingW => "mingw",
        }
    }
}

/// One known triple.
#[derive(Debug, PartialEq, Eq)]
pub struct Triple {
    /// As rustc spells it.
    pub name: &'static str,
    /// Operating system.
    pub os: Os,
    /// C library.
    pub libc: Libc,
    /// Architecture as the formats room names it.
    pub arch: &'static str,
    /// `GOARCH`.
    pub goarch: &'static str,
    /// The oldest glibc that Rust's std for this triple runs on (rustc book, "Platform Support").
    pub oldest_glibc: Option<Version>,
}

impl Triple {
    /// Looks a triple up.
    pub fn find(name: &str) -> Option<&'static Self> {
        TRIPLES.iter().find(|triple| triple.name == name)
    }

    /// Suffix of an executable's name.
    pub fn exe_suffix(&self) -> &'static str {
        if self.os == Os::Windows { ".exe" } else { "" }
    }

    /// The dynamic loader's path by the platform's ABI: glibc's `shlib-versions` and
    /// `sysdeps/*/ldsodefs`, musl's `ldso` names. `None` outside Linux.
    pub fn loader(&self) -> Option<&'static str> {
        Some(match self.name {
            "x86_64-unknown-linux-gnu" => "/lib64/ld-linux-x86-64.so.2",
            "aarch64-unknown-linux-gnu" => "/lib/ld-linux-aarch64.so.1",
            "i686-unknown-linux-gnu" => "/lib/ld-linux.so.2",
            "armv7-unknown-linux-gnueabihf" => "/lib/ld-linux-armhf.so.3",
            "powerpc64le-unknown-linux-gnu" => "/lib64/ld64.so.2",
            "s390x-unknown-linux-gnu" => "/lib/ld64.so.1",
            "riscv64gc-unknown-linux-gnu" => "/lib/ld-linux-riscv64-lp64d.so.1",
            "loongarch64-unknown-linux-gnu" => "/lib64/ld-linux-loongarch-lp64d.so.1",
            "x86_64-unknown-linux-musl" => "/lib/ld-musl-x86_64.so.1",
            "aarch64-unknown-linux-musl" => "/lib/ld-musl-aarch64.so.1",
            "i686-unknown-linux-musl" => "/lib/ld-musl-i386.so.1",
            "armv7-unknown-linux-musleabihf" => "/lib/ld-musl-armhf.so.1",
            "riscv64gc-unknown-linux-musl" => "/lib/ld-musl-riscv64.so.1",
            _ => return None,
        })
    }

    /// `GOOS`.
    pub fn goos(&self) -> &'static str {
        match self.os {
            Os::Linux => "linux",
            Os::Darwin => "darwin",
            Os::Windows => "windows",
        }
    }
}

/// The newest release that the pinned zig has symbol lists for (`zig targets`, `.glibc`). Asked for
/// anything else, cargo-zigbuild builds for another version without a word.
pub const NEWEST_GLIBC: Version = Version::new(2, 44);

/// `major.minor`, and nothing else: a glibc release, a macOS deployment target.
pub(super) fn two_fields(text: &str) -> Option<Version> {
    text.parse().ok().filter(|version: &Version| version.fields().len() == 2)
}

const fn gnu(
    name: &'static str,
    arch: &'static str,
    goarch: &'static str,
    oldest: Version,
) -> Triple {
    Triple { name, os: Os::Linux, libc: Libc::Gnu, arch, goarch, oldest_glibc: Some(oldest) }
}

const fn other(
    name: &'static str,
    os: Os,
    libc: Libc,
    arch: &'static str,
    goarch: &'static str,
) -> Triple {
    Triple { name, os, libc, arch, goarch, oldest_glibc: None }
}

/// Every triple a plan may name.
pub const TRIPLES: &[Triple] = &[
    gnu("x86_64-unknown-linux-gnu", "x86_64", "amd64", Version::new(2, 17)),
    gnu("aarch64-unknown-linux-gnu", "aarch64", "arm64", Version::new(2, 17)),
    gnu("i686-unknown-linux-gnu", "i386", "386", Version::new(2, 17)),
    gnu("armv7-unknown-linux-gnueabihf", "arm", "arm", Version::new(2, 17)),
    gnu("powerpc64le-unknown-linux-gnu", "ppc64le", "ppc64le", Version::new(2, 17)),
    gnu("s390x-unknown-linux-gnu", "s390x", "s390x", Version::new(2, 17)),
    gnu("riscv64gc-unknown-linux-gnu", "riscv64", "riscv64", Version::new(2, 29)),
    gnu("loongarch64-unknown-linux-gnu", "loongarch64", "loong64", Version::new(2, 36)),
    other("x86_64-unknown-linux-musl", Os::Linux, Libc::Musl, "x86_64", "amd64"),
    other("aarch64-unknown-linux-musl", Os::Linux, Libc::Musl, "aarch64", "arm64"),
    other("i686-unknown-linux-musl", Os::Linux, Libc::Musl, "i386", "386"),
    other("armv7-unknown-linux-musleabihf", Os::Linux, Libc::Musl, "arm", "arm"),
    other("riscv64gc-unknown-linux-musl", Os::Linux, Libc::Musl, "riscv64", "riscv64"),
    other("x86_64-apple-darwin", Os::Darwin, Libc::System, "x86_64", "amd64"),
    other("aarch64-apple-darwin", Os::Darwin, Libc::System, "arm64", "arm64"),
    other("x86_64-pc-windows-msvc", Os::Windows, Libc::Msvc, "x86_64", "amd64"),
    other("aarch64-pc-windows-msvc", Os::Windows, Libc::Msvc, "aarch64", "arm64"),
    other("i686-pc-windows-msvc", Os::Windows, Libc::Msvc, "i386", "386"),
    other("x86_64-pc-windows-gnu", Os::Windows, Libc::MingW, "x86_64", "amd64"),
    other("aarch64-pc-windows-gnullvm", Os::Windows, Libc::MingW, "aarch64", "arm64"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_linux_triple_has_a_loader() {
        for triple in TRIPLES {
            assert_eq!(triple.loader().is_some(), triple.os == Os::Linux, "{}", triple.name);
        }
    }

    #[test]
    fn glibc_versions_are_two_numbers() {
        assert_eq!(two_fields("2.17"), Some(Version::new(2, 17)));
        for bad in ["", "2", "2.", ".17", "2.17.1", "2.+1", "two.17", "2.99999999999"] {
            assert_eq!(two_fields(bad), None, "{bad}");
        }
    }
}
