//! What a release holds besides its targets' assets, each vouching for what was made before it: SBOMs,
//! provenance, manifest, checksums. The same assets give the same bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use xtask_core::plan::{Asset, AssetKind, Kind, Package, Plan};
use xtask_core::report::sbom::{self, About, Graph};
use xtask_core::report::{File, checksums, provenance};

use super::Release;
use super::finalize::programs;
use crate::exit::{Exit, refused, usage};
use crate::ops::files::TempFolder;
use crate::ops::git::Head;
use crate::ops::{cargo, files, git, go};
use crate::steps::workspace::Workspace;

/// The files of a release by name.
type Files = BTreeMap<String, PathBuf>;

/// Arguments of `sbom`.
#[derive(Debug, Args)]
pub(crate) struct SbomArgs {
    /// The package
    #[arg(long, value_name = "NAME")]
    package: String,
    /// Folder with its programs: their digests go into the document, and Go programs say themselves
    /// what they are made of [default: `dist` beside xtask.toml]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// The release's version [default: the packages' own]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
}

/// `cargo xtask sbom`: prints what a package's programs are made of; `finalize` makes the same.
pub(crate) fn run(root: Option<&Path>, args: &SbomArgs) -> anyhow::Result<Exit> {
    let workspace = Workspace::open(root)?;
    let plan = workspace.plan(args.version.as_deref())?;
    let head = git::head(&workspace.root)
        .ok_or_else(|| usage(format!("`{}` has no commit", workspace.root.display())))?;
    let work = TempFolder::new(&std::env::temp_dir())?;
    let from = args.from.clone().unwrap_or_else(|| workspace.root.join("dist"));
    let maker = Maker { workspace: &workspace, plan: &plan, head: &head, work: work.path() };
    for package in workspace.packages(Some(&args.package))? {
        let there =
            maker.programs(package).map(|asset| (asset.name.clone(), from.join(&asset.name)));
        let files: Files = there.filter(|(_, path)| path.is_file()).collect();
        if files.is_empty() {
            return Err(usage(format!(
                "`{}` holds no program of `{}`: `cargo xtask dist` makes it",
                from.display(),
                package.name
            )));
        }
        println!("{:#}", maker.sbom(package, &files)?);
    }
    Ok(Exit::Done)
}

/// Adds the release's own files to those of its targets. `found` are files of such names that lay among
/// the targets' results: one that differs from what is made here was made for other programs.
pub(super) fn add(
    release: &Release,
    mut manifest: Value,
    files: &mut Files,
    found: &Files,
    work: &Path,
) -> anyhow::Result<()> {
    let Release { workspace, plan, head, .. } = release;
    let maker = Maker { workspace, plan, head, work };
    for package in &release.plan.config.packages {
        let name = package.sbom_name();
        let bom = maker.sbom(package, files)?;
        maker.write(&name, &format!("{bom:#}\n"), files)?;
    }
    let settings = &release.plan.config.release;
    let statement = maker.provenance(&manifest)?;
    maker.write(&settings.provenance, &format!("{statement:#}\n"), files)?;
    manifest["files"] = maker.others(files)?;
    maker.write(&settings.manifest, &format!("{manifest:#}\n"), files)?;
    let mut sums = String::new();
    for (name, path) in &*files {
        sums.push_str(&checksums::line(&files::digest(path)?.sha256, name));
    }
    maker.write(&settings.checksums, &sums, files)?;
    disagree(files, found)
}

/// Refuses files that were made for other programs.
fn disagree(files: &Files, found: &Files) -> anyhow::Result<()> {
    let mut problems = Vec::new();
    for (name, path) in found {
        let made = files.get(name).map(|made| files::digest(made)).transpose()?;
        if made.as_ref() != Some(&files::digest(path)?) {
            problems.push(format!(
                "`{}` is not the {name} of these programs and this commit: remove it, finalize makes it",
                path.display()
            ));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(refused(problems.join("\n"))) }
}

struct Maker<'a> {
    workspace: &'a Workspace,
    plan: &'a Plan,
    head: &'a Head,
    /// Where files go.
    work: &'a Path,
}

