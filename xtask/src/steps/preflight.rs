//! What must hold before anything is built: all problems at once, each with its cure.

use std::path::Path;

use anyhow::{Context, bail};
use xtask_core::plan::{Builder, Libc};

use super::build::{Job, Jobs, Source};
use crate::ops::cargo::{self, Crate};
use crate::ops::git;
use crate::ops::go::Tidy;
use crate::ops::{probe, proc, tools};

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
    if let Some(dirty) = dirty(jobs) {
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
    let contained = jobs.jobs.iter().any(Job::in_container);
    if let Some(image) = jobs.containers.other_image().filter(|_| strict && contained) {
        lacks.push(Lack {
            what: format!("`{image}` is not the image of the plan"),
            cure: "leave --image and XTASK_IMAGE out".to_owned(),
            gate: true,
        });
    }
    for job in &jobs.jobs {
        prebuilt_lacks(job, jobs, strict, &mut lacks)?;
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

fn dirty(jobs: &Jobs<'_>) -> Option<String> {
    let Some(head) = &jobs.head else {
        let folder = jobs.jobs.first().map_or(Path::new("."), |job| &job.folder);
        return Some(format!("this is no commit of a git repository ({})", git::refusal(folder)));
    };
    let first = head.changes.first()?;
    let more = match head.changes.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!("files differ from the commit: {}{more}", first.trim_start()))
}

/// What another tool built is there, and of this commit as far as it tells.
fn prebuilt_lacks(
    job: &Job<'_>,
    jobs: &Jobs<'_>,
    strict: bool,
    lacks: &mut Vec<Lack>,
) -> anyhow::Result<()> {
    let Source::Prebuilt(found) = &job.source else { return Ok(()) };
    if let Some((what, cure)) = found.absent(job.package) {
        lacks.push(Lack { what, cure, gate: false });
    } else if let Some(what) = found.of_another_commit(jobs.head.as_ref())? {
        if strict {
            let cure = "build it again from this commit".to_owned();
            lacks.push(Lack { what, cure, gate: true });
        } else {
            eprintln!("warning: {what}; --strict refuses it");
        }
    }
    Ok(())
}

fn job_lacks(job: &Job<'_>, jobs: &Jobs<'_>, lack: &mut impl FnMut(String, String)) {
    match &job.source {
        Source::Go(_) => go_lacks(job, jobs, lack),
        Source::Rust(krate) => rust_lacks(job, krate, jobs, lack),
        Source::Prebuilt(_) => {}
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

fn rust_lacks(
    job: &Job<'_>,
    krate: &Crate,
    jobs: &Jobs<'_>,
    lack: &mut impl FnMut(String, String),
) {
    for name in job.package.binaries().filter(|name| !krate.bins.iter().any(|bin| bin == name)) {
        lack(
            format!("Cargo package `{}` has no program `{name}`", job.package.name),
            format!("mend its name in xtask.toml: there is {}", krate.bins.join(", ")),
        );
    }
    match job.builder {
        Builder::Container => container_lacks(job, jobs, lack),
        Builder::Zig => {
            std_lacks(job, lack);
            zig_lacks(lack);
        }
        Builder::Native if job.target.triple.libc == Libc::Msvc && !cfg!(windows) => lack(
            format!(
                "Microsoft's linker runs on Windows only: {} cannot be built here",
                job.target.triple.name
            ),
            format!(
                "build on {}, or release {}-pc-windows-gnu with `builder = \"zig\"`",
                job.target.runner, job.target.triple.arch
            ),
        ),
        Builder::Native => {
            std_lacks(job, lack);
            if !cfg!(windows) && proc::find("cc").is_none() {
                lack(
                    "no C compiler `cc` to link with".to_owned(),
                    "apt-get install gcc, or xcode-select --install".to_owned(),
                );
            }
        }
    }
}

fn go_lacks(job: &Job<'_>, jobs: &Jobs<'_>, lack: &mut impl FnMut(String, String)) {
    let cure = "install Go from your package manager, or python3 with pip for the pinned one";
    let tidy = jobs.go().and_then(|go| go.tidy(&job.folder));
    match tidy {
        Err(error) => lack(format!("{error:#}"), cure.to_owned()),
        Ok(Tidy::Yes) => {}
        Ok(Tidy::No(difference)) => lack(
            format!("go.mod or go.sum of {} is not tidy:\n{difference}", job.package.name),
            "run `go mod tidy` and commit what it writes".to_owned(),
        ),
        Ok(Tidy::Unknown(why)) => {
            eprintln!(
                "warning: whether go.mod of {} is tidy cannot be told{why}",
                job.package.name
            );
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
                "cd {} && rustup target add {triple}; or build on {}",
                xtask_core::plan::quote(&job.folder.to_string_lossy()),
                job.target.runner
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
