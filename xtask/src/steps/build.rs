//! `build`: one program for one target, by the target's builder.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use xtask_core::plan::{Builder, Invocation, Kind, Os, Package, Target};
use xtask_core::report::{BuiltIn, Material, Origin};

use super::containers::{ContainerArgs, Containers};
use super::prebuilt::Prebuilt;
use super::preflight::preflight;
use super::workspace::Workspace;
use crate::exit::{Exit, usage};
use crate::ops::cargo::{self, Build, Crate, Rustc};
use crate::ops::container::{Engine, Mount, Sandbox, Toolchain};
use crate::ops::files;
use crate::ops::git::{self, Head};
use crate::ops::go::{self, Go};
use crate::ops::probe;
use crate::ops::proc::{self, Output};
use crate::ops::tools;

/// What to build, and which version it is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Selection {
    /// Platform or triple, may be given several times [default: the host's own]
    #[arg(long = "target", value_name = "TRIPLE|PLATFORM")]
    pub(crate) targets: Vec<String>,
    /// One package [default: all]
    #[arg(long, value_name = "NAME")]
    pub(crate) package: Option<String>,
    /// Build as this version instead of the packages' own
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
    /// Between releases: build as the packages' own version, `-dev` and the commit
    #[arg(long, conflicts_with = "version")]
    dev: bool,
    /// The glibc release to run on, such as `2.31`, instead of the plan's floors
    #[arg(long, value_name = "VERSION")]
    floor: Option<String>,
    /// A dirty tree and a check that cannot run are failures
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) containers: ContainerArgs,
}

impl Selection {
    /// Applies what changes the plan for this run, and says which version is built.
    pub(crate) fn settle(&self, workspace: &mut Workspace) -> anyhow::Result<Self> {
        let mut settled = self.clone();
        if let Some(floor) = &self.floor {
            workspace.set_floor(floor, &self.targets)?;
        }
        if self.dev {
            let head = git::head(&workspace.root).ok_or_else(|| {
                usage("--dev names the commit, and this is none of a git repository")
            })?;
            let own = workspace.plan(None)?.version;
            let commit = head.commit.get(..12).unwrap_or(&head.commit);
            settled.version = Some(format!("{own}-dev+{commit}"));
        }
        Ok(settled)
    }
}

/// Arguments of `build`.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    selection: Selection,
    /// Print the commands instead of running them
    #[arg(long)]
    dry_run: bool,
}

/// `cargo xtask build`: builds, and prints where each program is.
pub(crate) fn run(root: Option<&Path>, args: &BuildArgs) -> anyhow::Result<Exit> {
    let mut workspace = Workspace::open(root)?;
    let selection = args.selection.settle(&mut workspace)?;
    let version = workspace.plan(selection.version.as_deref())?.version;
    let jobs = Jobs::select(&workspace, &selection, &version)?;
    if args.dry_run {
        for job in &jobs.jobs {
            match &job.source {
                Source::Prebuilt(found) => println!("# {}: prebuilt", found.path.display()),
                _ => println!("{}", job.invocation(&jobs, &[])?),
            }
        }
        return Ok(Exit::Done);
    }
    if let Some(job) = jobs.jobs.iter().find(|job| !job.package.pins.is_empty()) {
        return Err(usage(format!(
            "`{}` holds the digest of {}, which is settled by signing and sealing: build it with `dist`",
            job.package.name,
            job.package.pins.join(", ")
        )));
    }
    preflight(&jobs, selection.strict, &[])?;
    for job in &jobs.jobs {
        eprintln!("building {} for {}", job.package.name, job.target.platform);
        for program in job.build(&jobs, &[])? {
            println!("{}", program.display());
        }
    }
    Ok(Exit::Done)
}

/// The programs chosen, and what they all share.
#[derive(Debug)]
pub(crate) struct Jobs<'a> {
    pub(crate) jobs: Vec<Job<'a>>,
    pub(crate) rustc: Rustc,
    pub(crate) head: Option<Head>,
    /// The release's version.
    pub(crate) version: String,
    /// Whether `--version` overrides the packages' own.
    overridden: bool,
    pub(crate) containers: Containers,
    go: OnceLock<Result<Go, String>>,
}

