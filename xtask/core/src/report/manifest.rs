//! `manifest.json`: what was built, from what, by what, and how it was judged.
//!
//! The schema is `schemas/manifest.schema.json`; a field that changes its meaning or goes away raises
//! [`SCHEMA`].

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Value, json};

use crate::audit::Finding;
use crate::formats::Version;
use crate::plan::{Asset, Scope};

/// Version of the manifest's schema.
pub const SCHEMA: u32 = 1;

/// The whole of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Version of the release, without a `v`.
    pub version: String,
    /// The tag it belongs to.
    pub tag: String,
    /// `owner/name`.
    pub repository: String,
    /// Full hash of the commit; `None` outside a repository.
    pub commit: Option<String>,
    /// Whether files differed from the commit.
    pub dirty: bool,
    /// One per program.
    pub assets: Vec<Record>,
}

/// A file of the release that holds no program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File<'a> {
    /// What the plan says of it.
    pub asset: &'a Asset,
    /// In bytes.
    pub size: u64,
    /// 64 lowercase hexadecimal digits.
    pub sha256: String,
}

impl File<'_> {
    /// As it stands in `files` of the release's manifest.
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.asset.name,
            "kind": self.asset.kind.name(),
            "scope": self.asset.scope.name(),
            "package": self.asset.package,
            "platform": self.asset.platform,
            "size": self.size,
            "sha256": self.sha256,
        })
    }
}

/// One asset of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// File name.
    pub name: String,
    /// Name of the package.
    pub package: String,
    /// Name of the platform.
    pub platform: String,
    /// Target triple.
    pub triple: String,
    /// In bytes.
    pub size: u64,
    /// 64 lowercase hexadecimal digits.
    pub sha256: String,
    /// First line of `rustc -vV`, or of `go version`; of what was prebuilt, what it says itself.
    pub toolchain: String,
    /// `native`, `zig`, `container`, `go` or `prebuilt`.
    pub builder: String,
    /// Exact tools of the builder, such as `ziglang 0.17.0`.
    pub tools: Vec<String>,
    /// The image it was built in; `None` outside containers.
    pub image: Option<BuiltIn>,
    /// Where it was built.
    pub built_on: Place,
    /// By whom and with what, for the provenance.
    pub origin: Origin,
    /// `None` for what is not for glibc.
    pub glibc: Option<Glibc>,
    /// The oldest distributions it runs on.
    pub runs_on: Vec<String>,
    /// What the audit found.
    pub findings: Vec<Finding>,
    /// What was measured of the program, for comparisons with later releases.
    pub audit: Value,
    /// The same of the package's other programs.
    pub other_audits: Vec<Value>,
    /// What was tried.
    pub smoke: Vec<SmokeRow>,
}

/// The image that something was built in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltIn {
    /// As it was named, such as `rust:1.95.0-alpine3.23@sha256:…`.
    pub reference: String,
    /// Digest of the image's configuration.
    pub id: String,
    /// Whether it is the plan's. What was built in another is not to be released.
    pub planned: bool,
}

/// Who built something, and with what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Address of the workflow that ran; `None` at a desk.
    pub builder: Option<String>,
    /// Address of its run; `None` at a desk.
    pub invocation: Option<String>,
    /// Toolchain and tools.
    pub materials: Vec<Material>,
    /// Set for what another tool built.
    pub prebuilt: Option<Prebuilt>,
}

/// Something that took part in a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Material {
    /// As it calls itself.
    pub name: String,
    /// A package URL.
    pub uri: String,
    /// Of what was downloaded; `None` for what was already there.
    pub sha256: Option<String>,
}

/// What is known of a program that another tool built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prebuilt {
    /// The plan's `origin`.
    pub by: String,
    /// Where it lay, relative to `xtask.toml`.
    pub path: String,
    /// Of the file as it lay there.
    pub sha256: String,
    /// The commit that it says it was built from (Go programs do).
    pub commit: Option<String>,
}

/// A machine, as far as a release cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Operating system and libc, such as `Debian GNU/Linux 12 (bookworm), glibc 2.36, x86_64`.
    pub system: String,
    /// A name that tells this machine from others.
    pub machine: String,
}

/// The glibc numbers of one program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glibc {
    /// The plan's floor.
    pub promised: Option<Version>,
    /// Highest node listed.
    pub max: Option<Version>,
    /// What a loader demands.
    pub floor: Option<Version>,
    /// Highest node with a strong reference.
    pub strong: Option<Version>,
}

