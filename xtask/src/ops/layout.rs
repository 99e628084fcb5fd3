//! An image on disk: the layout of the OCI image specification 1.1, blobs by their digest.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use xtask_core::image::{self, Blob};

use super::files;

/// Larger documents are none of an image's: a registry refuses a manifest of more than 4 MiB.
const LARGEST_DOCUMENT: usize = 4 << 20;

/// A folder that holds one image, or is about to.
#[derive(Debug)]
pub(crate) struct Layout(PathBuf);

impl Layout {
    /// The layout in a folder, as it is.
    pub(crate) fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn blob(&self, sha256: &str) -> PathBuf {
        self.0.join("blobs").join("sha256").join(sha256)
    }

    /// Adds bytes.
    pub(crate) fn add(&self, bytes: &[u8]) -> anyhow::Result<Blob> {
        let sha256 = hex::encode(Sha256::digest(bytes));
        files::replace(&self.blob(&sha256), bytes)?;
        Ok(Blob { sha256, size: bytes.len() as u64 })
    }

    /// Adds a blob of another layout.
    pub(crate) fn take(&self, other: &Self, sha256: &str) -> anyhow::Result<()> {
        files::copy(&other.blob(sha256), &self.blob(sha256))
    }

    /// Finishes it: whoever reads it begins here.
    pub(crate) fn finish(&self, index: &Value) -> anyhow::Result<()> {
        files::replace(&self.0.join("oci-layout"), b"{\"imageLayoutVersion\":\"1.0.0\"}")?;
        files::replace(&self.0.join("index.json"), index.to_string().as_bytes())
    }

    /// The bytes that a digest names.
    ///
    /// # Errors
    /// When they are not there, or are others.
    pub(crate) fn read(&self, sha256: &str) -> anyhow::Result<Vec<u8>> {
        let path = self.blob(sha256);
        let bytes = files::read(&path)?;
        let found = hex::encode(Sha256::digest(&bytes));
        if found != sha256 {
            bail!("`{}` holds other bytes: their sha256 is {found}", path.display());
        }
        Ok(bytes)
    }

    /// The document that a digest names.
    ///
    /// # Errors
    /// As for [`Self::read`], and when it is none.
    pub(crate) fn document(&self, sha256: &str) -> anyhow::Result<Value> {
        let bytes = self.read(sha256)?;
        let path = self.blob(sha256);
        if bytes.len() > LARGEST_DOCUMENT {
            bail!("`{}` is too large for a document of an image", path.display());
        }
        serde_json::from_slice(&bytes).with_context(|| format!("`{}` is no JSON", path.display()))
    }

    /// The digest of the one image or index that it is of.
    ///
    /// # Errors
    /// When it is of several, or of none.
    pub(crate) fn only(&self) -> anyhow::Result<String> {
        let path = self.0.join("index.json");
        let index: Value = serde_json::from_slice(&files::read(&path)?)
            .with_context(|| format!("`{}` is no JSON", path.display()))?;
        let entries = index["manifests"].as_array().map(Vec::as_slice).unwrap_or_default();
        let [entry] = entries else {
            bail!("`{}` lists {} images instead of one", path.display(), entries.len());
        };
        let sha256 = image::sha256_of(entry)
            .with_context(|| format!("`{}` names no sha256", path.display()))?;
        Ok(sha256.to_owned())
    }

    /// The image that a digest names: its manifest and configuration. Every blob that it names is there and
    /// holds the bytes of its digest.
    ///
    /// # Errors
    /// When that is not so.
    pub(crate) fn image(&self, sha256: &str) -> anyhow::Result<(Value, Value)> {
        let manifest = self.document(sha256)?;
        let named = image::blobs(&manifest)
            .map_err(anyhow::Error::msg)
            .with_context(|| format!("the manifest in `{}`", self.0.display()))?;
        for blob in &named {
            let path = self.blob(blob);
            let found = files::digest(&path)?.sha256;
            if found != *blob {
                bail!("`{}` holds other bytes: their sha256 is {found}", path.display());
            }
        }
        let config = self.document(named.first().map_or("", String::as_str))?;
        Ok((manifest, config))
    }
}
