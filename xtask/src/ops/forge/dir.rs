//! A folder as forge: no network, no `gh`, and every promise kept by renames under a lock.
//!
//! ```text
//! PATH/drafts/<id>/release.json, assets/…    a draft
//! PATH/releases/<tag>/…                      a published release, made by one rename
//! PATH/lock                                  held by whoever changes anything
//! ```
//!
//! Its tags are those of the repository that is released.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, anyhow, bail};
use serde_json::{Value, json};
use xtask_core::release::{
    Action, Asset, AssetState, Digest, Outcome, Release, ReleaseState, Tag, mark, publishable,
};

use super::Order;
use crate::ops::files::{self, Lock};
use crate::ops::git;

const META: &str = "release.json";
const ASSETS: &str = "assets";

/// A folder that holds releases.
#[derive(Debug)]
pub(crate) struct Dir {
    path: PathBuf,
    /// The repository whose tags count.
    repository: PathBuf,
}

impl Dir {
    /// `path` need not exist yet.
    pub(crate) fn new(path: &Path, repository: &Path) -> anyhow::Result<Self> {
        let path = std::path::absolute(path)
            .with_context(|| format!("`{}` is no path", path.display()))?;
        Ok(Self { path, repository: repository.to_owned() })
    }

    pub(super) fn read(&self, tag: &str) -> Result<ReleaseState, Outcome> {
        self.look(tag).map_err(|error| Outcome::Denied(format!("{error:#}")))
    }

    fn look(&self, tag: &str) -> anyhow::Result<ReleaseState> {
        let mut releases = Vec::new();
        for (id, folder) in self.drafts()? {
            // One that goes while we look is gone.
            let Some(meta) = meta(&folder)?.filter(|meta| meta["tag"] == tag) else { continue };
            releases.push(release(id, true, &meta, &folder)?);
        }
        let folder = self.release_folder(tag);
        let mut by_tag = None;
        if let Some(meta) = meta(&folder)? {
            let id = meta["id"]
                .as_u64()
                .with_context(|| format!("`{}` names no id", folder.display()))?;
            by_tag = Some(id);
            releases.push(release(id, false, &meta, &folder)?);
        }
        releases.sort_by_key(|release| release.id);
        let tag = match git::peel(&self.repository, tag)? {
            Some(commit) => Tag::At(commit),
            None => Tag::Missing,
        };
        Ok(ReleaseState { tag, releases, by_tag })
    }

