//! The workspace that a command drives: its root, its `xtask.toml`, its version.

use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use xtask_core::plan::{Config, Facts, Kind, Package, Plan, Target, check_floor};

use crate::exit::usage;
use crate::ops::cargo::{self, Crate};
use crate::ops::files;
use crate::ops::git;

/// Name of the file that describes a release.
const FILE: &str = "xtask.toml";

/// A checked `xtask.toml` and where it is.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// Absolute.
    pub(crate) root: PathBuf,
    pub(crate) config: Config,
}

impl Workspace {
    /// Opens the workspace at `root`, or the nearest one at or above the current folder.
    pub(crate) fn open(root: Option<&Path>) -> anyhow::Result<Self> {
        let here = std::env::current_dir().context("cannot find the current folder")?;
        let root = match root {
            Some(root) => std::path::absolute(root)
                .with_context(|| format!("`{}` is no path", root.display()))?,
            None => here
                .ancestors()
                .find(|folder| folder.join(FILE).is_file())
                .ok_or_else(|| {
                    usage(format!(
                        "no {FILE} in `{}` or above it: name the folder that holds it with -C",
                        here.display()
                    ))
                })?
                .to_owned(),
        };
        let path = root.join(FILE);
        if !path.is_file() {
            return Err(usage(format!(
                "`{}` holds no {FILE}: name the folder that does with -C",
                root.display()
            )));
        }
        let text = files::read_text(&path)?;
        let config = Config::parse(&text).map_err(|problems| {
            let shown = path.strip_prefix(&here).unwrap_or(&path).display();
            let lines: Vec<_> =
                problems.iter().map(|problem| format!("{shown}:{problem}")).collect();
            let count = lines.len();
            let s = if count == 1 { "" } else { "s" };
            usage(format!("{count} problem{s} in {shown}\n{}", lines.join("\n")))
        })?;
        Ok(Self { root, config })
    }

    /// Replaces the glibc floor of every target that has one.
    ///
    /// # Errors
    /// When it is impossible for a target among `wanted` (platforms or triples).
    pub(crate) fn set_floor(&mut self, floor: &str, wanted: &[String]) -> anyhow::Result<()> {
        for target in self.config.targets.iter_mut().filter(|target| target.glibc_floor.is_some()) {
            match check_floor(target.triple, floor) {
                Ok(version) => target.glibc_floor = Some(version),
                Err((message, cure)) => {
                    let named =
                        |name: &String| *name == target.platform || name == target.triple.name;
                    if wanted.is_empty() || wanted.iter().any(named) {
                        return Err(usage(format!("--floor: {message}; {cure}")));
                    }
                }
            }
        }
        Ok(())
    }

    /// A package's folder, which may lie outside the root.
    pub(crate) fn folder(&self, package: &Package) -> PathBuf {
        let mut folder = self.root.clone();
        for part in Path::new(&package.path).components() {
            match part {
                Component::ParentDir => drop(folder.pop()),
                Component::CurDir => {}
                part => folder.push(part),
            }
        }
        folder
    }

    /// A package as cargo sees it.
    pub(crate) fn krate(&self, package: &Package) -> anyhow::Result<Crate> {
        let folder = self.folder(package);
        if !folder.is_dir() {
            return Err(usage(format!(
                "`{}`, the `path` of package `{}`, is no folder: mend it in {}",
                folder.display(),
                package.name,
                self.root.join(FILE).display()
            )));
        }
        cargo::metadata(&folder, &package.name)
    }

    /// The plan, for the version of the Rust packages or another.
    pub(crate) fn plan(&self, version: Option<&str>) -> anyhow::Result<Plan> {
        let version = match version {
            Some(version) => {
                check_version(version)?;
                version.to_owned()
            }
            None => self.version()?,
        };
        Ok(Plan::new(self.config.clone(), &Facts { version }))
    }

    /// The version that all Rust packages share; without any, that of the tag at HEAD.
    fn version(&self) -> anyhow::Result<String> {
        let mut found: Option<(String, &str)> = None;
        for package in self.config.packages.iter().filter(|package| package.kind == Kind::Rust) {
            let version = self.krate(package)?.version;
            match &found {
                Some((first, name)) if *first != version => {
                    return Err(usage(format!(
                        "package `{name}` is at {first} and `{}` at {version}: a release has one version, \
                         give both Cargo.toml the same",
                        package.name
                    )));
                }
                Some(_) => {}
                None => found = Some((version, &package.name)),
            }
        }
        match found {
            Some((version, _)) => Ok(version),
            None => self.tagged_version(),
        }
    }

