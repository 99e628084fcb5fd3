//! `xtask.toml` as it is valid: no unknown target, no two equal asset names.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::triple::{Libc, Os, Triple};
use crate::formats::Version;

/// The whole of `xtask.toml`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `[release]`.
    pub release: Release,
    /// `[[target]]`, in the file's order.
    pub targets: Vec<Target>,
    /// `[[package]]`, in the file's order.
    pub packages: Vec<Package>,
    /// `[[image]]`, in the file's order.
    pub images: Vec<Image>,
}

/// `[release]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// `owner/name`.
    pub repository: String,
    /// Holds `{version}` once.
    pub tag: String,
    /// Name of the checksum file.
    pub checksums: String,
    /// Name of the manifest.
    pub manifest: String,
    /// Name of the provenance statement.
    pub provenance: String,
}

/// How a target is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder {
    /// Plain cargo.
    Native,
    /// cargo-zigbuild.
    Zig,
    /// Cargo in a container.
    Container,
}

impl Builder {
    /// As written in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Zig => "zig",
            Self::Container => "container",
        }
    }
}

/// `[[target]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Name used in asset names.
    pub platform: String,
    /// The triple and what follows from it.
    pub triple: &'static Triple,
    /// How it is built.
    pub builder: Builder,
    /// Label of the CI runner.
    pub runner: String,
    /// The glibc release that assets must still run on. `Some` for every `-linux-gnu` target.
    pub glibc_floor: Option<Version>,
    /// Deployment target of macOS. `Some` for every `-apple-darwin` target.
    pub macos_min: Option<Version>,
    /// Image to build in. `Some` exactly for [`Builder::Container`].
    pub image: Option<String>,
    /// Images the assets must run in.
    pub userlands: Vec<String>,
    /// Whether a smoke test that ran emulated is enough to release.
    pub emulated: bool,
}

/// Where a package's programs come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Built by cargo.
    Rust,
    /// Built by go.
    Go,
    /// Built by another tool, and taken from a folder.
    Prebuilt,
}

impl Kind {
    /// As written in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Go => "go",
            Self::Prebuilt => "prebuilt",
        }
    }
}

/// How an asset is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    /// gzip-compressed tar.
    TarGz,
    /// xz-compressed tar.
    TarXz,
    /// Deflated zip.
    Zip,
}

impl Archive {
    /// As written in the file, and the extension of the asset's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::TarGz => "tar.gz",
            Self::TarXz => "tar.xz",
            Self::Zip => "zip",
        }
    }

    pub(super) fn find(name: &str) -> Option<Self> {
        [Self::TarGz, Self::TarXz, Self::Zip].into_iter().find(|a| a.extension() == name)
    }
}

/// `[[package]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Name of the package.
    pub name: String,
    /// Where its programs come from.
    pub kind: Kind,
    /// Its folder, relative to the file; for [`Kind::Prebuilt`], a template of its program's path.
    pub path: String,
    /// Who built it. `Some` exactly for [`Kind::Prebuilt`].
    pub origin: Option<String>,
    /// Name of the program, or of the first of several, without `.exe`.
    pub binary: String,
    /// Names of the others.
    pub other_binaries: Vec<String>,
    /// Cargo profile.
    pub profile: String,
    /// Cargo features.
    pub features: Vec<String>,
    /// Whether the default ones are left out.
    pub no_default_features: bool,
    /// Whether it is linked statically with musl.
    pub crt_static: bool,
    /// Tags of build constraints, for Go.
    pub build_tags: Vec<String>,
    /// Templates of flags for Go's linker.
    pub ldflags: Vec<String>,
    /// Packages whose digest goes into this one.
    pub pins: Vec<String>,
    /// How it is packed; `None`: not at all. For one target: [`Package::archive_for`].
    pub archive: Option<Archive>,
    /// The same for Windows.
    pub archive_windows: Option<Archive>,
    /// Files packed beside the program, relative to the file.
    pub include: Vec<String>,
    /// Whether each asset gets a `.sha256` file.
    pub sha256: bool,
    /// Template of the asset's name.
    pub asset: String,
    /// Platforms it is released for, in the order of the targets.
    pub targets: Vec<String>,
    /// Variable that overrides the version at build time.
    pub version_env: Option<String>,
    /// How to see that it works.
    pub smoke: Smoke,
    /// What its binaries may be.
    pub policy: LinkPolicy,
    /// Debian packages needed, by platform.
    pub system_packages: BTreeMap<String, Vec<String>>,
}

/// `[[image]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name here.
    pub name: String,
    /// The package whose program it holds.
    pub package: String,
    /// Registry and path.
    pub repository: String,
    /// `name:tag@sha256:digest`.
    pub base: String,
    /// Platforms it is made for.
    pub targets: Vec<String>,
    /// Number of the user, or `user:group`; never root's.
    pub user: String,
    /// Arguments that the program is started with.
    pub args: Vec<String>,
    /// Ports it listens on, as `3001/tcp`.
    pub ports: Vec<String>,
    /// One line for people.
    pub description: String,
    /// SPDX expression.
    pub licenses: String,
    /// Templates of its tags; the first holds `{version}`.
    pub tags: Vec<String>,
    /// Arguments with which the program says whether the server beside it is well; empty: none serves.
    pub probe: Vec<String>,
}

