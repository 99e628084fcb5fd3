//! Which distributions a binary runs on.
//!
//! The table's source is mayeut/pep600_compliance (`cache/<arch>/<distribution>.json`): the version
//! nodes that the *running image's* own libraries carry, read between 2020 and 2026; the same data
//! stands behind auditwheel's policies. Rows marked *inferred* come from the distribution's package
//! version. Development branches are left out: they move.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::formats::Version;
use crate::formats::elf::{Elf, Libc, Node, demanded, node};

/// One release of a distribution, as far as it is alike on some architectures.
#[derive(Debug)]
pub struct Distro {
    /// For example `Debian`.
    pub family: &'static str,
    /// For example `12`; empty for a rolling one.
    pub release: &'static str,
    /// Architectures this row holds for, named as in [`Elf::arch`].
    pub archs: &'static [&'static str],
    /// Its glibc.
    pub glibc: Version,
    /// Nodes above its release that it carries all the same.
    pub extra: &'static [Version],
    /// ABI markers it carries.
    pub markers: &'static [&'static str],
    /// Its libstdc++'s highest GLIBCXX node.
    pub glibcxx: Version,
}

impl Distro {
    /// `Debian 12`.
    #[must_use]
    pub fn name(&self) -> String {
        if self.release.is_empty() {
            self.family.into()
        } else {
            format!("{} {}", self.family, self.release)
        }
    }

    /// Whether its libraries provide every version the file demands.
    #[must_use]
    pub fn runs(&self, elf: &Elf) -> bool {
        elf.versions.iter().all(|need| match node(&need.name) {
            Some(Node::Number(version)) => {
                demanded(need).is_none() || version <= self.glibc || self.extra.contains(&version)
            }
            Some(Node::Marker(_)) => need.weak || self.markers.contains(&need.name.as_str()),
            Some(Node::Private | Node::Unknown) => false,
            None => match need.name.strip_prefix("GLIBCXX_").and_then(|v| v.parse().ok()) {
                Some(version) => self.glibcxx >= version,
                None => true,
            },
        })
    }
}

/// Where a glibc file runs.
#[derive(Debug, Default)]
pub struct Reach {
    /// Of each family, the oldest release it runs on.
    pub oldest: Vec<&'static Distro>,
    /// Of each family, the newest release it does not run on.
    pub left_out: Vec<&'static Distro>,
}

/// The families named where there is room for few.
const MAJOR: [&str; 7] =
    ["Debian", "Ubuntu", "RHEL", "Amazon Linux", "Fedora", "openSUSE Leap", "SLES"];

/// Where the file runs; `None` when it is not glibc's or the table knows nothing of its
/// architecture.
#[must_use]
pub fn reach(elf: &Elf) -> Option<Reach> {
    if elf.libc != Libc::Glibc {
        return None;
    }
    let mut reach = Reach::default();
    let mut known = false;
    for distro in DISTROS.iter().filter(|distro| distro.archs.contains(&elf.arch.as_str())) {
        known = true;
        if !distro.runs(elf) {
            reach.left_out.retain(|other| other.family != distro.family);
            reach.left_out.push(distro);
        } else if reach.oldest.iter().all(|other| other.family != distro.family) {
            reach.oldest.push(distro);
        }
    }
    known.then_some(reach)
}

/// Of each major family, the oldest release with this glibc or a newer one.
#[must_use]
pub fn with_glibc(arch: &str, floor: Version) -> String {
    let mut oldest: Vec<&Distro> = Vec::new();
    for distro in DISTROS.iter().filter(|d| d.archs.contains(&arch) && d.glibc >= floor) {
        if oldest.iter().all(|other| other.family != distro.family) {
            oldest.push(distro);
        }
    }
    major(&oldest)
}

/// Whether a release's name, as [`Distro::name`] gives it, is one of a major family.
#[must_use]
pub fn is_major(name: &str) -> bool {
    MAJOR.iter().any(|family| name.strip_prefix(family).is_some_and(|tail| tail.starts_with(' ')))
}

