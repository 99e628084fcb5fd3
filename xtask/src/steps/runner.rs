//! Where the programs of a target can be run from here: on this machine, emulated, in an image.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use xtask_core::plan::{Invocation, Kind, Libc, Os, Package, Target, Triple};
use xtask_core::report::Place;

use super::containers::Containers;
use crate::ops::container::{Engine, Image, Limits, Mount, Sandbox};
use crate::ops::proc::{self, Outcome, Output};
use crate::ops::tools::text;
use crate::ops::wine::Wine;

/// Longer than any honest asset takes for a version, a help text or three small libraries.
const LIMIT: Duration = Duration::from_secs(20);

/// A way to run programs.
#[derive(Debug)]
pub(crate) enum Runner<'a> {
    /// The host runs them itself.
    Native,
    /// Under qemu-user, for Linux on another architecture.
    Qemu {
        emulator: PathBuf,
        /// Folder with the target's libc, and the loader in it; `None` for static programs.
        libc: Option<(PathBuf, PathBuf)>,
        /// The loader is started first, for programs that name none.
        through_loader: bool,
    },
    /// Under wine.
    Wine(Wine),
    /// In a container, with nothing but the image around it.
    Image { engine: &'a Engine, image: Image, limits: Limits },
}

impl<'a> Runner<'a> {
    /// The ways to try an asset: one at least, or the reason why there is none. Images that were named
    /// come after the host's own way; the plan's are used where the host has none.
    pub(crate) fn all(
        package: &Package,
        target: &Target,
        host: &str,
        containers: &'a Containers,
    ) -> anyhow::Result<Result<Vec<Self>, String>> {
        let own = Self::own(package, target, host);
        let mut images = containers.userlands(target);
        let asked_for = !images.is_empty();
        if own.is_err() && images.is_empty() {
            images.extend(target.userlands.iter().map(String::as_str));
        }
        let arch = Triple::find(host).map(|triple| triple.goarch);
        if target.triple.os != Os::Linux || arch != Some(target.triple.goarch) {
            images.clear();
        }
        if images.is_empty() {
            return Ok(own.map(|own| vec![own]));
        }
        let engine = match containers.engine() {
            Ok(engine) => engine,
            // Images that were asked for must not be passed over; the plan's are a fall-back.
            Err(error) if asked_for => return Err(error),
            Err(error) => {
                return Ok(Err(format!("{}, and {error:#}", own.err().unwrap_or_default())));
            }
        };
        let mut runners: Vec<_> = own.into_iter().collect();
        for image in images {
            let image = engine.image(image)?;
            runners.push(Self::Image { engine, image, limits: containers.limits() });
        }
        Ok(Ok(runners))
    }

    fn own(package: &Package, target: &Target, host: &str) -> Result<Self, String> {
        let is_static = package.kind == Kind::Go || package.is_static(target);
        let host_triple = Triple::find(host);
        let same_processor = host_triple.is_some_and(|h| h.goarch == target.triple.goarch);
        let same_arch = same_processor && host_triple.is_some_and(|h| h.os == target.triple.os);
        if target.triple.name == host || (same_arch && is_static) {
            return Ok(Self::Native);
        }
        let not_here = format!("{host} does not run {} programs", target.triple.name);
        match target.triple.os {
            Os::Linux if cfg!(target_os = "linux") && !same_arch => {
                qemu(package, target, is_static)
            }
            Os::Windows if cfg!(unix) && same_processor => wine(package)
                .map_err(|why| format!("{not_here}, and {why}: run it on {}", target.runner)),
            _ => Err(format!("{not_here}: run it on {}", target.runner)),
        }
    }

