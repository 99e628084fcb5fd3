//! `image-push`: images to their registry. By digest first, judged before and, read back, after; a tag, which
//! users pull by, moves only once the release that it names is published ([`tags`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use xtask_core::image::{self, Blob, layout_name, record_name};
use xtask_core::plan::{Image, Target};

use super::judge::{self, Whole};
use super::tags;
use crate::exit::{Exit, refused, usage};
use crate::ops::files::{self, TempFolder};
use crate::ops::layout::Layout;
use crate::ops::skopeo;
use crate::steps::release::{On, Release, gather};

/// Arguments of `image-push`.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    #[command(flatten)]
    on: On,
    /// Folder with the jobs' results: what `image` made, and the assets that it was made of [default: `images`
    /// and `dist` beside xtask.toml]; assets that are not in it are fetched from the draft
    #[arg(long, value_name = "DIR", conflicts_with = "tags")]
    from: Option<PathBuf>,
    /// Move the tags to the images that the published release names
    #[arg(long)]
    tags: bool,
    /// Do it; without this, nothing is written to the registry
    #[arg(long)]
    execute: bool,
}

/// `cargo xtask image-push`.
pub(crate) fn run(root: Option<&Path>, args: &PushArgs) -> anyhow::Result<Exit> {
    let release = Release::open(root, &args.on)?;
    if release.plan.config.images.is_empty() {
        return Err(usage("the plan makes no images: add an [[image]] to xtask.toml"));
    }
    let work = TempFolder::new(&std::env::temp_dir())?;
    if args.tags {
        tags::run(&release, work.path(), args.execute)?;
    } else {
        push(&release, args.from.as_deref(), work.path(), args.execute)?;
    }
    if !args.execute {
        println!("nothing was written; add --execute to do it");
    }
    Ok(Exit::Done)
}

fn push(release: &Release, from: Option<&Path>, work: &Path, execute: bool) -> anyhow::Result<()> {
    let root = &release.workspace.root;
    let folders = match from {
        Some(from) => vec![from.to_owned()],
        None => vec![root.join("images"), root.join("dist")],
    };
    let mut gathered = Vec::new();
    for image in &release.plan.config.images {
        gathered.push(Gathered::new(release, image, &folders, work)?);
    }
    let assets = assets(release, &folders, work)?;
    // All of it is judged before anything is written anywhere.
    let mut problems = Vec::new();
    let mut wholes = Vec::new();
    for gathered in &gathered {
        let whole = Whole::new(release, gathered.image, &assets, work)?;
        problems.extend(whole.judge(&gathered.layout, &gathered.index.sha256)?);
        wholes.push(whole);
    }
    if !problems.is_empty() {
        return Err(refused(format!(
            "{} problem(s); nothing was pushed: make the images again, from the assets that are released\n  {}",
            problems.len(),
            problems.join("\n  ")
        )));
    }
    for (gathered, whole) in gathered.iter().zip(&wholes) {
        let index = &gathered.index.sha256;
        let reference = format!("{}@sha256:{index}", gathered.image.repository);
        if execute {
            skopeo::push(gathered.layout.path(), &reference)?;
            let problems = whole.judge_held(index, work)?;
            if !problems.is_empty() {
                return Err(refused(format!(
                    "the registry holds other than what was brought there; it has no tag: push it again\n  {}",
                    problems.join("\n  ")
                )));
            }
        }
        println!("{} {reference}", if execute { "pushed" } else { "would push" });
    }
    Ok(())
}

/// The assets whose programs the images hold, as the jobs left them, else as the draft holds them.
fn assets(
    release: &Release,
    folders: &[PathBuf],
    work: &Path,
) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let names = judge::asset_names(&release.plan)?;
    let assets = gather::assets(release, folders, &names, &work.join("assets"))?;
    if let Some(name) = names.iter().find(|name| !assets.contains_key(*name)) {
        let folders: Vec<_> =
            folders.iter().map(|folder| format!("`{}`", folder.display())).collect();
        return Err(usage(format!(
            "{name} is neither in {} nor in the draft: an image is compared with the asset that is released",
            folders.join(", ")
        )));
    }
    Ok(assets)
}

/// One image for all its platforms, in a layout of its own.
struct Gathered<'a> {
    image: &'a Image,
    layout: Layout,
    index: Blob,
}

impl<'a> Gathered<'a> {
    fn new(
        release: &Release,
        image: &'a Image,
        folders: &[PathBuf],
        work: &Path,
    ) -> anyhow::Result<Self> {
        let layout = Layout::at(&work.join(&image.name));
        let mut manifests = Vec::new();
        for target in judge::targets(&release.plan, image) {
            let own = find(folders, image, target)?;
            let path = own.path().with_file_name(record_name(image, target));
            let record: Value = serde_json::from_str(&files::read_text(&path)?)
                .with_context(|| format!("`{}` is no JSON", path.display()))?;
            let made = judge::recipe(release, image, target)?.recorded(&record);
            let made = made.map_err(|problems| {
                refused(format!("`{}`: {}", path.display(), problems.join("; ")))
            })?;
            let sha256 = own.only()?;
            let size = own.read(&sha256)?.len() as u64;
            let held = Blob { sha256, size };
            if held != made.manifest {
                return Err(refused(format!(
                    "`{}`: digest is sha256:{} ({} bytes), and `{}` holds sha256:{} ({size}): make the image again",
                    path.display(),
                    made.manifest.sha256,
                    made.manifest.size,
                    own.path().display(),
                    held.sha256
                )));
            }
            let (manifest, _) = own.image(&held.sha256)?;
            let blobs = image::blobs(&manifest).map_err(anyhow::Error::msg)?;
            for blob in blobs.iter().chain([&held.sha256]) {
                layout.take(&own, blob)?;
            }
            manifests.push((target.triple.goarch, held));
        }
        let index = layout.add(image::index(&manifests).to_string().as_bytes())?;
        layout.finish(&image::layout_of(&index))?;
        Ok(Self { image, layout, index })
    }
}

/// The image of a platform, in a folder or in one within: a job's results have one each.
fn find(folders: &[PathBuf], image: &Image, target: &Target) -> anyhow::Result<Layout> {
    let name = layout_name(image, target);
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for place in [folder.clone()].into_iter().chain(files::entries(folder)?) {
            let path = place.join(&name);
            if path.join("index.json").is_file() {
                return Ok(Layout::at(&path));
            }
        }
    }
    Err(usage(format!(
        "`{}` holds no image `{name}`: `cargo xtask image --target {}` makes it",
        folders.first().map_or(Path::new("images"), PathBuf::as_path).display(),
        target.platform
    )))
}