/// How one smoke check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It ran and held.
    Passed,
    /// It ran and did not hold.
    Failed,
    /// It could not run here.
    NotRun,
}

impl Outcome {
    /// As written in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotRun => "not-run",
        }
    }
}

/// One smoke check of one asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmokeRow {
    /// Name of the check, such as `version` or `dlopen`.
    pub check: String,
    /// How it ended.
    pub outcome: Outcome,
    /// `native`, `emulated`, `wine`, …; `None` when it was not run.
    pub how: Option<String>,
    /// Where it ran.
    pub place: Place,
    /// What was seen, or why it was not run.
    pub detail: String,
}

impl Record {
    /// Names of the checks that were not run.
    pub fn not_run(&self) -> Vec<String> {
        let rows = self.smoke.iter().filter(|row| row.outcome == Outcome::NotRun);
        rows.map(|row| alloc::format!("smoke:{}", row.check)).collect()
    }
}

impl Manifest {
    /// The text of `manifest.json`.
    pub fn to_json(&self) -> Value {
        json!({
            "schema": SCHEMA,
            "repository": self.repository,
            "version": self.version,
            "tag": self.tag,
            "commit": self.commit,
            "dirty": self.dirty,
            "assets": self.assets.iter().map(|record| self.record(record)).collect::<Vec<_>>(),
            // `finalize` lists the release's own, and what is in registries.
            "files": [],
            "images": [],
        })
    }

    fn record(&self, record: &Record) -> Value {
        let text = |version: Option<Version>| version.map(|version| version.to_string());
        let mut entry = json!({
            "name": record.name,
            "package": record.package,
            "platform": record.platform,
            "scope": Scope::Target.name(),
            "triple": record.triple,
            "version": self.version,
            "commit": self.commit,
            "dirty": self.dirty,
            "size": record.size,
            "sha256": record.sha256,
            "toolchain": record.toolchain,
            "builder": { "kind": record.builder, "tools": record.tools, "image": record.image.as_ref().map(image) },
            "built_on": place(&record.built_on),
            "origin": origin(&record.origin),
            "glibc": record.glibc.as_ref().map(|glibc| json!({
                "promised": text(glibc.promised),
                "max": text(glibc.max),
                "floor": text(glibc.floor),
                "strong": text(glibc.strong),
            })),
            "runs_on": record.runs_on,
            "findings": record.findings.iter().map(finding).collect::<Vec<_>>(),
            "audit": record.audit,
            "smoke": record.smoke.iter().map(smoke).collect::<Vec<_>>(),
            "not_run": record.not_run(),
        });
        if !record.other_audits.is_empty() {
            entry["other_audits"] = record.other_audits.clone().into();
        }
        entry
    }
}

fn image(image: &BuiltIn) -> Value {
    json!({ "reference": image.reference, "id": image.id, "planned": image.planned })
}

fn origin(origin: &Origin) -> Value {
    json!({
        "builder": origin.builder,
        "invocation": origin.invocation,
        "materials": origin.materials.iter().map(material).collect::<Vec<_>>(),
        "prebuilt": origin.prebuilt.as_ref().map(|found| json!({
            "by": found.by,
            "path": found.path,
            "sha256": found.sha256,
            "commit": found.commit,
        })),
    })
}

/// A ResourceDescriptor of in-toto.
fn material(material: &Material) -> Value {
    let mut descriptor = json!({ "name": material.name, "uri": material.uri });
    if let Some(sha256) = &material.sha256 {
        descriptor["digest"] = json!({ "sha256": sha256 });
    }
    descriptor
}

fn place(place: &Place) -> Value {
    json!({ "system": place.system, "machine": place.machine })
}

/// A finding as data.
pub fn finding(finding: &Finding) -> Value {
    json!({
        "rule": finding.rule,
        "severity": finding.severity.name(),
        "expected": finding.expected,
        "found": finding.found,
        "help": finding.help,
    })
}

/// What a smoke test on its own tried, and on which bytes: rows for that asset's record.
pub fn tried(name: &str, sha256: &str, rows: &[SmokeRow]) -> Value {
    json!({ "name": name, "sha256": sha256, "smoke": rows.iter().map(smoke).collect::<Vec<_>>() })
}

fn smoke(row: &SmokeRow) -> Value {
    json!({
        "check": row.check,
        "outcome": row.outcome.name(),
        "how": row.how,
        "where": place(&row.place),
        "detail": row.detail,
    })
}