impl Maker<'_> {
    fn write(&self, name: &str, text: &str, files: &mut Files) -> anyhow::Result<()> {
        let path = self.work.join("release").join(name);
        files::replace(&path, text.as_bytes())?;
        files.insert(name.to_owned(), path);
        Ok(())
    }

    fn programs(&self, package: &Package) -> impl Iterator<Item = &Asset> {
        let of =
            |asset: &&Asset| asset.is_program() && asset.package.as_ref() == Some(&package.name);
        self.plan.assets.iter().filter(of)
    }

    fn sbom(&self, package: &Package, files: &Files) -> anyhow::Result<Value> {
        let plan = self.plan;
        let mut assets = Vec::new();
        for asset in self.programs(package) {
            if let Some(path) = files.get(&asset.name) {
                assets.push((asset.name.clone(), files::digest(path)?.sha256));
            }
        }
        let graph = match package.kind {
            Kind::Rust => self.crates(package)?,
            // Of what another tool built, too: where it says nothing, the document says so.
            Kind::Go | Kind::Prebuilt => self.modules(package, files)?,
        };
        let about = About {
            package: &package.name,
            version: &plan.version,
            repository: &plan.config.release.repository,
            tag: &plan.tag,
            commit: &self.head.commit,
            seconds: self.head.time,
            assets: &assets,
        };
        Ok(sbom::cyclonedx(&about, &graph))
    }

    fn crates(&self, package: &Package) -> anyhow::Result<Graph> {
        let workspace = self.workspace;
        let krate = workspace.krate(package)?;
        let lock = files::read_text(&krate.workspace_root.join("Cargo.lock"))
            .context("an SBOM is made from it: commit it")?;
        let mut trees = Vec::new();
        for platform in &package.targets {
            let target = workspace.config.target(platform).context("a target of no plan")?;
            let tree = cargo::tree(&workspace.folder(package), package, target.triple.name)?;
            trees.push((platform.clone(), tree));
        }
        sbom::from_cargo(&trees, &lock).map_err(|problem| {
            usage(format!(
                "no SBOM of `{}` in `{}`: {problem}",
                package.name,
                krate.workspace_root.display()
            ))
        })
    }

    fn modules(&self, package: &Package, files: &Files) -> anyhow::Result<Graph> {
        let mut notes = Vec::new();
        for asset in self.programs(package) {
            let target = asset.platform.as_deref().and_then(|name| self.plan.config.target(name));
            let Some((path, target)) = files.get(&asset.name).zip(target) else { continue };
            let files = programs(package, target, &asset.name, path, self.work)?;
            for file in files.map_err(refused)? {
                notes.push((target.platform.clone(), go::note(&file)?));
            }
        }
        Ok(sbom::from_go(&notes))
    }

    fn provenance(&self, manifest: &Value) -> anyhow::Result<Value> {
        let root = &self.workspace.root;
        let path = root.join("xtask.toml");
        let sha256 = files::digest(&path)?.sha256;
        let plan = git::prefix(root)? + "xtask.toml";
        let source = provenance::Source { plan: &plan, plan_sha256: &sha256 };
        Ok(provenance::statement(manifest, &source))
    }

    /// What the manifest lists besides the programs.
    fn others(&self, files: &Files) -> anyhow::Result<Value> {
        let mut others = Vec::new();
        for asset in self.plan.assets.iter().filter(|asset| !asset.is_program()) {
            // The manifest and the checksums come after it.
            if matches!(asset.kind, AssetKind::Manifest | AssetKind::Checksums) {
                continue;
            }
            let path = files.get(&asset.name).with_context(|| format!("no {}", asset.name))?;
            let digest = files::digest(path)?;
            others.push(File { asset, size: digest.size, sha256: digest.sha256 }.to_json());
        }
        Ok(Value::Array(others))
    }
}
