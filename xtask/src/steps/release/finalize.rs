//! `finalize`: judge every asset again, make what belongs to the whole release, publish.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use xtask_core::audit::Severity;
use xtask_core::plan::{self, AssetKind, Package, Target};
use xtask_core::release::{Manifest, Stage, agree};
use xtask_core::report::{self, checksums};

use super::gather::{Gathered, gather};
use super::{On, Release, contents, images};
use crate::exit::{Exit, refused, usage};
use crate::ops::archive;
use crate::ops::files::{self, TempFolder};
use crate::ops::forge;
use crate::steps::artifact::Sealed;

/// Arguments of `finalize`.
#[derive(Debug, Args)]
pub(crate) struct FinalizeArgs {
    #[command(flatten)]
    on: On,
    /// Do it; without this, a forge on the network is only read
    #[arg(long)]
    execute: bool,
    /// Folder with the jobs' results: assets, manifests, smoke records [default: `dist` beside
    /// xtask.toml, if there]; what is not in it is fetched from the draft
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Accept that the machine that built an asset is the one that tried it: only for a local folder
    #[arg(long)]
    one_machine: bool,
    /// For workflows: a check that cannot run fails. Finalize has none that it would pass over
    #[arg(long)]
    strict: bool,
}

/// `cargo xtask finalize`.
pub(crate) fn run(root: Option<&Path>, args: &FinalizeArgs) -> anyhow::Result<Exit> {
    let release = Release::open(root, &args.on)?;
    if args.one_machine && !release.forge.rehearses()? {
        return Err(usage(
            "--one-machine is for rehearsals only: --forge dir:PATH, or a GitHub on a Unix socket of this machine",
        ));
    }
    release.check_clean()?;
    let work = TempFolder::new(&std::env::temp_dir())?;
    let dist = release.workspace.root.join("dist");
    let from = args.from.clone().or_else(|| dist.is_dir().then_some(dist));
    // What is fetched from the draft outlives a run that dies after it dropped the draft to fill it anew.
    let kept = release.workspace.root.join("target/finalize").join(&release.head.commit);
    let gathered = gather(&release, from.as_deref(), &kept)?;
    let files = judge(&release, gathered, args.one_machine, work.path())?;
    let order = release.order(Stage::Publish, files)?;
    let exit = release.drive(&order, args.execute)?;
    if args.execute || !release.forge.is_remote() {
        files::remove(&kept)?;
    }
    Ok(exit)
}

/// Compares and audits everything; returns every file of the release.
fn judge(
    release: &Release,
    mut gathered: Gathered,
    one_machine: bool,
    work: &Path,
) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let rust = rust_version(&release.workspace.root)?;
    let source = agree::Source { commit: &release.head.commit, rust: rust.as_deref(), one_machine };
    let mut problems = Vec::new();
    for asset in release.of_targets().filter(|a| !gathered.assets.contains_key(&a.name)) {
        problems.push(format!("{}: neither here nor in the draft", asset.name));
    }
    if let Err(found) = agree::add_smoke(&mut gathered.manifests, &gathered.smoke) {
        problems.extend(found);
    }
    let merged = agree::merge(&release.plan, &source, &gathered.manifests);
    let images = images::list(release, &gathered.images, &gathered.assets)?;
    let own = gathered.own;
    let mut files = gathered.assets;
    let mut hashes = Manifest::new();
    for (name, path) in &files {
        hashes.insert(name.clone(), forge::expected(path)?);
    }
    match &merged {
        Ok(manifest) => problems.extend(agree::differing_files(manifest, &hashes)),
        Err(found) => problems.extend(found.iter().cloned()),
    }
    for (name, path) in &files {
        problems.extend(audit(release, name, path, &files, work)?);
    }
    let images = images.unwrap_or_else(|found| {
        problems.extend(found);
        Value::Null
    });
    if let (true, Ok(mut manifest)) = (problems.is_empty(), merged) {
        manifest["images"] = images;
        contents::add(release, manifest, &mut files, &own, work)?;
        return Ok(files);
    }
    let count = problems.len();
    Err(refused(format!("{count} problem(s); nothing was published\n  {}", problems.join("\n  "))))
}

