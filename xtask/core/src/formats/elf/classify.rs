//! What kind of file it is: linkage and C library, from what a kernel and a loader look at.

use super::{Elf, Libc, Linkage};

/// What the linkage is told by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signs {
    /// ET_EXEC: linked to a fixed address.
    pub(super) fixed: bool,
    /// PT_DYNAMIC.
    pub(super) dynamic: bool,
    /// PT_INTERP.
    pub(super) interpreter: bool,
    /// DF_1_PIE.
    pub(super) says_pie: bool,
    /// DT_SONAME.
    pub(super) soname: bool,
    /// Any DT_NEEDED.
    pub(super) needs: bool,
}

/// The linkage. A program without PT_INTERP that needs libraries is dynamic too: it starts its
/// loader itself.
pub(super) fn linkage(signs: Signs) -> Linkage {
    let loaded = signs.interpreter || signs.needs;
    match signs {
        Signs { dynamic: false, interpreter: false, .. } => Linkage::Static,
        Signs { fixed: true, .. } if loaded => Linkage::Dynamic,
        Signs { fixed: true, .. } => Linkage::Static,
        // ET_DYN: a program says so (DF_1_PIE), or, before linkers said it, has an interpreter and
        // no name. libc.so.6 has both an interpreter and a name, and is a library.
        Signs { says_pie: true, .. } if loaded => Linkage::Dynamic,
        Signs { says_pie: true, .. } => Linkage::StaticPie,
        Signs { interpreter: true, soname: false, .. } => Linkage::Dynamic,
        _ => Linkage::SharedObject,
    }
}

/// Whose C library the file is made for.
pub(super) fn libc(elf: &Elf, freebsd_abi: bool) -> Libc {
    elf.interpreter
        .as_deref()
        .and_then(by_interpreter)
        .or_else(|| by_versions(elf))
        .or_else(|| by_libraries(elf))
        .or_else(|| freebsd_abi.then_some(Libc::FreeBsd).filter(|_| !elf.linkage.is_static()))
        .or_else(|| by_soname(elf))
        .unwrap_or(Libc::None)
}

/// Whether the path is that of a dynamic loader known here.
pub(super) fn is_loader_path(path: &str) -> bool {
    by_interpreter(path).is_some()
}

fn by_interpreter(path: &str) -> Option<Libc> {
    let file = path.rsplit('/').next().unwrap_or(path);
    if file.starts_with("ld-musl-") {
        Some(Libc::Musl)
    } else if file.starts_with("ld-linux") || file.starts_with("ld64.so.") || is_old_loader(path) {
        Some(Libc::Glibc)
    } else if file == "linker" || file == "linker64" || file.starts_with("linker_") {
        Some(Libc::Bionic)
    } else if file.starts_with("ld-elf") && path.starts_with("/libexec/") {
        Some(Libc::FreeBsd)
    } else {
        None
    }
}

/// glibc's loader on MIPS, 32-bit PowerPC and s390. (Solaris has it in /usr/lib.)
fn is_old_loader(path: &str) -> bool {
    ["/lib/ld.so.1", "/lib32/ld.so.1", "/lib64/ld.so.1"].contains(&path)
}

fn by_versions(elf: &Elf) -> Option<Libc> {
    let mut names = elf.versions.iter().map(|need| need.name.as_str());
    names.find_map(|name| {
        if name.starts_with("GLIBC_") {
            Some(Libc::Glibc)
        } else if name == "LIBC" || name.starts_with("LIBC_") {
            Some(Libc::Bionic)
        } else if name.starts_with("FBSD_") {
            Some(Libc::FreeBsd)
        } else {
            None
        }
    })
}

fn by_libraries(elf: &Elf) -> Option<Libc> {
    let needs = |name: &str| elf.needed.iter().any(|library| library == name);
    let needs_like = |head: &str| elf.needed.iter().any(|library| library.starts_with(head));
    if needs_like("libc.musl-") || needs_like("ld-musl-") {
        return Some(Libc::Musl);
    }
    // glibc's sonames; alpha and ia64 number them 6.1.
    const GLIBC: [&str; 8] = [
        "libc.so.6",
        "libc.so.6.1",
        "libm.so.6",
        "libm.so.6.1",
        "libpthread.so.0",
        "libdl.so.2",
        "libdl.so.2.1",
        "librt.so.1",
    ];
    if GLIBC.iter().any(|name| needs(name)) || needs_like("ld-linux") {
        return Some(Libc::Glibc);
    }
    if needs("libc.so.7") {
        return Some(Libc::FreeBsd);
    }
    // Plain `libc.so` is musl's name and bionic's; only bionic has its neighbours.
    const BIONIC: [&str; 4] = ["libdl.so", "libm.so", "liblog.so", "libandroid.so"];
    if BIONIC.iter().any(|name| needs(name)) {
        return Some(Libc::Bionic);
    }
    needs("libc.so").then_some(Libc::Musl)
}

fn by_soname(elf: &Elf) -> Option<Libc> {
    let name = elf.soname.as_deref()?;
    if is_glibc_loader(name) || name == "libc.so.6" || name == "libc.so.6.1" {
        Some(Libc::Glibc)
    } else if is_musl_loader(elf, name) {
        Some(Libc::Musl)
    } else if name == "ld-android.so" {
        Some(Libc::Bionic)
    } else if name == "libc.so.7" {
        Some(Libc::FreeBsd)
    } else {
        None
    }
}

/// Whether the file is a dynamic loader itself: a library with a loader's name that needs nothing.
pub(super) fn is_loader(elf: &Elf) -> bool {
    let Some(name) = elf.soname.as_deref() else { return false };
    elf.linkage == Linkage::SharedObject
        && elf.interpreter.is_none()
        && elf.needed.is_empty()
        && (is_glibc_loader(name) || is_musl_loader(elf, name) || name.starts_with("ld-elf"))
}

fn is_glibc_loader(soname: &str) -> bool {
    soname.starts_with("ld-linux") || soname.starts_with("ld64.so.") || soname == "ld.so.1"
}

/// musl's loader is its libc: one file under two names.
fn is_musl_loader(elf: &Elf, soname: &str) -> bool {
    soname.starts_with("libc.musl-") || (soname == "libc.so" && elf.needed.is_empty())
}

/// What musl's loader looks up in itself while it starts (`ldso/dynlink.c`); nobody else has it.
pub(super) const MUSL_STAGE: &str = "__dls3";

/// Whether the file could be musl's libc, which Debian and a plain `make` build without a name: a
/// library that needs nothing and can be started.
pub(super) fn may_be_nameless_musl(elf: &Elf) -> bool {
    elf.libc == Libc::None
        && elf.linkage == Linkage::SharedObject
        && elf.soname.is_none()
        && elf.needed.is_empty()
        && elf.starts
}