    fn drafts(&self) -> anyhow::Result<Vec<(u64, PathBuf)>> {
        let folder = self.path.join("drafts");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read `{}`", folder.display()));
            }
        };
        let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut drafts: Vec<(u64, PathBuf)> = ids.map(|id| (id, self.draft(id))).collect();
        drafts.sort_unstable();
        Ok(drafts)
    }

    fn draft(&self, id: u64) -> PathBuf {
        self.path.join("drafts").join(id.to_string())
    }

    /// A tag may hold slashes; a folder's name may not. `%` is in no tag.
    fn release_folder(&self, tag: &str) -> PathBuf {
        self.path.join("releases").join(tag.replace('/', "%2F"))
    }

    /// The folder with the files of a published release.
    pub(crate) fn published_assets(&self, tag: &str) -> PathBuf {
        self.release_folder(tag).join(ASSETS)
    }

    fn lock(&self) -> anyhow::Result<Lock> {
        Lock::take(&self.path.join("lock"), "its work on the releases")
    }

    pub(super) fn act(&self, order: &Order, action: &Action) -> Outcome {
        let outcome = match action {
            Action::Create => self.create(order),
            Action::Upload { release, name } => self.upload(order, *release, name),
            Action::DeleteAsset { release, asset, name } => self.delete(*release, *asset, name),
            Action::DropDraft { release, assets } => self.drop_draft(*release, assets),
            Action::Publish { release } => self.publish(order, *release),
        };
        outcome.unwrap_or_else(|error| Outcome::Denied(format!("{error:#}")))
    }

    fn create(&self, order: &Order) -> anyhow::Result<Outcome> {
        let _lock = self.lock()?;
        let mut id = now();
        while self.draft(id).exists() {
            id += 1;
        }
        let folder = self.draft(id);
        let temporary = files::temporary(&folder);
        files::make_folder(&temporary.join(ASSETS))?;
        let text = &order.text;
        let meta = json!({
            "id": id,
            "tag": order.goal.tag,
            "title": text.title,
            "body": text.body,
            "prerelease": text.prerelease,
        });
        files::replace(&temporary.join(META), format!("{meta:#}\n").as_bytes())?;
        fs::rename(&temporary, &folder)
            .inspect_err(|_| drop(files::remove(&temporary)))
            .with_context(|| format!("cannot make `{}`", folder.display()))?;
        Ok(Outcome::Done(Some(id)))
    }

    /// The bytes are copied first, outside the draft; only the last step holds the lock.
    fn upload(&self, order: &Order, release: u64, name: &str) -> anyhow::Result<Outcome> {
        let file = order.files.get(name).with_context(|| format!("{name}: no such file"))?;
        let to = self.draft(release).join(ASSETS).join(name);
        let temporary = files::temporary(&self.path.join("incoming").join(name));
        files::copy(file, &temporary)?;
        let settle = || -> anyhow::Result<Outcome> {
            let _lock = self.lock()?;
            if !self.draft(release).is_dir() {
                return Ok(Outcome::Gone(format!("draft {release} is gone")));
            }
            if to.exists() {
                return Ok(Outcome::Taken);
            }
            fs::rename(&temporary, &to)
                .with_context(|| format!("cannot make `{}`", to.display()))?;
            Ok(Outcome::Done(None))
        };
        let outcome = settle();
        files::remove(&temporary)?;
        outcome
    }

    fn delete(&self, release: u64, asset: u64, name: &str) -> anyhow::Result<Outcome> {
        let _lock = self.lock()?;
        let folder = self.draft(release);
        let there = assets(&folder)?.iter().any(|a| a.id == asset && a.name == name);
        if !there {
            return Ok(Outcome::Gone(format!("{name} is not in draft {release}")));
        }
        files::remove(&folder.join(ASSETS).join(name))?;
        Ok(Outcome::Done(None))
    }

    fn drop_draft(&self, release: u64, seen: &[u64]) -> anyhow::Result<Outcome> {
        let _lock = self.lock()?;
        let folder = self.draft(release);
        let now: Vec<u64> = assets(&folder)?.iter().map(|asset| asset.id).collect();
        if now != seen || !folder.is_dir() {
            return Ok(Outcome::Gone(format!("draft {release} is not what it was")));
        }
        // Away in one step: half a draft is never seen.
        let away = files::temporary(&self.path.join("incoming").join(release.to_string()));
        files::make_folder(&self.path.join("incoming"))?;
        fs::rename(&folder, &away)
            .with_context(|| format!("cannot move `{}`", folder.display()))?;
        files::remove(&away)?;
        Ok(Outcome::Done(None))
    }

    /// The publish rule once more, under the lock, on the bytes themselves; then one rename.
    fn publish(&self, order: &Order, release: u64) -> anyhow::Result<Outcome> {
        let _lock = self.lock()?;
        if let Err(reasons) = publishable(&order.goal, &self.look(&order.goal.tag)?) {
            return Ok(Outcome::Lost(reasons.join("; ")));
        }
        let to = self.release_folder(&order.goal.tag);
        files::make_folder(&self.path.join("releases"))?;
        let from = self.draft(release);
        fs::rename(&from, &to).with_context(|| format!("cannot make `{}`", to.display()))?;
        Ok(Outcome::Done(None))
    }

    pub(super) fn published(&self) -> anyhow::Result<Vec<String>> {
        let folder = self.path.join("releases");
        let Ok(entries) = fs::read_dir(&folder) else { return Ok(Vec::new()) };
        let mut tags = Vec::new();
        for entry in entries.flatten() {
            let Some(meta) = meta(&entry.path())? else { continue };
            if meta["prerelease"] == false {
                tags.extend(meta["tag"].as_str().map(str::to_owned));
            }
        }
        Ok(tags)
    }

    pub(super) fn fetch(&self, release: u64, asset: &Asset, to: &Path) -> anyhow::Result<()> {
        let draft = self.draft(release);
        let folder = if draft.is_dir() { draft } else { self.published_folder(release)? };
        files::copy(&folder.join(ASSETS).join(&asset.name), to)
    }

    fn published_folder(&self, release: u64) -> anyhow::Result<PathBuf> {
        let folder = self.path.join("releases");
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
        for entry in entries.flatten() {
            if meta(&entry.path())?.is_some_and(|meta| meta["id"] == release) {
                return Ok(entry.path());
            }
        }
        bail!("`{}` holds no release {release}", self.path.display())
    }
}

/// Ids grow with time, like GitHub's: the lowest is the oldest.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or_default()
}

/// What stands in a release's folder about it; `None` when there is no such folder.
fn meta(folder: &Path) -> anyhow::Result<Option<Value>> {
    let path = folder.join(META);
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| anyhow!("`{}` is no JSON: {error}", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    }
}

fn release(id: u64, draft: bool, meta: &Value, folder: &Path) -> anyhow::Result<Release> {
    let mark = meta["body"].as_str().and_then(mark::read);
    Ok(Release { id, draft, mark, assets: assets(folder)? })
}

/// Sizes and digests are those of the bytes that are there. An asset's id is made from its digest and
/// name: another file under the name is another asset.
fn assets(folder: &Path) -> anyhow::Result<Vec<Asset>> {
    let folder = folder.join(ASSETS);
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let names: BTreeSet<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    let mut assets = Vec::new();
    for name in names {
        let digest = files::digest(&folder.join(&name))?;
        let name = name.to_string_lossy().into_owned();
        let mut digits = digest.sha256.clone();
        digits.truncate(12);
        let id = u64::from_str_radix(&digits, 16).unwrap_or_default();
        assets.push(Asset {
            id,
            name,
            state: AssetState::Uploaded,
            size: digest.size,
            digest: Digest::parse(&digest.sha256),
        });
    }
    Ok(assets)
}