/// The major families among some releases: `Debian 12, Ubuntu 22.10`.
#[must_use]
pub fn major(distros: &[&Distro]) -> String {
    let names: Vec<_> = distros
        .iter()
        .filter(|distro| MAJOR.contains(&distro.family))
        .map(|distro| distro.name())
        .collect();
    names.join(", ")
}

const RELR: &[&str] = &["GLIBC_ABI_DT_RELR"];
const RELR_PLT_TLS2: &[&str] =
    &["GLIBC_ABI_DT_RELR", "GLIBC_ABI_DT_X86_64_PLT", "GLIBC_ABI_GNU2_TLS"];
const RELR_TLS2_TLS: &[&str] = &["GLIBC_ABI_DT_RELR", "GLIBC_ABI_GNU2_TLS", "GLIBC_ABI_GNU_TLS"];

const fn distro(
    family: &'static str,
    release: &'static str,
    archs: &'static [&'static str],
    glibc: Version,
    extra: &'static [Version],
    markers: &'static [&'static str],
    glibcxx: Version,
) -> Distro {
    Distro { family, release, archs, glibc, extra, markers, glibcxx }
}

/// By family, then by glibc.
#[rustfmt::skip]
pub static DISTROS: &[Distro] = &[
    distro("Debian", "7", &["arm", "i386", "x86_64"], Version::new(2, 13), &[], &[], Version::new3(3, 4, 17)),
    distro("Debian", "8", &["arm", "i386", "x86_64"], Version::new(2, 19), &[], &[], Version::new3(3, 4, 20)),
    distro("Debian", "9", &["aarch64", "arm", "i386", "ppc64le", "s390x", "x86_64"], Version::new(2, 24), &[], &[], Version::new3(3, 4, 22)),
    distro("Debian", "10", &["aarch64", "arm", "i386", "ppc64le", "s390x", "x86_64"], Version::new(2, 28), &[], &[], Version::new3(3, 4, 25)),
    distro("Debian", "11", &["aarch64", "arm", "i386", "ppc64le", "s390x", "x86_64"], Version::new(2, 31), &[], &[], Version::new3(3, 4, 28)),
    distro("Debian", "12", &["aarch64", "arm", "i386", "ppc64le", "s390x", "x86_64"], Version::new(2, 36), &[], RELR, Version::new3(3, 4, 30)),
    distro("Debian", "13", &["aarch64", "arm", "i386", "ppc64le", "riscv64", "s390x", "x86_64"], Version::new(2, 41), &[], RELR, Version::new3(3, 4, 33)),
    distro("Debian", "13", &["loongarch64"], Version::new(2, 41), &[], RELR, Version::new3(3, 4, 34)),
    distro("Ubuntu", "12.04", &["i386", "x86_64"], Version::new(2, 15), &[], &[], Version::new3(3, 4, 16)),
    distro("Ubuntu", "12.10", &["x86_64"], Version::new(2, 15), &[], &[], Version::new3(3, 4, 17)),
    distro("Ubuntu", "13.04", &["x86_64"], Version::new(2, 17), &[], &[], Version::new3(3, 4, 17)),
    distro("Ubuntu", "13.10", &["x86_64"], Version::new(2, 17), &[], &[], Version::new3(3, 4, 19)),
    distro("Ubuntu", "14.04", &["aarch64", "arm", "i386", "ppc64le", "x86_64"], Version::new(2, 19), &[], &[], Version::new3(3, 4, 19)),
    distro("Ubuntu", "14.10", &["x86_64"], Version::new(2, 19), &[], &[], Version::new3(3, 4, 20)),
    distro("Ubuntu", "15.04", &["i386", "x86_64"], Version::new(2, 21), &[], &[], Version::new3(3, 4, 20)),
    distro("Ubuntu", "15.10", &["i386", "x86_64"], Version::new(2, 21), &[], &[], Version::new3(3, 4, 21)),
    distro("Ubuntu", "16.04", &["aarch64", "arm", "i386", "ppc64le", "s390x", "x86_64"], Version::new(2, 23), &[], &[], Version::new3(3, 4, 21)),
    distro("Ubuntu", "16.10", &["aarch64", "arm", "i386", "ppc64le", "s390x", "x86_64"], Version::new(2, 24), &[], &[], Version::new3(3, 4, 22)),
    distro("Ubuntu", "17.04", &["aarch64", "arm", "i386", "ppc64le", "s390x", "x86_64"], Version::new(2, 24), &[], &[], Version::new3(3, 4, 22)),
    distro("Ubuntu", "17.10", &["aarch64", "arm", "i386", "ppc64le", "s390x", "x86_64"], Version::new(2, 26), &[], &[], Version::new3(3, 4, 24)),
    distro("Ubuntu", "18.04", &["aarch64", "arm", "i386", "ppc64le", "s390x", "x86_64"], Version::new(2, 27), &[], &[], Version::new3(3, 4, 25)),
    distro("Ubuntu", "18.10", &["aarch64", "arm", "i386", "ppc64le", "s390x", "x86_64"], Version::new(2, 28), &[], &[], Version::new3(3, 4, 25)),
    distro("Ubuntu", "19.04", &["aarch64", "arm", "i386", "ppc64le", "s390x", "x86_64"], Version::new(2, 29), &[], &[], Version::new3(3, 4, 26)),
    distro("Ubuntu", "19.10", &["aarch64", "arm", "i386", "ppc64le", "s390x", "x86_64"], Version::new(2, 30), &[], &[], Version::new3(3, 4, 28)),
    distro("Ubuntu", "20.04", &["aarch64", "arm", "ppc64le", "riscv64", "s390x", "x86_64"], Version::new(2, 31), &[], &[], Version::new3(3, 4, 28)),
    distro("Ubuntu", "20.10", &["aarch64", "arm", "ppc64le", "s390x", "x86_64"], Version::new(2, 32), &[], &[], Version::new3(3, 4, 28)),
    distro("Ubuntu", "21.04", &["aarch64", "arm", "ppc64le", "s390x", "x86_64"], Version::new(2, 33), &[], &[], Version::new3(3, 4, 29)),
    distro("Ubuntu", "21.10", &["aarch64", "arm", "ppc64le", "s390x", "x86_64"], Version::new(2, 34), &[], &[], Version::new3(3, 4, 29)),
    distro("Ubuntu", "22.04", &["aarch64", "arm", "ppc64le", "riscv64", "s390x", "x86_64"], Version::new(2, 35), &[], &[], Version::new3(3, 4, 30)),
    distro("Ubuntu", "22.10", &["aarch64", "arm", "ppc64le", "riscv64", "s390x", "x86_64"], Version::new(2, 36), &[], RELR, Version::new3(3, 4, 30)),
    distro("Ubuntu", "23.04", &["riscv64"], Version::new(2, 36), &[], RELR, Version::new3(3, 4, 32)),
    distro("Ubuntu", "23.04", &["aarch64", "arm", "ppc64le", "s390x", "x86_64"], Version::new(2, 37), &[], RELR, Version::new3(3, 4, 32)),
    distro("Ubuntu", "23.10", &["aarch64", "arm", "ppc64le", "s390x", "x86_64"], Version::new(2, 38), &[], RELR, Version::new3(3, 4, 32)),
    distro("Ubuntu", "24.04", &["aarch64", "arm", "ppc64le", "riscv64", "s390x", "x86_64"], Version::new(2, 39), &[], RELR, Version::new3(3, 4, 33)),
    distro("Ubuntu", "24.10", &["aarch64", "arm", "ppc64le", "s390x", "x86_64"], Version::new(2, 40), &[], RELR, Version::new3(3, 4, 33)),
    distro("Ubuntu", "25.04", &["aarch64", "arm", "ppc64le", "riscv64", "s390x", "x86_64"], Version::new(2, 41), &[], RELR, Version::new3(3, 4, 34)),
    distro("Ubuntu", "25.10", &["aarch64", "arm", "ppc64le", "riscv64", "s390x"], Version::new(2, 42), &[], RELR, Version::new3(3, 4, 34)),
    distro("Ubuntu", "25.10", &["x86_64"], Version::new(2, 42), &[], RELR_PLT_TLS2, Version::new3(3, 4, 34)),
    distro("Ubuntu", "26.04", &["aarch64", "arm", "ppc64le", "riscv64", "s390x"], Version::new(2, 43), &[], RELR, Version::new3(3, 4, 35)),
    distro("Ubuntu", "26.04", &["x86_64"], Version::new(2, 43), &[], RELR_PLT_TLS2, Version::new3(3, 4, 35)),
    distro("RHEL", "7", &["ppc64le", "s390x", "x86_64"], Version::new(2, 17), &[], &[], Version::new3(3, 4, 19)),
    distro("RHEL", "8", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 28), &[], &[], Version::new3(3, 4, 25)),
    distro("RHEL", "9", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 34), &[], &[], Version::new3(3, 4, 29)),
    distro("RHEL", "10", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 39), &[], RELR, Version::new3(3, 4, 33)),
    distro("CentOS", "6", &["i386", "x86_64"], Version::new(2, 12), &[], &[], Version::new3(3, 4, 13)),
    distro("CentOS", "7", &["aarch64"], Version::new(2, 17), &[Version::new(2, 18)], &[], Version::new3(3, 4, 19)),
    distro("CentOS", "7", &["i386", "ppc64le", "x86_64"], Version::new(2, 17), &[], &[], Version::new3(3, 4, 19)),
    distro("CentOS", "8", &["aarch64", "ppc64le", "x86_64"], Version::new(2, 28), &[], &[], Version::new3(3, 4, 25)),
    distro("CentOS Stream", "8", &["aarch64", "ppc64le", "x86_64"], Version::new(2, 28), &[], &[], Version::new3(3, 4, 25)),
    distro("CentOS Stream", "9", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 34), &[], &[], Version::new3(3, 4, 29)),
    distro("CentOS Stream", "10", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 39), &[], RELR, Version::new3(3, 4, 33)),
    distro("AlmaLinux", "8", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 28), &[], &[], Version::new3(3, 4, 25)),
    distro("AlmaLinux", "9", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 34), &[], &[], Version::new3(3, 4, 29)),
    distro("AlmaLinux", "10", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 39), &[], RELR, Version::new3(3, 4, 33)),
    distro("Rocky Linux", "8", &["aarch64", "x86_64"], Version::new(2, 28), &[], &[], Version::new3(3, 4, 25)),
    distro("Rocky Linux", "9", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 34), &[], &[], Version::new3(3, 4, 29)),
    distro("Rocky Linux", "10", &["aarch64", "ppc64le", "riscv64", "s390x", "x86_64"], Version::new(2, 39), &[], RELR, Version::new3(3, 4, 33)),
    distro("Oracle Linux", "6", &["x86_64"], Version::new(2, 12), &[], &[], Version::new3(3, 4, 13)),
    distro("Oracle Linux", "7", &["aarch64"], Version::new(2, 17), &[Version::new(2, 18)], &[], Version::new3(3, 4, 19)),
    distro("Oracle Linux", "7", &["x86_64"], Version::new(2, 17), &[], &[], Version::new3(3, 4, 19)),
    distro("Oracle Linux", "8", &["aarch64", "x86_64"], Version::new(2, 28), &[], &[], Version::new3(3, 4, 25)),
    distro("Oracle Linux", "9", &["aarch64", "x86_64"], Version::new(2, 34), &[], &[], Version::new3(3, 4, 29)),
    distro("Oracle Linux", "10", &["aarch64"], Version::new(2, 39), &[], RELR, Version::new3(3, 4, 33)),
    distro("Oracle Linux", "10", &["x86_64"], Version::new(2, 39), &[], RELR_PLT_TLS2, Version::new3(3, 4, 33)),
    distro("Amazon Linux", "1", &["x86_64"], Version::new(2, 17), &[], &[], Version::new3(3, 4, 24)),
    distro("Amazon Linux", "2", &["aarch64", "x86_64"], Version::new(2, 26), &[], &[], Version::new3(3, 4, 24)),
    distro("Amazon Linux", "2023", &["aarch64", "x86_64"], Version::new(2, 34), &[], &[], Version::new3(3, 4, 33)),
    distro("Fedora", "20", &["x86_64"], Version::new(2, 18), &[], &[], Version::new3(3, 4, 19)),
    distro("Fedora", "21", &["x86_64"], Version::new(2, 20), &[], &[], Version::new3(3, 4, 20)),
    distro("Fedora", "22", &["x86_64"], Version::new(2, 21), &[], &[], Version::new3(3, 4, 21)),
    distro("Fedora", "23", &["x86_64"], Version::new(2, 22), &[], &[], Version::new3(3, 4, 21)),
    distro("Fedora", "24", &["x86_64"], Version::new(2, 23), &[], &[], Version::new3(3, 4, 22)),
    distro("Fedora", "25", &["x86_64"], Version::new(2, 24), &[], &[], Version::new3(3, 4, 22)),
    distro("Fedora", "26", &["aarch64", "ppc64le", "x86_64"], Version::new(2, 25), &[], &[], Version::new3(3, 4, 24)),
    distro("Fedora", "27", &["aarch64", "ppc64le", "x86_64"], Version::new(2, 26), &[], &[], Version::new3(3, 4, 24)),
    distro("Fedora", "28", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 27), &[], &[], Version::new3(3, 4, 25)),
    distro("Fedora", "29", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 28), &[], &[], Version::new3(3, 4, 25)),
    distro("Fedora", "30", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 29), &[], &[], Version::new3(3, 4, 27)),
    distro("Fedora", "31", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 30), &[], &[], Version::new3(3, 4, 28)),
    distro("Fedora", "32", &["aarch64", "arm", "ppc64le", "s390x", "x86_64"], Version::new(2, 31), &[], &[], Version::new3(3, 4, 28)),
    distro("Fedora", "33", &["aarch64", "arm", "ppc64le", "s390x", "x86_64"], Version::new(2, 32), &[], &[], Version::new3(3, 4, 28)),
    distro("Fedora", "34", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 33), &[], &[], Version::new3(3, 4, 29)),
    distro("Fedora", "35", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 34), &[], &[], Version::new3(3, 4, 29)),
    distro("Fedora", "36", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 35), &[], &[], Version::new3(3, 4, 30)),
    distro("Fedora", "37", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 36), &[], RELR, Version::new3(3, 4, 30)),
    distro("Fedora", "38", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 37), &[], RELR, Version::new3(3, 4, 32)),
    distro("Fedora", "39", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 38), &[], RELR, Version::new3(3, 4, 32)),
    distro("Fedora", "40", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 39), &[], RELR, Version::new3(3, 4, 33)),
    distro("Fedora", "41", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 40), &[], RELR, Version::new3(3, 4, 33)),
    distro("Fedora", "42", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 41), &[], RELR, Version::new3(3, 4, 34)),
    distro("Fedora", "43", &["aarch64", "ppc64le", "s390x"], Version::new(2, 42), &[], RELR, Version::new3(3, 4, 34)),
    distro("Fedora", "43", &["x86_64"], Version::new(2, 42), &[], RELR_PLT_TLS2, Version::new3(3, 4, 34)),
    distro("Fedora", "44", &["aarch64", "ppc64le", "s390x"], Version::new(2, 43), &[], RELR, Version::new3(3, 4, 35)),
    distro("Fedora", "44", &["x86_64"], Version::new(2, 43), &[], RELR_PLT_TLS2, Version::new3(3, 4, 35)),
    distro("openSUSE", "13.2", &["x86_64"], Version::new(2, 19), &[], &[], Version::new3(3, 4, 19)),
    distro("openSUSE Leap", "42.1", &["x86_64"], Version::new(2, 19), &[], &[], Version::new3(3, 4, 21)),
    distro("openSUSE Leap", "42.2", &["x86_64"], Version::new(2, 22), &[], &[], Version::new3(3, 4, 22)),
    distro("openSUSE Leap", "42.3", &["x86_64"], Version::new(2, 22), &[], &[], Version::new3(3, 4, 25)),
    distro("openSUSE Leap", "15.0", &["aarch64", "ppc64le", "x86_64"], Version::new(2, 26), &[], &[], Version::new3(3, 4, 25)),
    distro("openSUSE Leap", "15.1", &["aarch64", "arm", "ppc64le", "x86_64"], Version::new(2, 26), &[], &[], Version::new3(3, 4, 28)),
    distro("openSUSE Leap", "15.2", &["aarch64", "arm", "ppc64le", "x86_64"], Version::new(2, 26), &[], &[], Version::new3(3, 4, 28)),
    distro("openSUSE Leap", "15.3", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 31), &[], &[], Version::new3(3, 4, 29)),
    distro("openSUSE Leap", "15.3", &["arm"], Version::new(2, 31), &[], &[], Version::new3(3, 4, 28)),
    distro("openSUSE Leap", "15.4", &["aarch64", "ppc64le", "x86_64"], Version::new(2, 31), &[], &[], Version::new3(3, 4, 32)),
    distro("openSUSE Leap", "15.4", &["arm"], Version::new(2, 31), &[], &[], Version::new3(3, 4, 29)),
    distro("openSUSE Leap", "15.4", &["s390x"], Version::new(2, 31), &[], &[], Version::new3(3, 4, 30)),
    distro("openSUSE Leap", "15.5", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 31), &[], &[], Version::new3(3, 4, 32)),
    distro("openSUSE Leap", "15.5", &["arm"], Version::new(2, 31), &[], &[], Version::new3(3, 4, 29)),
    distro("openSUSE Leap", "15.6", &["aarch64", "x86_64"], Version::new(2, 38), &[], RELR, Version::new3(3, 4, 33)),
    distro("openSUSE Leap", "16.0", &["aarch64", "ppc64le", "x86_64"], Version::new(2, 40), &[], RELR, Version::new3(3, 4, 34)),
    distro("openSUSE Tumbleweed", "", &["aarch64", "arm", "s390x"], Version::new(2, 43), &[], RELR, Version::new3(3, 4, 36)),
    distro("openSUSE Tumbleweed", "", &["i386"], Version::new(2, 43), &[], RELR_TLS2_TLS, Version::new3(3, 4, 36)),
    distro("openSUSE Tumbleweed", "", &["ppc64le", "riscv64"], Version::new(2, 43), &[], RELR, Version::new3(3, 4, 35)),
    distro("openSUSE Tumbleweed", "", &["x86_64"], Version::new(2, 43), &[], RELR_PLT_TLS2, Version::new3(3, 4, 36)),
    // Inferred: the source package is the openSUSE Leap release's of the same glibc.
    distro("SLES", "12 SP5", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 22), &[], &[], Version::new3(3, 4, 25)),
    distro("SLES", "15 SP2", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 26), &[], &[], Version::new3(3, 4, 25)),
    distro("SLES", "15 SP5", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 31), &[], &[], Version::new3(3, 4, 29)),
    distro("SLES", "15 SP7", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 38), &[], RELR, Version::new3(3, 4, 33)),
    distro("SLES", "16.0", &["aarch64", "ppc64le", "s390x", "x86_64"], Version::new(2, 40), &[], RELR, Version::new3(3, 4, 34)),
    distro("Arch Linux", "", &["x86_64"], Version::new(2, 44), &[], RELR_PLT_TLS2, Version::new3(3, 4, 36)),
    distro("ALT Linux", "p8", &["i386", "x86_64"], Version::new(2, 23), &[], &[], Version::new3(3, 4, 21)),
    distro("ALT Linux", "p9", &["aarch64", "i386", "ppc64le", "x86_64"], Version::new(2, 27), &[], &[], Version::new3(3, 4, 25)),
    distro("ALT Linux", "p10", &["aarch64", "i386", "ppc64le", "x86_64"], Version::new(2, 32), &[], &[], Version::new3(3, 4, 28)),
    distro("ALT Linux", "p11", &["aarch64", "i386", "x86_64"], Version::new(2, 38), &[], RELR, Version::new3(3, 4, 32)),
    distro("Anolis OS", "8", &["aarch64", "x86_64"], Version::new(2, 28), &[], &[], Version::new3(3, 4, 25)),
    distro("Anolis OS", "23", &["aarch64", "loongarch64", "x86_64"], Version::new(2, 38), &[], RELR, Version::new3(3, 4, 30)),
    distro("Mageia", "5", &["x86_64"], Version::new(2, 20), &[], &[], Version::new3(3, 4, 20)),
    distro("Mageia", "6", &["x86_64"], Version::new(2, 22), &[], &[], Version::new3(3, 4, 21)),
    distro("Mageia", "7", &["aarch64", "x86_64"], Version::new(2, 29), &[], &[], Version::new3(3, 4, 25)),
    distro("Mageia", "8", &["aarch64", "x86_64"], Version::new(2, 32), &[], &[], Version::new3(3, 4, 28)),
    distro("Mageia", "9", &["aarch64", "x86_64"], Version::new(2, 36), &[], RELR, Version::new3(3, 4, 30)),
    distro("Mageia", "10", &["aarch64"], Version::new(2, 42), &[], RELR, Version::new3(3, 4, 34)),
    distro("Mageia", "10", &["x86_64"], Version::new(2, 42), &[], RELR_PLT_TLS2, Version::new3(3, 4, 34)),
    distro("OpenCloudOS", "8", &["aarch64", "x86_64"], Version::new(2, 28), &[], &[], Version::new3(3, 4, 25)),
    distro("OpenCloudOS", "9", &["aarch64", "x86_64"], Version::new(2, 38), &[], RELR, Version::new3(3, 4, 30)),
    distro("openEuler", "24.03", &["aarch64", "loongarch64", "x86_64"], Version::new(2, 38), &[], RELR, Version::new3(3, 4, 30)),
    distro("Photon OS", "1.0", &["x86_64"], Version::new(2, 22), &[], &[], Version::new3(3, 4, 21)),
    distro("Photon OS", "2.0", &["x86_64"], Version::new(2, 26), &[], &[], Version::new3(3, 4, 22)),
    distro("Photon OS", "3.0", &["aarch64", "x86_64"], Version::new(2, 28), &[], &[], Version::new3(3, 4, 24)),
    distro("Photon OS", "4.0", &["aarch64", "x86_64"], Version::new(2, 32), &[], &[], Version::new3(3, 4, 28)),
    distro("Photon OS", "5.0", &["aarch64", "x86_64"], Version::new(2, 36), &[], RELR, Version::new3(3, 4, 30)),
    distro("Slackware", "14.0", &["x86_64"], Version::new(2, 15), &[], &[], Version::new3(3, 4, 17)),
    distro("Slackware", "14.1", &["x86_64"], Version::new(2, 17), &[], &[], Version::new3(3, 4, 19)),
    distro("Slackware", "14.2", &["x86_64"], Version::new(2, 23), &[], &[], Version::new3(3, 4, 21)),
    distro("Slackware", "15.0", &["x86_64"], Version::new(2, 33), &[], &[], Version::new3(3, 4, 29)),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// `reach` relies on it: the first that runs is the oldest, the last that does not the newest.
    #[test]
    fn each_family_stands_together_by_glibc() {
        for pair in DISTROS.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            if a.family == b.family {
                assert!(a.glibc <= b.glibc, "{} before {}", a.name(), b.name());
            } else {
                let again = DISTROS.iter().skip_while(|d| d.family != b.family);
                let again = again.skip_while(|d| d.family == b.family);
                assert!(again.clone().all(|d| d.family != b.family), "{} is scattered", b.family);
            }
        }
    }

    #[test]
    fn major_families_are_in_the_table() {
        for family in MAJOR {
            assert!(DISTROS.iter().any(|distro| distro.family == family), "{family}");
        }
    }
}