/// What is wrong with one asset, from its bytes alone, whatever its platform.
pub(super) fn audit(
    release: &Release,
    name: &str,
    path: &Path,
    files: &BTreeMap<String, PathBuf>,
    work: &Path,
) -> anyhow::Result<Vec<String>> {
    let Some((package, target)) = made_for(release, name) else {
        return digest_file(name, path, files);
    };
    let programs = match programs(package, target, name, path, work)? {
        Ok(programs) => programs,
        Err(absent) => return Ok(vec![absent]),
    };
    let policy = plan::policy(package, target, &[]);
    let mut problems = Vec::new();
    for (binary, program) in package.binaries().zip(&programs) {
        let what = package.called(binary, name);
        match Sealed::at(program)?.judge(&policy)? {
            Err(unread) => problems.push(format!("{what}: not auditable: {unread}")),
            Ok(judged) => {
                let errors = judged.findings.iter().filter(|f| f.severity == Severity::Error);
                problems.extend(errors.map(|f| format!("{what}: {}", report::finding_text(f))));
            }
        }
    }
    if let Some(main) = programs.first() {
        problems.extend(pins(release, package, target, name, main, files)?);
    }
    Ok(problems)
}

/// The programs as users have them, the main one first: the asset, or what its archive holds. The inner error:
/// one that it does not hold.
pub(super) fn programs(
    package: &Package,
    target: &Target,
    name: &str,
    path: &Path,
    work: &Path,
) -> anyhow::Result<Result<Vec<PathBuf>, String>> {
    let Some(format) = package.archive_for(target) else { return Ok(Ok(vec![path.to_owned()])) };
    let bytes = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let entries = match archive::unpack(format, &bytes) {
        Ok(entries) => entries,
        Err(error) => return Ok(Err(format!("{name}: {error:#}"))),
    };
    let mut programs = Vec::new();
    for binary in package.binaries() {
        let file = format!("{binary}{}", target.triple.exe_suffix());
        let is_it = |entry: &&archive::Entry| entry.path.rsplit('/').next() == Some(&file);
        let Some(entry) = entries.iter().find(is_it) else {
            return Ok(Err(format!("{name}: does not hold `{binary}`")));
        };
        let to = work.join("unpacked").join(name).join(&file);
        files::replace(&to, &entry.data)?;
        programs.push(to);
    }
    Ok(Ok(programs))
}

/// The package and target of an asset that holds a program.
pub(super) fn made_for<'a>(release: &'a Release, name: &str) -> Option<(&'a Package, &'a Target)> {
    let asset = release.plan.assets.iter().find(|asset| {
        asset.name == name && matches!(asset.kind, AssetKind::Binary | AssetKind::Archive)
    })?;
    let config = &release.plan.config;
    let package = config.packages.iter().find(|p| Some(&p.name) == asset.package.as_ref())?;
    Some((package, config.target(asset.platform.as_deref()?)?))
}

/// An asset's own checksum file must name its digest.
fn digest_file(
    name: &str,
    path: &Path,
    files: &BTreeMap<String, PathBuf>,
) -> anyhow::Result<Vec<String>> {
    let text = files::read_text(path)?;
    let entries = match checksums::parse(&text) {
        Ok(entries) => entries,
        Err(bad) => return Ok(vec![format!("{name}:{}: {}", bad.line, bad.message)]),
    };
    let mut problems = Vec::new();
    for entry in entries {
        let right = match files.get(&entry.name) {
            Some(file) => files::digest(file)?.sha256 == entry.sha256,
            None => false,
        };
        if !right {
            problems.push(format!("{name}: does not hold the sha256 of {}", entry.name));
        }
    }
    Ok(problems)
}

/// A program that pins another holds the digest of the one that is released beside it.
fn pins(
    release: &Release,
    package: &Package,
    target: &Target,
    name: &str,
    program: &Path,
    files: &BTreeMap<String, PathBuf>,
) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    for pinned in &package.pins {
        let pinned = release.plan.assets.iter().find(|asset| {
            asset.kind == AssetKind::Binary
                && asset.package.as_ref() == Some(pinned)
                && asset.platform.as_ref() == Some(&target.platform)
        });
        let Some((pinned, path)) = pinned.and_then(|a| Some((&a.name, files.get(&a.name)?))) else {
            problems.push(format!("{name}: what it pins is no asset of its own here"));
            continue;
        };
        let digest = files::digest(path)?.sha256;
        if files::find(program, digest.as_bytes())?.is_empty() {
            problems.push(format!("{name}: does not pin the {pinned} of this release ({digest})"));
        }
    }
    Ok(problems)
}

/// The version in `rust-toolchain.toml`; `None` when there is no such file.
fn rust_version(root: &Path) -> anyhow::Result<Option<String>> {
    let path = root.join("rust-toolchain.toml");
    if !path.is_file() {
        return Ok(None);
    }
    let text = files::read_text(&path)?;
    let channel = text.lines().find_map(|line| line.trim().strip_prefix("channel"));
    let version = channel.and_then(|rest| rest.split('"').nth(1));
    Ok(version.filter(|v| v.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned))
}
