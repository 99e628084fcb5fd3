//! From a package and a target to what the audit may find.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::config::{Package, Target};
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
        pie: true,
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
    loader(target.triple.name).map(|path| Interpreter::Required(Cow::Borrowed(path)))
}

/// The dynamic loader's path by the platform's ABI: glibc's `shlib-versions` and
/// `sysdeps/*/ldsodefs`, musl's `ldso` names.
fn loader(triple: &str) -> Option<&'static str> {
    Some(match triple {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::TRIPLES;

    #[test]
    fn every_linux_triple_has_a_loader() {
        for triple in TRIPLES {
            assert_eq!(loader(triple.name).is_some(), triple.os == Os::Linux, "{}", triple.name);
        }
    }
}
