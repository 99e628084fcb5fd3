//! The end to end of `ci`: `dist --strict` in a clone, and its assets judged by other programs.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;
use xtask_core::plan::Invocation;

use crate::exit::Exit;
use crate::ops::files::{self, TempFolder};
use crate::ops::git;
use crate::ops::proc::{self, Output};
use crate::ops::tools::text;

/// The example's workspace.
pub(super) const EXAMPLE: &str = "examples/tsuku";

/// The images of the tests' own: to build for musl in, and to run that in.
const BUILDER: &str = "xtask-test/builder";
const USERLAND: &str = "xtask-test/musl";

/// What is built a second time.
pub(super) struct Again<'a> {
    /// Within the repository.
    pub(super) workspace: &'a str,
    pub(super) platform: &'a str,
    /// The daemon with the image to build in; `None` for no container.
    pub(super) image: Option<&'a str>,
}

/// A clone of the workspace's commit, in a folder whose name is not a simple one.
pub(super) struct Rehearsal {
    work: TempFolder,
    clone: PathBuf,
    env: Vec<(String, String)>,
}

impl Rehearsal {
    pub(super) fn new(root: &Path, env: &[(String, String)]) -> anyhow::Result<Self> {
        if git::head(root).is_some_and(|head| !head.changes.is_empty()) {
            eprintln!("  the tree is dirty: this stage tries the commit, not the changes");
        }
        let work = TempFolder::new(&root.join("target"))?;
        let clone = work.path().join("a clône");
        let run = Invocation::new("git").args(["clone", "--quiet", &text(root)?, &text(&clone)?]);
        proc::check(&run, Output::Show)?;
        Ok(Self { work, clone, env: env.to_owned() })
    }

    fn xtask(&self, args: &[&str]) -> anyhow::Result<Invocation> {
        let mut run = Invocation::new("cargo").arg("xtask").args(args.iter().copied());
        run.env.clone_from(&self.env);
        Ok(run.cwd(text(&self.clone)?))
    }

    /// The platforms of the plan.
    pub(super) fn targets(&self) -> anyhow::Result<Vec<String>> {
        let plan = proc::check(&self.xtask(&["plan", "--json"])?, Output::Capture)?;
        let plan: Value =
            serde_json::from_slice(&plan.stdout).context("`plan --json` printed no JSON")?;
        let targets = plan["targets"].as_array().context("the plan has no targets")?;
        Ok(targets
            .iter()
            .filter_map(|target| target["platform"].as_str().map(str::to_owned))
            .collect())
    }

    /// Builds and checks one platform; returns why it cannot be built on this host, as its preflight says.
    pub(super) fn run(&self, platform: &str) -> anyhow::Result<Option<String>> {
        let out = self.work.path().join("dist").join(platform);
        let dist =
            self.xtask(&["dist", "--strict", "--target", platform, "--out", &text(&out)?])?;
        eprintln!("  $ cargo xtask dist --strict --target {platform}");
        let outcome = proc::run(&dist, Output::Show)?;
        if outcome.success() {
            self.judge(&out)?;
            return Ok(None);
        }
        if out.join("manifest.json").exists() {
            bail!("a refused `dist` left a manifest in `{}`", out.display());
        }
        let said = String::from_utf8_lossy(&outcome.stderr);
        match said.split_once("nothing was built: ") {
            Some((_, lacks)) if outcome.code() == Some(Exit::Tool as i32) => {
                let lacks =
                    lacks.lines().skip(1).map(str::trim).filter(|line| !line.starts_with("cure:"));
                Ok(Some(lacks.collect::<Vec<_>>().join("; ")))
            }
            _ => bail!("`dist` ended with {}", outcome.ended()),
        }
    }

    /// A build of the same commit in an image of the tests' own, for where the plan's cannot be had; returns
    /// the folder with its assets. `host` is the daemon that has the image.
    pub(super) fn run_in_image(&self, platform: &str, host: &str) -> anyhow::Result<PathBuf> {
        let out = self.work.path().join("dist").join("image");
        let image = ["--image", BUILDER, "--userland", USERLAND];
        let dist = self.xtask(&["dist", "--target", platform, "--out", &text(&out)?])?;
        eprintln!("  $ cargo xtask dist --target {platform} {}", image.join(" "));
        proc::check(&dist.args(image).env("DOCKER_HOST", host), Output::Show)?;
        Ok(out)
    }

