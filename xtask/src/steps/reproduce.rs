//! `reproduce`: build again, elsewhere and otherwise, and compare every byte.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;
use xtask_core::plan::{Archive, Builder, Invocation, Plan};
use xtask_core::report::differences;

use super::containers::ContainerArgs;
use super::workspace::Workspace;
use crate::exit::{Exit, usage};
use crate::ops::files::{self, TempFolder};
use crate::ops::git::{self, Head};
use crate::ops::proc::{self, Output};
use crate::ops::tools::{self, text};
use crate::ops::user::Nobody;
use crate::ops::{archive, cargo};

/// Arguments of `reproduce`.
#[derive(Debug, Args)]
pub(crate) struct ReproduceArgs {
    /// Platform or triple, may be given several times [default: the host's own]
    #[arg(long = "target", value_name = "TRIPLE|PLATFORM")]
    targets: Vec<String>,
    /// One package [default: all]
    #[arg(long, value_name = "NAME")]
    package: Option<String>,
    /// Compare one build with released assets: a folder, or the manifest in it
    #[arg(long, value_name = "DIR|MANIFEST")]
    against: Option<PathBuf>,
    #[command(flatten)]
    containers: ContainerArgs,
}

/// How a build's surroundings are made unlike another's.
struct Otherwise {
    folder: &'static str,
    umask: &'static str,
    env: &'static [(&'static str, &'static str)],
}

const ONE: Otherwise = Otherwise {
    folder: "a",
    umask: "022",
    env: &[
        ("TZ", "UTC"),
        ("LANG", "C"),
        ("USER", "one"),
        ("LOGNAME", "one"),
        ("CARGO_BUILD_JOBS", "2"),
    ],
};
const OTHER: Otherwise = Otherwise {
    folder: "elsewhere/in a déeper folder",
    umask: "077",
    env: &[
        ("TZ", "Pacific/Chatham"),
        ("LANG", "C.UTF-8"),
        ("USER", "another"),
        ("LOGNAME", "another"),
        ("CARGO_BUILD_JOBS", "1"),
    ],
};

/// `cargo xtask reproduce`.
pub(crate) fn run(root: Option<&Path>, args: &ReproduceArgs) -> anyhow::Result<Exit> {
    let workspace = Workspace::open(root)?;
    let head = git::head(&workspace.root).ok_or_else(|| {
        usage("this is no commit of a git repository, and only a commit can be built again")
    })?;
    if !head.changes.is_empty() {
        eprintln!(
            "warning: what is built is the commit {}, without the files that differ",
            head.commit
        );
    }
    let released =
        args.against.as_deref().map(|path| released(path, &workspace, &head)).transpose()?;
    let work = TempFolder::new(&std::env::temp_dir())?;
    let again = Again { workspace: &workspace, work: work.path(), args };
    let nobody = again
        .nobody()?
        .inspect_err(|why| eprintln!("note: every build is this user's: {why}"))
        .ok();
    let plan = workspace.plan(released.as_ref().map(|(_, version)| version.as_str()))?;
    let (first, version) = match released {
        // Said only where it was said then: a package need not take another version than its own.
        Some((folder, version)) => {
            (folder, (version != workspace.plan(None)?.version).then_some(version))
        }
        None => (again.build(&ONE, None, None)?, None),
    };
    let second = again.build(&OTHER, version.as_deref(), nobody.as_ref())?;
    let names = assets(&second.join(&plan.config.release.manifest))?;
    compare(&plan, &names, &first, &second)
}

/// The folder of released assets, and the version they were built as. They must be this commit's.
fn released(path: &Path, workspace: &Workspace, head: &Head) -> anyhow::Result<(PathBuf, String)> {
    let manifest =
        if path.is_dir() { path.join(&workspace.config.release.manifest) } else { path.to_owned() };
    let json: Value = serde_json::from_str(&files::read_text(&manifest)?)
        .with_context(|| format!("`{}` is no manifest", manifest.display()))?;
    let field = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    let commit = field("commit");
    if commit != head.commit {
        return Err(usage(format!(
            "the assets were built from commit {commit}, and this is {}: git checkout {commit}",
            head.commit
        )));
    }
    if json["dirty"] == true {
        return Err(usage(
            "the assets were built from a changed tree: no commit can give them again",
        ));
    }
    let folder = manifest.parent().unwrap_or(Path::new(".")).to_owned();
    Ok((folder, field("version")))
}

