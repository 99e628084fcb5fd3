//! `build`: one program for one target, by the target's builder; and what must hold before.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use xtask_core::plan::{Builder, Invocation, Kind, Package, Target};
use xtask_core::report::BuiltIn;

use super::containers::{ContainerArgs, Containers};
use super::workspace::Workspace;
use crate::exit::{Exit, usage};
use crate::ops::cargo::{self, Build, Crate, Rustc};
use crate::ops::container::{Engine, Mount, Sandbox, Toolchain};
use crate::ops::files;
use crate::ops::git::{self, Head};
use crate::ops::proc::{self, Output};
use crate::ops::{probe, tools};

/// What to build, and which version it is.
#[derive(Debug, Args)]
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
    /// A dirty tree and a check that cannot run are failures
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) containers: ContainerArgs,
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
    let workspace = Workspace::open(root)?;
    let jobs = Jobs::select(&workspace, &args.selection)?;
    if args.dry_run {
        for job in &jobs.jobs {
            println!("{}", job.invocation(&jobs)?);
        }
        return Ok(Exit::Done);
    }
    preflight(&jobs, args.selection.strict, &[])?;
    for job in &jobs.jobs {
        eprintln!("building {} for {}", job.package.name, job.target.platform);
        println!("{}", job.build(&jobs)?.display());
    }
    Ok(Exit::Done)
}

/// The programs chosen, and what they all share.
#[derive(Debug)]
pub(crate) struct Jobs<'a> {
    pub(crate) jobs: Vec<Job<'a>>,
    pub(crate) rustc: Rustc,
    pub(crate) head: Option<Head>,
    /// Set when `--version` overrides the packages' own.
    pub(crate) version: Option<&'a str>,
    pub(crate) containers: Containers,
}

/// One program to build.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) package: &'a Package,
    pub(crate) target: &'a Target,
    /// The package's folder.
    pub(crate) folder: PathBuf,
    pub(crate) krate: Crate,
}

impl<'a> Jobs<'a> {
    /// Packages × targets, in the plan's order.
    pub(crate) fn select(
        workspace: &'a Workspace,
        selection: &'a Selection,
    ) -> anyhow::Result<Self> {
        let rustc = cargo::rustc(&workspace.root)?;
        let targets = workspace.targets(&selection.targets, &rustc.host)?;
        let packages = workspace.packages(selection.package.as_deref())?;
        let mut jobs = Vec::new();
        for target in &targets {
            for package in
                packages.iter().filter(|package| package.targets.contains(&target.platform))
            {
                refuse_unbuildable(package)?;
                let krate = workspace.krate(package)?;
                jobs.push(Job { package, target, folder: workspace.folder(package), krate });
            }
        }
        if jobs.is_empty() {
            let names: Vec<_> = targets.iter().map(|target| target.platform.as_str()).collect();
            return Err(usage(format!(
                "no package of the plan is released for {}",
                names.join(", ")
            )));
        }
        for job in &jobs {
            if selection.version.is_some() && job.package.version_env.is_none() {
                return Err(usage(format!(
                    "package `{}` cannot be built as another version: give it `version-env` in xtask.toml and \
                     read that variable with option_env!",
                    job.package.name
                )));
            }
        }
        let head = git::head(&workspace.root);
        let containers = Containers::new(&selection.containers);
        Ok(Self { jobs, rustc, head, version: selection.version.as_deref(), containers })
    }
}

/// Builders and kinds that are in the plan and not built by this version of the xtask.
fn refuse_unbuildable(package: &Package) -> anyhow::Result<()> {
    if package.kind == Kind::Go {
        return Err(usage(format!("`{}` is a Go package: not built here", package.name)));
    }
    Ok(())
}

