//! `rehearse`: the whole release on one machine, by the same commands that CI runs.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use xtask_core::plan::Invocation;

use crate::exit::{Exit, usage};
use crate::ops::files::TempFolder;
use crate::ops::forge::{self, Which};
use crate::ops::proc::{self, Output};
use crate::ops::{cargo, git};
use crate::steps::workspace::Workspace;

/// Arguments of `rehearse`.
#[derive(Debug, Args)]
pub(crate) struct RehearseArgs {
    /// The release's tag [default: that of the packages' version]
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Platforms or triples to rehearse [default: those of the host's own triple]
    #[arg(long, value_name = "TARGET")]
    target: Vec<String>,
    /// `dir`, a folder of its own; or `github`, when `gh` is set to a Unix socket of this machine
    /// (`http_unix_socket` in its configuration): a rehearsal never reaches users
    #[arg(long, value_name = "FORGE", default_value = "dir")]
    forge: String,
    /// Where `verify` fetches from with `--forge github`; without it that step is not rehearsed
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Keep the clone and the folder with the releases here
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// `cargo xtask rehearse`.
pub(crate) fn run(root: Option<&Path>, args: &RehearseArgs) -> anyhow::Result<Exit> {
    let workspace = Workspace::open(root)?;
    let plan = workspace.plan(None)?;
    let tag = args.tag.clone().unwrap_or_else(|| plan.tag.clone());
    let host = cargo::rustc(&workspace.root)?.host;
    let platforms: Vec<String> = workspace
        .targets(&args.target, &host)?
        .iter()
        .filter(|target| plan.assets.iter().any(|a| a.platform.as_ref() == Some(&target.platform)))
        .map(|target| target.platform.clone())
        .collect();
    let temporary = TempFolder::new(&std::env::temp_dir())?;
    let folder = args.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    let folder = std::path::absolute(&folder)
        .with_context(|| format!("`{}` is no path", folder.display()))?;
    let forge = forge(&args.forge, &folder.join("releases"))?;
    let clone = clone(&workspace.root, &folder.join("clone"), &tag)?;
    let steps = Steps { clone, forge, tag, base_url: args.base_url.clone() };
    let verified = steps.all(&platforms)?;

    println!("rehearsed {} for {}", steps.tag, platforms.join(", "));
    println!("not rehearsed:");
    for target in plan.config.targets.iter().filter(|t| !platforms.contains(&t.platform)) {
        println!("  {} ({}, runner {})", target.platform, target.builder.name(), target.runner);
    }
    for image in &plan.config.images {
        println!("  the image {}: `cargo xtask image` makes and tries it", image.name);
    }
    println!("  the smoke test on a machine other than the builder");
    if !verified {
        println!("  verify: no --base-url says where the release can be fetched from");
    }
    println!("  GitHub itself");
    Ok(Exit::Done)
}

/// The forge that the steps are told.
fn forge(word: &str, releases: &Path) -> anyhow::Result<String> {
    let named = if word == "dir" { format!("dir:{}", releases.display()) } else { word.to_owned() };
    match named.parse::<Which>().map_err(usage)? {
        Which::GitHub if !forge::is_loopback()? => Err(usage(
            "a rehearsal would publish on GitHub: set `http_unix_socket` in gh's configuration (GH_CONFIG_DIR) to a loopback GitHub, or rehearse with --forge dir",
        )),
        // The steps run in a clone: a path is the caller's.
        Which::Dir(path) => {
            let path = std::path::absolute(&path)
                .with_context(|| format!("`{}` is no path", path.display()))?;
            Ok(format!("dir:{}", path.display()))
        }
        Which::GitHub => Ok(named),
    }
}

/// A clone of HEAD with the tag at it: what CI would check out.
fn clone(root: &Path, to: &Path, tag: &str) -> anyhow::Result<PathBuf> {
    let run = Invocation::new("git").args(["clone", "--quiet", "--no-hardlinks", "--"]);
    let (from, into) = (root.to_string_lossy().into_owned(), to.to_string_lossy().into_owned());
    let top = proc::read(&git::invocation(root).args(["rev-parse", "--show-toplevel"]))?;
    let inside = proc::read(&git::invocation(root).args(["rev-parse", "--show-prefix"]))?;
    proc::check(&run.args([if inside.is_empty() { from } else { top }, into]), Output::Capture)?;
    let tagged = git::invocation(to).args([
        "-c",
        "user.name=rehearsal",
        "-c",
        "user.email=rehearsal@localhost",
    ]);
    proc::check(
        &tagged.args(["tag", "--force", "--annotate", "--message", "rehearsal", "--", tag]),
        Output::Capture,
    )?;
    Ok(to.join(inside))
}

/// The commands of a release, each as CI calls it.
struct Steps {
    clone: PathBuf,
    forge: String,
    tag: String,
    base_url: Option<String>,
}

impl Steps {
    /// Whether the published release could be fetched, and so verified.
    fn all(&self, platforms: &[String]) -> anyhow::Result<bool> {
        let mut dist = vec!["dist", "--strict"];
        dist.extend(platforms.iter().flat_map(|platform| ["--target", platform.as_str()]));
        self.step(&dist, &[])?;
        self.on_forge("draft", &["--execute"], platforms)?;
        self.on_forge("upload", &["--execute", "--from", "dist"], platforms)?;
        self.on_forge("finalize", &["--execute", "--one-machine", "--strict"], platforms)?;
        let mut verify = vec!["--strict"];
        match &self.base_url {
            Some(url) => verify.extend(["--base-url", url.as_str()]),
            None if self.forge == "github" => return Ok(false),
            None => {}
        }
        self.on_forge("verify", &verify, platforms)?;
        Ok(true)
    }

    fn on_forge(&self, name: &str, more: &[&str], platforms: &[String]) -> anyhow::Result<()> {
        let mut only = vec!["--tag", &self.tag, "--forge", &self.forge];
        only.extend(platforms.iter().flat_map(|platform| ["--only", platform.as_str()]));
        let mut words = vec![name];
        words.extend(more);
        self.step(&words, &only)
    }

    fn step(&self, words: &[&str], more: &[&str]) -> anyhow::Result<()> {
        eprintln!("rehearsing: cargo xtask {}", words.join(" "));
        let program = std::env::current_exe().context("cannot find the xtask's own program")?;
        let mut run = Invocation::new(program.to_string_lossy())
            .args(words.iter().chain(more).copied())
            .cwd(self.clone.to_string_lossy().into_owned());
        // No build script sees a token: only the steps on the forge get one.
        let passed = if more.is_empty() { &[][..] } else { forge::PASSED };
        for name in ["XTASK_TOOLS", "XTASK_FORGE_PAUSE_MS"].iter().chain(passed) {
            if let Ok(value) = std::env::var(name) {
                run = run.env(*name, value);
            }
        }
        // Not the command as it was run: its environment holds the token.
        let outcome = proc::run(&run, Output::Show)?;
        if !outcome.success() {
            anyhow::bail!("`cargo xtask {}` failed: {}", words.join(" "), outcome.ended());
        }
        Ok(())
    }
}
