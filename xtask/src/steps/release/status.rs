//! `status`: what the forge holds, against the plan.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use xtask_core::release::{Asset, AssetState, Manifest, ReleaseState, Tag, mark};

use super::{On, Release};
use crate::exit::{Exit, usage};
use crate::ops::forge;

/// Arguments of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    on: On,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Folder with files to compare with, by their names [default: `dist` beside xtask.toml, if there]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
}

/// `cargo xtask status`: done when the tag is at this commit and one release holds what is planned.
pub(crate) fn run(root: Option<&Path>, args: &StatusArgs) -> anyhow::Result<Exit> {
    let release = Release::open(root, &args.on)?;
    let state = release.forge.settled(&release.plan.tag, release.release_id, |_| true)?;
    let here = here(&release, args.from.as_deref())?;
    let problems = problems(&release, &state, &here);
    if args.json {
        println!("{:#}", as_json(&release, &state, &problems));
    } else {
        print!("{}", as_text(&release, &state, &problems));
    }
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Findings })
}

/// The plan's files in the folder.
fn here(release: &Release, from: Option<&Path>) -> anyhow::Result<Manifest> {
    let dist = release.workspace.root.join("dist");
    if let Some(from) = from.filter(|from| !from.is_dir()) {
        return Err(usage(format!("`{}` is no folder", from.display())));
    }
    let mut here = Manifest::new();
    // What finalize makes is its own to compare.
    for asset in release.of_targets() {
        let path = from.unwrap_or(&dist).join(&asset.name);
        if path.is_file() {
            here.insert(asset.name.clone(), forge::expected(&path)?);
        }
    }
    Ok(here)
}

/// Everything that is not as it must be in the end.
fn problems(release: &Release, state: &ReleaseState, here: &Manifest) -> Vec<String> {
    let mut problems = Vec::new();
    match &state.tag {
        Tag::Missing => problems.push(format!("tag {} is not on the forge", release.plan.tag)),
        Tag::At(commit) if *commit != release.head.commit => {
            problems.push(format!(
                "tag {} is at {commit}, HEAD at {}",
                release.plan.tag, release.head.commit
            ));
        }
        Tag::At(_) => {}
    }
    let own = mark::text(&release.plan.tag, &release.head.commit);
    match state.releases.as_slice() {
        [] => problems.push("no release bears the tag".to_owned()),
        [_] => {}
        several => problems.push(format!("{} releases bear the tag", several.len())),
    }
    for held in &state.releases {
        if held.mark.as_ref() != Some(&own) {
            problems.push(format!("release {} does not bear this release's mark", held.id));
        }
        let missing = release.plan.assets.iter().filter(|asset| held.asset(&asset.name).is_none());
        problems.extend(missing.map(|asset| format!("{}: missing", asset.name)));
        for asset in &held.assets {
            if !release.plan.assets.iter().any(|planned| planned.name == asset.name) {
                problems.push(format!("{}: not in the plan", asset.name));
            }
            if asset.state != AssetState::Uploaded {
                problems.push(format!("{}: its upload is not complete", asset.name));
            } else if asset.digest.is_none() {
                problems.push(format!("{}: the forge gives no digest", asset.name));
            } else if let Some(expected) = here.get(&asset.name).filter(|e| !asset.is(e)) {
                problems.push(asset.difference(expected));
            }
        }
    }
    problems
}

fn as_text(release: &Release, state: &ReleaseState, problems: &[String]) -> String {
    let at = match &state.tag {
        Tag::Missing => "not on the forge",
        Tag::At(commit) => commit,
    };
    let mut text = format!("tag {}  {at}\n", release.plan.tag);
    for held in &state.releases {
        let what = if held.draft { "draft" } else { "published" };
        text.push_str(&format!("release {}  {what}\n", held.id));
        for asset in &held.assets {
            text.push_str(&format!("  {}  {} bytes  {}\n", asset.name, asset.size, digest(asset)));
        }
    }
    for problem in problems {
        text.push_str(&format!("problem: {problem}\n"));
    }
    text
}

fn digest(asset: &Asset) -> String {
    match (asset.state, asset.digest) {
        (AssetState::Partial, _) => "incomplete".to_owned(),
        (AssetState::Uploaded, Some(digest)) => digest.to_string(),
        (AssetState::Uploaded, None) => "no digest".to_owned(),
    }
}

fn as_json(release: &Release, state: &ReleaseState, problems: &[String]) -> Value {
    let commit = match &state.tag {
        Tag::Missing => None,
        Tag::At(commit) => Some(commit),
    };
    json!({
        "schema": 1,
        "tag": release.plan.tag,
        "commit": commit,
        "releases": state.releases.iter().map(|held| json!({
            "id": held.id,
            "draft": held.draft,
            "mark": held.mark,
            "assets": held.assets.iter().map(|asset| json!({
                "id": asset.id,
                "name": asset.name,
                "uploaded": asset.state == AssetState::Uploaded,
                "size": asset.size,
                "sha256": asset.digest.map(|digest| digest.to_string()),
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "problems": problems,
    })
}
