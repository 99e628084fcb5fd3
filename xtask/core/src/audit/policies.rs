//! Policies with a name, for `audit --policy NAME` outside a plan.

use alloc::borrow::Cow;

use super::policy::{Forbidden, Policy, Signed};
use crate::formats::elf::{Libc, Relro};

/// A policy and what it is for.
#[derive(Debug)]
pub struct Named {
    /// The name on the command line.
    pub name: &'static str,
    /// One line of help.
    pub title: &'static str,
    /// What it allows.
    pub policy: Policy,
}

/// What no binary that leaves its builder's machine should have, on any platform.
pub const DEFAULT: Policy = Policy {
    portable: true,
    origin_paths_only: true,
    nx: true,
    no_wx: true,
    no_textrel: true,
    signed: Some(Signed::Arm64),
    ..Policy::NONE
};

/// Where builders live. A release has no use for their names.
pub const BUILD_PATHS: &[Forbidden] = &[
    Forbidden { bytes: Cow::Borrowed(b"/home/"), what: Cow::Borrowed("a home folder") },
    Forbidden { bytes: Cow::Borrowed(b"/Users/"), what: Cow::Borrowed("a home folder") },
    Forbidden { bytes: Cow::Borrowed(b"/root/"), what: Cow::Borrowed("a home folder") },
    Forbidden { bytes: Cow::Borrowed(b"C:\\Users\\"), what: Cow::Borrowed("a home folder") },
    Forbidden { bytes: Cow::Borrowed(b"/.cargo/registry/"), what: Cow::Borrowed("a build folder") },
    Forbidden { bytes: Cow::Borrowed(b"/nix/store/"), what: Cow::Borrowed("a build folder") },
];

/// [`DEFAULT`], and what is worth a word without failing: it is common in what others publish.
const TOLD: Policy = Policy {
    notes: Cow::Borrowed(&[
        Cow::Borrowed("embedded-path"),
        Cow::Borrowed("elf-pie"),
        Cow::Borrowed("elf-relro"),
        Cow::Borrowed("macho-pie"),
        Cow::Borrowed("pe-aslr"),
        Cow::Borrowed("pe-relocs-stripped"),
    ]),
    forbidden: Cow::Borrowed(BUILD_PATHS),
    pie: true,
    relro: Some(Relro::Partial),
    ..DEFAULT
};

/// A hardened program for any Linux with glibc.
const PORTABLE_LINUX: Policy = Policy {
    libc: Some(Libc::Glibc),
    forbidden: Cow::Borrowed(BUILD_PATHS),
    needed: Some(Cow::Borrowed(&[
        Cow::Borrowed("libc.so.6"),
        Cow::Borrowed("libm.so.6"),
        Cow::Borrowed("libdl.so.2"),
        Cow::Borrowed("librt.so.1"),
        Cow::Borrowed("libpthread.so.0"),
        Cow::Borrowed("libutil.so.1"),
        Cow::Borrowed("libgcc_s.so.1"),
        Cow::Borrowed("ld-linux*"),
        Cow::Borrowed("ld64.so.*"),
    ])),
    pie: true,
    relro: Some(Relro::Full),
    ..DEFAULT
};

/// Every named policy; the first is the default.
pub static POLICIES: &[Named] = &[
    Named {
        name: "default",
        title: "what no released binary should have, on any platform; weak hardening is told",
        policy: TOLD,
    },
    Named {
        name: "portable-linux",
        title: "a hardened program for any Linux with glibc; give the floor with --max",
        policy: PORTABLE_LINUX,
    },
];

/// The policy of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Policy> {
    POLICIES.iter().find(|named| named.name == name).map(|named| &named.policy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::rules;

    #[test]
    fn policies_speak_of_rules_that_exist() {
        for named in POLICIES {
            for note in named.policy.notes.iter() {
                assert!(rules().any(|rule| rule.id == note), "{}: {note}", named.name);
            }
        }
    }
}
