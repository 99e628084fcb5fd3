//! What can be wrong with a signature: kinds, places, words.

use core::fmt;

/// One thing that is wrong with a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// What.
    pub kind: FlawKind,
    /// The page whose digest is wrong, from 0.
    pub page: Option<u32>,
    /// Where, from the start of the file: of a page its first byte.
    pub offset: u64,
}

impl Flaw {
    pub(super) fn at(kind: FlawKind, offset: u64) -> Self {
        Self { kind, page: None, offset }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, page, offset } = self;
        match page {
            Some(page) => write!(f, "{}: page {page} at offset {offset:#x}", kind.describe()),
            None => write!(f, "{} ({}) at offset {offset:#x}", kind.describe(), kind.name()),
        }
    }
}

/// What can be wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlawKind {
    /// The universal header names another architecture than the slice's own header.
    FatArch,
    /// The slice reaches past the end of the file.
    FatCut,
    /// The slice does not stand where its alignment says.
    FatAlign,
    /// Two slices share bytes.
    FatOverlap,
    /// More than alignment, or not only zeros, in front of a slice.
    FatGap,
    /// Bytes after the last slice.
    FatTrailing,
    /// There are two LC_CODE_SIGNATURE.
    Commands,
    /// The signature does not lie inside the slice.
    Bounds,
    /// The signature is not the end of __LINKEDIT, or __LINKEDIT not the end of the slice.
    Linkedit,
    /// The super blob's magic number, length or count.
    SuperBlob,
    /// A blob is out of bounds, or of another type than its slot's.
    Blob,
    /// Two blobs in one slot.
    BlobTwice,
    /// There is no code directory.
    NoDirectory,
    /// A code directory is too short for its version.
    Directory,
    /// A code directory's version is not one of 0x20001 to 0x2F000.
    Version,
    /// Two code directories with one hash type.
    DirectoryTwice,
    /// An unknown hash type, or a hash size that is not that of the type.
    HashType,
    /// Pages are neither 4 KiB nor, except on x86, 16 KiB.
    PageSize,
    /// The digests do not lie inside the code directory, or are too many.
    Slots,
    /// The identifier does not lie inside the code directory.
    Identifier,
    /// The team identifier does not lie inside the code directory.
    Team,
    /// A scatter vector, or linkage data out of bounds.
    Unsupported,
    /// The code that is covered does not end where the signature starts.
    CodeLimit,
    /// The number of digests is not the number of pages.
    SlotCount,
    /// A digest of another blob, or of Info.plist, is not that of the bytes.
    SpecialSlot,
    /// A page's digest is not that of its bytes.
    PageHash,
    /// More wrong pages than are listed.
    MorePages,
    /// It is not ad hoc, and the signature proper (CMS) is missing or of another code directory.
    Cms,
}

impl FlawKind {
    /// Whether xnu refuses a slice for it before it looks at any signature
    /// (`fatfile_validate_fatarches` and `load_machfile`).
    #[must_use]
    pub fn is_fatal_unsigned(self) -> bool {
        matches!(self, Self::FatArch | Self::FatCut | Self::FatOverlap)
    }

    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// A few words for people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        self.words().1
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::FatArch => ("fat-arch", "the universal header names another architecture"),
            Self::FatCut => ("fat-cut", "the slice reaches past the end of the file"),
            Self::FatAlign => ("fat-align", "the slice does not stand where its alignment says"),
            Self::FatOverlap => ("fat-overlap", "two slices share bytes"),
            Self::FatGap => ("fat-gap", "more than alignment and zeros in front of the slice"),
            Self::FatTrailing => ("fat-trailing", "bytes after the last slice"),
            Self::Commands => ("duplicate-command", "a second LC_CODE_SIGNATURE"),
            Self::Bounds => ("out-of-bounds", "the signature is not inside the slice"),
            Self::Linkedit => {
                ("linkedit", "the signature is not the end of __LINKEDIT and of the slice")
            }
            Self::SuperBlob => ("superblob", "the super blob's header is damaged"),
            Self::Blob => ("blob", "a blob is out of bounds, or not what its slot is for"),
            Self::BlobTwice => ("duplicate-blob", "two blobs in one slot"),
            Self::NoDirectory => ("no-code-directory", "there is no code directory"),
            Self::Directory => {
                ("code-directory", "the code directory is too short for its version")
            }
            Self::Version => ("version", "the code directory's version is not known"),
            Self::DirectoryTwice => {
                ("duplicate-hash-type", "two code directories with one hash type")
            }
            Self::HashType => ("hash-type", "the hash type is not known, or its size is wrong"),
            Self::PageSize => ("page-size", "the pages are of a size that the kernel refuses"),
            Self::Slots => ("slots", "the digests do not lie inside the code directory"),
            Self::Identifier => {
                ("identifier", "the identifier does not lie inside the code directory")
            }
            Self::Team => ("team-id", "the team identifier does not lie inside the code directory"),
            Self::Unsupported => ("unsupported", "a scatter vector, or linkage data out of bounds"),
            Self::CodeLimit => {
                ("code-limit", "the code that is covered does not end where the signature starts")
            }
            Self::SlotCount => ("slot-count", "there is not one digest for each page"),
            Self::SpecialSlot => ("special-slot", "a digest of something other than code is wrong"),
            Self::PageHash => ("page-hash", "wrong digest"),
            Self::MorePages => ("more-pages", "more wrong pages follow"),
            Self::Cms => {
                ("cms", "it is not ad hoc, and no certificate vouches for this code directory")
            }
        }
    }
}
