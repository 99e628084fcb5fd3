//! `upload`: bring files into the draft; from any job, in any order, beside others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use xtask_core::plan::traveller_name;
use xtask_core::release::{Stage, names};

use super::{On, Release};
use crate::exit::{Exit, usage};
use crate::ops::files::{self, TempFolder};

/// Arguments of `upload`.
#[derive(Debug, Args)]
pub(crate) struct UploadArgs {
    #[command(flatten)]
    on: On,
    /// Do it; without this, a forge on the network is only read
    #[arg(long)]
    execute: bool,
    /// Upload what `dist` left in this folder, and its manifest, split by platform
    #[arg(long, value_name = "DIR", conflicts_with = "files")]
    from: Option<PathBuf>,
    /// Files, each named as its asset
    #[arg(value_name = "FILE", required_unless_present = "from")]
    files: Vec<PathBuf>,
}

/// `cargo xtask upload`.
pub(crate) fn run(root: Option<&Path>, args: &UploadArgs) -> anyhow::Result<Exit> {
    let release = Release::open(root, &args.on)?;
    let split = TempFolder::new(&std::env::temp_dir())?;
    let files = match &args.from {
        Some(folder) => from_folder(&release, folder, split.path())?,
        None => named(&release, &args.files)?,
    };
    let order = release.order(Stage::Upload, files)?;
    release.drive(&order, args.execute)
}

/// The files by asset name; every problem at once.
fn named(release: &Release, paths: &[PathBuf]) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let travellers = release.travellers();
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut problems = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let planned = release.plan.assets.iter().any(|asset| asset.name == name);
        if !path.is_file() {
            problems.push(format!("`{}` is no file", path.display()));
        } else if let Err(problem) = names::check_asset(&name) {
            problems.push(problem);
        } else if !planned && !travellers.contains(&name) {
            problems
                .push(format!("`{name}` is no asset of the plan; `cargo xtask plan` lists them"));
        } else if let Some(other) = files.insert(name.clone(), path.clone()) {
            problems.push(format!(
                "two files are named `{name}`: `{}` and `{}`",
                other.display(),
                path.display()
            ));
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(usage(problems.join("\n"))) }
}

/// The targets' assets in a folder, and the folder's manifest, one part for each platform.
pub(super) fn from_folder(
    release: &Release,
    folder: &Path,
    split: &Path,
) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for asset in release.of_targets() {
        let path = folder.join(&asset.name);
        if path.is_file() {
            files.insert(asset.name.clone(), path);
        }
    }
    if files.is_empty() {
        return Err(usage(format!(
            "`{}` holds no asset of the plan: run `cargo xtask dist` first",
            folder.display()
        )));
    }
    let path = folder.join(&release.plan.config.release.manifest);
    if path.is_file() {
        for (platform, part) in parts(&path)? {
            let name = traveller_name(&platform);
            if release.travellers().contains(&name) {
                let to = split.join(&name);
                files::replace(&to, format!("{part:#}\n").as_bytes())?;
                files.insert(name, to);
            }
        }
    }
    Ok(files)
}

/// A manifest, one for each platform in it.
fn parts(path: &Path) -> anyhow::Result<Vec<(String, Value)>> {
    let text = files::read_text(path)?;
    let manifest: Value =
        serde_json::from_str(&text).with_context(|| format!("`{}` is no JSON", path.display()))?;
    let assets = manifest["assets"].as_array().cloned().unwrap_or_default();
    let mut platforms: Vec<&str> = assets.iter().filter_map(|a| a["platform"].as_str()).collect();
    platforms.sort_unstable();
    platforms.dedup();
    Ok(platforms
        .iter()
        .map(|platform| {
            let mut part = manifest.clone();
            part["assets"] =
                assets.iter().filter(|a| a["platform"] == **platform).cloned().collect();
            ((*platform).to_owned(), part)
        })
        .collect())
}
