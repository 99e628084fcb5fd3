//! From a package and a target to what the audit may find.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::config::{Kind, Package, Target};
use super::triple::{Libc, Os};
use crate::audit::{Forbidden, Interpreter, Link, Names, Policy, Signed, policies};
use crate::formats::{Format, elf};

/// What the package's binary for the target may be. `build_paths` are folders of this machine that
/// must not stand in it, besides those that no released binary may hold.
pub fn policy(package: &Package, target: &Target, build_paths: &[String]) -> Policy {
    let triple = target.triple;
    let libc = triple.libc.name();
    let own = &package.policy;
    let is_static = package.is_static(target);
    let needed = if is_static {
        Some(Names::Borrowed(&[]))
    } else {
        own.needed.get(libc).map(|list| list.iter().cloned().map(Cow::Owned).collect())
    };
    let paths = build_paths.iter().map(|path| Forbidden {
        bytes: Cow::Owned(path.clone().into_bytes()),
        what: Cow::Borrowed("a folder of the machine that built it"),
    });
    let forbidden = policies::BUILD_PATHS.iter().cloned().chain(paths).collect::<Vec<_>>();
    let base = Policy {
        archs: [Cow::Borrowed(triple.arch)].into_iter().collect(),
        forbidden: Cow::Owned(forbidden),
        pie: pie(package, target),
        ..policies::DEFAULT
    };
    match triple.os {
        Os::Linux => Policy {
            format: Some(Format::Elf),
            libc: if is_static { None } else { Some(elf_libc(triple.libc)) },
            glibc_max: target.glibc_floor,
            interpreter: interpreter(package, target),
            link: Some(if is_static { Link::Static } else { Link::Dynamic }),
            dlopens: package.smoke.dlopen,
            needed,
            // A static program has nothing to bind lazily.
            relro: if is_static { None } else { Some(elf::Relro::Full) },
            ..base
        },
        Os::Darwin => Policy {
            format: Some(Format::MachO),
            platform: Some(Cow::Borrowed("macos")),
            minos_max: target.macos_min,
            dylibs: needed,
            signed: Some(Signed::All),
            identifier: Some(Cow::Owned(package.name.clone())),
            ..base
        },
        Os::Windows => Policy {
            format: Some(Format::Pe),
            imports: needed,
            static_crt: triple.libc == Libc::Msvc,
            high_entropy: triple.arch != "i386",
            ..base
        },
    }
}

/// For Linux, Go links position-dependent programs, and has no memory errors for them to expose. What
/// another tool linked statically may be Go's.
fn pie(package: &Package, target: &Target) -> bool {
    target.triple.os != Os::Linux
        || match package.kind {
            Kind::Rust => true,
            Kind::Go => false,
            Kind::Prebuilt => !package.is_static(target),
        }
}

fn elf_libc(libc: Libc) -> elf::Libc {
    if libc == Libc::Musl { elf::Libc::Musl } else { elf::Libc::Glibc }
}

fn interpreter(package: &Package, target: &Target) -> Option<Interpreter> {
    if package.is_static(target) {
        return Some(Interpreter::Absent);
    }
    if package.policy.self_launching.iter().any(|libc| libc == target.triple.libc.name()) {
        return Some(Interpreter::SelfLaunching);
    }
    target.triple.loader().map(|path| Interpreter::Required(Cow::Borrowed(path)))
}