/// Digests of sealed programs, by package, for those of the same platform that pin them.
pub(crate) type Pins = [(String, String)];

/// One program to build.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) package: &'a Package,
    pub(crate) target: &'a Target,
    /// The package's folder.
    pub(crate) folder: PathBuf,
    pub(crate) source: Source,
    /// The plan's, but for macOS from another system.
    pub(crate) builder: Builder,
}

/// What a package is built from.
#[derive(Debug)]
pub(crate) enum Source {
    Rust(Crate),
    /// The program that go makes.
    Go(PathBuf),
    /// The program that another tool made.
    Prebuilt(Prebuilt),
}

impl<'a> Jobs<'a> {
    /// Packages × targets, in the plan's order, but a package after those that it pins.
    pub(crate) fn select(
        workspace: &'a Workspace,
        selection: &Selection,
        version: &str,
    ) -> anyhow::Result<Self> {
        let rustc = cargo::rustc(&workspace.root)?;
        let targets = workspace.targets(&selection.targets, &rustc.host)?;
        let mut packages = workspace.packages(selection.package.as_deref())?;
        for pinned in packages.iter().flat_map(|package| package.pins.clone()).collect::<Vec<_>>() {
            packages.extend(workspace.packages(Some(&pinned))?);
        }
        packages.sort_by_key(|package| !package.pins.is_empty());
        packages.dedup_by_key(|package| package.name.as_str());
        let mut jobs = Vec::new();
        for target in &targets {
            for package in packages.iter().filter(|p| p.targets.contains(&target.platform)) {
                jobs.push(Job::new(workspace, package, target, version)?);
            }
        }
        if jobs.is_empty() {
            let names: Vec<_> = targets.iter().map(|target| target.platform.as_str()).collect();
            return Err(usage(format!(
                "no package of the plan is released for {}",
                names.join(", ")
            )));
        }
        let overridden = selection.version.is_some();
        if overridden && let Some(job) = jobs.iter().find(|job| !job.takes_any_version()) {
            return Err(usage(format!(
                "package `{}` cannot be built as another version: give it `version-env` in xtask.toml and \
                 read that variable with option_env!",
                job.package.name
            )));
        }
        Ok(Self {
            jobs,
            rustc,
            head: git::head(&workspace.root),
            version: version.to_owned(),
            overridden,
            containers: Containers::new(&selection.containers),
            go: OnceLock::new(),
        })
    }

    /// The jobs of each target, in order.
    pub(crate) fn by_target(&self) -> Vec<Vec<&Job<'a>>> {
        let same = |a: &Job<'_>, b: &Job<'_>| a.target.platform == b.target.platform;
        self.jobs.chunk_by(same).map(|jobs| jobs.iter().collect()).collect()
    }

    /// The go that builds.
    pub(crate) fn go(&self) -> anyhow::Result<&Go> {
        let found = self.go.get_or_init(|| Go::find().map_err(|error| format!("{error:#}")));
        found.as_ref().map_err(|reason| anyhow!("{reason}"))
    }
}

impl<'a> Job<'a> {
    fn new(
        workspace: &Workspace,
        package: &'a Package,
        target: &'a Target,
        version: &str,
    ) -> anyhow::Result<Self> {
        let mut folder = workspace.folder(package);
        let source = match package.kind {
            Kind::Rust => Source::Rust(workspace.krate(package)?),
            Kind::Go => {
                let name = format!("{}{}", package.binary, target.triple.exe_suffix());
                let folder = workspace.root.join("target").join("xtask").join(&target.platform);
                Source::Go(folder.join("go").join(name))
            }
            Kind::Prebuilt => {
                folder.clone_from(&workspace.root);
                Source::Prebuilt(Prebuilt::new(&workspace.root, package, target, version))
            }
        };
        // Only macOS has Apple's linker; zig has one of its own, and what libSystem exports.
        let abroad = target.triple.os == Os::Darwin && !cfg!(target_os = "macos");
        let builder = if abroad { Builder::Zig } else { target.builder };
        Ok(Self { package, target, folder, source, builder })
    }