impl Job<'_> {
    fn cargo<'a>(&'a self, jobs: &'a Jobs<'_>) -> Build<'a> {
        Build {
            package: self.package,
            target: self.target,
            folder: &self.folder,
            krate: &self.krate,
            head: jobs.head.as_ref(),
            version: jobs.version,
        }
    }

    /// The command that builds; provisions the builder's tools.
    pub(crate) fn invocation(&self, jobs: &Jobs<'_>) -> anyhow::Result<Invocation> {
        let build = self.cargo(jobs);
        match self.target.builder {
            Builder::Native => build.native(),
            Builder::Zig => build.zig(&tools::ZIG.provision()?, &tools::ZIGBUILD.provision()?),
            Builder::Container => {
                let (engine, toolchain) = self.engine(jobs)?;
                let (run, mounts) = build.container(&toolchain)?;
                Ok(engine.wrap(&run, &self.sandbox(jobs, &toolchain, mounts)?, "xtask-build"))
            }
        }
    }

    fn engine<'a>(&self, jobs: &'a Jobs<'_>) -> anyhow::Result<(&'a Engine, Arc<Toolchain>)> {
        let toolchain = jobs.containers.toolchain(self.target)?;
        Ok((jobs.containers.engine()?, toolchain))
    }

    fn sandbox<'a>(
        &self,
        jobs: &Jobs<'_>,
        toolchain: &'a Toolchain,
        mounts: Vec<Mount>,
    ) -> anyhow::Result<Sandbox<'a>> {
        Ok(Sandbox {
            // The bytes that were asked for their toolchain, whatever the name means by now.
            image: &toolchain.image.id,
            mounts,
            owner: files::owner(&self.krate.target_dir)?,
            limits: jobs.containers.limits(),
            guarded: true,
        })
    }

    /// Sources are fetched here; the build itself has no network.
    fn build_in_container(&self, jobs: &Jobs<'_>) -> anyhow::Result<()> {
        let build = self.cargo(jobs);
        proc::check(&build.fetch()?, Output::Show).context("cannot fetch the dependencies")?;
        let (engine, toolchain) = self.engine(jobs)?;
        let (run, mounts) = build.container(&toolchain)?;
        let sandbox = self.sandbox(jobs, &toolchain, mounts)?;
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

    /// Builds, and returns where the program is.
    pub(crate) fn build(&self, jobs: &Jobs<'_>) -> anyhow::Result<PathBuf> {
        match self.target.builder {
            Builder::Container => self.build_in_container(jobs)?,
            Builder::Native | Builder::Zig => {
                proc::check(&self.invocation(jobs)?, Output::Show)?;
            }
        }
        let output = self.cargo(jobs).output();
        if !output.is_file() {
            bail!("cargo succeeded and made no `{}`", output.display());
        }
        Ok(output)
    }

    /// Exact tools of the builder, for the manifest.
    pub(crate) fn tools(&self, jobs: &Jobs<'_>) -> anyhow::Result<Vec<String>> {
        Ok(match self.target.builder {
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
        Ok(match self.target.builder {
            Builder::Container => jobs.containers.toolchain(self.target)?.rustc.clone(),
            Builder::Native | Builder::Zig => jobs.rustc.version.clone(),
        })
    }

    /// The image it was built in, for the manifest.
    pub(crate) fn image(&self, jobs: &Jobs<'_>) -> anyhow::Result<Option<BuiltIn>> {
        if self.target.builder != Builder::Container {
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

/// One thing that must be mended before anything is built.
struct Lack {
    what: String,
    cure: String,
    /// Whether it is a gate's refusal rather than something missing.
    gate: bool,
}

/// Everything that would stop the build later, all at once, each with its cure.
pub(crate) fn preflight(jobs: &Jobs<'_>, strict: bool, folders: &[&Path]) -> anyhow::Result<()> {
    let mut lacks = Vec::new();
    if let Some(dirty) = dirty(jobs.head.as_ref()) {
        if strict {
            lacks.push(Lack {
                what: dirty,
                cure: "commit, stash or ignore them".to_owned(),
                gate: true,
            });
        } else {
            eprintln!("warning: {dirty}: the manifest will say so, and --strict refuses it");
        }
    }
    let contained = jobs.jobs.iter().any(|job| job.target.builder == Builder::Container);
    if let Some(image) = jobs.containers.other_image().filter(|_| strict && contained) {
        lacks.push(Lack {
            what: format!("`{image}` is not the image of the plan"),
            cure: "leave --image and XTASK_IMAGE out".to_owned(),
            gate: true,
        });
    }
    let mut lack = |what: String, cure: String| lacks.push(Lack { what, cure, gate: false });
    for job in &jobs.jobs {
        job_lacks(job, jobs, &mut lack);
    }
    for folder in folders {
        if let Err(error) = crate::ops::files::TempFolder::new(folder) {
            lack(format!("{error:#}"), "choose a folder you may write to with --out".to_owned());
        }
    }
    let mut seen = Vec::new();
    lacks.retain(|lack| {
        let new = !seen.contains(&lack.what);
        seen.push(lack.what.clone());
        new
    });
    if lacks.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> =
        lacks.iter().map(|lack| format!("  {}\n    cure: {}", lack.what, lack.cure)).collect();
    let message = format!("nothing was built: {} problem(s)\n{}", lacks.len(), lines.join("\n"));
    if lacks.iter().all(|lack| lack.gate) {
        return Err(crate::exit::refused(message));
    }
    bail!(message)
}

fn dirty(head: Option<&Head>) -> Option<String> {
    let Some(head) = head else { return Some("this is no commit of a git repository".to_owned()) };
    let first = head.changes.first()?;
    let more = match head.changes.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!("files differ from the commit: {}{more}", first.trim_start()))
}

fn job_lacks(job: &Job<'_>, jobs: &Jobs<'_>, lack: &mut impl FnMut(String, String)) {
    if !job.krate.bins.contains(&job.package.binary) {
        lack(
            format!("Cargo package `{}` has no program `{}`", job.package.name, job.package.binary),
            format!("mend `binary` in xtask.toml: there is {}", job.krate.bins.join(", ")),
        );
    }
    match job.target.builder {
        Builder::Container => container_lacks(job, jobs, lack),
        Builder::Native | Builder::Zig => std_lacks(job, lack),
    }
    if job.target.builder == Builder::Native && !cfg!(windows) && proc::find("cc").is_none() {
        lack(
            "no C compiler `cc` to link with".to_owned(),
            "apt-get install gcc, or xcode-select --install".to_owned(),
        );
    }
    if job.target.builder == Builder::Zig {
        zig_lacks(lack);
    }
    if let Some(wanted) = job.package.system_packages.get(&job.target.platform) {
        match probe::missing_packages(wanted) {
            Some(missing) if !missing.is_empty() => lack(
                format!("{} needs the Debian packages {}", job.package.name, missing.join(", ")),
                format!("apt-get install {}", missing.join(" ")),
            ),
            Some(_) => {}
            None => eprintln!(
                "warning: {} needs what Debian calls {}; this is no Debian, so it was not looked for",
                job.package.name,
                wanted.join(", ")
            ),
        }
    }
}

fn std_lacks(job: &Job<'_>, lack: &mut impl FnMut(String, String)) {
    let triple = job.target.triple.name;
    match cargo::has_std(&job.folder, triple) {
        Ok(true) => {}
        Ok(false) => lack(
            format!("the Rust standard library for {triple} is not installed"),
            format!(
                "cd {} && rustup target add {triple}",
                xtask_core::plan::quote(&job.folder.to_string_lossy())
            ),
        ),
        Err(error) => lack(format!("{error:#}"), "install Rust with rustup".to_owned()),
    }
}

fn container_lacks(job: &Job<'_>, jobs: &Jobs<'_>, lack: &mut impl FnMut(String, String)) {
    let platform = &job.target.platform;
    if let Err(error) = jobs.containers.engine() {
        return lack(
            format!("{error:#}"),
            "install docker or podman, or start it, or get the right to use it".to_owned(),
        );
    }
    match jobs.containers.toolchain(job.target) {
        Err(error) => lack(
            format!("{platform} cannot be built: {error:#}"),
            format!(
                "mend `image` of {platform} in xtask.toml, or name an image that is here with --image"
            ),
        ),
        // An image that was asked for may hold another Rust: the manifest says so.
        Ok(inside) if jobs.containers.other_image().is_none() => {
            let wanted = jobs.rustc.version.split(' ').nth(1).unwrap_or_default();
            if inside.release != wanted {
                lack(
                    format!(
                        "the image `{}` of {platform} holds Rust {}, and rust-toolchain.toml says {wanted}",
                        inside.image.reference, inside.release
                    ),
                    format!("pin the image of Rust {wanted}"),
                );
            }
        }
        Ok(_) => {}
    }
}

fn zig_lacks(lack: &mut impl FnMut(String, String)) {
    let mut absent = false;
    for tool in [&tools::ZIG, &tools::ZIGBUILD] {
        match tool.installed() {
            Ok(found) => absent |= found.is_none(),
            Err(error) => lack(format!("{error:#}"), "see `cargo xtask doctor`".to_owned()),
        }
    }
    if absent
        && let Err(error) = tools::pip_version().context("the pinned tools must be downloaded")
    {
        lack(format!("{error:#}"), "install python3 with pip".to_owned());
    }
}
