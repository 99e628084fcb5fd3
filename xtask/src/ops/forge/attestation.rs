//! Signed statements about files, which GitHub keeps: `gh attestation verify`.

use std::path::Path;
use std::time::Duration;

use super::gh;
use crate::ops::proc::{self, Output};

/// For one file: the statement is fetched, and the roots of trust with it.
const DEADLINE: Duration = Duration::from_secs(120);

/// What became of a look for a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attested {
    /// There is one, signed as asked.
    Yes,
    /// `gh` refuses the file; its words.
    No(String),
    /// It cannot be looked for here, and why.
    NotRun(String),
}

/// Whether the workflow `signer` (`OWNER/NAME/.github/workflows/FILE`) vouched in `repository` for a file.
pub(crate) fn attested(file: &Path, repository: &str, signer: &str) -> anyhow::Result<Attested> {
    let able = gh::gh(DEADLINE).args(["attestation", "verify", "--help"]);
    match proc::run(&able, Output::Capture) {
        Ok(outcome) if outcome.success() => {}
        Ok(_) => {
            let cure = "this gh has no `gh attestation`: install gh 2.49 or newer";
            return Ok(Attested::NotRun(cure.to_owned()));
        }
        Err(error) => return Ok(Attested::NotRun(format!("{error:#}"))),
    }
    let (folder, name) = gh::place(file);
    let run = gh::gh(DEADLINE)
        .args(["attestation", "verify", &name, "--repo", repository, "--signer-workflow", signer])
        .cwd(folder);
    let outcome = proc::run(&run, Output::Capture)?;
    let text = String::from_utf8_lossy(&outcome.stderr);
    Ok(match outcome.code() {
        Some(0) => Attested::Yes,
        Some(4) => Attested::NotRun(gh::UNSIGNED.to_owned()),
        // gh's words when a name of the network is not found.
        _ if text.contains("error connecting to ") => Attested::NotRun(gh::why(&outcome)),
        _ => Attested::No(gh::why(&outcome)),
    })
}
