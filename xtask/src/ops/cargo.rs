//! Cargo and rustc of the workspace that is built: its toolchain, its lock file, its target folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::Value;
use xtask_core::plan::{Invocation, Libc, Package, Target};

use super::container::{Mount, Toolchain};
use super::files;
use super::git::Head;
use super::proc::{self, Output};
use super::tools::{self, text};

/// What `rustc -vV` says in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rustc {
    /// First line: `rustc 1.95.0 (59807616e 2026-04-14)`.
    pub(crate) version: String,
    /// The host's triple.
    pub(crate) host: String,
}

/// Asks the rustc that builds in `folder` (rustup chooses it by the folder).
pub(crate) fn rustc(folder: &Path) -> anyhow::Result<Rustc> {
    let run = Invocation::new("rustc").arg("-vV").cwd(text(folder)?);
    let said = proc::read(&run).context("cannot ask rustc for its version")?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(Rustc {
        version: said.lines().next().unwrap_or_default().to_owned(),
        host: host.with_context(|| format!("`rustc -vV` names no host:\n{said}"))?.to_owned(),
    })
}

/// Whether the std of a target is installed for the rustc of `folder`.
pub(crate) fn has_std(folder: &Path, triple: &str) -> anyhow::Result<bool> {
    let run = Invocation::new("rustc").args(["--print", "target-libdir", "--target", triple]);
    let dir = proc::read(&run.cwd(text(folder)?))?;
    let Ok(entries) = std::fs::read_dir(&dir) else { return Ok(false) };
    Ok(entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}

/// A Cargo package as `cargo metadata` sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crate {
    pub(crate) version: String,
    pub(crate) bins: Vec<String>,
    pub(crate) workspace_root: PathBuf,
    pub(crate) target_dir: PathBuf,
}

/// Reads one package of the workspace that `folder` belongs to.
pub(crate) fn metadata(folder: &Path, package: &str) -> anyhow::Result<Crate> {
    let run = Invocation::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .cwd(text(folder)?);
    let json = proc::check(&run, Output::Capture)?;
    let json: Value =
        serde_json::from_slice(&json.stdout).context("`cargo metadata` printed no JSON")?;
    let packages = json["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = packages.iter().find(|found| found["name"] == package).ok_or_else(|| {
        let names: Vec<_> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
        anyhow!(
            "`{}` holds no Cargo package `{package}`, only {}: mend `name` or `path` in xtask.toml",
            folder.display(),
            names.join(", ")
        )
    })?;
    let targets = found["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_bin = |target: &&Value| {
        target["kind"].as_array().is_some_and(|kinds| kinds.contains(&"bin".into()))
    };
    let path = |key: &str| -> anyhow::Result<PathBuf> {
        Ok(json[key].as_str().with_context(|| format!("`cargo metadata` names no {key}"))?.into())
    };
    Ok(Crate {
        version: found["version"].as_str().unwrap_or_default().to_owned(),
        bins: targets
            .iter()
            .filter(is_bin)
            .filter_map(|t| t["name"].as_str().map(str::to_owned))
            .collect(),
        workspace_root: path("workspace_root")?,
        target_dir: path("target_directory")?,
    })
}

/// The crates that a package is built from for a target, with the features that its build takes: a line
/// each with its depth, name, version, licence and repository. May fetch their sources.
pub(crate) fn tree(folder: &Path, package: &Package, triple: &str) -> anyhow::Result<String> {
    let run = Invocation::new("cargo")
        .args(["tree", "--locked", "--package", &package.name, "--target", triple])
        .args(features(package))
        .args(["--edges", "normal", "--prefix", "depth", "--format", "{p}\t{l}\t{r}"])
        .cwd(text(folder)?);
    let said = proc::check(&run, Output::Capture).context("cannot tell what it is made of")?;
    String::from_utf8(said.stdout).context("`cargo tree` printed no UTF-8")
}

/// The features that a package is built with.
fn features(package: &Package) -> Vec<String> {
    let mut args = Vec::new();
    if package.no_default_features {
        args.push("--no-default-features".to_owned());
    }
    if !package.features.is_empty() {
        args.extend(["--features".to_owned(), package.features.join(",")]);
    }
    args
}

/// Everything one build of a Rust package depends on.
#[derive(Debug)]
pub(crate) struct Build<'a> {
    pub(crate) package: &'a Package,
    pub(crate) target: &'a Target,
    /// The package's folder.
    pub(crate) folder: &'a Path,
    pub(crate) krate: &'a Crate,
    pub(crate) head: Option<&'a Head>,
    /// Set when `--version` overrides Cargo.toml's.
    pub(crate) version: Option<&'a str>,
}

