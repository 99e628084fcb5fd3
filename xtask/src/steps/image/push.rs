//! `image-push`: images to their registry. Everything goes by digest first, and is read back; a tag, which
//! users pull by, moves only once the release that it names is published.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use xtask_core::image::{self, Blob, tags};
use xtask_core::plan::{Image, Target};
use xtask_core::release::mark;

use super::{layout_name, record_name, wanted};
use crate::exit::{Exit, refused, usage};
use crate::ops::files::{self, TempFolder};
use crate::ops::layout::Layout;
use crate::ops::skopeo;
use crate::steps::release::{On, Release};

/// Arguments of `image-push`.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    #[command(flatten)]
    on: On,
    /// Folder with what `image` made, or with folders of it [default: `images` beside xtask.toml]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Also move the tags; the release must be published
    #[arg(long)]
    tags: bool,
    /// Do it; without this, nothing is written to the registry
    #[arg(long)]
    execute: bool,
}

/// `cargo xtask image-push`.
pub(crate) fn run(root: Option<&Path>, args: &PushArgs) -> anyhow::Result<Exit> {
    let release = Release::open(root, &args.on)?;
    let from = args.from.clone().unwrap_or_else(|| release.workspace.root.join("images"));
    let mut by_image: Vec<(&Image, Vec<&Target>)> = Vec::new();
    for (image, target) in wanted(&release.plan, &[])? {
        match by_image.last_mut().filter(|(last, _)| last.name == image.name) {
            Some((_, targets)) => targets.push(target),
            None => by_image.push((image, vec![target])),
        }
    }
    let work = TempFolder::new(&std::env::temp_dir())?;
    // All of it is looked at before anything is written anywhere.
    let mut gathered = Vec::new();
    for (image, targets) in &by_image {
        gathered.push(Gathered::new(&release, image, targets, &from, work.path())?);
    }
    let published = if args.tags { is_published(&release)? } else { Vec::new() };
    for gathered in &gathered {
        let image = gathered.image;
        let tags = match args.tags {
            true => {
                tags(image, &release.plan.version, &release.plan.config.release.tag, &published)
            }
            false => Vec::new(),
        };
        let digest = format!("sha256:{}", gathered.index.sha256);
        let reference = format!("{}@{digest}", image.repository);
        if args.execute {
            skopeo::push(gathered.layout.path(), &reference)?;
            gathered.read_back()?;
            for tag in &tags {
                skopeo::tag(&image.repository, &digest, tag)?;
                same(&format!("{}:{tag}", image.repository), &gathered.index.sha256)?;
            }
        }
        println!("{} {reference}", if args.execute { "pushed" } else { "would push" });
        for tag in tags {
            let what = if args.execute { "tagged" } else { "would tag" };
            println!("{what} {}:{tag}", image.repository);
        }
    }
    if !args.execute {
        println!("nothing was written; add --execute to do it");
    }
    Ok(Exit::Done)
}

/// The tags of all stable releases that users see, this one's among them or a pre-release.
///
/// # Errors
/// When this release is not published: a tag must not name what may yet fail.
fn is_published(release: &Release) -> anyhow::Result<Vec<String>> {
    let tag = &release.plan.tag;
    let state = release.forge.state(tag, None)?;
    let own = mark::text(tag, &release.head.commit);
    let ours =
        |held: &&xtask_core::release::Release| !held.draft && held.mark.as_ref() == Some(&own);
    if state.releases.iter().filter(ours).count() != 1 {
        return Err(refused(format!(
            "{tag} is not published from commit {}: tags move after `finalize`",
            release.head.commit
        )));
    }
    release.forge.published()
}

/// One image for all its platforms, in a layout of its own.
struct Gathered<'a> {
    image: &'a Image,
    layout: Layout,
    index: Blob,
    manifests: Vec<String>,
}

impl<'a> Gathered<'a> {
    fn new(
        release: &Release,
        image: &'a Image,
        targets: &[&Target],
        from: &Path,
        work: &Path,
    ) -> anyhow::Result<Self> {
        let layout = Layout::at(&work.join(&image.name));
        let mut manifests = Vec::new();
        for target in targets {
            let own = find(from, image, target)?;
            let path = own.path().with_file_name(record_name(image, target));
            let record: Value = serde_json::from_str(&files::read_text(&path)?)
                .with_context(|| format!("`{}` is no JSON", path.display()))?;
            let (sha256, manifest, _) = own.open()?;
            let digest = format!("sha256:{sha256}");
            let planned = [
                ("version", &release.plan.version),
                ("commit", &release.head.commit),
                ("base", &image.base),
                ("digest", &digest),
            ];
            for (key, wanted) in planned {
                if record[key] != **wanted {
                    return Err(refused(format!(
                        "`{}`: {key} is {}, and {wanted} is wanted: make the image again",
                        path.display(),
                        record[key]
                    )));
                }
            }
            let rows = record["tried"]["smoke"].as_array().map(Vec::as_slice).unwrap_or_default();
            if rows.is_empty() || rows.iter().any(|row| row["outcome"] != "passed") {
                return Err(refused(format!(
                    "`{}`: the image was not started, or failed: `cargo xtask image --strict` on {}",
                    path.display(),
                    target.runner
                )));
            }
            let blobs = image::blobs(&manifest).map_err(anyhow::Error::msg)?;
            for blob in blobs.iter().chain([&sha256]) {
                layout.take(&own, blob)?;
            }
            let size = own.read(&sha256)?.len() as u64;
            manifests.push((target.triple.goarch, Blob { sha256, size }));
        }
        let index = layout.add(image::index(&manifests).to_string().as_bytes())?;
        layout.finish(&image::layout_of(&index))?;
        let manifests = manifests.into_iter().map(|(_, blob)| blob.sha256).collect();
        Ok(Self { image, layout, index, manifests })
    }

    /// What the registry has under each digest is what was brought there.
    fn read_back(&self) -> anyhow::Result<()> {
        for sha256 in self.manifests.iter().chain([&self.index.sha256]) {
            same(&format!("{}@sha256:{sha256}", self.image.repository), sha256)?;
        }
        Ok(())
    }
}

/// The image of a platform, in the folder or in one within: a job's results have one each.
fn find(from: &Path, image: &Image, target: &Target) -> anyhow::Result<Layout> {
    let name = layout_name(image, target);
    let within = if from.is_dir() { files::entries(from)? } else { Vec::new() };
    let folders = [from.to_owned()].into_iter().chain(within);
    let found =
        folders.map(|folder| folder.join(&name)).find(|path| path.join("index.json").is_file());
    found.map(|path| Layout::at(&path)).ok_or_else(|| {
        usage(format!(
            "`{}` holds no image `{name}`: `cargo xtask image --target {}` makes it",
            from.display(),
            target.platform
        ))
    })
}

fn same(reference: &str, sha256: &str) -> anyhow::Result<()> {
    let found = hex::encode(Sha256::digest(skopeo::document(reference)?));
    if found != sha256 {
        return Err(refused(format!(
            "`{reference}` is sha256:{found} in the registry, and sha256:{sha256} was brought there"
        )));
    }
    Ok(())
}