/// A second build of what was built before.
struct Again<'a> {
    workspace: &'a Workspace,
    work: &'a Path,
    args: &'a ReproduceArgs,
}

impl Again<'_> {
    /// Another user for the second build, or why it is the same one's.
    fn nobody(&self) -> anyhow::Result<Result<Nobody, String>> {
        let host = cargo::rustc(&self.workspace.root)?.host;
        let targets = self.workspace.targets(&self.args.targets, &host)?;
        if targets.iter().any(|target| target.builder == Builder::Container) {
            return Ok(Err("a container's engine is for us alone".to_owned()));
        }
        let own = std::env::current_exe().context("cannot find the xtask's own program")?;
        // Nothing may have been provisioned yet.
        files::make_folder(&tools::folder()?)?;
        let mut paths = vec![self.work.to_owned(), tools::folder()?];
        paths.extend(own.parent().map(Path::to_owned));
        paths.extend(homes().into_iter().map(|(_, home)| home).filter(|home| home.is_dir()));
        let paths: Vec<_> = paths.iter().map(PathBuf::as_path).collect();
        Ok(Nobody::who_reads(&paths).map_err(|error| format!("{error:#}")))
    }

    /// Clones the commit into a folder of its own, and runs `dist` there as if somebody else did.
    fn build(
        &self,
        how: &Otherwise,
        version: Option<&str>,
        nobody: Option<&Nobody>,
    ) -> anyhow::Result<PathBuf> {
        let top = proc::read(
            &git::invocation(&self.workspace.root).args(["rev-parse", "--show-toplevel"]),
        )?;
        let clone = self.work.join(how.folder).join("repository");
        files::make_folder(clone.parent().unwrap_or(self.work))?;
        let git = Invocation::new("git").args(["clone", "--quiet", "--no-hardlinks", "--local"]);
        proc::check(&git.arg(&top).arg(text(&clone)?), Output::Capture)?;
        let within = self.workspace.root.canonicalize()?;
        let within = within.strip_prefix(Path::new(&top).canonicalize()?).unwrap_or(Path::new(""));
        let out = self.work.join(how.folder).join("out");
        eprintln!("building in {}", clone.display());
        let mut run = self.dist(how, &clone.join(within), &out, version)?;
        if let Some(nobody) = nobody {
            let top = Path::new(how.folder).components().next().map(|top| self.work.join(top));
            let own = self.work.join(how.folder);
            run = run.env("XTASK_TOOLS", text(&own_tools(&own)?)?);
            Nobody::give(top.as_deref().unwrap_or(&own))?;
            run = nobody.wrap(run);
        }
        proc::check(&run, Output::Show).context("the build to compare with failed")?;
        Ok(out)
    }

    fn dist(
        &self,
        how: &Otherwise,
        root: &Path,
        out: &Path,
        version: Option<&str>,
    ) -> anyhow::Result<Invocation> {
        let own = std::env::current_exe().context("cannot find the xtask's own program")?;
        let (home, temporary) =
            (self.work.join(how.folder).join("home"), self.work.join(how.folder).join("tmp"));
        files::make_folder(&home)?;
        files::make_folder(&temporary)?;
        let mut run = Invocation::new("sh")
            .args(["-c", &format!("umask {} && exec \"$@\"", how.umask), "sh"])
            .args([text(&own)?, "dist".to_owned(), "--out".to_owned(), text(out)?])
            .cwd(text(root)?)
            .env("HOME", text(&home)?)
            .env("TMPDIR", text(&temporary)?)
            .env("XTASK_TOOLS", text(&tools::folder()?)?);
        for target in &self.args.targets {
            run = run.args(["--target", target]);
        }
        if let Some(package) = &self.args.package {
            run = run.args(["--package", package]);
        }
        if let Some(version) = version {
            run = run.args(["--version", version]);
        }
        run = run.args(self.args.containers.to_args());
        // Another home has no toolchain and no sources: these stay where they are.
        for (name, home) in homes() {
            run = run.env(name, text(&home)?);
        }
        Ok(how.env.iter().fold(run, |run, (name, value)| run.env(*name, *value)))
    }
}

