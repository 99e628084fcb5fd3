//! `image`: the released program on its base. Fetch the base → lay one layer on it → read everything back and
//! judge it → start it as users would → record.

pub(crate) mod judge;
pub(crate) mod push;
mod smoke;
pub(crate) mod tags;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use xtask_core::image::{self, Blob, Made, Recipe, layout_name, record_name};
use xtask_core::plan::{Image, Package, Plan, Target};
use xtask_core::report::{self, Outcome, SmokeRow};

use self::judge::Parts;
use super::containers::{ContainerArgs, Containers};
use super::output::Output;
use super::pack;
use super::workspace::Workspace;
use crate::exit::{Exit, refused, usage};
use crate::ops::files::{self, TempFolder};
use crate::ops::git;
use crate::ops::layout::Layout;

/// Arguments of `image`.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// Only for these platforms [default: all that the plan makes images for]
    #[arg(long = "target", value_name = "PLATFORM")]
    targets: Vec<String>,
    /// Folder with the assets and the manifest that `dist` wrote [default: `dist` beside xtask.toml]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Folder for the images [default: `images` beside xtask.toml]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The release's version [default: the packages' own]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// A check that cannot run here fails
    #[arg(long)]
    strict: bool,
}

/// `cargo xtask image`.
pub(crate) fn run(root: Option<&Path>, args: &ImageArgs) -> anyhow::Result<Exit> {
    let workspace = Workspace::open(root)?;
    let plan = workspace.plan(args.version.as_deref())?;
    let beside =
        |given: &Option<PathBuf>, name| given.clone().unwrap_or_else(|| workspace.root.join(name));
    let wanted = wanted(&plan, &args.targets)?;
    let dist = Dist::open(&workspace.root, &plan, beside(&args.from, "dist"))?;
    let output = Output::take(&beside(&args.out, "images"))?;
    output.sweep()?;
    let out = &output.path;
    // What an earlier run left must not be taken for this run's.
    for (image, target) in &wanted {
        files::remove(&out.join(record_name(image, target)))?;
        files::remove(&out.join(layout_name(image, target)))?;
    }
    let staging = TempFolder::new(out)?;
    let containers = Containers::new(&ContainerArgs::default());
    let mut made = Vec::new();
    let mut refusals = Vec::new();
    for (image, target) in wanted {
        let name = layout_name(image, target);
        let work = Work {
            plan: &plan,
            dist: &dist,
            image,
            target,
            staging: staging.path(),
            mark: &output.mark,
        };
        let sealed = work.make()?;
        let problems = sealed.judge()?;
        refusals.extend(problems.iter().map(|problem| format!("{name}: {problem}")));
        if !problems.is_empty() {
            continue;
        }
        let rows = smoke::smoke(&work, &sealed, &containers)?;
        // What ran is what was judged.
        refusals.extend(sealed.judge()?.iter().map(|problem| format!("{name}: {problem}")));
        let bad = |row: &&SmokeRow| {
            row.outcome == Outcome::Failed || args.strict && row.outcome == Outcome::NotRun
        };
        refusals.extend(rows.iter().filter(bad).map(|row| {
            format!("{name}: smoke {} {}: {}", row.check, row.outcome.name(), row.detail)
        }));
        made.push((sealed.record(&rows), record_name(image, target), sealed.layout, rows));
    }
    if !refusals.is_empty() {
        let count = refusals.len();
        return Err(refused(format!(
            "{count} problem(s); no image was written\n{}",
            refusals.join("\n")
        )));
    }
    for (record, name, layout, rows) in made {
        let folder = layout.path().file_name().unwrap_or_default();
        files::rename(layout.path(), &out.join(folder))?;
        files::replace(&out.join(&name), format!("{record:#}\n").as_bytes())?;
        let digest = record["digest"].as_str().unwrap_or_default();
        print!("{} {digest}\n{}", out.join(folder).display(), report::smoke(&rows));
    }
    Ok(Exit::Done)
}

/// Images and targets, in the plan's order.
fn wanted<'a>(plan: &'a Plan, names: &[String]) -> anyhow::Result<Vec<(&'a Image, &'a Target)>> {
    let named = |target: &Target| {
        names.is_empty()
            || names.iter().any(|name| *name == target.platform || *name == target.triple.name)
    };
    let images = &plan.config.images;
    for name in names {
        let target = plan.config.target(name).map(|target| &target.platform);
        if !images.iter().flat_map(|image| &image.targets).any(|platform| Some(platform) == target)
        {
            return Err(usage(format!("the plan makes no image for `{name}`")));
        }
    }
    let pairs: Vec<_> = images
        .iter()
        .flat_map(|image| image.targets.iter().map(move |platform| (image, platform)))
        .filter_map(|(image, platform)| Some((image, plan.config.target(platform)?)))
        .filter(|(_, target)| named(target))
        .collect();
    if pairs.is_empty() {
        return Err(usage("the plan makes no images: add an [[image]] to xtask.toml"));
    }
    Ok(pairs)
}

