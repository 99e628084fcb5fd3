//! A program that another tool built: where it lies, and what it says of itself.

use std::path::{Path, PathBuf};

use xtask_core::formats::gobuild::GoBuild;
use xtask_core::plan::{Package, Target};
use xtask_core::report;

use crate::ops::git::Head;
use crate::ops::{files, go};

/// One such program.
#[derive(Debug)]
pub(crate) struct Prebuilt {
    pub(crate) path: PathBuf,
    /// As the plan has it, relative to `xtask.toml`.
    shown: String,
    by: String,
}

impl Prebuilt {
    pub(crate) fn new(root: &Path, package: &Package, target: &Target, version: &str) -> Self {
        let shown = package.prebuilt_path(target, version);
        Self { path: root.join(&shown), shown, by: package.origin.clone().unwrap_or_default() }
    }

    /// What is to be mended before anything is done, with its cure.
    pub(crate) fn absent(&self, package: &Package) -> Option<(String, String)> {
        let what =
            format!("`{}`, the prebuilt `{}`, is no file", self.path.display(), package.name);
        let cure = format!("let {} build it, or mend `path` in xtask.toml", self.by);
        (!self.path.is_file()).then_some((what, cure))
    }

    /// Why it is not this commit's, if it says so itself.
    pub(crate) fn of_another_commit(&self, head: Option<&Head>) -> anyhow::Result<Option<String>> {
        let Some(build) = self.go()? else { return Ok(None) };
        let shown = self.path.display();
        let commit = head.map_or("", |head| &head.commit);
        Ok(match (build.setting("vcs.revision"), build.setting("vcs.modified")) {
            (Some(revision), _) if revision != commit => {
                Some(format!("`{shown}` was built from commit {revision}, and this is {commit}"))
            }
            (Some(_), Some("true")) => {
                Some(format!("`{shown}` was built from files that differ from its commit"))
            }
            _ => None,
        })
    }

    /// For the manifest.
    pub(crate) fn origin(&self) -> anyhow::Result<report::Prebuilt> {
        let commit = self.go()?.and_then(|go| go.setting("vcs.revision").map(str::to_owned));
        Ok(report::Prebuilt {
            by: self.by.clone(),
            path: self.shown.clone(),
            sha256: files::digest(&self.path)?.sha256,
            commit,
        })
    }

    /// The compiler, as far as the program tells.
    pub(crate) fn toolchain(&self) -> anyhow::Result<String> {
        Ok(match self.go()? {
            Some(build) => format!("go version {}", build.version),
            None => format!("unknown to us, chosen by {}", self.by),
        })
    }

    fn go(&self) -> anyhow::Result<Option<GoBuild>> {
        go::note(&self.path)
    }
}
