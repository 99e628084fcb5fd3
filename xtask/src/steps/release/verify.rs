//! `verify`: look at a release as a user would: fetch it by its public addresses, check the checksums,
//! judge the programs, run those that run here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use xtask_core::plan::{AssetKind, Invocation, Package, Target};
use xtask_core::release::{Manifest, agree, notes};
use xtask_core::report::{Outcome, checksums, provenance};

use super::finalize::{audit, made_for, programs};
use super::{On, Release, images, signed};
use crate::exit::{Exit, refused, usage};
use crate::ops::files::{self, TempFolder};
use crate::ops::forge::{self, Forge};
use crate::ops::proc::{self, Output};
use crate::ops::{cargo, probe};
use crate::steps::containers::{ContainerArgs, Containers};
use crate::steps::smoke::Subject;

/// For one file.
const DEADLINE: Duration = Duration::from_secs(1800);

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    on: On,
    /// A folder with the release's files, instead of fetching them
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Where releases are fetched from
    #[arg(long, value_name = "URL", default_value = "https://github.com")]
    base_url: String,
    /// Where the release's text is read
    #[arg(long, value_name = "URL", default_value = "https://api.github.com")]
    api_url: String,
    /// A check that cannot run here fails
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    containers: ContainerArgs,
}

/// `cargo xtask verify`.
pub(crate) fn run(root: Option<&Path>, mut args: VerifyArgs) -> anyhow::Result<Exit> {
    args.on.version_of_tag(root)?;
    let release = Release::open(root, &args.on)?;
    let work = TempFolder::new(&std::env::temp_dir())?;
    let files = match (&args.from, &release.forge) {
        (Some(folder), _) => in_folder(&release, folder),
        (None, Forge::Dir(dir)) => in_folder(&release, &dir.published_assets(&release.plan.tag)),
        (None, Forge::GitHub(_)) => fetch(&release, &args.base_url, work.path()),
    };
    let mut list = Checklist::default();
    let public = args.from.is_none() && matches!(release.forge, Forge::GitHub(_));
    let (files, absent) = files?;
    list.check("every asset of the plan is there", absent);
    list.check("the checksum file lists all others, and they match", sums(&release, &files)?);
    list.check("the manifest describes the programs", described(&release, &files)?);
    list.check("the provenance is of these programs", proven(&release, &files)?);
    let mut found = Vec::new();
    for (name, path) in &files {
        if release.of_targets().any(|asset| asset.name == *name) {
            found.extend(audit(&release, name, path, &files, work.path())?);
        }
    }
    list.check("every program passes the audit, from its bytes", found);
    smoke(&release, &files, &args, work.path(), &mut list)?;
    images::check(&release, &files, work.path(), &mut list)?;
    // A folder has no latest release, no text and no signatures.
    if public {
        let client = Curl { base: &args.base_url, api: &args.api_url, folder: work.path() };
        latest(&release, &client, &mut list)?;
        text(&release, &client, &mut list)?;
        signed::check(&release, &args.on, &files, &mut list)?;
    }
    list.end(&release.plan.tag, args.strict)
}

pub(super) type Files = BTreeMap<String, PathBuf>;

fn in_folder(release: &Release, folder: &Path) -> anyhow::Result<(Files, Vec<String>)> {
    if !folder.is_dir() {
        return Err(usage(format!("`{}` is no folder", folder.display())));
    }
    let mut files = Files::new();
    let mut absent = Vec::new();
    for asset in &release.plan.assets {
        let path = folder.join(&asset.name);
        if path.is_file() {
            files.insert(asset.name.clone(), path);
        } else {
            absent.push(format!("{}: not in `{}`", asset.name, folder.display()));
        }
    }
    Ok((files, absent))
}

/// Through the public addresses, without a token.
fn fetch(release: &Release, base: &str, work: &Path) -> anyhow::Result<(Files, Vec<String>)> {
    let base = address(base)?;
    let folder = work.join("fetched");
    files::make_folder(&folder)?;
    let mut files = Files::new();
    let mut absent = Vec::new();
    for asset in &release.plan.assets {
        let repository = &release.plan.config.release.repository;
        let url =
            format!("{base}/{repository}/releases/download/{}/{}", release.plan.tag, asset.name);
        let to = folder.join(&asset.name);
        match curl(&url, &folder, &asset.name)? {
            Ok(()) => drop(files.insert(asset.name.clone(), to)),
            Err(problem) => absent.push(problem),
        }
    }
    Ok((files, absent))
}

/// An address without its last slash.
fn address(text: &str) -> anyhow::Result<&str> {
    if !text.starts_with("https://") && !text.starts_with("http://") {
        return Err(usage(format!("`{text}` is no address: write https://…")));
    }
    Ok(text.trim_end_matches('/'))
}

