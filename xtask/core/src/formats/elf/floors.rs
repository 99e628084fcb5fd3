//! "Which glibc does it need": the three answers, and the table of the nodes that are no number.

use alloc::vec::Vec;

use super::{Elf, VersionNeed};
use crate::formats::Version;

/// The prefix of glibc's nodes.
pub const GLIBC: &str = "GLIBC_";
/// Bound to one exact build of glibc: its own parts use it, nothing portable may.
pub const PRIVATE: &str = "GLIBC_PRIVATE";

/// Nodes that stand for an ABI, with the upstream release that brought them. From glibc's
/// `elf/Versions` and `sysdeps/*/Versions`.
pub static ABI_MARKERS: &[(&str, Version)] = &[
    ("GLIBC_ABI_DT_RELR", Version::new(2, 36)),
    ("GLIBC_ABI_GNU2_TLS", Version::new(2, 43)),
    ("GLIBC_ABI_GNU_TLS", Version::new(2, 43)),
    ("GLIBC_ABI_DT_X86_64_PLT", Version::new(2, 43)),
];

/// What a version node of glibc is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// `GLIBC_2.17`.
    Number(Version),
    /// An ABI, by the release that brought it.
    Marker(Version),
    /// `GLIBC_PRIVATE`.
    Private,
    /// `GLIBC_` and something nobody knows.
    Unknown,
}

/// What the node is; `None` when it is not glibc's.
#[must_use]
pub fn node(name: &str) -> Option<Node> {
    let tail = name.strip_prefix(GLIBC)?;
    if let Ok(version) = tail.parse() {
        return Some(Node::Number(version));
    }
    if name == PRIVATE {
        return Some(Node::Private);
    }
    let marker = ABI_MARKERS.iter().find(|(marker, _)| *marker == name);
    Some(marker.map_or(Node::Unknown, |(_, release)| Node::Marker(*release)))
}

/// The three answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Floors {
    /// The highest numeric node listed, whatever its flags.
    pub max: Option<Version>,
    /// What a loader demands: nodes not flagged weak, nodes with a strong reference, ABI markers.
    pub floor: Option<Version>,
    /// The highest node with a strong reference.
    pub strong: Option<Version>,
}

/// What the version raises the loader's floor to, if it does.
#[must_use]
pub fn demanded(need: &VersionNeed) -> Option<Version> {
    match node(&need.name)? {
        Node::Number(version) if !need.weak || need.is_strong() => Some(version),
        Node::Marker(release) => Some(release),
        _ => None,
    }
}

impl Elf {
    /// The glibc floors.
    #[must_use]
    pub fn floors(&self) -> Floors {
        let mut floors = Floors::default();
        for need in &self.versions {
            floors.floor = floors.floor.max(demanded(need));
            if let Some(Node::Number(version)) = node(&need.name) {
                floors.max = floors.max.max(Some(version));
                if need.is_strong() {
                    floors.strong = floors.strong.max(Some(version));
                }
            }
        }
        floors
    }

    /// The highest numeric node with a prefix, for example `GLIBCXX_`.
    #[must_use]
    pub fn highest(&self, prefix: &str) -> Option<Version> {
        self.versions.iter().filter_map(|need| need.name.strip_prefix(prefix)?.parse().ok()).max()
    }

    /// The `GLIBC_` nodes that are no number, in file order, each once.
    #[must_use]
    pub fn nonnumeric(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for need in &self.versions {
            let name = need.name.as_str();
            if !matches!(node(name), None | Some(Node::Number(_))) && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

impl VersionNeed {
    /// Whether a symbol that is not weak is bound to it.
    #[must_use]
    pub fn is_strong(&self) -> bool {
        self.symbols.iter().any(|symbol| !symbol.weak)
    }
}