impl Build<'_> {
    /// Each target has its own folder: a shared one serialises builds on cargo's lock.
    fn target_dir(&self) -> PathBuf {
        self.krate.target_dir.join("xtask").join(&self.target.platform)
    }

    /// Where cargo puts the programs.
    pub(crate) fn outputs(&self) -> Vec<PathBuf> {
        let profile = if self.package.profile == "dev" { "debug" } else { &self.package.profile };
        let folder = self.target_dir().join(self.target.triple.name).join(profile);
        let suffix = self.target.triple.exe_suffix();
        self.package.binaries().map(|name| folder.join(format!("{name}{suffix}"))).collect()
    }

    /// `cargo build` with what every builder shares.
    ///
    /// Flags for rustc are given as `--config target.TRIPLE.rustflags`, which cargo joins with those of
    /// the workspace's own configuration; RUSTFLAGS would replace them.
    fn common(&self, run: Invocation, triple: &str, places: &Places) -> Invocation {
        let mut run = run
            .args(["--locked", "--profile", &self.package.profile, "--target", triple])
            .args(["--package", &self.package.name])
            .args(self.package.binaries().flat_map(|name| ["--bin", name]))
            .args(features(self.package))
            .args(["--target-dir", &places.target_dir])
            .args(["--config", &self.rustflags(places)])
            .cwd(places.folder.as_str());
        if let Some(head) = self.head {
            run = run.env("SOURCE_DATE_EPOCH", head.time.to_string());
        }
        if let (Some(version), Some(name)) = (self.version, &self.package.version_env) {
            run = run.env(name, version);
        }
        if let Some(min) = self.target.macos_min {
            run = run.env("MACOSX_DEPLOYMENT_TARGET", min.to_string());
        }
        run
    }

    /// The package's folder and target folder on this machine. No path of it stays in the program.
    fn here(&self) -> anyhow::Result<Places> {
        // rustc applies the last prefix that matches.
        let mut flags = Vec::new();
        let mut hide = |path: &Path, shown: &str| -> anyhow::Result<()> {
            flags.extend(["--remap-path-prefix".to_owned(), format!("{}={shown}", text(path)?)]);
            Ok(())
        };
        if let Some(home) = home() {
            hide(&home, "/user")?;
        }
        if let Some(cargo) = cargo_home() {
            hide(&cargo, "/cargo")?;
        }
        hide(&self.krate.workspace_root, "/src")?;
        hide(&self.target_dir(), "/target")?;
        Ok(Places { folder: text(self.folder)?, target_dir: text(&self.target_dir())?, flags })
    }

    fn rustflags(&self, places: &Places) -> String {
        let mut flags = places.flags.clone();
        let triple = self.target.triple;
        match (triple.libc, self.package.is_static(self.target)) {
            (Libc::Msvc, _) | (Libc::Musl, true) => {
                flags.extend(["-C".to_owned(), "target-feature=+crt-static".to_owned()]);
            }
            // Without it, a musl program is static and its dlopen a stub that always fails.
            (Libc::Musl, false) => {
                flags.extend(["-C".to_owned(), "target-feature=-crt-static".to_owned()]);
            }
            // The libc crate asks for libiconv, which few programs call: a library that nothing is taken
            // from is not named.
            (Libc::System, _) => {
                flags.extend(["-C".to_owned(), "link-arg=-Wl,-dead_strip_dylibs".to_owned()]);
            }
            (Libc::Gnu | Libc::MingW, _) => {}
        }
        let quoted: Vec<_> = flags.iter().map(|flag| toml_string(flag)).collect();
        format!("target.{}.rustflags=[{}]", triple.name, quoted.join(","))
    }

    /// The `native` builder.
    pub(crate) fn native(&self) -> anyhow::Result<Invocation> {
        let run = Invocation::new("cargo").arg("build");
        Ok(self.common(run, self.target.triple.name, &self.here()?))
    }

    /// Fetches, on this machine, the sources that a build without network needs.
    pub(crate) fn fetch(&self) -> anyhow::Result<Invocation> {
        let run = Invocation::new("cargo").args(["fetch", "--locked", "--target"]);
        Ok(run.arg(self.target.triple.name).cwd(text(self.folder)?))
    }

    /// The `container` builder: the command as it runs inside, and what it is given of this machine.
    ///
    /// Sources and fetched dependencies cannot be written to; the target folder and the rest of
    /// cargo's home are the target's own, and belong to the caller.
    pub(crate) fn container(&self, inside: &Toolchain) -> anyhow::Result<(Invocation, Vec<Mount>)> {
        let target_dir = self.target_dir();
        let own_home = target_dir.join("cargo-home");
        let mut mounts = vec![
            Mount::read_only(&self.krate.workspace_root, "/src")?,
            Mount::writable(&target_dir, "/target")?,
            Mount::writable(&own_home, "/cargo")?,
        ];
        let home = cargo_home().context("no home folder, and CARGO_HOME is not set")?;
        for part in ["registry", "git"] {
            // The engine would make a missing mount point itself, as root.
            files::make_folder(&own_home.join(part))?;
            if home.join(part).is_dir() {
                mounts.push(Mount::read_only(&home.join(part), &format!("/cargo/{part}"))?);
            }
        }
        let within = self.folder.strip_prefix(&self.krate.workspace_root).with_context(|| {
            let root = self.krate.workspace_root.display();
            format!("`{}` does not lie in its workspace `{root}`", self.folder.display())
        })?;
        let places = Places {
            folder: format!("/src/{}", text(within)?),
            target_dir: "/target".to_owned(),
            flags: self.container_flags(inside)?,
        };
        let run = Invocation::new("cargo").arg("build");
        let run = self
            .common(run, self.target.triple.name, &places)
            .env("CARGO_HOME", "/cargo")
            .env("CARGO_NET_OFFLINE", "true")
            .env("HOME", "/tmp")
            // The image's own toolchain: rustup would read rust-toolchain.toml and fetch components.
            .env("RUSTUP_TOOLCHAIN", inside.release.as_str());
        Ok((run, mounts))
    }

    /// In a dynamic musl program, std asks for libgcc_s.so.1, which a bare musl system lacks. A linker
    /// script of that name, found first, gives it the static unwinder that comes with Rust. (A static
    /// one is linked by Rust's own start files and libc.)
    fn container_flags(&self, inside: &Toolchain) -> anyhow::Result<Vec<String>> {
        if self.target.triple.libc != Libc::Musl || self.package.is_static(self.target) {
            return Ok(Vec::new());
        }
        // By its path: beside it lies a static libc, which must not be found.
        let unwinder = format!(
            "{}/lib/rustlib/{}/lib/self-contained/libunwind.a",
            inside.sysroot, self.target.triple.name
        );
        let script = self.target_dir().join("link").join("libgcc_s.so");
        files::replace(&script, format!("GROUP ( {unwinder} -lgcc )\n").as_bytes())?;
        let mut flags = vec!["-L", "native=/target/link"];
        // On an image whose `cc` is not musl's, plain `cc` would make a glibc program of it.
        if inside.musl_gcc {
            flags.extend(["-C", "linker=musl-gcc"]);
        }
        Ok(flags.into_iter().map(str::to_owned).collect())
    }

    /// The `zig` builder: the floor is part of the target's name. Caches stay beside the tools.
    pub(crate) fn zig(&self, zig: &Path, zigbuild: &Path) -> anyhow::Result<Invocation> {
        let triple = match self.target.glibc_floor {
            Some(floor) => format!("{}.{floor}", self.target.triple.name),
            None => self.target.triple.name.to_owned(),
        };
        let cache = tools::folder()?.join("cache");
        let run = Invocation::new(text(zigbuild)?).arg("zigbuild");
        let mut places = self.here()?;
        if self.target.triple.libc == Libc::Musl && !self.package.is_static(self.target) {
            // zig links musl statically unless told, whatever rustc wants of it.
            places.flags.extend(["-C", "link-arg=-dynamic"].map(str::to_owned));
        }
        Ok(self
            .common(run, &triple, &places)
            .env("CARGO_ZIGBUILD_ZIG_COMMAND", text(zig)?)
            .env("CARGO_ZIGBUILD_ZIG_VERSION", tools::ZIG.version)
            .env("CARGO_ZIGBUILD_CACHE_DIR", text(&cache.join("zigbuild"))?)
            .env("ZIG_GLOBAL_CACHE_DIR", text(&cache.join("zig"))?)
            .env("ZIG_LOCAL_CACHE_DIR", text(&cache.join("zig"))?))
    }
}

/// The paths that a build sees, and the flags for rustc that follow from them.
struct Places {
    folder: String,
    target_dir: String,
    flags: Vec<String>,
}

/// A TOML basic string.
fn toml_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

/// The user's home folder.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home.is_absolute() && home.parent().is_some())
}

/// Where cargo keeps the sources of dependencies.
pub(crate) fn cargo_home() -> Option<PathBuf> {
    std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(home()?.join(".cargo")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_strings_are_escaped() {
        assert_eq!(toml_string("a\"b\\c\nd é"), "\"a\\\"b\\\\c\\u000Ad é\"");
    }
}