/// Fetches one file, as anybody would: without a token, without anybody's `.curlrc`. What is wrong, when it
/// cannot be had.
fn curl(url: &str, folder: &Path, name: &str) -> anyhow::Result<Result<(), String>> {
    // Whoever asks for TLS gets nothing without it.
    let protocols = if url.starts_with("https://") { "=https" } else { "=https,http" };
    let run = Invocation::new("curl")
        .args(["--disable", "--fail", "--location", "--silent", "--show-error", "--retry", "3"])
        .args(["--connect-timeout", "30", "--speed-time", "60", "--speed-limit", "1024"])
        .args(["--proto", protocols, "--output", name, "--", url])
        .cwd(folder.to_string_lossy().into_owned())
        .deadline(DEADLINE);
    let outcome = proc::run(&run, Output::Capture)?;
    if outcome.success() {
        return Ok(Ok(()));
    }
    files::remove(&folder.join(name))?;
    Ok(Err(format!("{url}: {}{}", outcome.ended(), proc::tail(&outcome))))
}

/// The public addresses, and where what they give goes.
struct Curl<'a> {
    base: &'a str,
    api: &'a str,
    folder: &'a Path,
}

impl Curl<'_> {
    fn json(&self, url: &str, name: &str) -> anyhow::Result<Result<Value, String>> {
        if let Err(problem) = curl(url, self.folder, name)? {
            return Ok(Err(problem));
        }
        let text = files::read_text(&self.folder.join(name))?;
        Ok(serde_json::from_str(&text).map_err(|error| format!("{url}: no JSON: {error}")))
    }
}

/// Where `releases/latest` leads: to the highest stable version, and never to a pre-release.
fn latest(release: &Release, client: &Curl<'_>, list: &mut Checklist) -> anyhow::Result<()> {
    let what = "the latest release is the highest stable version";
    let settings = &release.plan.config.release;
    let url = format!(
        "{}/{}/releases/latest/download/{}",
        address(client.base)?,
        settings.repository,
        settings.manifest
    );
    let own = &release.plan.version;
    let found = match client.json(&url, "latest.json")? {
        Ok(manifest) => manifest["tag"].as_str().unwrap_or_default().to_owned(),
        Err(_) if notes::is_prerelease(own) => {
            list.not_run(what, "no release is the latest, and this is a pre-release");
            return Ok(());
        }
        Err(problem) => {
            list.check(what, vec![problem]);
            return Ok(());
        }
    };
    let prefix = settings.tag.split("{version}").next().unwrap_or_default();
    let version = found.strip_prefix(prefix).unwrap_or(&found);
    let right = if notes::is_prerelease(own) {
        found != release.plan.tag && !notes::is_prerelease(version)
    } else {
        found == release.plan.tag
            || notes::is_highest(version, &settings.tag, [release.plan.tag.as_str()])
    };
    let problem = format!("{url} leads to {found}; mark the highest stable version as the latest");
    list.check(what, if right { Vec::new() } else { vec![problem] });
    Ok(())
}

/// The release's text holds the notes of its version, and says whether it is a pre-release.
fn text(release: &Release, client: &Curl<'_>, list: &mut Checklist) -> anyhow::Result<()> {
    let what = "the release's text holds the version's notes";
    let tag = &release.plan.tag;
    let repository = &release.plan.config.release.repository;
    let url = format!("{}/repos/{repository}/releases/tags/{tag}", address(client.api)?);
    let found = match client.json(&url, "release.json")? {
        Ok(found) => found,
        Err(problem) => {
            list.not_run(what, &problem);
            return Ok(());
        }
    };
    let mut problems = Vec::new();
    let prerelease = notes::is_prerelease(&release.plan.version);
    if found["prerelease"] != prerelease {
        problems.push(format!("{url}: prerelease is {}, not {prerelease}", found["prerelease"]));
    }
    let body = found["body"].as_str().unwrap_or_default().replace("\r\n", "\n");
    match release.notes() {
        Ok(notes) if body.contains(notes.replace("\r\n", "\n").trim()) => {}
        Ok(_) => problems.push(format!("{url}: its text is not the notes of {tag}; edit it")),
        Err(error) => {
            list.not_run(what, &format!("{error:#}"));
            return Ok(());
        }
    }
    list.check(what, problems);
    Ok(())
}

fn sums(release: &Release, files: &Files) -> anyhow::Result<Vec<String>> {
    let own = &release.plan.config.release.checksums;
    let Some(path) = files.get(own) else { return Ok(vec![format!("{own}: missing")]) };
    let entries = match checksums::parse(&files::read_text(path)?) {
        Ok(entries) => entries,
        Err(bad) => return Ok(vec![format!("{own}:{}: {}", bad.line, bad.message)]),
    };
    let mut problems = Vec::new();
    for entry in &entries {
        match files.get(&entry.name) {
            None => problems.push(format!("{}: listed in {own}, and not in the plan", entry.name)),
            Some(path) if files::digest(path)?.sha256 != entry.sha256 => {
                problems.push(format!("{}: not the file that {own} lists", entry.name));
            }
            Some(_) => {}
        }
    }
    for name in files.keys().filter(|name| *name != own) {
        if !entries.iter().any(|entry| entry.name == *name) {
            problems.push(format!("{name}: not listed in {own}"));
        }
    }
    Ok(problems)
}