/// What `dist` made, and from which commit.
struct Dist<'a> {
    root: &'a Path,
    folder: PathBuf,
    manifest: Value,
    commit: String,
    seconds: u64,
}

impl<'a> Dist<'a> {
    /// Opens the folder; its manifest must be of this version and of the commit that is checked out.
    fn open(root: &'a Path, plan: &Plan, folder: PathBuf) -> anyhow::Result<Self> {
        let path = folder.join(&plan.config.release.manifest);
        if !path.is_file() {
            return Err(usage(format!(
                "`{}` is missing: `cargo xtask dist` makes it, or name its folder with --from",
                path.display()
            )));
        }
        let manifest: Value = serde_json::from_str(&files::read_text(&path)?)
            .with_context(|| format!("`{}` is no JSON", path.display()))?;
        let head = git::head(root).ok_or_else(|| {
            usage(format!("`{}` has no commit to name in an image", root.display()))
        })?;
        for (key, now) in [("commit", &head.commit), ("version", &plan.version)] {
            if manifest[key] != *now {
                return Err(refused(format!(
                    "`{}` is of {key} {}, and this is {now}: build it again",
                    path.display(),
                    manifest[key]
                )));
            }
        }
        Ok(Self { root, folder, manifest, commit: head.commit, seconds: head.time })
    }

    /// The program in an asset that `dist` judged.
    fn program(&self, plan: &Plan, package: &Package, target: &Target) -> anyhow::Result<Vec<u8>> {
        let name = package.asset_name(target, &plan.version);
        let path = self.folder.join(&name);
        let assets = self.manifest["assets"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(asset) = assets.iter().find(|asset| asset["name"] == *name) else {
            return Err(usage(format!(
                "`{}` holds no {name}: `cargo xtask dist --target {}` makes it",
                self.folder.display(),
                target.platform
            )));
        };
        let found = files::digest(&path)?.sha256;
        if asset["sha256"] != *found {
            return Err(refused(format!(
                "`{}` is not the asset that was judged: sha256 {found} instead of {}",
                path.display(),
                asset["sha256"]
            )));
        }
        pack::Request::new(self.root, package, target, &plan.version, self.seconds).program(&path)
    }
}

/// One image for one platform.
struct Work<'a> {
    plan: &'a Plan,
    dist: &'a Dist<'a>,
    image: &'a Image,
    target: &'a Target,
    staging: &'a Path,
    /// Of the output folder: containers bear it.
    mark: &'a str,
}

/// An image on disk, and what it was made of.
struct Sealed<'a> {
    layout: Layout,
    parts: Parts<'a>,
    /// The manifest: what users pull by.
    manifest: Blob,
}

impl<'a> Work<'a> {
    fn recipe(&self) -> anyhow::Result<Recipe<'a>> {
        Ok(Recipe {
            image: self.image,
            package: judge::package(self.plan, self.image)?,
            target: self.target,
            source: &self.plan.config.release.repository,
            version: &self.plan.version,
            commit: &self.dist.commit,
            seconds: self.dist.seconds,
        })
    }

    /// Base and program, as a layout of their own. Nothing is compiled, and nothing of the image is run.
    fn make(&self) -> anyhow::Result<Sealed<'a>> {
        let recipe = self.recipe()?;
        let program = self.dist.program(self.plan, recipe.package, self.target)?;
        let parts = Parts::new(recipe, program, self.staging)?;
        let layout = Layout::at(&self.staging.join(layout_name(self.image, self.target)));
        let layers = image::blobs(&parts.base.manifest).map_err(anyhow::Error::msg)?;
        for sha256 in layers.iter().skip(1) {
            layout.take(&parts.below, sha256)?;
        }
        let layer = layout.add(&parts.layer)?;
        let config = recipe.config(&parts.base, &parts.diff_id);
        let config = layout.add(config.to_string().as_bytes())?;
        let manifest = recipe.manifest(&parts.base, &config, &layer);
        let manifest = layout.add(manifest.to_string().as_bytes())?;
        layout.finish(&recipe.layout_index(&manifest))?;
        Ok(Sealed { layout, parts, manifest })
    }
}

impl Sealed<'_> {
    /// Reads the layout back, every byte of it.
    fn judge(&self) -> anyhow::Result<Vec<String>> {
        let found = self.layout.only()?;
        let mut problems = self.parts.judge(&self.layout, &found)?;
        let made = &self.manifest.sha256;
        if found != *made {
            problems.push(format!("it is sha256:{found}, and sha256:{made} was made"));
        }
        Ok(problems)
    }

    /// What was made, for the jobs that follow.
    fn record(&self, rows: &[SmokeRow]) -> Value {
        let made = Made { manifest: self.manifest.clone(), program: self.parts.program.clone() };
        self.parts.recipe.record(&made, rows)
    }
}
