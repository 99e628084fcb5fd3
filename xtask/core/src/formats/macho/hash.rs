//! The digests of code signatures.

use object::macho::{self, CsHashType};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384};

/// The longest digest, in bytes.
pub(crate) const MAX_LEN: usize = 48;

/// A digest algorithm of `cs_blobs.h` (`CS_HASHTYPE_*`), weakest first: xnu and Security choose
/// the strongest of several code directories in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HashType {
    Sha1,
    /// SHA-256 cut to 20 bytes.
    Sha256Truncated,
    Sha256,
    Sha384,
}

impl HashType {
    /// By its number in the file.
    pub(crate) fn of(number: CsHashType) -> Option<Self> {
        match number {
            macho::CS_HASHTYPE_SHA1 => Some(Self::Sha1),
            macho::CS_HASHTYPE_SHA256 => Some(Self::Sha256),
            macho::CS_HASHTYPE_SHA256_TRUNCATED => Some(Self::Sha256Truncated),
            macho::CS_HASHTYPE_SHA384 => Some(Self::Sha384),
            _ => None,
        }
    }

    /// The number in the file.
    pub(crate) fn number(self) -> CsHashType {
        match self {
            Self::Sha1 => macho::CS_HASHTYPE_SHA1,
            Self::Sha256Truncated => macho::CS_HASHTYPE_SHA256_TRUNCATED,
            Self::Sha256 => macho::CS_HASHTYPE_SHA256,
            Self::Sha384 => macho::CS_HASHTYPE_SHA384,
        }
    }

    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256Truncated => "sha256-truncated",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
        }
    }

    /// Length of a digest in bytes.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Sha1 | Self::Sha256Truncated => 20,
            Self::Sha256 => 32,
            Self::Sha384 => MAX_LEN,
        }
    }

    /// Hashes one page.
    pub(crate) fn hash(self, bytes: &[u8]) -> Hash {
        let mut hasher = Hasher::new(self);
        hasher.update(bytes);
        hasher.finish()
    }
}

/// A digest.
pub(crate) struct Hash {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl Hash {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A digest in the making.
pub(crate) struct Hasher {
    hash_type: HashType,
    state: State,
}

enum State {
    Sha1(Sha1),
    Sha256(Sha256),
    Sha384(Sha384),
}

impl Hasher {
    pub(crate) fn new(hash_type: HashType) -> Self {
        let state = match hash_type {
            HashType::Sha1 => State::Sha1(Sha1::new()),
            HashType::Sha256 | HashType::Sha256Truncated => State::Sha256(Sha256::new()),
            HashType::Sha384 => State::Sha384(Sha384::new()),
        };
        Self { hash_type, state }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha1(state) => state.update(bytes),
            State::Sha256(state) => state.update(bytes),
            State::Sha384(state) => state.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Hash {
        let mut hash = Hash { bytes: [0; MAX_LEN], len: self.hash_type.len() };
        let mut keep = |digest: &[u8]| hash.bytes[..digest.len()].copy_from_slice(digest);
        match self.state {
            State::Sha1(state) => keep(&state.finalize()),
            State::Sha256(state) => keep(&state.finalize()),
            State::Sha384(state) => keep(&state.finalize()),
        }
        hash
    }
}
