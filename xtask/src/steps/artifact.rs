//! The order that safety needs, as types: [`Staged`] → [`Sealed`] → [`Judged`].
//!
//! What changes bytes (strip, sign) takes a `Staged`; sealing ends that. Whatever vouches for bytes
//! takes what came before it, and looks again that the bytes are still those that were sealed.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use xtask_core::audit::{self, Finding, Policy};
use xtask_core::formats::{self, Binary, Unread};

use crate::exit::refused;
use crate::ops::bytes::FileSource;
use crate::ops::codesign::{self, Signer};
use crate::ops::files::{self, Digest};

/// A copy of a built program under its asset's name. Its bytes may still change.
#[derive(Debug)]
pub(crate) struct Staged {
    path: PathBuf,
}

/// A file whose bytes are settled.
#[derive(Debug)]
pub(crate) struct Sealed {
    path: PathBuf,
    digest: Digest,
}

/// A sealed file that was read and audited.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) sealed: Sealed,
    pub(crate) binary: Binary,
    pub(crate) findings: Vec<Finding>,
}

impl Staged {
    /// Copies what a build made to `path`.
    pub(crate) fn copy(built: &Path, path: &Path) -> anyhow::Result<Self> {
        files::copy(built, path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Signs a Mach-O program ad hoc and verifies it; a signature that the linker made is replaced.
    pub(crate) fn sign(&mut self, identifier: &str) -> anyhow::Result<()> {
        codesign::sign(&self.path, identifier, Signer::of_host()).map(drop)
    }

    /// From here on the bytes stand.
    pub(crate) fn seal(self) -> anyhow::Result<Sealed> {
        Sealed::at(&self.path)
    }
}

impl Sealed {
    /// A finished file, as it is now.
    pub(crate) fn at(path: &Path) -> anyhow::Result<Self> {
        let digest = files::digest(path)?;
        if digest.size == 0 {
            return Err(refused(format!("`{}` is empty: build it again", path.display())));
        }
        Ok(Self { path: path.to_owned(), digest })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Reads the file as the executable format it is and judges it by every rule.
    ///
    /// # Errors
    /// When the bytes changed since they were sealed.
    pub(crate) fn judge(self, policy: &Policy) -> anyhow::Result<Result<Judged, Unread>> {
        self.unchanged()?;
        let file = FileSource::open(&self.path)
            .with_context(|| format!("cannot read `{}`", self.path.display()))?;
        let binary = match formats::read(&file) {
            Ok(binary) => binary,
            Err(unread) => return Ok(Err(unread)),
        };
        match audit::audit(&binary, Some(&file), policy) {
            Ok(findings) => Ok(Ok(Judged { sealed: self, binary, findings })),
            Err(error) => Ok(Err(Unread::Io(error.to_string()))),
        }
    }

    /// Whether another file holds the bytes that were sealed.
    pub(crate) fn same_as(&self, path: &Path) -> anyhow::Result<()> {
        let found = files::digest(path)?;
        if found != self.digest {
            bail!(
                "`{}` is not what was packed: sha256 {} instead of {}",
                path.display(),
                found.sha256,
                self.digest.sha256
            );
        }
        Ok(())
    }

    /// Whether the file still holds the bytes that were sealed.
    pub(crate) fn unchanged(&self) -> anyhow::Result<()> {
        let now = files::digest(&self.path)?;
        if now != self.digest {
            bail!(
                "`{}` changed after it was sealed: sha256 {} became {}",
                self.path.display(),
                self.digest.sha256,
                now.sha256
            );
        }
        Ok(())
    }
}