    /// The version of the one tag at HEAD that the plan's template can have made.
    fn tagged_version(&self) -> anyhow::Result<String> {
        let template = &self.config.release.tag;
        let (before, after) = template.split_once("{version}").unwrap_or((template, ""));
        let tags = git::tags_here(&self.root).unwrap_or_default();
        let of_tag =
            |tag: &String| tag.strip_prefix(before)?.strip_suffix(after).map(str::to_owned);
        let versions = tags.iter().filter_map(of_tag);
        let versions: Vec<_> = versions.filter(|version| check_version(version).is_ok()).collect();
        match versions.as_slice() {
            [version] => Ok(version.clone()),
            [] => Err(usage(format!(
                "no Rust package to take the version from, and no tag `{template}` at HEAD: say it with --version"
            ))),
            several => Err(usage(format!(
                "HEAD has the tags of several versions, {}: say which with --version",
                several.join(" and ")
            ))),
        }
    }

    /// Targets by platform name or triple; with no names, those of the host's own triple.
    pub(crate) fn targets(&self, names: &[String], host: &str) -> anyhow::Result<Vec<&Target>> {
        let known = || {
            let known = self.config.targets.iter();
            let known: Vec<_> =
                known.map(|t| format!("{} ({})", t.platform, t.triple.name)).collect();
            known.join(", ")
        };
        if names.is_empty() {
            let own: Vec<_> =
                self.config.targets.iter().filter(|t| t.triple.name == host).collect();
            if own.is_empty() {
                return Err(usage(format!(
                    "the plan has no target for this host ({host}): name one with --target: {}",
                    known()
                )));
            }
            return Ok(own);
        }
        let mut chosen: Vec<&Target> = Vec::new();
        for name in names {
            let matching: Vec<_> = self
                .config
                .targets
                .iter()
                .filter(|target| target.platform == *name || target.triple.name == name)
                .collect();
            if matching.is_empty() {
                return Err(usage(format!(
                    "the plan has no target `{name}`: there is {}",
                    known()
                )));
            }
            for target in matching {
                if !chosen.iter().any(|c| c.platform == target.platform) {
                    chosen.push(target);
                }
            }
        }
        Ok(chosen)
    }

    /// One package by name, or all.
    pub(crate) fn packages(&self, name: Option<&str>) -> anyhow::Result<Vec<&Package>> {
        let Some(name) = name else { return Ok(self.config.packages.iter().collect()) };
        match self.config.packages.iter().find(|package| package.name == name) {
            Some(package) => Ok(vec![package]),
            None => {
                let known: Vec<_> = self.config.packages.iter().map(|p| p.name.as_str()).collect();
                Err(usage(format!(
                    "the plan has no package `{name}`: there is {}",
                    known.join(", ")
                )))
            }
        }
    }
}

/// A version as Semantic Versioning 2.0.0, section 2, 9 and 10, spells it; no leading `v`.
fn check_version(version: &str) -> anyhow::Result<()> {
    let (core, tail) = version.split_at(version.find(['-', '+']).unwrap_or(version.len()));
    let numeric = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let core_ok = core.split('.').count() == 3 && core.split('.').all(numeric);
    let (pre, build) = tail.split_once('+').map_or((tail, None), |(pre, build)| (pre, Some(build)));
    let identifiers = |text: &str| {
        text.split('.')
            .all(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
    };
    let pre_ok = pre.is_empty() || pre.strip_prefix('-').is_some_and(identifiers);
    if core_ok && pre_ok && build.is_none_or(identifiers) {
        return Ok(());
    }
    Err(usage(format!("`{version}` is no version: write `major.minor.patch`, without a `v`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semantic() {
        for good in ["0.1.0", "1.2.3-beta.1", "1.2.3-dev+abc123", "1.0.0+build.5"] {
            assert!(check_version(good).is_ok(), "{good}");
        }
        for bad in
            ["", "v1.2.3", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3+", "1.2.3-a..b", "1.2.3 "]
        {
            assert!(check_version(bad).is_err(), "{bad}");
        }
    }
}
