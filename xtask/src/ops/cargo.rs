//! Cargo and rustc of the workspace that is built: its toolchain, its lock file, its target folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::Value;
use xtask_core::plan::{Invocation, Libc, Package, Target};

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

    /// Where cargo puts the program.
    pub(crate) fn output(&self) -> PathBuf {
        let profile = if self.package.profile == "dev" { "debug" } else { &self.package.profile };
        let name = format!("{}{}", self.package.binary, self.target.triple.exe_suffix());
        self.target_dir().join(self.target.triple.name).join(profile).join(name)
    }

    /// `cargo build` with what every builder shares.
    ///
    /// Flags for rustc are given as `--config target.TRIPLE.rustflags`, which cargo joins with those of
    /// the workspace's own configuration; RUSTFLAGS would replace them.
    fn common(&self, run: Invocation, triple: &str) -> anyhow::Result<Invocation> {
        let mut run = run
            .args(["--locked", "--profile", &self.package.profile, "--target", triple])
            .args(["--package", &self.package.name, "--bin", &self.package.binary])
            .args(["--target-dir", &text(&self.target_dir())?])
            .args(["--config", &self.rustflags()?])
            .cwd(text(self.folder)?);
        if let Some(head) = self.head {
            run = run.env("SOURCE_DATE_EPOCH", head.time.to_string());
        }
        if let (Some(version), Some(name)) = (self.version, &self.package.version_env) {
            run = run.env(name, version);
        }
        if let Some(min) = self.target.macos_min {
            run = run.env("MACOSX_DEPLOYMENT_TARGET", min.to_string());
        }
        Ok(run)
    }

    /// No path of this machine stays in the program. rustc applies the last prefix that matches.
    fn rustflags(&self) -> anyhow::Result<String> {
        let mut flags = Vec::new();
        if let Some(home) = home() {
            flags.push(("--remap-path-prefix", format!("{}=/user", text(&home)?)));
        }
        if let Some(cargo) = cargo_home() {
            flags.push(("--remap-path-prefix", format!("{}=/cargo", text(&cargo)?)));
        }
        flags.push(("--remap-path-prefix", format!("{}=/src", text(&self.krate.workspace_root)?)));
        flags.push(("--remap-path-prefix", format!("{}=/target", text(&self.target_dir())?)));
        if self.target.triple.libc == Libc::Msvc {
            flags.push(("-C", "target-feature=+crt-static".to_owned()));
        }
        let quoted = flags.iter().flat_map(|(flag, value)| [toml_string(flag), toml_string(value)]);
        let quoted: Vec<_> = quoted.collect();
        Ok(format!("target.{}.rustflags=[{}]", self.target.triple.name, quoted.join(",")))
    }

    /// The `native` builder.
    pub(crate) fn native(&self) -> anyhow::Result<Invocation> {
        self.common(Invocation::new("cargo").arg("build"), self.target.triple.name)
    }

    /// The `zig` builder: the floor is part of the target's name. Caches stay beside the tools.
    pub(crate) fn zig(&self, zig: &Path, zigbuild: &Path) -> anyhow::Result<Invocation> {
        let triple = match self.target.glibc_floor {
            Some(floor) => format!("{}.{floor}", self.target.triple.name),
            None => self.target.triple.name.to_owned(),
        };
        let cache = tools::folder()?.join("cache");
        let run = Invocation::new(text(zigbuild)?).arg("zigbuild");
        Ok(self
            .common(run, &triple)?
            .env("CARGO_ZIGBUILD_ZIG_COMMAND", text(zig)?)
            .env("CARGO_ZIGBUILD_ZIG_VERSION", tools::ZIG.version)
            .env("CARGO_ZIGBUILD_CACHE_DIR", text(&cache.join("zigbuild"))?)
            .env("ZIG_GLOBAL_CACHE_DIR", text(&cache.join("zig"))?)
            .env("ZIG_LOCAL_CACHE_DIR", text(&cache.join("zig"))?))
    }
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
