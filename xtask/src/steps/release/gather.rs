//! What finalize works on: the targets' assets, their manifests, the records of smoke tests. From a
//! folder with the jobs' results, and from the draft where the folder lacks them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::Value;
use xtask_core::plan::{AssetKind, traveller_name};
use xtask_core::release as core;

use super::Release;
use crate::exit::usage;
use crate::ops::files;

/// Folders below the one that is named are looked into this deep: a job's results have one each.
const DEPTH: usize = 3;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The targets' assets, by name.
    pub(super) assets: BTreeMap<String, PathBuf>,
    /// Files named like those that finalize makes of the whole: they must equal what it makes.
    pub(super) own: BTreeMap<String, PathBuf>,
    /// The targets' manifests.
    pub(super) manifests: Vec<Value>,
    /// Records of `smoke --record`.
    pub(super) smoke: Vec<Value>,
    /// Records of `image`.
    pub(super) images: Vec<Value>,
}

/// Looks into `from`, then into the forge, then into what an earlier run fetched from it; what is fetched
/// goes into `kept`.
pub(super) fn gather(
    release: &Release,
    from: Option<&Path>,
    kept: &Path,
) -> anyhow::Result<Gathered> {
    let mut gathered = Gathered::default();
    if let Some(from) = from {
        if !from.is_dir() {
            return Err(usage(format!("`{}` is no folder", from.display())));
        }
        look(release, from, DEPTH, &mut gathered)?;
    }
    fetch(release, kept, &mut gathered)?;
    Ok(gathered)
}

/// Some of the targets' assets, by name: those that lie in the folders, else those that the forge holds, which
/// are fetched into `kept`. What is in neither is left out.
pub(crate) fn assets(
    release: &Release,
    folders: &[PathBuf],
    names: &[String],
    kept: &Path,
) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let mut gathered = Gathered::default();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        look(release, folder, DEPTH, &mut gathered)?;
    }
    let mut assets = gathered.assets;
    if names.iter().all(|name| assets.contains_key(name)) {
        return Ok(assets);
    }
    let state = release.forge.state(&release.plan.tag, release.release_id)?;
    for name in names.iter().filter(|name| !assets.contains_key(*name)).collect::<Vec<_>>() {
        let Some((id, asset)) = chosen(&state).and_then(|held| Some((held.id, held.asset(name)?)))
        else {
            continue;
        };
        files::make_folder(kept)?;
        let to = kept.join(name);
        release.forge.fetch(id, asset, &to)?;
        assets.insert(name.clone(), to);
    }
    Ok(assets)
}

fn look(
    release: &Release,
    folder: &Path,
    depth: usize,
    gathered: &mut Gathered,
) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort_unstable();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let planned = release.plan.assets.iter().find(|asset| asset.name == name);
        if path.is_dir() {
            if depth > 0 {
                look(release, &path, depth - 1, gathered)?;
            }
        } else if release.of_targets().any(|asset| asset.name == name) {
            add(gathered, name, path)?;
        } else if name == release.plan.config.release.manifest
            || release.travellers().contains(&name)
        {
            gathered.manifests.push(read(&path)?);
        } else if planned.is_some_and(|a| matches!(a.kind, AssetKind::Sbom | AssetKind::Provenance))
        {
            gathered.own.insert(name, path);
        } else if name.starts_with("smoke") && name.ends_with(".json") {
            gathered.smoke.push(read(&path)?);
        } else if name.starts_with("image-") && name.ends_with(".json") {
            gathered.images.push(read(&path)?);
        }
    }
    Ok(())
}

fn add(gathered: &mut Gathered, name: String, path: PathBuf) -> anyhow::Result<()> {
    if let Some(other) = gathered.assets.get(&name)
        && files::digest(other)? != files::digest(&path)?
    {
        return Err(usage(format!(
            "two different files are named `{name}`: `{}` and `{}`",
            other.display(),
            path.display()
        )));
    }
    gathered.assets.insert(name, path);
    Ok(())
}

/// Fetches from the forge what is not in hand: assets, and manifests of platforms that none describes.
fn fetch(release: &Release, kept: &Path, gathered: &mut Gathered) -> anyhow::Result<()> {
    let described = |gathered: &Gathered, platform: &str| {
        let records = gathered.manifests.iter().filter_map(|m| m["assets"].as_array()).flatten();
        records.into_iter().any(|record| record["platform"] == platform)
    };
    let undescribed: Vec<String> = release
        .platforms()
        .into_iter()
        .filter(|platform| !described(gathered, platform))
        .map(str::to_owned)
        .collect();
    let absent: Vec<&str> = release
        .of_targets()
        .map(|asset| asset.name.as_str())
        .filter(|name| !gathered.assets.contains_key(*name))
        .collect();
    if absent.is_empty() && undescribed.is_empty() {
        return Ok(());
    }
    let own = &release.plan.config.release.manifest;
    // Lists lag: what is wanted and not seen at once is looked for again.
    let whole = |state: &core::ReleaseState| {
        let has = |name: &str| {
            let asset = chosen(state).and_then(|held| held.asset(name));
            asset.is_some_and(|asset| asset.digest.is_some()) || kept.join(name).is_file()
        };
        absent.iter().all(|name| has(name))
            && (has(own) || undescribed.iter().all(|platform| has(&traveller_name(platform))))
    };
    let state = release.forge.settled(&release.plan.tag, release.release_id, whole)?;
    let fetch = |name: &str| -> anyhow::Result<Option<PathBuf>> {
        let to = kept.join(name);
        match chosen(&state).and_then(|held| Some((held.id, held.asset(name)?))) {
            Some((id, asset)) => {
                files::make_folder(kept)?;
                release.forge.fetch(id, asset, &to)?;
                Ok(Some(to))
            }
            None => Ok(to.is_file().then_some(to)),
        }
    };
    for name in absent {
        if let Some(path) = fetch(name)? {
            gathered.assets.insert(name.to_owned(), path);
        }
    }
    let mut still = Vec::new();
    for platform in undescribed {
        match fetch(&traveller_name(&platform))? {
            Some(path) => gathered.manifests.push(read(&path)?),
            None => still.push(platform),
        }
    }
    // An earlier run that got as far as removing what travelled has left the release's own manifest.
    if !still.is_empty()
        && let Some(path) = fetch(own)?
    {
        let mut manifest = read(&path)?;
        if let Some(records) = manifest["assets"].as_array_mut() {
            records.retain(|record| still.iter().any(|platform| record["platform"] == **platform));
        }
        gathered.manifests.push(manifest);
    }
    Ok(())
}

/// The published release, else the first: which of several is the right one is for the machine to say,
/// and to refuse.
fn chosen(state: &core::ReleaseState) -> Option<&core::Release> {
    state.releases.iter().find(|held| !held.draft).or(state.releases.first())
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let text = files::read_text(path)?;
    serde_json::from_str(&text).map_err(|error| anyhow!("`{}` is no JSON: {error}", path.display()))
}
