//! WHAT is released: `xtask.toml` → [`Config`] → with [`Facts`] → [`Plan`].

mod checks;
mod config;
mod invocation;
mod policy;
mod reader;
mod schema;
mod triple;

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Value, json};

pub use checks::check_floor;
pub use config::{
    Archive, Builder, Config, Image, Kind, LinkPolicy, Package, Release, Smoke, Target,
};
pub use invocation::{Invocation, quote};
pub use policy::policy;
pub use reader::Problem;
pub use schema::reference;
pub use triple::{Libc, NEWEST_GLIBC, Os, TRIPLES, Triple};

/// What was found outside the file: everything else that a plan depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The release's version, without a `v`.
    pub version: String,
}

/// What kind of thing an asset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetKind {
    /// A program.
    Binary,
    /// An archive with a program.
    Archive,
    /// The checksum of one other asset.
    Digest,
    /// What the programs of a package are made of.
    Sbom,
    /// How the programs were made.
    Provenance,
    /// The manifest of the release.
    Manifest,
    /// The checksum file.
    Checksums,
}

impl AssetKind {
    /// As written in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Archive => "archive",
            Self::Digest => "digest",
            Self::Sbom => "sbom",
            Self::Provenance => "provenance",
            Self::Manifest => "manifest",
            Self::Checksums => "checksums",
        }
    }
}

/// Who makes an asset, and how long it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Made by the job of one target.
    Target,
    /// Made once, by `finalize`.
    Release,
    /// Travels in the draft, and is gone before it is published.
    Transient,
}

impl Scope {
    /// As written in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Release => "release",
            Self::Transient => "transient",
        }
    }
}

/// Name of the manifest of one platform while it travels in the draft.
pub fn traveller_name(platform: &str) -> String {
    alloc::format!("manifest-{platform}.json")
}

/// Name of an asset's own checksum file.
pub fn digest_name(asset: &str) -> String {
    alloc::format!("{asset}.sha256")
}

/// One file of the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its file name.
    pub name: String,
    /// What it is.
    pub kind: AssetKind,
    /// Who makes it.
    pub scope: Scope,
    /// The package it holds or describes; `None` for assets of the whole release.
    pub package: Option<String>,
    /// The platform it is for; `None` for assets of the whole release.
    pub platform: Option<String>,
}

impl Asset {
    /// Whether it is a program or holds one, and so is judged, tried and recorded in the manifest.
    pub fn is_program(&self) -> bool {
        matches!(self.kind, AssetKind::Binary | AssetKind::Archive)
    }
}

/// The release, decided before anything is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The checked file.
    pub config: Config,
    /// Without a `v`.
    pub version: String,
    /// The tag.
    pub tag: String,
    /// Every file of the release, by target, then the release's own.
    pub assets: Vec<Asset>,
    /// What travels in the draft beside them and is removed before it is published.
    pub transient: Vec<Asset>,
}

impl Plan {
    /// Decides the release.
    pub fn new(config: Config, facts: &Facts) -> Self {
        let version = facts.version.clone();
        let tag = config.release.tag.replace("{version}", &version);
        let mut assets = Vec::new();
        for target in &config.targets {
            for package in config.packages.iter().filter(|p| p.targets.contains(&target.platform)) {
                let mut add = |name, kind| {
                    assets.push(Asset {
                        name,
                        kind,
                        scope: Scope::Target,
                        package: Some(package.name.clone()),
                        platform: Some(target.platform.clone()),
                    });
                };
                let name = package.asset_name(target, &version);
                let digest = package.sha256.then(|| digest_name(&name));
                let archive = package.archive_for(target);
                add(name, archive.map_or(AssetKind::Binary, |_| AssetKind::Archive));
                if let Some(digest) = digest {
                    add(digest, AssetKind::Digest);
                }
            }
        }
        let release = |name: &str, kind, package| Asset {
            name: name.to_owned(),
            kind,
            scope: Scope::Release,
            package,
            platform: None,
        };
        // In the order of their making: each vouches for what stands before it.
        for package in &config.packages {
            let of = Some(package.name.clone());
            assets.push(release(&package.sbom_name(), AssetKind::Sbom, of));
        }
        assets.push(release(&config.release.provenance, AssetKind::Provenance, None));
        assets.push(release(&config.release.manifest, AssetKind::Manifest, None));
        assets.push(release(&config.release.checksums, AssetKind::Checksums, None));
        let built = config.targets.iter().map(|target| &target.platform);
        let built =
            built.filter(|platform| assets.iter().any(|a| a.platform.as_ref() == Some(platform)));
        let transient = built.map(|platform| Asset {
            name: traveller_name(platform),
            kind: AssetKind::Manifest,
            scope: Scope::Transient,
            package: None,
            platform: Some(platform.clone()),
        });
        let transient = transient.collect();
        Self { config, version, tag, assets, transient }
    }