fn described(release: &Release, files: &Files) -> anyhow::Result<Vec<String>> {
    let own = &release.plan.config.release.manifest;
    let Some(path) = files.get(own) else { return Ok(vec![format!("{own}: missing")]) };
    let manifest: Value = match serde_json::from_str(&files::read_text(path)?) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(vec![format!("{own}: no JSON: {error}")]),
    };
    let mut hashes = Manifest::new();
    for (name, path) in files {
        hashes.insert(name.clone(), forge::expected(path)?);
    }
    let mut problems = agree::differing_files(&manifest, &hashes);
    for (key, expected) in [("tag", &release.plan.tag), ("version", &release.plan.version)] {
        if manifest[key] != *expected {
            problems.push(format!("{own}: {key} is {}, not {expected}", manifest[key]));
        }
    }
    let records = manifest["assets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let programs = release.plan.assets.iter().filter(|asset| {
        matches!(asset.kind, AssetKind::Binary | AssetKind::Archive)
            && !records.iter().any(|record| record["name"] == asset.name)
    });
    problems.extend(programs.map(|asset| format!("{}: not described in {own}", asset.name)));
    Ok(problems)
}

/// Whether the provenance statement is about the programs of the manifest.
fn proven(release: &Release, files: &Files) -> anyhow::Result<Vec<String>> {
    let release = &release.plan.config.release;
    let (Some(own), Some(manifest)) =
        (files.get(&release.provenance), files.get(&release.manifest))
    else {
        return Ok(vec![format!("{} or {}: missing", release.provenance, release.manifest)]);
    };
    let read = |path: &Path| -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&files::read_text(path)?).unwrap_or_default())
    };
    let problems = provenance::check(&read(own)?, &read(manifest)?).err().unwrap_or_default();
    Ok(problems.into_iter().map(|problem| format!("{}: {problem}", release.provenance)).collect())
}

/// Runs what this host can run.
fn smoke(
    release: &Release,
    files: &Files,
    args: &VerifyArgs,
    work: &Path,
    list: &mut Checklist,
) -> anyhow::Result<()> {
    let host = cargo::rustc(&release.workspace.root)?.host;
    let place = probe::place();
    for (name, path) in files {
        let Some((package, target)) = made_for(release, name) else { continue };
        // That a program is absent is the audit's to tell.
        let Ok(programs) = programs(package, target, name, path, work)? else { continue };
        let Some(main) = programs.first() else { continue };
        let version = &release.plan.version;
        let beside = beside(release, package, target, main, files)?;
        let mut rows = Vec::new();
        for (binary, file) in package.binaries().zip(&programs) {
            files::make_executable(file)?;
            let subject = Subject { file, binary, package, target, version, beside: &beside };
            rows.extend(subject.smoke(&host, &place, &Containers::new(&args.containers))?);
        }
        for row in rows {
            let what = format!("{name} {}", row.check);
            match row.outcome {
                Outcome::Passed => list.check(&what, Vec::new()),
                Outcome::Failed => list.check(&what, vec![format!("{what}: {}", row.detail)]),
                Outcome::NotRun => list.not_run(&what, &row.detail),
            }
        }
    }
    Ok(())
}

/// The programs that a program pins, put beside it under the names that users have them by.
fn beside(
    release: &Release,
    package: &Package,
    target: &Target,
    program: &Path,
    files: &Files,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut beside = Vec::new();
    for name in release.plan.pinned(package, target) {
        let to = program.with_file_name(&name);
        let Some(from) = files.get(&name) else { continue };
        if *from != to {
            files::copy(from, &to)?;
        }
        files::make_executable(&to)?;
        beside.push(to);
    }
    Ok(beside)
}

/// What was looked at, and what came of it.
#[derive(Default)]
pub(super) struct Checklist {
    rows: Vec<String>,
    problems: Vec<String>,
    not_run: Vec<String>,
}

impl Checklist {
    pub(super) fn check(&mut self, what: &str, problems: Vec<String>) {
        let mark = if problems.is_empty() { "ok" } else { "FAILED" };
        self.rows.push(format!("{mark:<8} {what}"));
        self.problems.extend(problems);
    }

    pub(super) fn not_run(&mut self, what: &str, why: &str) {
        self.rows.push(format!("{:<8} {what}: {why}", "not run"));
        self.not_run.push(what.to_owned());
    }

    /// What a rehearsal goes without by its nature: shown, and no failure under `--strict`.
    pub(super) fn left_out(&mut self, what: &str, why: &str) {
        self.rows.push(format!("{:<8} {what}: {why}", "left out"));
    }

    fn end(self, tag: &str, strict: bool) -> anyhow::Result<Exit> {
        println!("{tag}");
        for row in &self.rows {
            println!("  {row}");
        }
        if !self.problems.is_empty() {
            return Err(refused(format!("{tag} is not sound\n  {}", self.problems.join("\n  "))));
        }
        Ok(if strict && !self.not_run.is_empty() { Exit::Findings } else { Exit::Done })
    }
}
