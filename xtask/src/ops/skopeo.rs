//! skopeo: images between registries, layouts on disk and an engine, without a daemon and without root.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use xtask_core::plan::Invocation;

use super::container::full_name;
use super::proc::{self, Output};
use super::tools::text;

/// For one image over a slow network.
const LIMIT: Duration = Duration::from_secs(1200);

/// Its first line of `--version`.
///
/// # Errors
/// When it is not there, with how to get it.
pub(crate) fn version() -> anyhow::Result<String> {
    if proc::find("skopeo").is_none() {
        bail!(
            "skopeo is not on PATH: it fetches and brings images (Debian, Ubuntu and Homebrew: skopeo)"
        );
    }
    proc::read(&Invocation::new("skopeo").arg("--version"))
}

/// A registry on this machine is spoken to without TLS, as docker does.
fn plain(reference: &str) -> bool {
    let host = reference.split('/').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    host == "localhost" || host.starts_with("127.")
}

/// A name as skopeo takes it: of tag and digest, the digest.
fn pinned(reference: &str) -> String {
    let full = full_name(reference);
    let Some((name, digest)) = full.split_once('@') else { return full };
    let tag = name.rfind(':').filter(|at| !name.get(*at..).unwrap_or_default().contains('/'));
    format!("{}@{digest}", tag.and_then(|at| name.get(..at)).unwrap_or(name))
}

/// Fetches an image, of one architecture, into a layout of its own. Its bytes are those of its digest.
///
/// # Errors
/// When the registry does not have it, or skopeo is not here.
pub(crate) fn fetch(reference: &str, arch: &str, layout: &Path) -> anyhow::Result<()> {
    version()?;
    let from = pinned(reference);
    let mut copy =
        Invocation::new("skopeo").args(["--override-os", "linux", "--override-arch", arch]);
    copy = copy.args(["copy", "--quiet"]);
    if plain(&from) {
        copy = copy.arg("--src-tls-verify=false");
    }
    let copy = copy.arg(format!("docker://{from}")).arg(format!("oci:{}:base", text(layout)?));
    proc::check(&copy.deadline(LIMIT), Output::Capture)
        .map(drop)
        .with_context(|| format!("cannot fetch the image `{reference}` for {arch}"))
}

/// Fetches an index, and all that it names, into a layout of its own: every byte as the registry has it.
///
/// # Errors
/// When the registry does not have it, or skopeo is not here.
pub(crate) fn fetch_all(reference: &str, layout: &Path) -> anyhow::Result<()> {
    version()?;
    let mut copy = Invocation::new("skopeo");
    copy = copy.args(["copy", "--quiet", "--all", "--preserve-digests"]);
    if plain(reference) {
        copy = copy.arg("--src-tls-verify=false");
    }
    let copy = copy.arg(format!("docker://{reference}")).arg(format!("oci:{}:held", text(layout)?));
    proc::check(&copy.deadline(LIMIT), Output::Capture).map(drop).with_context(|| {
        format!("cannot read `{reference}` back: is it there, and may you read it?")
    })
}

/// Makes a file that docker and podman load, of the one image in a layout; they know it by `name`.
pub(crate) fn to_engine(layout: &Path, file: &Path, name: &str) -> anyhow::Result<()> {
    version()?;
    let copy = Invocation::new("skopeo").args(["copy", "--quiet"]);
    let copy = copy.arg(format!("oci:{}", text(layout)?));
    let copy = copy.arg(format!("docker-archive:{}:{name}", text(file)?));
    proc::check(&copy.deadline(LIMIT), Output::Capture).map(drop)
}

/// Brings an index and all that it names from a layout to a registry, each under its own digest.
///
/// # Errors
/// Also when the registry does not let us: `skopeo login` first.
pub(crate) fn push(layout: &Path, to: &str) -> anyhow::Result<()> {
    version()?;
    copy_all(&format!("oci:{}", text(layout)?), &[], to)
}

/// Gives a digest that a registry has another name there.
pub(crate) fn tag(repository: &str, digest: &str, tag: &str) -> anyhow::Result<()> {
    version()?;
    let from = format!("{repository}@{digest}");
    let plain: &[&str] = if plain(&from) { &["--src-tls-verify=false"] } else { &[] };
    copy_all(&format!("docker://{from}"), plain, &format!("{repository}:{tag}"))
}

fn copy_all(from: &str, options: &[&str], to: &str) -> anyhow::Result<()> {
    let mut copy = Invocation::new("skopeo");
    copy =
        copy.args(["copy", "--quiet", "--all", "--preserve-digests"]).args(options.iter().copied());
    if plain(to) {
        copy = copy.arg("--dest-tls-verify=false");
    }
    let copy = copy.arg(from).arg(format!("docker://{to}")).deadline(LIMIT);
    proc::check(&copy, Output::Capture)
        .map(drop)
        .with_context(|| format!("cannot bring the image to `{to}`: `skopeo login` says who may"))
}

/// The document that a name stands for in a registry, byte for byte.
pub(crate) fn document(reference: &str) -> anyhow::Result<Vec<u8>> {
    version()?;
    let mut inspect = Invocation::new("skopeo").args(["inspect", "--raw"]);
    if plain(reference) {
        inspect = inspect.arg("--tls-verify=false");
    }
    let inspect = inspect.arg(format!("docker://{reference}")).deadline(LIMIT);
    proc::check(&inspect, Output::Capture).map(|outcome| outcome.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_registry_and_no_tag_beside_a_digest() {
        for (given, taken) in [
            ("debian:12@sha256:ab", "docker.io/library/debian@sha256:ab"),
            ("127.0.0.1:5000/a/b:1@sha256:ab", "127.0.0.1:5000/a/b@sha256:ab"),
            ("localhost:5000/a@sha256:ab", "localhost:5000/a@sha256:ab"),
            ("registry.example/a/b:1", "registry.example/a/b:1"),
        ] {
            assert_eq!(pinned(given), taken);
        }
    }

    #[test]
    fn only_this_machine_goes_without_tls() {
        for (name, is_plain) in [
            ("127.0.0.1:5000/a", true),
            ("localhost/a", true),
            ("localhost.example.com/a", false),
            ("registry.example/127.0.0.1", false),
        ] {
            assert_eq!(plain(name), is_plain, "{name}");
        }
    }
}
