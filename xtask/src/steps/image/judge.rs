//! An image is judged by the released programs and the base, both taken anew, whoever made it and whatever a
//! record says: on the disk, and as its registry holds it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use xtask_core::image::{self, Base, Found, Recipe, Wanted, layout_name};
use xtask_core::plan::{Image, Package, Plan, Target};

use crate::ops::archive::{self, Entry};
use crate::ops::files::TempFolder;
use crate::ops::layout::Layout;
use crate::ops::skopeo;
use crate::steps::pack;
use crate::steps::release::Release;

/// What an image for one platform is made of.
pub(super) struct Parts<'a> {
    pub(super) recipe: Recipe<'a>,
    pub(super) base: Base,
    /// The base, with its layers.
    pub(super) below: Layout,
    /// sha256 of the released program, and of the tar that holds it alone.
    pub(super) program: String,
    pub(super) diff_id: String,
    /// That tar, compressed.
    pub(super) layer: Vec<u8>,
}

impl<'a> Parts<'a> {
    /// Fetches the base into a folder of its own in `work`; `program` are the released program's bytes.
    pub(super) fn new(recipe: Recipe<'a>, data: Vec<u8>, work: &Path) -> anyhow::Result<Self> {
        let name = layout_name(recipe.image, recipe.target);
        let below = Layout::at(&work.join(format!("base-{name}")));
        skopeo::fetch(&recipe.image.base, recipe.target.triple.goarch, below.path())?;
        let (manifest, config) = below.image(&below.only()?)?;
        let program = sha256(&data);
        let entry = Entry { path: image::program_path(recipe.package), data, executable: true };
        let (tar, layer) = archive::layer(entry, recipe.seconds)?;
        let diff_id = sha256(&tar);
        Ok(Self { recipe, base: Base { manifest, config }, below, program, diff_id, layer })
    }

    /// Everything in which the image under a digest is not made of these, from every byte of it.
    pub(super) fn judge(&self, layout: &Layout, digest: &str) -> anyhow::Result<Vec<String>> {
        let (manifest, config) = layout.image(digest)?;
        let last = image::blobs(&manifest).map_err(anyhow::Error::msg)?.pop().unwrap_or_default();
        let (tar, entries) = match archive::open_layer(&layout.read(&last)?) {
            Ok(opened) => opened,
            Err(error) => return Ok(vec![format!("its last layer cannot be read: {error:#}")]),
        };
        let path = image::program_path(self.recipe.package);
        let program = entries.iter().find(|entry| entry.path == path);
        let found = Found {
            manifest,
            config,
            program: program.map(|entry| sha256(&entry.data)),
            paths: entries.iter().map(|entry| entry.path.clone()).collect(),
            diff_id: sha256(&tar),
        };
        let wanted = Wanted {
            recipe: self.recipe,
            base: &self.base,
            program: &self.program,
            diff_id: &self.diff_id,
        };
        Ok(image::judge(&wanted, &found))
    }
}

/// What an image is made of for each of its platforms.
pub(crate) struct Whole<'a> {
    image: &'a Image,
    targets: Vec<&'a Target>,
    parts: Vec<Parts<'a>>,
}

impl<'a> Whole<'a> {
    /// From the released assets, by name.
    pub(crate) fn new(
        release: &'a Release,
        image: &'a Image,
        assets: &BTreeMap<String, PathBuf>,
        work: &Path,
    ) -> anyhow::Result<Self> {
        let targets = targets(&release.plan, image);
        let mut parts = Vec::new();
        for target in &targets {
            let recipe = recipe(release, image, target)?;
            let name = recipe.package.asset_name(target, &release.plan.version);
            let asset = assets.get(&name).with_context(|| format!("{name} is not here"))?;
            let data = program(release, recipe.package, target, asset)?;
            parts.push(Parts::new(recipe, data, work)?);
        }
        Ok(Self { image, targets, parts })
    }

    /// Everything in which an index, and the images that it names, are not made of these.
    pub(crate) fn judge(&self, layout: &Layout, index: &str) -> anyhow::Result<Vec<String>> {
        let name = format!("{}@sha256:{index}", self.image.repository);
        let members = match image::members(&layout.document(index)?, &self.targets) {
            Ok(members) => members,
            Err(problem) => return Ok(vec![format!("`{name}`: {problem}")]),
        };
        let mut problems = Vec::new();
        for (parts, sha256) in self.parts.iter().zip(&members) {
            let of = format!("`{name}`, linux/{}", parts.recipe.target.triple.goarch);
            let found = parts.judge(layout, sha256)?;
            problems.extend(found.iter().map(|problem| format!("{of}: {problem}")));
        }
        Ok(problems)
    }

    /// The same, of what the registry gives for that digest, read back whole.
    pub(crate) fn judge_held(&self, index: &str, work: &Path) -> anyhow::Result<Vec<String>> {
        let held = TempFolder::new(work)?;
        let layout = Layout::at(&held.path().join("held"));
        let reference = format!("{}@sha256:{index}", self.image.repository);
        skopeo::fetch_all(&reference, layout.path())?;
        self.judge(&layout, index)
    }
}

/// The platforms of an image, in its own order.
pub(crate) fn targets<'a>(plan: &'a Plan, image: &Image) -> Vec<&'a Target> {
    image.targets.iter().filter_map(|platform| plan.config.target(platform)).collect()
}

/// Names of the assets whose programs images hold.
pub(super) fn asset_names(plan: &Plan) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for image in &plan.config.images {
        let package = package(plan, image)?;
        let of = |target: &Target| package.asset_name(target, &plan.version);
        names.extend(targets(plan, image).into_iter().map(of));
    }
    Ok(names)
}

/// What an image of a release follows from.
pub(crate) fn recipe<'a>(
    release: &'a Release,
    image: &'a Image,
    target: &'a Target,
) -> anyhow::Result<Recipe<'a>> {
    let Release { plan, head, .. } = release;
    Ok(Recipe {
        image,
        package: package(plan, image)?,
        target,
        source: &plan.config.release.repository,
        version: &plan.version,
        commit: &head.commit,
        seconds: head.time,
    })
}

pub(super) fn package<'a>(plan: &'a Plan, image: &Image) -> anyhow::Result<&'a Package> {
    let found = plan.config.packages.iter().find(|package| package.name == image.package);
    found.with_context(|| format!("the plan has no package `{}`", image.package))
}

/// As 64 lowercase hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The bytes of the program that users get with an asset.
pub(crate) fn program(
    release: &Release,
    package: &Package,
    target: &Target,
    asset: &Path,
) -> anyhow::Result<Vec<u8>> {
    let root = &release.workspace.root;
    pack::Request::new(root, package, target, &release.plan.version, release.head.time)
        .program(asset)
}
