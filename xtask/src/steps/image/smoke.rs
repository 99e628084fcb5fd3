//! An image is started as users start it: by its own entry point, with no network and nothing to write to.

use std::time::{Duration, Instant};

use anyhow::bail;
use xtask_core::image::program_path;
use xtask_core::report::{Outcome, SmokeRow};

use super::{Sealed, Work, layout_name};
use crate::ops::service::{Entry, Loaded, Service, sweep};
use crate::ops::{interrupt, probe, proc, skopeo};
use crate::steps::containers::Containers;

/// What a server has to become well in.
const START: Duration = Duration::from_secs(30);

/// What a check saw: told when it held, or why it did not.
type Seen = Result<String, String>;

/// Every check of one image, a row each.
///
/// # Errors
/// When an engine fails; a check that none can run here is a row.
pub(super) fn smoke(
    work: &Work<'_>,
    sealed: &Sealed<'_>,
    containers: &Containers,
) -> anyhow::Result<Vec<SmokeRow>> {
    let serves = !work.image.probe.is_empty();
    let checks = ["version", "serve"].into_iter().filter(|check| serves || *check == "version");
    let row = |check: &str, how: Option<&str>, outcome, detail| SmokeRow {
        check: check.to_owned(),
        how: how.map(str::to_owned),
        outcome,
        place: probe::place(),
        detail,
    };
    let not_run = |why: &str| -> Vec<SmokeRow> {
        checks.clone().map(|check| row(check, None, Outcome::NotRun, why.to_owned())).collect()
    };
    let goarch = work.target.triple.goarch;
    let here = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    // The image's own program, by an emulator that needs nothing of the image.
    let emulator = format!("qemu-{}-static", work.target.triple.arch);
    let emulator = proc::find(&emulator).filter(|_| here != goarch);
    if !cfg!(target_os = "linux") || here != goarch && emulator.is_none() {
        let why = format!("this machine runs no linux/{goarch}: do it on {}", work.target.runner);
        return Ok(not_run(&why));
    }
    let how = if emulator.is_some() { "emulated" } else { "container" };
    let engine = match containers.engine() {
        Ok(engine) => engine,
        Err(error) => return Ok(not_run(&format!("{error:#}"))),
    };
    let tag = sealed.manifest.sha256.get(..12).unwrap_or_default();
    let name = format!(
        "localhost/xtask-image/{}:{tag}",
        layout_name(work.image, work.target).to_lowercase()
    );
    let file = work.staging.join(format!("{tag}.tar"));
    skopeo::to_engine(sealed.layout.path(), &file, &name)?;
    sweep(engine, work.mark)?;
    let entry = Entry {
        program: format!("/{}", program_path(sealed.parts.recipe.package)),
        args: &work.image.args,
        emulator,
        mark: work.mark,
    };
    let loaded = Loaded::new(engine, &file, &name, entry)?;
    checks
        .map(|check| {
            let seen = match check {
                "version" => version(sealed, &loaded)?,
                _ => serve(work, &loaded)?,
            };
            let (outcome, detail) = match seen {
                Ok(detail) => (Outcome::Passed, detail),
                Err(detail) => (Outcome::Failed, detail),
            };
            Ok(row(
                check,
                Some(how),
                outcome,
                format!("in {} {}: {detail}", engine.program, engine.version),
            ))
        })
        .collect()
}

/// The entry point is the program, and it is the release's.
fn version(sealed: &Sealed<'_>, loaded: &Loaded<'_>) -> anyhow::Result<Seen> {
    let recipe = sealed.parts.recipe;
    let args: Vec<_> = recipe.package.smoke.version_args.iter().map(String::as_str).collect();
    let outcome = loaded.run(&args)?;
    if !outcome.success() {
        let asked = args.join(" ");
        return Ok(Err(format!("`{asked}`: {}{}", outcome.ended(), proc::tail(&outcome))));
    }
    let (package, said) = (recipe.package, outcome.text());
    Ok(package.judge_version(&package.binary, &said, recipe.version))
}

/// The server becomes well, and as the first process of its container still ends by SIGTERM.
fn serve(work: &Work<'_>, loaded: &Loaded<'_>) -> anyhow::Result<Seen> {
    let service = loaded.start()?;
    if let Err(why) = becomes_well(work, &service)? {
        return Ok(Err(format!("{why}{}", service.said())));
    }
    Ok(match service.stop()? {
        0 => Ok("the server becomes well, and ends by SIGTERM".to_owned()),
        137 => Err("SIGTERM does not end it: it had to be killed".to_owned()),
        code => Err(format!("after SIGTERM it ends with exit code {code}{}", service.said())),
    })
}

fn becomes_well(work: &Work<'_>, service: &Service<'_>) -> anyhow::Result<Result<(), String>> {
    let start = Instant::now();
    loop {
        let outcome = service.exec(&work.image.probe)?;
        if outcome.success() {
            return Ok(Ok(()));
        }
        if outcome.status.is_none() {
            bail!("the container engine does not answer");
        }
        if !service.runs()? {
            return Ok(Err("the server ended by itself".to_owned()));
        }
        if start.elapsed() > START {
            let probe = work.image.probe.join(" ");
            return Ok(Err(format!(
                "`{} {probe}` fails for {} s: {}{}",
                work.image.package,
                START.as_secs(),
                outcome.ended(),
                proc::tail(&outcome)
            )));
        }
        interrupt::sleep(Duration::from_millis(200))?;
    }
}