    fn takes_any_version(&self) -> bool {
        self.package.kind != Kind::Rust || self.package.version_env.is_some()
    }

    fn cargo<'b>(&'b self, krate: &'b Crate, jobs: &'b Jobs<'_>) -> Build<'b> {
        Build {
            package: self.package,
            target: self.target,
            folder: &self.folder,
            krate,
            head: jobs.head.as_ref(),
            version: jobs.overridden.then_some(jobs.version.as_str()),
        }
    }

    /// The command that builds; provisions the builder's tools.
    pub(crate) fn invocation(&self, jobs: &Jobs<'_>, pins: &Pins) -> anyhow::Result<Invocation> {
        let krate = match &self.source {
            Source::Rust(krate) => krate,
            Source::Prebuilt(found) => {
                bail!("`{}` is prebuilt: nothing builds it here", found.path.display());
            }
            Source::Go(output) => {
                return jobs.go()?.build(&go::Build {
                    package: self.package,
                    target: self.target,
                    folder: &self.folder,
                    output,
                    head: jobs.head.as_ref(),
                    version: &jobs.version,
                    pins,
                });
            }
        };
        let build = self.cargo(krate, jobs);
        match self.builder {
            Builder::Native => build.native(),
            Builder::Zig => build.zig(&tools::ZIG.provision()?, &tools::ZIGBUILD.provision()?),
            Builder::Container => {
                let (engine, toolchain) = self.engine(jobs)?;
                let (run, mounts) = build.container(&toolchain)?;
                let sandbox = self.sandbox(krate, jobs, &toolchain, mounts)?;
                Ok(engine.wrap(&run, &sandbox, "xtask-build"))
            }
        }
    }

