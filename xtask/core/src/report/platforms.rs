//! For the users of the assets: what each one runs on, from the plan.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Table;
use crate::audit::distros;
use crate::plan::{Config, Libc, Os, Package, Target};

const MUSL: &str = "\
## musl

The musl assets are for Alpine Linux and other systems whose C library is musl. Where they differ from
glibc's:

- **Libraries must be musl's.** A program loads libraries of its own C library only; a library made for
  glibc is refused, or fails at its first missing symbol.
- **Names are resolved otherwise.** musl asks all servers of `resolv.conf` at once and takes the first
  answer, knows no `nsswitch.conf`, and reads `search` and `ndots` its own way.
- **Threads have small stacks**: 128 KiB unless a program asks for more, against glibc's 8 MiB.
- A *static* program runs on every Linux of its architecture, and can load no library at all.

";

const MACOS: &str = "\
## macOS

The programs are signed ad hoc: macOS can tell that they were not changed, and not who made them. What a
browser fetched is therefore stopped at its first start (\"cannot be opened because the developer cannot
be verified\"). After checking the checksum, let it through with

    xattr -d com.apple.quarantine FILE

or in System Settings, under Privacy & Security, with \"Open Anyway\". `curl` and package managers set no
such mark.

";

/// The page `docs/platforms.md`.
pub fn platforms(config: &Config) -> String {
    let mut table = Table::new(&["Asset", "System", "Runs on"]);
    let mut any = Vec::new();
    for target in &config.targets {
        for package in config.packages.iter().filter(|p| p.targets.contains(&target.platform)) {
            let name = package.asset_name(target, "VERSION");
            table.row([format!("`{name}`"), system(target), runs_on(package, target)]);
            any.push((target.triple.os, target.triple.libc));
        }
    }
    let mut page = format!(
        "# What each asset runs on\n\n*Made from xtask.toml by `cargo xtask docs`.*\n\n{}\n",
        table.markdown()
    );
    page += "## Checking what was fetched\n\nEvery release has a file of checksums. Beside the assets:\n\n";
    page += &format!("    sha256sum --ignore-missing -c {}\n\n", config.release.checksums);
    page += "On macOS: `shasum -a 256 --ignore-missing -c` with the same file.\n\n";
    if any.iter().any(|(_, libc)| *libc == Libc::Gnu) {
        page += "## glibc\n\nThe glibc named above is the oldest that a program runs on; every newer one does \
                 too. `ldd --version` tells a system's own. It is kept by a check of every symbol before each \
                 release, not by the age of the machine that built it.\n\n";
    }
    if any.iter().any(|(_, libc)| *libc == Libc::Musl) {
        page += MUSL;
    }
    if any.iter().any(|(os, _)| *os == Os::Darwin) {
        page += MACOS;
    }
    page.trim_end().to_string() + "\n"
}

fn system(target: &Target) -> String {
    let os = match target.triple.os {
        Os::Linux => "Linux",
        Os::Darwin => "macOS",
        Os::Windows => "Windows",
    };
    format!("{os}, {}", target.triple.arch)
}

fn runs_on(package: &Package, target: &Target) -> String {
    if package.is_static(target) {
        return "any Linux (static)".to_string();
    }
    match (target.triple.libc, target.glibc_floor, target.macos_min) {
        (Libc::Gnu, Some(floor), _) => {
            format!("glibc {floor} or newer: {}", distros::with_glibc(target.triple.arch, floor))
        }
        (Libc::Musl, ..) => "musl, such as Alpine Linux".to_string(),
        (Libc::System, _, Some(min)) => format!("macOS {min} or newer"),
        _ => "Windows 10 or newer".to_string(),
    }
}
