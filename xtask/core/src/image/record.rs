//! What is written down of images: of one for one platform by `image`, of all in the release's manifest. Who
//! reads either back trusts neither: a record says only what is to be looked at.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Blob, MANIFEST, Recipe, digest, index, layout_name, program_path, sha256_of};
use crate::plan::{Image, Target};
use crate::report::{self, SmokeRow};

/// An image for one platform, as far as others need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its manifest: what users pull by.
    pub manifest: Blob,
    /// sha256 of the program in it.
    pub program: String,
}

impl Recipe<'_> {
    /// `image-NAME-PLATFORM.json`, for the jobs that follow.
    pub fn record(&self, made: &Made, rows: &[SmokeRow]) -> Value {
        json!({
            "schema": report::SCHEMA,
            "image": self.image.name,
            "platform": self.target.platform,
            "version": self.version,
            "commit": self.commit,
            "base": self.image.base,
            "program": {
                "path": format!("/{}", program_path(self.package)),
                "sha256": made.program,
            },
            "digest": digest(&made.manifest.sha256),
            "size": made.manifest.size,
            "tried": report::tried(&layout_name(self.image, self.target), &made.manifest.sha256, rows),
        })
    }

    /// Reads a record back.
    ///
    /// # Errors
    /// Every way in which it is of something else, or in which what was tried is not enough to release.
    pub fn recorded(&self, record: &Value) -> Result<Made, Vec<String>> {
        let planned = [
            ("image", &self.image.name[..]),
            ("platform", &self.target.platform),
            ("version", self.version),
            ("commit", self.commit),
            ("base", &self.image.base),
        ];
        let mut problems: Vec<String> = planned
            .into_iter()
            .filter(|(key, wanted)| record[*key] != **wanted)
            .map(|(key, wanted)| {
                format!("{key} is {}, and {wanted} is wanted: make the image again", record[key])
            })
            .collect();
        let rows = record["tried"]["smoke"].as_array().map(Vec::as_slice).unwrap_or_default();
        let passed = |row: &Value| row["outcome"] == "passed";
        let target = self.target;
        if rows.is_empty() || !rows.iter().all(passed) {
            problems.push(format!(
                "the image was not started, or failed: `cargo xtask image --strict` on {}",
                target.runner
            ));
        } else if !target.emulated && rows.iter().any(|row| row["how"] != "container") {
            problems.push(format!(
                "the image was started emulated only: do it on {}, or set `emulated = true` for {} in xtask.toml",
                target.runner, target.platform
            ));
        }
        if record["tried"]["sha256"].as_str() != sha256_of(record) {
            problems.push(format!(
                "sha256:{} was started, and digest is {}: make the image again",
                record["tried"]["sha256"].as_str().unwrap_or_default(),
                record["digest"]
            ));
        }
        let hex = |value: &Value| sha256_of(&json!({ "digest": value })).map(ToString::to_string);
        let program =
            format!("sha256:{}", record["program"]["sha256"].as_str().unwrap_or_default());
        match (hex(&record["digest"]), record["size"].as_u64(), hex(&program.into())) {
            (Some(sha256), Some(size), Some(program)) if problems.is_empty() => {
                Ok(Made { manifest: Blob { sha256, size }, program })
            }
            (Some(_), Some(_), Some(_)) => Err(problems),
            _ => {
                problems.push("it names no digest, size or program: make the image again".into());
                Err(problems)
            }
        }
    }
}

/// An image as it stands in `images` of the release's manifest. The index is not there yet, or already: its
/// digest follows from what it names.
pub fn listed(image: &Image, made: &[(&Target, Made)]) -> Value {
    let manifests: Vec<_> =
        made.iter().map(|(target, made)| (target.triple.goarch, made.manifest.clone())).collect();
    let index = index(&manifests).to_string();
    let platforms = made.iter().map(|(target, made)| {
        json!({
            "platform": target.platform,
            "digest": digest(&made.manifest.sha256),
            "program": made.program,
        })
    });
    json!({
        "name": image.name,
        "repository": image.repository,
        "base": image.base,
        "digest": digest(&hex::encode(Sha256::digest(index.as_bytes()))),
        "platforms": platforms.collect::<Vec<_>>(),
    })
}

/// The sha256 of an image's index, as the release's manifest names it; `None` when it names none, or another
/// repository or base.
pub fn named(manifest: &Value, image: &Image) -> Option<String> {
    let listed = manifest["images"].as_array()?;
    let entry = listed.iter().find(|entry| entry["name"] == image.name)?;
    let same = entry["repository"] == image.repository && entry["base"] == image.base;
    sha256_of(entry).filter(|_| same).map(ToString::to_string)
}

/// Digests of the manifests in an index, in the order of the targets: it names these platforms and no other.
///
/// # Errors
/// In what it differs.
pub fn members(index: &Value, targets: &[&Target]) -> Result<Vec<String>, String> {
    let entries = index["manifests"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut found = Vec::new();
    let mut own = Vec::new();
    for target in targets {
        let platform = json!({ "architecture": target.triple.goarch, "os": "linux" });
        let mut fitting = entries.iter().filter(|entry| entry["platform"] == platform);
        let (Some(entry), None) = (fitting.next(), fitting.next()) else {
            return Err(format!("it does not name one image for linux/{}", target.triple.goarch));
        };
        match sha256_of(entry).filter(|_| entry["mediaType"] == MANIFEST) {
            Some(sha256) => {
                let size = entry["size"].as_u64().unwrap_or_default();
                own.push((target.triple.goarch, Blob { sha256: sha256.to_string(), size }));
                found.push(sha256.to_string());
            }
            None => return Err(format!("`{entry}` is no descriptor of an image")),
        }
    }
    if entries.len() != targets.len() {
        return Err(format!("it names {} images: {} are planned", entries.len(), targets.len()));
    }
    if *index != super::index(&own) {
        return Err("it says more, or other, than which image is for what".into());
    }
    Ok(found)
}
