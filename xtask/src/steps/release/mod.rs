//! Draft → upload → finalize → verify: what the forge holds is compared with the plan, and only an
//! equal release is published.

pub(crate) mod contents;
pub(crate) mod draft;
pub(crate) mod finalize;
pub(crate) mod gather;
mod images;
pub(crate) mod rehearse;
mod signed;
pub(crate) mod status;
pub(crate) mod upload;
pub(crate) mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use xtask_core::plan::{Asset, Plan};
use xtask_core::release::{Goal, Manifest, Stage, mark, names, notes};

use super::workspace::Workspace;
use crate::exit::{Exit, refused, usage};
use crate::ops::forge::{self, Dir, Forge, GitHub, Order, Reached, Text, Which};
use crate::ops::{files, git};

/// The changelog, beside `xtask.toml`.
const CHANGELOG: &str = "CHANGELOG.md";
/// GitHub's limit of a body, in characters, less what the mark takes.
const LONGEST_NOTES: usize = 124_000;

/// What all of these commands take.
#[derive(Debug, Args)]
pub(crate) struct On {
    /// The release's tag; it must be the one that the plan makes of the version
    #[arg(long, value_name = "TAG")]
    tag: String,
    /// Where releases are held: `github`, or `dir:PATH` for a local folder
    #[arg(long, value_name = "FORGE", default_value = "github")]
    forge: Which,
    /// Id of the release, as `draft` printed it: lists may lag behind
    #[arg(long, value_name = "ID")]
    release_id: Option<u64>,
    /// The release's version [default: the packages' own]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Only these platforms of the plan: a rehearsal, so only with `dir:PATH`
    #[arg(long, value_name = "PLATFORM")]
    only: Vec<String>,
}

impl On {
    /// Takes the version from the tag: for releases other than the one that is checked out.
    fn version_of_tag(&mut self, root: Option<&Path>) -> anyhow::Result<()> {
        let template = Workspace::open(root)?.config.release.tag;
        let (before, after) = template.split_once("{version}").unwrap_or((&template, ""));
        let version = self.tag.strip_prefix(before).and_then(|tag| tag.strip_suffix(after));
        if self.version.is_none() {
            self.version = version.map(str::to_owned);
        }
        Ok(())
    }
}

/// A release, opened: the plan, the forge, the commit.
pub(crate) struct Release {
    pub(crate) workspace: Workspace,
    pub(crate) plan: Plan,
    pub(crate) forge: Forge,
    pub(crate) head: git::Head,
    release_id: Option<u64>,
}

impl Release {
    /// Opens the workspace and the forge, and checks that tag, version and commit belong together.
    pub(crate) fn open(root: Option<&Path>, on: &On) -> anyhow::Result<Self> {
        names::check_tag(&on.tag).map_err(usage)?;
        let mut workspace = Workspace::open(root)?;
        if !on.only.is_empty() {
            if on.forge == Which::GitHub && !forge::is_loopback()? {
                return Err(usage(
                    "--only is for rehearsals only: --forge dir:PATH, or a GitHub on a Unix socket of this machine",
                ));
            }
            workspace.config.keep_targets(&on.only);
        }
        let plan = workspace.plan(on.version.as_deref())?;
        if plan.tag != on.tag {
            return Err(usage(format!(
                "tag {} is not the tag of version {}, which is {}: mend the version in Cargo.toml, or tag anew",
                on.tag, plan.version, plan.tag
            )));
        }
        for asset in &plan.assets {
            names::check_asset(&asset.name).map_err(usage)?;
        }
        let head = git::head(&workspace.root).ok_or_else(|| {
            usage(format!(
                "`{}` has no commit: a release is made from one",
                workspace.root.display()
            ))
        })?;
        let forge = match &on.forge {
            Which::GitHub => Forge::GitHub(GitHub::new(&plan.config.release.repository)?),
            Which::Dir(path) => Forge::Dir(Dir::new(path, &workspace.root)?),
        };
        Ok(Self { workspace, plan, forge, head, release_id: on.release_id })
    }

    /// Refuses files that differ from the commit: what would be released is not what is tagged.
    pub(crate) fn check_clean(&self) -> anyhow::Result<()> {
        // Files that git does not know, such as dist/, are no part of the commit.
        let changed: Vec<&str> = self
            .head
            .changes
            .iter()
            .map(String::as_str)
            .filter(|line| !line.starts_with("??"))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        Err(refused(format!(
            "the tree differs from commit {}: commit or undo these\n  {}",
            self.head.commit,
            changed.join("\n  ")
        )))
    }

