//! What fresh reads of the forge showed.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::manifest::{Digest, Expected, Manifest};

/// The tag on the forge, not on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tag {
    /// There is none.
    Missing,
    /// It points, annotated tags peeled, at this commit.
    At(String),
}

/// How far an asset's upload came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AssetState {
    /// `uploaded`: all bytes are there.
    Uploaded,
    /// `starter`, `open` or anything else: bytes are on their way, or never came.
    Partial,
}

/// One asset of a release.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asset {
    /// The forge's id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// How far it came.
    pub state: AssetState,
    /// In bytes, as the forge counted them.
    pub size: u64,
    /// As the forge computed it; `None` when it gave none.
    pub digest: Option<Digest>,
}

impl Asset {
    /// Whether it is the expected file, whole.
    pub fn is(&self, expected: &Expected) -> bool {
        self.state == AssetState::Uploaded
            && self.size == expected.size
            && self.digest == Some(expected.digest)
    }

    /// Whether it may be the expected file: all is equal but the digest is not known (yet).
    pub fn may_be(&self, expected: &Expected) -> bool {
        self.state == AssetState::Uploaded && self.size == expected.size && self.digest.is_none()
    }

    /// In what it differs from the expected file.
    pub fn difference(&self, expected: &Expected) -> String {
        let name = &self.name;
        if self.state != AssetState::Uploaded {
            return format!("{name} (asset {}): its upload is not complete", self.id);
        }
        if self.size != expected.size {
            return format!(
                "{name} (asset {}): {} bytes on the forge, {} here",
                self.id, self.size, expected.size
            );
        }
        match self.digest {
            None => format!("{name} (asset {}): the forge gives no digest", self.id),
            Some(digest) => format!(
                "{name} (asset {}): sha256 {digest} on the forge, {} here",
                self.id, expected.digest
            ),
        }
    }
}

/// A release, draft or published.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Release {
    /// The forge's id.
    pub id: u64,
    /// Not published.
    pub draft: bool,
    /// Our mark, as found in its body.
    pub mark: Option<String>,
    /// All pages of them.
    pub assets: Vec<Asset>,
}

impl Release {
    /// The asset of that name.
    pub fn asset(&self, name: &str) -> Option<&Asset> {
        self.assets.iter().find(|asset| asset.name == name)
    }
}

/// What fresh reads showed of one tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReleaseState {
    /// The tag.
    pub tag: Tag,
    /// Every release bearing the tag, by id.
    pub releases: Vec<Release>,
    /// The published release that the by-tag lookup finds.
    pub by_tag: Option<u64>,
}

/// Every way in which a release's assets are not exactly the manifest: missing, different, extra.
pub fn difference(expected: &Manifest, assets: &[Asset]) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, want) in expected {
        match assets.iter().filter(|asset| asset.name == *name).collect::<Vec<_>>().as_slice() {
            [] => problems.push(format!("{name}: missing")),
            [asset] if asset.is(want) => {}
            [asset] => problems.push(asset.difference(want)),
            _ => problems.push(format!("{name}: there more than once")),
        }
    }
    for asset in assets.iter().filter(|asset| !expected.contains_key(&asset.name)) {
        problems.push(format!("{} (asset {}): not in the plan", asset.name, asset.id));
    }
    problems
}

/// The mark that a draft carries in its body, on a line of its own: it tells our drafts from those made
/// by hand, and those of another commit from this one's.
pub mod mark {
    use alloc::borrow::ToOwned;
    use alloc::format;
    use alloc::string::String;

    const OPEN: &str = "<!-- cargo-xtask ";
    const CLOSE: &str = " -->";

    /// What the mark says.
    pub fn text(tag: &str, commit: &str) -> String {
        format!("release {tag} of {commit}")
    }

    /// Appends the mark to the notes.
    pub fn write(notes: &str, mark: &str) -> String {
        format!("{}\n\n{OPEN}{mark}{CLOSE}\n", notes.trim_end())
    }

    /// Finds the last mark in a body; whatever line ends the forge made of ours.
    pub fn read(body: &str) -> Option<String> {
        let line = body.lines().map(str::trim).rev().find(|line| line.starts_with(OPEN))?;
        Some(line.strip_prefix(OPEN)?.strip_suffix(CLOSE)?.to_owned())
    }

    #[cfg(test)]
    #[test]
    fn read_finds_what_write_wrote() {
        let mark = text("v1.0.0", "abc");
        let body = write("Notes\n", &mark);
        assert_eq!(read(&body), Some(mark.clone()));
        assert_eq!(read(&body.replace('\n', "\r\n")), Some(mark));
        assert_eq!(read("Notes by hand"), None);
    }
}