    /// Names of the programs that a package pins for a target.
    pub fn pinned(&self, package: &Package, target: &Target) -> Vec<String> {
        let pinned = self.config.packages.iter().filter(|other| package.pins.contains(&other.name));
        pinned.map(|other| other.asset_name(target, &self.version)).collect()
    }

    /// The plan as data; `schema` counts incompatible changes.
    pub fn to_json(&self) -> Value {
        let release = &self.config.release;
        json!({
            "schema": 1,
            "repository": release.repository,
            "version": self.version,
            "tag": self.tag,
            "targets": self.config.targets.iter().map(target_json).collect::<Vec<_>>(),
            "packages": self.config.packages.iter().map(package_json).collect::<Vec<_>>(),
            "images": self.config.images.iter().map(image_json).collect::<Vec<_>>(),
            "assets": self.assets.iter().map(asset_json).collect::<Vec<_>>(),
            "transient": self.transient.iter().map(asset_json).collect::<Vec<_>>(),
        })
    }

    /// The CI matrix: one entry for each target that something is built for.
    pub fn matrix(&self) -> Value {
        self.matrix_of(|platform| {
            self.assets.iter().any(|asset| asset.platform.as_deref() == Some(platform))
        })
    }

    /// The same for the targets that images are made for.
    pub fn image_matrix(&self) -> Value {
        let images = &self.config.images;
        self.matrix_of(|platform| {
            images.iter().flat_map(|image| &image.targets).any(|name| name == platform)
        })
    }

    fn matrix_of(&self, wanted: impl Fn(&str) -> bool) -> Value {
        let targets = self.config.targets.iter().filter(|target| wanted(&target.platform));
        let include = targets.map(|target| {
            json!({
                "platform": target.platform,
                "triple": target.triple.name,
                "runner": target.runner,
                "builder": target.builder.name(),
            })
        });
        json!({ "include": include.collect::<Vec<_>>() })
    }
}

fn asset_json(asset: &Asset) -> Value {
    json!({
        "name": asset.name,
        "kind": asset.kind.name(),
        "scope": asset.scope.name(),
        "package": asset.package,
        "platform": asset.platform,
    })
}

fn image_json(image: &Image) -> Value {
    json!({
        "name": image.name,
        "package": image.package,
        "repository": image.repository,
        "base": image.base,
        "targets": image.targets,
        "tags": image.tags,
    })
}

fn target_json(target: &Target) -> Value {
    json!({
        "platform": target.platform,
        "triple": target.triple.name,
        "builder": target.builder.name(),
        "runner": target.runner,
        "libc": target.triple.libc.name(),
        "glibc_floor": target.glibc_floor.map(|floor| alloc::format!("{floor}")),
        "macos_min": target.macos_min.map(|min| alloc::format!("{min}")),
        "image": target.image,
        "userlands": target.userlands,
        "emulated": target.emulated,
    })
}

fn package_json(package: &Package) -> Value {
    json!({
        "name": package.name,
        "kind": package.kind.name(),
        "path": package.path,
        "binary": package.binary,
        "binaries": package.binaries().collect::<Vec<_>>(),
        "origin": package.origin,
        "profile": (package.kind == Kind::Rust).then(|| package.profile.to_owned()),
        "features": package.features,
        "default_features": (package.kind == Kind::Rust).then_some(!package.no_default_features),
        "build_tags": package.build_tags,
        "targets": package.targets,
        "pins": package.pins,
        "archive": package.archive.map(Archive::extension),
        "archive_windows": package.archive_windows.map(Archive::extension),
    })
}
