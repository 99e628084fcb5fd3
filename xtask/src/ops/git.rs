//! Git: which commit this is, and whether the tree is that commit's.

use std::path::Path;

use xtask_core::plan::Invocation;

use super::proc::{self, Output};

/// What git says of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// Full hash.
    pub(crate) commit: String,
    /// Seconds since 1970, of the commit; `SOURCE_DATE_EPOCH` of a build.
    pub(crate) time: u64,
    /// Files that differ from the commit or are untracked and not ignored, in git's short form.
    pub(crate) changes: Vec<String>,
}

/// Git without the user's and the system's configuration of hooks, pagers and colours.
pub(crate) fn invocation(folder: &Path) -> Invocation {
    Invocation::new("git").args(["-C", &folder.to_string_lossy()]).env("GIT_OPTIONAL_LOCKS", "0")
}

/// The commit and its changes; `None` outside a repository, without a commit or without git.
pub(crate) fn head(folder: &Path) -> Option<Head> {
    let read = |args: &[&str]| {
        let outcome =
            proc::run(&invocation(folder).args(args.iter().copied()), Output::Capture).ok()?;
        outcome.success().then(|| outcome.text())
    };
    let log = read(&["log", "-1", "--format=%H %ct"])?;
    let (commit, time) = log.split_once(' ')?;
    let changes = read(&["status", "--porcelain", "--untracked-files=normal"])?;
    Some(Head {
        commit: commit.to_owned(),
        time: time.parse().ok()?,
        changes: changes.lines().map(str::to_owned).collect(),
    })
}

/// The path of a folder below its repository's root: empty, or with a slash at its end.
///
/// # Errors
/// When git cannot be run, or the folder lies in no repository.
pub(crate) fn prefix(folder: &Path) -> anyhow::Result<String> {
    proc::read(&invocation(folder).args(["rev-parse", "--show-prefix"]))
}

/// The local tags at the commit that is checked out.
///
/// # Errors
/// When git cannot be run, or the folder lies in no repository.
pub(crate) fn tags_here(folder: &Path) -> anyhow::Result<Vec<String>> {
    let said = proc::read(&invocation(folder).args(["tag", "--points-at", "HEAD"]))?;
    Ok(said.lines().map(str::to_owned).collect())
}

/// What git says where [`head`] finds no commit: no repository, or one that it does not trust.
pub(crate) fn refusal(folder: &Path) -> String {
    let log = invocation(folder).args(["log", "-1", "--format=%H"]);
    match proc::run(&log, Output::Capture) {
        Ok(outcome) => {
            let said = String::from_utf8_lossy(&outcome.stderr);
            said.lines().next().unwrap_or_default().trim_start_matches("fatal: ").to_owned()
        }
        Err(error) => format!("{error:#}"),
    }
}

/// The commit that a local tag peels to; `None` when there is no such tag.
///
/// # Errors
/// When git cannot be run.
pub(crate) fn peel(folder: &Path, tag: &str) -> anyhow::Result<Option<String>> {
    let run = invocation(folder).args(["rev-parse", "--verify", "--quiet"]);
    let outcome = proc::run(&run.arg(format!("refs/tags/{tag}^{{commit}}")), Output::Capture)?;
    Ok(outcome.success().then(|| outcome.text()))
}

/// The message of a local annotated tag, without a signature; `None` for a lightweight tag or none.
///
/// # Errors
/// When git cannot be run.
pub(crate) fn tag_message(folder: &Path, tag: &str) -> anyhow::Result<Option<String>> {
    let format = "--format=%(objecttype)%0a%(contents:subject)%0a%0a%(contents:body)";
    let run = invocation(folder).args(["for-each-ref", format]).arg(format!("refs/tags/{tag}"));
    let outcome = proc::run(&run, Output::Capture)?;
    let text = outcome.text();
    Ok(text.strip_prefix("tag\n").filter(|_| outcome.success()).map(|text| text.trim().to_owned()))
}