/// Where cargo's and rustup's own files are.
fn homes() -> Vec<(&'static str, PathBuf)> {
    let known = [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")];
    let home = cargo::home();
    let place = |(name, folder): (&'static str, &str)| {
        let path = std::env::var_os(name).map(PathBuf::from);
        Some((name, path.or_else(|| home.as_ref().map(|home| home.join(folder)))?))
    };
    known.into_iter().filter_map(place).collect()
}

/// The tools in a folder that another user may write to: these themselves, with caches and locks of
/// its own.
fn own_tools(folder: &Path) -> anyhow::Result<PathBuf> {
    let own = folder.join("tools");
    files::make_folder(&own)?;
    for path in files::entries(&tools::folder()?)? {
        let name = path.file_name().unwrap_or_default();
        // A tool and its stamp; its lock is to be written to.
        let of_a_tool = path.with_extension("stamp").is_file();
        if of_a_tool && path.extension().is_none_or(|extension| extension != "lock") {
            files::link(&path, &own.join(name))?;
        }
    }
    Ok(own)
}

/// Names of the assets that a run of `dist` made.
fn assets(manifest: &Path) -> anyhow::Result<Vec<String>> {
    let json: Value = serde_json::from_str(&files::read_text(manifest)?)
        .with_context(|| format!("`{}` is no manifest", manifest.display()))?;
    let assets = json["assets"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(assets.iter().filter_map(|asset| asset["name"].as_str().map(str::to_owned)).collect())
}

fn compare(plan: &Plan, names: &[String], first: &Path, second: &Path) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    for name in names {
        let (path_a, path_b) = (first.join(name), second.join(name));
        if !path_a.is_file() {
            bail!("`{}` is not there to compare with", path_a.display());
        }
        let digest = files::digest(&path_b)?;
        let (a, b) = (files::read(&path_a)?, files::read(&path_b)?);
        if a == b {
            println!("{name}: identical, sha256 {}", digest.sha256);
            continue;
        }
        exit = Exit::Findings;
        println!("{name}: differs");
        let asset = plan.assets.iter().find(|asset| asset.name == *name);
        let package = asset.and_then(|asset| {
            plan.config.packages.iter().find(|p| Some(&p.name) == asset.package.as_ref())
        });
        let target = asset.and_then(|asset| plan.config.target(asset.platform.as_deref()?));
        let archive = package.zip(target).and_then(|(package, target)| package.archive_for(target));
        let lines = match archive {
            Some(format) => inside(format, &a, &b)?,
            None => differences(&a, &b),
        };
        for line in lines {
            println!("  {line}");
        }
    }
    Ok(exit)
}

/// Archives are compared by what they hold.
fn inside(format: Archive, a: &[u8], b: &[u8]) -> anyhow::Result<Vec<String>> {
    let open = |bytes: &[u8]| -> anyhow::Result<BTreeMap<_, _>> {
        let entries = archive::unpack(format, bytes)?;
        Ok(entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect())
    };
    let (a, b) = (open(a)?, open(b)?);
    let mut lines = Vec::new();
    for (path, entry) in &a {
        match b.get(path) {
            None => lines.push(format!("{path}: only in the first")),
            Some(other) => {
                if entry.executable != other.executable {
                    lines.push(format!("{path}: mode"));
                }
                let told = differences(&entry.data, &other.data);
                lines.extend(told.into_iter().map(|line| format!("{path}: {line}")));
            }
        }
    }
    lines.extend(
        b.keys()
            .filter(|path| !a.contains_key(*path))
            .map(|path| format!("{path}: only in the second")),
    );
    if lines.is_empty() {
        lines.push("the same files, packed otherwise: times, owners or compression".to_owned());
    }
    Ok(lines)
}
