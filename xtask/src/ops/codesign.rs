//! Signing a file in place: the new one is written beside it, verified, then renamed over it. A
//! kernel that ran the old bytes keeps its verdict for that file, so they are never edited
//! (cctools-port#97, golang/go#42684).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use xtask_core::formats::macho::{self, MachO};
use xtask_core::plan::Invocation;
use xtask_core::sign::sign_adhoc;

use super::bytes::FileSource;
use super::files;
use super::proc::{self, Output};

/// Who signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signer {
    /// macOS's own `codesign`.
    System,
    /// Ours, on any host.
    Builtin,
}

impl Signer {
    /// The system's where there is one.
    pub(crate) fn of_host() -> Self {
        if cfg!(target_os = "macos") { Self::System } else { Self::Builtin }
    }
}

/// `codesign` hashes a file; it does not take minutes.
const DEADLINE: Duration = Duration::from_secs(120);

/// Signs a Mach-O file ad hoc. Its mode stays, and a symbolic link stays one. On macOS both
/// verifiers must accept the result before it takes the old file's place.
pub(crate) fn sign(path: &Path, identifier: &str, signer: Signer) -> anyhow::Result<MachO> {
    let name = path.display();
    let target = fs::canonicalize(path).with_context(|| format!("cannot find `{name}`"))?;
    let temporary = files::temporary(&target);
    write_signed(&target, &temporary, identifier, signer)
        .and_then(|()| accepted(&temporary))
        .and_then(|macho| {
            fs::rename(&temporary, &target)?;
            Ok(macho)
        })
        .inspect_err(|_| drop(fs::remove_file(&temporary)))
        .with_context(|| format!("cannot sign `{name}`"))
}

fn write_signed(from: &Path, to: &PathBuf, identifier: &str, signer: Signer) -> anyhow::Result<()> {
    match signer {
        Signer::Builtin => {
            let signed = sign_adhoc(&fs::read(from)?, identifier)?;
            fs::write(to, signed)?;
            fs::set_permissions(to, fs::metadata(from)?.permissions())?;
        }
        Signer::System => {
            fs::copy(from, to)?;
            let args = ["--force", "--sign", "-", "--timestamp=none", "--identifier", identifier];
            let codesign = Invocation::new("codesign").args(args);
            let outcome = run(codesign, to)?;
            if !outcome.success() {
                bail!("codesign: {}", String::from_utf8_lossy(&outcome.stderr).trim());
            }
        }
    }
    Ok(())
}

/// Reads a file back: every slice must be signed, and right to every verifier of this host.
fn accepted(path: &Path) -> anyhow::Result<MachO> {
    let macho = read(path)?;
    let is_right = macho
        .slices
        .iter()
        .all(|slice| slice.signature.as_ref().is_some_and(|signature| signature.is_valid()));
    match (is_right, system_refuses(path)?) {
        (true, None) => Ok(macho),
        (true, Some(why)) => bail!("our verifier accepts what codesign refuses: {why}"),
        (false, _) => bail!("our verifier refuses the new signature"),
    }
}

/// Reads a Mach-O file, its signatures verified by ours.
pub(crate) fn read(path: &Path) -> anyhow::Result<MachO> {
    let file = FileSource::open(path)?;
    match macho::read(&file) {
        Ok(macho) => Ok(macho),
        Err(unread) => Err(anyhow!("{unread}")),
    }
}

/// What macOS's verifier has against the file; `None` on other hosts too.
pub(crate) fn system_refuses(path: &Path) -> anyhow::Result<Option<String>> {
    if Signer::of_host() == Signer::Builtin {
        return Ok(None);
    }
    let verify = Invocation::new("codesign").args(["--verify", "--strict", "--all-architectures"]);
    let outcome = run(verify, path)?;
    let why = String::from_utf8_lossy(&outcome.stderr).trim().to_owned();
    Ok((!outcome.success()).then_some(why))
}

fn run(codesign: Invocation, path: &Path) -> anyhow::Result<proc::Outcome> {
    let path = path.to_str().ok_or_else(|| io::Error::other("its name is not UTF-8"))?;
    proc::run(&codesign.arg(path).deadline(DEADLINE), Output::Capture)
}