    /// As written in reports.
    pub(crate) fn how(&self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Qemu { .. } => "emulated",
            Self::Wine(_) => "wine",
            Self::Image { .. } => "container",
        }
    }

    /// Where it runs, from where we are.
    pub(crate) fn place(&self, here: &Place) -> Place {
        match self {
            Self::Image { image, engine, .. } => Place {
                system: format!(
                    "{} ({}) in {} {}",
                    image.reference, image.id, engine.program, engine.version
                ),
                machine: here.machine.clone(),
            },
            _ => here.clone(),
        }
    }

    /// Runs `program` in the folder `cwd`, which is empty, without an environment. It may read `files`.
    /// The inner error: it did not start, or did not end in time.
    pub(crate) fn start(
        &self,
        program: &Path,
        args: &[&str],
        cwd: &Path,
        files: &[&Path],
    ) -> anyhow::Result<Result<Outcome, String>> {
        let program = std::path::absolute(program)
            .with_context(|| format!("`{}` is no path", program.display()))?;
        let run = self.command(&program)?.args(args.iter().copied()).cwd(text(cwd)?).empty_env();
        let outcome = match self {
            Self::Image { engine, image, limits } => {
                let mut mounts = Vec::new();
                for path in [program.as_path(), cwd].iter().chain(files) {
                    mounts.push(Mount::read_only(path, &text(path)?)?);
                }
                let sandbox = Sandbox {
                    image: &image.id,
                    mounts,
                    limits: limits.clone(),
                    ..Sandbox::default()
                };
                engine.run(&run, &sandbox, Output::Capture)
            }
            _ => proc::run(&run, Output::Capture),
        };
        Ok(match outcome {
            Ok(outcome) if outcome.status.is_some() => Ok(outcome),
            Ok(outcome) => Err(format!("`{run}` was {}", outcome.ended())),
            // A program that the system refuses to start is the check's finding, not our failure.
            Err(error) => Err(format!("{error:#}")),
        })
    }

    fn command(&self, program: &Path) -> anyhow::Result<Invocation> {
        let program = text(program)?;
        Ok(match self {
            Self::Native => {
                let run = Invocation::new(program).deadline(LIMIT);
                // No Windows program starts without it.
                match std::env::var_os("SYSTEMROOT") {
                    Some(root) => run.env("SYSTEMROOT", root.to_string_lossy()),
                    None => run,
                }
            }
            Self::Image { .. } => Invocation::new(program).deadline(LIMIT),
            Self::Qemu { emulator, libc, through_loader } => {
                let mut run = Invocation::new(text(emulator)?).deadline(LIMIT);
                if let Some((folder, loader)) = libc {
                    run = run.args(["-L", &text(folder)?]);
                    if *through_loader {
                        run = run.arg(text(loader)?);
                    }
                }
                run.arg(program)
            }
            Self::Wine(wine) => wine.command(&program)?,
        })
    }
}

/// Wine, if it has what the package's programs ask Windows for.
fn wine<'a>(package: &Package) -> Result<Runner<'a>, String> {
    // Where Rust's std takes its random numbers from (library/std/src/sys/random/windows.rs), and Go's
    // run-time since 1.22 (runtime/os_windows.go).
    const RANDOM: &str = "bcryptprimitives.dll";
    let wine = Wine::find().map_err(|error| format!("{error:#}"))?;
    if package.kind != Kind::Prebuilt && !wine.has(RANDOM) {
        return Err(format!(
            "the wine here has no {RANDOM}, which Rust's std and Go's run-time need and wine 9 has"
        ));
    }
    Ok(Runner::Wine(wine))
}

/// qemu-user, and the libc in the folder that qemu's own `QEMU_LD_PREFIX` names, else where Debian's cross
/// packages put it, `/usr/TRIPLE`.
fn qemu<'a>(package: &Package, target: &Target, is_static: bool) -> Result<Runner<'a>, String> {
    let arch = target.triple.arch;
    let name = format!("qemu-{arch}");
    let Some(emulator) = proc::find(&format!("{name}-static")).or_else(|| proc::find(&name)) else {
        return Err(format!(
            "this machine does not run {arch} programs, and {name} is not on PATH (Debian: qemu-user-static): \
             run it on {}",
            target.runner
        ));
    };
    if is_static {
        return Ok(Runner::Qemu { emulator, libc: None, through_loader: false });
    }
    // `aarch64-unknown-linux-gnu` is `aarch64-linux-gnu` to Debian.
    let folder = match std::env::var_os("QEMU_LD_PREFIX").filter(|path| !path.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => Path::new("/usr").join(target.triple.name.replace("-unknown", "")),
    };
    let loader = target.triple.loader().map(|path| folder.join(path.trim_start_matches('/')));
    let Some(loader) = loader.filter(|loader| loader.exists()) else {
        return Err(format!(
            "`{}` has no {} loader for {arch} programs under qemu ({}, or set QEMU_LD_PREFIX): run it on {}",
            folder.display(),
            target.triple.libc.name(),
            match target.triple.libc {
                Libc::Gnu => format!("Debian: libc6-{}-cross", target.triple.goarch),
                _ => format!("Debian: musl:{}", target.triple.goarch),
            },
            target.runner
        ));
    };
    let libc_name = target.triple.libc.name();
    let through_loader = package.policy.self_launching.iter().any(|name| name == libc_name);
    Ok(Runner::Qemu { emulator, libc: Some((folder, loader)), through_loader })
}