    fn engine<'b>(&self, jobs: &'b Jobs<'_>) -> anyhow::Result<(&'b Engine, Arc<Toolchain>)> {
        let toolchain = jobs.containers.toolchain(self.target)?;
        Ok((jobs.containers.engine()?, toolchain))
    }

    fn sandbox<'b>(
        &self,
        krate: &Crate,
        jobs: &Jobs<'_>,
        toolchain: &'b Toolchain,
        mounts: Vec<Mount>,
    ) -> anyhow::Result<Sandbox<'b>> {
        Ok(Sandbox {
            // The bytes that were asked for their toolchain, whatever the name means by now.
            image: &toolchain.image.id,
            mounts,
            owner: files::owner(&krate.target_dir)?,
            limits: jobs.containers.limits(),
            guarded: true,
        })
    }

    /// Sources are fetched here; the build itself has no network.
    fn build_in_container(&self, krate: &Crate, jobs: &Jobs<'_>) -> anyhow::Result<()> {
        let build = self.cargo(krate, jobs);
        proc::check(&build.fetch()?, Output::Show).context("cannot fetch the dependencies")?;
        let (engine, toolchain) = self.engine(jobs)?;
        let (run, mounts) = build.container(&toolchain)?;
        let sandbox = self.sandbox(krate, jobs, &toolchain, mounts)?;
        let outcome = engine.run(&run, &sandbox, Output::Show)?;
        if !outcome.success() {
            bail!(
                "cargo failed in the image `{}`: {}\n  ran: {run}",
                toolchain.image.reference,
                outcome.ended()
            );
        }
        Ok(())
    }

    /// Builds, and returns where the package's programs are.
    pub(crate) fn build(&self, jobs: &Jobs<'_>, pins: &Pins) -> anyhow::Result<Vec<PathBuf>> {
        let outputs = match &self.source {
            Source::Rust(krate) => {
                if self.builder == Builder::Container {
                    self.build_in_container(krate, jobs)?;
                } else {
                    proc::check(&self.invocation(jobs, pins)?, Output::Show)?;
                }
                self.cargo(krate, jobs).outputs()
            }
            Source::Go(output) => {
                proc::check(&self.invocation(jobs, pins)?, Output::Show)?;
                vec![output.clone()]
            }
            Source::Prebuilt(found) => vec![found.path.clone()],
        };
        if let Some(absent) = outputs.iter().find(|path| !path.is_file()) {
            bail!("the build succeeded and made no `{}`", absent.display());
        }
        Ok(outputs)
    }

    /// Folders of this machine that must not stand in the program.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.folder.clone()];
        if let Source::Rust(krate) = &self.source {
            folders.extend([krate.workspace_root.clone(), krate.target_dir.clone()]);
        }
        folders
    }

    /// As written in the manifest.
    pub(crate) fn builder_name(&self) -> &'static str {
        match self.package.kind {
            Kind::Rust => self.builder.name(),
            kind @ (Kind::Go | Kind::Prebuilt) => kind.name(),
        }
    }

    /// Whether a container builds it: Go needs none for any target.
    pub(crate) fn in_container(&self) -> bool {
        self.package.kind == Kind::Rust && self.builder == Builder::Container
    }

    /// Exact tools of the builder, for the manifest.
    pub(crate) fn tools(&self, jobs: &Jobs<'_>) -> anyhow::Result<Vec<String>> {
        if self.package.kind != Kind::Rust {
            return Ok(Vec::new());
        }
        Ok(match self.builder {
            Builder::Zig => [&tools::ZIG, &tools::ZIGBUILD]
                .map(|tool| format!("{} {}", tool.name, tool.version))
                .into(),
            Builder::Container => {
                let engine = jobs.containers.engine()?;
                vec![format!("{} {}", engine.program, engine.version)]
            }
            Builder::Native => Vec::new(),
        })
    }

    /// First line of the compiler's version, for the manifest.
    pub(crate) fn toolchain(&self, jobs: &Jobs<'_>) -> anyhow::Result<String> {
        Ok(match &self.source {
            Source::Go(_) => jobs.go()?.version.clone(),
            Source::Rust(_) if self.in_container() => {
                jobs.containers.toolchain(self.target)?.rustc.clone()
            }
            Source::Rust(_) => jobs.rustc.version.clone(),
            Source::Prebuilt(found) => found.toolchain()?,
        })
    }

    /// Who builds it, and with what, for the provenance.
    pub(crate) fn origin(&self, jobs: &Jobs<'_>) -> anyhow::Result<Origin> {
        let (builder, invocation) = probe::workflow_run().unzip();
        let materials = match &self.source {
            Source::Prebuilt(_) => Vec::new(),
            Source::Go(_) => vec![jobs.go()?.material()?],
            Source::Rust(_) => {
                let name = self.toolchain(jobs)?;
                let version = name.split(' ').nth(1).unwrap_or_default();
                let rustc = format!("pkg:generic/rustc@{version}");
                let mut materials = vec![Material { name, uri: rustc, sha256: None }];
                if self.builder == Builder::Zig {
                    materials.extend([tools::ZIG.material()?, tools::ZIGBUILD.material()?]);
                }
                materials
            }
        };
        let prebuilt = match &self.source {
            Source::Prebuilt(found) => Some(found.origin()?),
            _ => None,
        };
        Ok(Origin { builder, invocation, materials, prebuilt })
    }

    /// The image it was built in, for the manifest.
    pub(crate) fn image(&self, jobs: &Jobs<'_>) -> anyhow::Result<Option<BuiltIn>> {
        if !self.in_container() {
            return Ok(None);
        }
        let toolchain = jobs.containers.toolchain(self.target)?;
        Ok(Some(BuiltIn {
            planned: self.target.image.as_deref() == Some(&toolchain.image.reference),
            reference: toolchain.image.reference.clone(),
            id: toolchain.image.id.clone(),
        }))
    }
}
