//! What one package's binaries may be. Plain data: a plan makes it from `xtask.toml`, a command
//! line from its flags, and [`super::policies`] holds named ones.

use alloc::borrow::Cow;

use super::Severity;
use crate::formats::elf::{Libc, Relro};
use crate::formats::{Format, Version};

/// A list of names: static in a table, owned in a plan. A `*` at the end of a name matches any
/// tail.
pub type Names = Cow<'static, [Cow<'static, str>]>;

/// What a binary may be. `None`, `false` and an empty list mean "not judged".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Rules whose findings are told only, by id.
    pub notes: Names,
    /// The format it must have.
    pub format: Option<Format>,
    /// The architectures it must have: exactly one for ELF and PE, a slice each for Mach-O.
    pub archs: Names,
    /// Byte strings that must not stand in it: home and build folders.
    pub forbidden: Cow<'static, [Forbidden]>,

    /// Its C library (ELF).
    pub libc: Option<Libc>,
    /// The highest glibc a loader may demand (ELF).
    pub glibc_max: Option<Version>,
    /// The highest GLIBCXX node (libstdc++; ELF).
    pub glibcxx_max: Option<Version>,
    /// The highest CXXABI node (libstdc++; ELF).
    pub cxxabi_max: Option<Version>,
    /// The highest GCC node (libgcc; ELF).
    pub gcc_max: Option<Version>,
    /// Refused are nodes that bind to one exact build of glibc, or that nobody knows (ELF), and
    /// code encrypted for one account (Mach-O).
    pub portable: bool,
    /// The way to a loader (ELF).
    pub interpreter: Option<Interpreter>,
    /// How it must be linked (ELF).
    pub link: Option<Link>,
    /// It loads libraries by `dlopen`: it must be linked dynamically to its libc (ELF).
    pub dlopens: bool,
    /// The libraries it may need (ELF).
    pub needed: Option<Names>,
    /// RPATH and RUNPATH may only hold `$ORIGIN` and system folders (ELF); rpaths and libraries only
    /// `@loader_path` and the like, and the system's (Mach-O).
    pub origin_paths_only: bool,
    /// The stack must not be executable (ELF), the image's data neither (PE).
    pub nx: bool,
    /// No segment may be writable and executable (ELF).
    pub no_wx: bool,
    /// No relocations in code (ELF).
    pub no_textrel: bool,
    /// A program must be position-independent (ELF), or have ASLR (PE, Mach-O).
    pub pie: bool,
    /// The least RELRO: `Partial` or `Full` (ELF).
    pub relro: Option<Relro>,

    /// The platform it must be made for: `macos` (Mach-O).
    pub platform: Option<Cow<'static, str>>,
    /// The newest macOS it may ask for (Mach-O).
    pub minos_max: Option<Version>,
    /// The libraries it may need; weak ones besides (Mach-O).
    pub dylibs: Option<Names>,
    /// What must be signed (Mach-O).
    pub signed: Option<Signed>,
    /// The signature's identifier (Mach-O).
    pub identifier: Option<Cow<'static, str>>,

    /// The libraries it may import, delay-loaded ones too; case does not matter (PE).
    pub imports: Option<Names>,
    /// The C run-time must be linked in (PE).
    pub static_crt: bool,
    /// 64-bit ASLR with high entropy (PE).
    pub high_entropy: bool,
    /// Control Flow Guard (PE).
    pub cfg: bool,
}

impl Policy {
    /// Judges nothing: the start of every other policy.
    pub const NONE: Self = Self {
        notes: Cow::Borrowed(&[]),
        format: None,
        archs: Cow::Borrowed(&[]),
        forbidden: Cow::Borrowed(&[]),
        libc: None,
        glibc_max: None,
        glibcxx_max: None,
        cxxabi_max: None,
        gcc_max: None,
        portable: false,
        interpreter: None,
        link: None,
        dlopens: false,
        needed: None,
        origin_paths_only: false,
        nx: false,
        no_wx: false,
        no_textrel: false,
        pie: false,
        relro: None,
        platform: None,
        minos_max: None,
        dylibs: None,
        signed: None,
        identifier: None,
        imports: None,
        static_crt: false,
        high_entropy: false,
        cfg: false,
    };

    /// How bad a finding of this rule is.
    #[must_use]
    pub fn severity(&self, rule: &str) -> Severity {
        if self.notes.iter().any(|id| id == rule) { Severity::Note } else { Severity::Error }
    }
}

/// A byte string that must not stand in a binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden {
    /// The bytes, for example `/home/`.
    pub bytes: Cow<'static, [u8]>,
    /// What they are, for example `a home folder`.
    pub what: Cow<'static, str>,
}

/// The way a program must have to its loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interpreter {
    /// PT_INTERP is this path.
    Required(Cow<'static, str>),
    /// No PT_INTERP: the program starts its loader on itself (linked with `--no-dynamic-linker`).
    SelfLaunching,
    /// No PT_INTERP.
    Absent,
}

/// How a program must be linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// By a loader, to shared libraries.
    Dynamic,
    /// Whole.
    Static,
}

/// What must carry a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// arm64 slices; an x86_64 one may, and then it must be right. What macOS itself demands.
    Arm64,
    /// Every slice, and not only by the linker: what a release demands.
    All,
}

/// Whether `name` is on the list.
pub(super) fn allows(names: &Names, name: &str) -> bool {
    names.iter().any(|allowed| match allowed.strip_suffix('*') {
        Some(head) => name.starts_with(head),
        None => name == allowed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_whole_or_by_head() {
        let names: Names =
            Cow::Borrowed(&[Cow::Borrowed("libc.so.6"), Cow::Borrowed("/usr/lib/*")]);
        for (name, allowed) in [("libc.so.6", true), ("libc.so.61", false), ("/usr/lib/x", true)] {
            assert_eq!(allows(&names, name), allowed, "{name}");
        }
    }

    #[test]
    fn a_note_is_not_an_error() {
        let policy = Policy { notes: Cow::Borrowed(&[Cow::Borrowed("a")]), ..Policy::NONE };
        assert_eq!(policy.severity("a"), Severity::Note);
        assert_eq!(policy.severity("b"), Severity::Error);
    }
}
