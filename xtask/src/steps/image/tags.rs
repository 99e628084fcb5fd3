//! `image-push --tags`: the names that users pull by. The published release says which images are its own; what
//! the registry holds under their digests is judged by the programs that the forge holds; then tags move.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;
use xtask_core::image::{named, tags};
use xtask_core::plan::Image;
use xtask_core::release::{self as core, mark};

use super::judge::{self, Whole};
use crate::exit::refused;
use crate::ops::{files, skopeo};
use crate::steps::release::Release;

pub(super) fn run(release: &Release, work: &Path, execute: bool) -> anyhow::Result<()> {
    let held = published(release)?;
    let (manifest, assets) = fetch(release, &held, work)?;
    let mut problems = Vec::new();
    let mut indexes = Vec::new();
    for image in &release.plan.config.images {
        let Some(index) = named(&manifest, image) else {
            problems.push(format!(
                "{} of {} names no image `{}`: hand what `image` recorded to `finalize`",
                release.plan.config.release.manifest, release.plan.tag, image.name
            ));
            continue;
        };
        problems.extend(Whole::new(release, image, &assets, work)?.judge_held(&index, work)?);
        indexes.push((image, index));
    }
    if !problems.is_empty() {
        return Err(refused(format!(
            "{} problem(s); no tag was moved: what users would pull is not {}, so release a version whose images are\n  {}",
            problems.len(),
            release.plan.tag,
            problems.join("\n  ")
        )));
    }
    let others = release.forge.published()?;
    for (image, index) in indexes {
        let template = &release.plan.config.release.tag;
        for tag in tags(image, &release.plan.version, template, &others) {
            let name = format!("{}:{tag}", image.repository);
            if execute {
                tag_and_look(image, &index, &tag)?;
            }
            println!("{} {name}", if execute { "tagged" } else { "would tag" });
        }
    }
    Ok(())
}

/// The release, as users see it.
///
/// # Errors
/// When it is not published: a tag must not name what may yet fail.
fn published(release: &Release) -> anyhow::Result<core::Release> {
    let tag = &release.plan.tag;
    let state = release.forge.state(tag, None)?;
    let own = mark::text(tag, &release.head.commit);
    let mut ours =
        state.releases.into_iter().filter(|held| !held.draft && held.mark.as_ref() == Some(&own));
    match (ours.next(), ours.next()) {
        (Some(held), None) => Ok(held),
        _ => Err(refused(format!(
            "{tag} is not published from commit {}: tags move after `finalize`",
            release.head.commit
        ))),
    }
}

/// The manifest of the release, and those of its assets that are in images: as the forge holds them, and as
/// the manifest describes them.
fn fetch(
    release: &Release,
    held: &core::Release,
    work: &Path,
) -> anyhow::Result<(Value, BTreeMap<String, PathBuf>)> {
    let folder = work.join("released");
    files::make_folder(&folder)?;
    let fetch = |name: &str| -> anyhow::Result<PathBuf> {
        let asset = held.asset(name).with_context(|| {
            format!(
                "release {} holds no {name}: `cargo xtask status` tells of it",
                release.plan.tag
            )
        })?;
        let to = folder.join(name);
        release.forge.fetch(held.id, asset, &to)?;
        Ok(to)
    };
    let own = &release.plan.config.release.manifest;
    let manifest: Value = serde_json::from_str(&files::read_text(&fetch(own)?)?)
        .with_context(|| format!("{own} of release {} is no JSON", release.plan.tag))?;
    let mut assets = BTreeMap::new();
    for name in judge::asset_names(&release.plan)? {
        let path = fetch(&name)?;
        let sha256 = files::digest(&path)?.sha256;
        let records = manifest["assets"].as_array().map(Vec::as_slice).unwrap_or_default();
        let record = records.iter().find(|record| record["name"] == *name);
        if record.is_none_or(|record| record["sha256"] != *sha256) {
            return Err(refused(format!(
                "{name} of release {} is not the one that its {own} describes: its sha256 is {sha256}; \
                 somebody changed the release, so release a new version",
                release.plan.tag
            )));
        }
        assets.insert(name, path);
    }
    Ok((manifest, assets))
}

/// Moves one tag; it must then lead to the index.
fn tag_and_look(image: &Image, index: &str, tag: &str) -> anyhow::Result<()> {
    skopeo::tag(&image.repository, &format!("sha256:{index}"), tag)?;
    let name = format!("{}:{tag}", image.repository);
    match leads_elsewhere(&name, index)? {
        Some(found) => Err(refused(format!(
            "`{name}` leads to sha256:{found}, and sha256:{index} was tagged: somebody else moved it"
        ))),
        None => Ok(()),
    }
}

/// Where a name leads, when it is not to that digest.
pub(crate) fn leads_elsewhere(name: &str, sha256: &str) -> anyhow::Result<Option<String>> {
    let found = judge::sha256(&skopeo::document(name)?);
    Ok(Some(found).filter(|found| found != sha256))
}
