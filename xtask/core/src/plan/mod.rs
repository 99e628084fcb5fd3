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
pub use config::{Archive, Builder, Config, Kind, LinkPolicy, Package, Release, Smoke, Target};
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
            Self::Manifest => "manifest",
            Self::Checksums => "checksums",
        }
    }
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
    /// The package it holds; `None` for assets of the whole release.
    pub package: Option<String>,
    /// The platform it is for; `None` for assets of the whole release.
    pub platform: Option<String>,
}

impl Asset {
    /// `target` for what one target's job makes, `release` for what is made once.
    pub fn scope(&self) -> &'static str {
        if self.platform.is_some() { "target" } else { "release" }
    }

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
                        package: Some(package.name.clone()),
                        platform: Some(target.platform.clone()),
                    });
                };
                let name = package.asset_name(target, &version);
                let digest = package.sha256.then(|| digest_name(&name));
                add(name, package.archive.map_or(AssetKind::Binary, |_| AssetKind::Archive));
                if let Some(digest) = digest {
                    add(digest, AssetKind::Digest);
                }
            }
        }
        let release =
            |name: &String, kind| Asset { name: name.clone(), kind, package: None, platform: None };
        assets.push(release(&config.release.manifest, AssetKind::Manifest));
        assets.push(release(&config.release.checksums, AssetKind::Checksums));
        Self { config, version, tag, assets }
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
            "assets": self.assets.iter().map(|asset| json!({
                "name": asset.name,
                "kind": asset.kind.name(),
                "scope": asset.scope(),
                "package": asset.package,
                "platform": asset.platform,
            })).collect::<Vec<_>>(),
        })
    }

    /// The CI matrix: one entry for each target that something is built for.
    pub fn matrix(&self) -> Value {
        let targets = self.config.targets.iter().filter(|target| {
            self.assets.iter().any(|asset| asset.platform.as_deref() == Some(&target.platform))
        });
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
    })
}

fn package_json(package: &Package) -> Value {
    json!({
        "name": package.name,
        "kind": package.kind.name(),
        "path": package.path,
        "binary": package.binary,
        "profile": match package.kind { Kind::Rust => Some(package.profile.to_owned()), Kind::Go => None },
        "targets": package.targets,
        "pins": package.pins,
        "archive": package.archive.map(Archive::extension),
    })
}