    /// The example's Go program and the helper that it pins, for one platform.
    pub(super) fn run_example(&self, platform: &str) -> anyhow::Result<PathBuf> {
        let out = self.work.path().join("dist").join("example");
        let dist = ["-C", EXAMPLE, "dist", "--target", platform, "--out", &text(&out)?];
        eprintln!("  $ cargo xtask -C {EXAMPLE} dist --target {platform}");
        proc::check(&self.xtask(&dist)?, Output::Show)?;
        Ok(out)
    }

    /// Builds a platform's assets again as somebody else, and compares every byte with `assets`.
    pub(super) fn reproduce(&self, again: &Again<'_>, assets: &Path) -> anyhow::Result<()> {
        let Again { workspace, platform, image } = again;
        let run = ["-C", workspace, "reproduce", "--target", platform, "--against", &text(assets)?];
        let mut run = self.xtask(&run)?;
        if let Some(host) = image {
            run = run.args(["--image", BUILDER, "--userland", USERLAND]).env("DOCKER_HOST", *host);
        }
        eprintln!("  $ cargo xtask -C {workspace} reproduce --target {platform}");
        let outcome = proc::check(&run, Output::Show)?;
        let same = outcome.text().lines().filter(|line| line.contains(": identical, ")).count();
        if same == 0 {
            bail!("`reproduce` compared nothing");
        }
        Ok(())
    }

    /// Where [`Self::run`] put a platform's assets.
    pub(super) fn assets(&self, platform: &str) -> PathBuf {
        self.work.path().join("dist").join(platform)
    }

    /// What other programs say of the assets.
    fn judge(&self, out: &Path) -> anyhow::Result<()> {
        let manifest: Value = serde_json::from_str(&files::read_text(&out.join("manifest.json"))?)?;
        let sums = Invocation::new("sha256sum").args(["--strict", "--check", "checksums.txt"]);
        proc::check(&sums.cwd(text(out)?), Output::Show)?;
        let assets = manifest["assets"].as_array().context("the manifest has no assets")?;
        if assets.is_empty() {
            bail!("the manifest lists no asset");
        }
        for asset in assets {
            let name = asset["name"].as_str().context("an asset has no name")?;
            // Away from where it was built, as a user has it.
            let folder = TempFolder::new(&std::env::temp_dir())?;
            let copy = folder.path().join(name);
            files::copy(&out.join(name), &copy)?;
            let copy = text(&copy)?;
            let kind = proc::read(&Invocation::new("file").args(["--brief", &copy]))?;
            eprintln!("  {name}: {kind}");
            if let Some(floor) = asset["glibc"]["promised"].as_str() {
                readelf(&copy, floor)?;
            }
            let version = asset["version"].as_str().context("an asset has no version")?;
            let said = proc::read(&Invocation::new(&*copy).arg("--version").empty_env())?;
            if !said.ends_with(version) {
                bail!("`{name} --version` prints {said:?}, and the manifest says {version}");
            }
        }
        Ok(())
    }
}

/// binutils' reading of the version needs and the libraries.
fn readelf(path: &str, floor: &str) -> anyhow::Result<()> {
    let said = proc::read(&Invocation::new("readelf").args([
        "--wide",
        "--version-info",
        "--dynamic",
        path,
    ]))?;
    let needs: Vec<_> = said
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("GLIBC_"))
        .filter_map(|version| version.parse::<xtask_core::formats::Version>().ok())
        .collect();
    let highest =
        needs.iter().max().context("readelf finds no glibc version: is it linked to glibc?")?;
    let floor: xtask_core::formats::Version =
        floor.parse().ok().context("the floor is no version")?;
    if *highest > floor {
        bail!("readelf finds GLIBC_{highest}, and {floor} is promised");
    }
    if said.contains("libgcc_s") {
        bail!("readelf finds libgcc_s among the libraries needed");
    }
    eprintln!("  readelf: at most GLIBC_{highest}, promised {floor}, no libgcc_s");
    Ok(())
}
