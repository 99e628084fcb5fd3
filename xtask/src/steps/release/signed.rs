//! The row of `verify` about signed provenance, where the release workflow makes it.

use std::path::Path;

use xtask_core::workflow;

use super::finalize::made_for;
use super::verify::{Checklist, Files};
use super::{On, Release};
use crate::ops::files;
use crate::ops::forge::{Attested, attested};

/// Which workflow signs, from the workspace's own release workflow; `None` when none does.
fn signer(root: &Path, repository: &str) -> anyhow::Result<Option<String>> {
    let path = root.join(".github/workflows/release.yml");
    if !path.is_file() {
        return Ok(None);
    }
    Ok(workflow::signer(&files::read_text(&path)?, repository))
}

/// Whether the workflow vouched for each program. There is no row where no workflow signs, and none in a
/// rehearsal: only a workflow's run has the identity that is signed with.
pub(super) fn check(
    release: &Release,
    on: &On,
    files: &Files,
    list: &mut Checklist,
) -> anyhow::Result<()> {
    let repository = &release.plan.config.release.repository;
    let Some(signer) = signer(&release.workspace.root, repository)?.filter(|_| on.only.is_empty())
    else {
        return Ok(());
    };
    let what = format!("each program is vouched for by {signer}");
    let mut problems = Vec::new();
    let mut not_run = None;
    for (name, path) in files.iter().filter(|(name, _)| made_for(release, name).is_some()) {
        match attested(path, repository, &signer)? {
            Attested::Yes => {}
            Attested::No(why) => {
                problems.push(format!("{name}: no provenance signed by {signer}: {why}"))
            }
            Attested::NotRun(why) => not_run = Some(why),
        }
    }
    match not_run {
        Some(why) if problems.is_empty() => list.not_run(&what, &why),
        _ => list.check(&what, problems),
    }
    Ok(())
}
