//! Folders that results go into: one run at a time, and what a killed run left there goes away.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::ops::files::{self, Lock};
use crate::ops::tools;

/// A folder that this run has for itself.
pub(crate) struct Output {
    /// Absolute.
    pub(crate) path: PathBuf,
    /// Tells what this folder's runs make elsewhere, such as containers, from that of other folders.
    pub(crate) mark: String,
    _lock: Lock,
}

impl Output {
    /// Waits for another run that has it. The folder itself may not exist yet: the lock is kept beside the tools.
    pub(crate) fn take(path: &Path) -> anyhow::Result<Self> {
        use sha2::Digest as _;
        let path = std::path::absolute(path)
            .with_context(|| format!("`{}` is no path", path.display()))?;
        let mut mark = hex::encode(sha2::Sha256::digest(path.as_os_str().as_encoded_bytes()));
        mark.truncate(16);
        let what = format!("its work on `{}`", path.display());
        let lock = Lock::take(&tools::folder()?.join("locks").join(&mark), &what)?;
        Ok(Self { path, mark, _lock: lock })
    }

    /// Removes the temporary folders of runs that were killed: while we have the lock, no other is alive.
    pub(crate) fn sweep(&self) -> anyhow::Result<()> {
        if !self.path.is_dir() {
            return Ok(());
        }
        for path in files::entries(&self.path)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("xtask.") && name.ends_with(".tmp") {
                files::remove(&path)?;
            }
        }
        Ok(())
    }
}