/// `[package.smoke]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Smoke {
    /// Template of what it prints about its version.
    pub version: String,
    /// Whether it may print more behind that.
    pub says_more: bool,
    /// Arguments with which it prints its version.
    pub version_args: Vec<String>,
    /// Whether it is asked for help.
    pub help: bool,
    /// Arguments that ask for help.
    pub help_args: Vec<String>,
    /// Whether it is given libraries to load.
    pub dlopen: bool,
    /// Arguments before a library, for a program that has those it pins load it; empty: not tried.
    pub calls: Vec<String>,
}

/// `[package.policy]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkPolicy {
    /// Whether interpreter and NEEDED must be absent.
    pub is_static: bool,
    /// Shared libraries allowed, by [`Libc::name`].
    pub needed: BTreeMap<String, Vec<String>>,
    /// Names of libcs without PT_INTERP.
    pub self_launching: Vec<String>,
}

impl Package {
    /// Placeholders of [`Kind::Prebuilt`]'s `path`.
    pub(super) const PATH_PLACEHOLDERS: &[&str] =
        &["package", "platform", "version", "goos", "goarch"];

    /// Where the program of a prebuilt package lies for a target, relative to the file.
    pub fn prebuilt_path(&self, target: &Target, version: &str) -> String {
        self.path
            .replace("{package}", &self.name)
            .replace("{platform}", &target.platform)
            .replace("{version}", version)
            .replace("{goos}", target.triple.goos())
            .replace("{goarch}", target.triple.goarch)
    }

    /// The asset with what its programs are made of.
    pub fn sbom_name(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!("{}.cdx.json", self.name) }
    }

    /// The package's asset for a target: an archive, or the program itself with its `.exe`.
    pub fn asset_name(&self, target: &Target, version: &str) -> String {
        let name = self.asset_stem(target, version);
        match self.archive_for(target) {
            Some(archive) => format!("{name}.{}", archive.extension()),
            None => name + target.triple.exe_suffix(),
        }
    }

    /// How it is packed for a target; `None`: not at all.
    pub fn archive_for(&self, target: &Target) -> Option<Archive> {
        if target.triple.os == Os::Windows { self.archive_windows } else { self.archive }
    }

    /// The asset's name without its extension: the top folder of an archive.
    pub fn asset_stem(&self, target: &Target, version: &str) -> String {
        self.asset
            .replace("{package}", &self.name)
            .replace("{platform}", &target.platform)
            .replace("{triple}", target.triple.name)
            .replace("{version}", version)
    }

    /// Whether its program for the target has no loader and needs no library. Go's without cgo have
    /// none on Linux, and use the system's libraries elsewhere.
    pub fn is_static(&self, target: &Target) -> bool {
        match self.kind {
            Kind::Go => target.triple.os == Os::Linux,
            Kind::Rust => {
                self.policy.is_static || (self.crt_static && target.triple.libc == Libc::Musl)
            }
            Kind::Prebuilt => self.policy.is_static && target.triple.os == Os::Linux,
        }
    }

    /// Names of its programs, without `.exe`, the main one first.
    pub fn binaries(&self) -> impl Iterator<Item = &str> {
        core::iter::once(&self.binary).chain(&self.other_binaries).map(String::as_str)
    }

    /// How to call one of its programs in the asset `name`.
    pub fn called(&self, binary: &str, name: &str) -> String {
        if binary == self.binary { name.into() } else { format!("{name}!{binary}") }
    }

    /// Judges what the program `binary` printed when it was asked for its version, on a line of its own.
    ///
    /// # Errors
    /// What it should have printed.
    pub fn judge_version(&self, binary: &str, said: &str, version: &str) -> Result<String, String> {
        let wanted = self.smoke.version.replace("{package}", &self.name);
        let wanted = wanted.replace("{binary}", binary).replace("{version}", version);
        let said = said.strip_suffix("\r\n").or_else(|| said.strip_suffix('\n')).unwrap_or(said);
        let goes_on = |c: char| c.is_alphanumeric() || "._+-".contains(c);
        match said.strip_prefix(&*wanted) {
            Some("") => Ok(format!("prints `{wanted}`")),
            Some(more) if self.smoke.says_more && !more.starts_with(goes_on) => {
                Ok(format!("prints `{wanted}` and more"))
            }
            more => {
                let args = self.smoke.version_args.join(" ");
                let cure = match more {
                    Some(more) if !more.starts_with(goes_on) => {
                        "; `version-match = \"start\"` in [package.smoke] lets it say more"
                    }
                    _ => "",
                };
                Err(format!("`{args}` prints {said:?}, not {wanted:?}{cure}"))
            }
        }
    }
}

impl Config {
    /// Takes the other targets out of the plan, and the packages that are left without one.
    pub fn keep_targets(&mut self, platforms: &[String]) {
        self.targets.retain(|target| platforms.contains(&target.platform));
        for package in &mut self.packages {
            package.targets.retain(|platform| platforms.contains(platform));
        }
        self.packages.retain(|package| !package.targets.is_empty());
        for image in &mut self.images {
            image.targets.retain(|platform| platforms.contains(platform));
        }
        self.images.retain(|image| !image.targets.is_empty());
    }

    /// A target by platform name or triple.
    pub fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.platform == name || target.triple.name == name)
    }
}