    /// Assets that the targets' jobs make.
    pub(crate) fn of_targets(&self) -> impl Iterator<Item = &Asset> {
        self.plan.assets.iter().filter(|asset| asset.platform.is_some())
    }

    /// Platforms that something is released for.
    pub(crate) fn platforms(&self) -> BTreeSet<&str> {
        self.of_targets().filter_map(|asset| asset.platform.as_deref()).collect()
    }

    /// Names of the per-target manifests, which travel in the draft and are no part of the release.
    pub(crate) fn travellers(&self) -> BTreeSet<String> {
        self.plan.transient.iter().map(|asset| asset.name.clone()).collect()
    }

    /// What a run wants, its files hashed.
    pub(crate) fn order(
        &self,
        stage: Stage,
        files: BTreeMap<String, PathBuf>,
    ) -> anyhow::Result<Order> {
        let mut assets = Manifest::new();
        for (name, path) in &files {
            assets.insert(name.clone(), forge::expected(path)?);
        }
        let tag = self.plan.tag.clone();
        let mark = mark::text(&tag, &self.head.commit);
        let whole = self.of_targets().all(|asset| files.contains_key(&asset.name));
        let text = Text {
            title: tag.clone(),
            body: mark::write(&self.notes()?, &mark),
            prerelease: notes::is_prerelease(&self.plan.version),
            latest: stage == Stage::Publish && self.is_latest()?,
        };
        let goal = Goal::new(stage, &tag, &self.head.commit, assets)
            .whole(whole)
            .transient(self.travellers())
            .patience(self.forge.patience()?);
        Ok(Order { goal, files, text })
    }

    fn is_latest(&self) -> anyhow::Result<bool> {
        if notes::is_prerelease(&self.plan.version) {
            return Ok(false);
        }
        let published = self.forge.published()?;
        let tags = published.iter().map(String::as_str);
        Ok(notes::is_highest(&self.plan.version, &self.plan.config.release.tag, tags))
    }

    /// The changelog's section of the version, else the annotated tag's message.
    fn notes(&self) -> anyhow::Result<String> {
        let path = self.workspace.root.join(CHANGELOG);
        let changelog = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read `{}`", path.display()));
            }
        };
        let notes = match notes::section(&changelog, &self.plan.version) {
            Some(section) => section,
            None => git::tag_message(&self.workspace.root, &self.plan.tag)?.unwrap_or_default(),
        };
        if notes.trim().is_empty() {
            return Err(usage(format!(
                "no release notes for {}: write a section `## [{}]` into `{}`, or annotate the tag (and fetch it: git fetch --tags)",
                self.plan.tag,
                self.plan.version,
                path.display()
            )));
        }
        if notes.chars().count() > LONGEST_NOTES {
            return Err(usage(format!(
                "the release notes of {} have more than {LONGEST_NOTES} characters, GitHub's limit: shorten them",
                self.plan.version
            )));
        }
        Ok(notes)
    }

    /// Drives the forge to what the order wants; says what was done, or what would be.
    pub(crate) fn drive(&self, order: &Order, execute: bool) -> anyhow::Result<Exit> {
        match forge::drive(&self.forge, order, self.release_id, execute)? {
            Reached::Would(actions) => {
                println!("{} would next:", order.goal.tag);
                for action in &actions {
                    println!("  {}", forge::describe(order, action));
                }
                println!("nothing was written; add --execute to do it");
            }
            Reached::Done { release, published, writes } => {
                let what = if published { "published" } else { "draft" };
                let count = order.goal.assets.len();
                let wrote = if writes == 0 { "nothing to write" } else { "as wanted" };
                println!("{} {what} release {release}: {count} asset(s), {wrote}", order.goal.tag);
                output("release_id", &release.to_string())?;
            }
        }
        Ok(Exit::Done)
    }
}

/// Hands a value on to later jobs, where GitHub Actions runs us.
fn output(name: &str, value: &str) -> anyhow::Result<()> {
    let Some(path) = std::env::var_os("GITHUB_OUTPUT").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    files::append(Path::new(&path), &format!("{name}={value}\n"))
        .context("GITHUB_OUTPUT names a file")
}
