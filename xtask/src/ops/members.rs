//! Members of archives from anywhere, one at a time: tar, tar.gz, tar.xz, and zip with what is built
//! on it (wheels). Told by content.

use std::cell::Cell;
use std::io::{self, Read};

use flate2::read::{DeflateDecoder, MultiGzDecoder};
use lzma_rust2::XzReader;
use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ReaderAt, ZipLocator};
use xtask_core::formats::{ReadError, Source};

/// An archive's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tar,
    TarGz,
    TarXz,
    Zip,
}

/// Where a tar header says so (`magic` of POSIX ustar, and of GNU).
const USTAR: std::ops::Range<usize> = 257..262;
const ZIP: &[u8] = b"PK\x03\x04";
const EMPTY_ZIP: &[u8] = b"PK\x05\x06";
const GZIP: &[u8] = b"\x1f\x8b";
const XZ: &[u8] = b"\xfd7zXZ\0";
/// A tar header's size.
const TAR_BLOCK: usize = 512;

/// Bytes that tell an archive, or a compressed one, from anything else.
pub(crate) const SNIFFED: usize = TAR_BLOCK;

/// Whether a file that starts like this is worth a closer look by [`sniff`].
pub(crate) fn looks_like_one(head: &[u8]) -> bool {
    let starts = |magic: &[u8]| head.starts_with(magic);
    starts(GZIP)
        || starts(XZ)
        || starts(ZIP)
        || starts(EMPTY_ZIP)
        || head.first_chunk().is_some_and(is_tar)
}

/// What kind of archive the bytes are, if any.
pub(crate) fn sniff(source: &dyn Source) -> Option<Kind> {
    let mut head = [0; TAR_BLOCK];
    let len = head.len().min(usize::try_from(source.len()).unwrap_or(usize::MAX));
    source.read_at(0, &mut head[..len]).ok()?;
    if is_tar(&head) {
        return Some(Kind::Tar);
    }
    if head.starts_with(ZIP) || head.starts_with(EMPTY_ZIP) {
        return Some(Kind::Zip);
    }
    if head.starts_with(GZIP) {
        return starts_a_tar(MultiGzDecoder::new(Stream::new(source))).then_some(Kind::TarGz);
    }
    if head.starts_with(XZ) {
        return starts_a_tar(xz(source)).then_some(Kind::TarXz);
    }
    None
}

/// Memory an xz stream may ask for, in KiB: its highest preset takes 65 MiB.
const XZ_MEMORY: u32 = 256 * 1024;

fn xz(source: &dyn Source) -> impl Read {
    XzReader::new_mem_limit(Stream::new(source), true, XZ_MEMORY)
}

fn starts_a_tar(mut stream: impl Read) -> bool {
    let mut head = [0; TAR_BLOCK];
    stream.read_exact(&mut head).is_ok() && is_tar(&head)
}

/// Whether it is a tar header: by its magic or, before there was one (Unix version 7), by its checksum,
/// the sum of its bytes with the checksum's own taken for spaces.
fn is_tar(head: &[u8; TAR_BLOCK]) -> bool {
    if &head[USTAR] == b"ustar" {
        return true;
    }
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let spaces = CHECKSUM.len() as u64 * u64::from(b' ');
    let others = head[..CHECKSUM.start].iter().chain(&head[CHECKSUM.end..]);
    let sum = others.fold(spaces, |sum, byte| sum + u64::from(*byte));
    let stored = std::str::from_utf8(&head[CHECKSUM]).ok();
    let stored = stored.map(|text| text.trim_matches(|c| c == ' ' || c == '\0'));
    head[0] != 0 && stored.and_then(|text| u64::from_str_radix(text, 8).ok()) == Some(sum)
}

/// Extensions of the archives that are looked into.
const EXTENSIONS: [&str; 6] = [".tar.gz", ".tgz", ".tar.xz", ".tar", ".zip", ".whl"];

/// Whether a file of this name should be an archive.
pub(crate) fn is_named_like_one(name: &str) -> bool {
    EXTENSIONS.iter().any(|extension| name.ends_with(extension))
}

/// Bytes unpacked of one archive, all members together, and those that nobody looks at: a bomb ends
/// here.
const MAX_UNPACKED: u64 = 8 << 30;

/// A stream that ends with an error when too much has come out of it and its like.
struct Limited<'a, R> {
    stream: R,
    left: &'a Cell<u64>,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buf)?;
        match self.left.get().checked_sub(count as u64) {
            Some(left) => self.left.set(left),
            None => {
                let limit = MAX_UNPACKED >> 30;
                return Err(io::Error::other(format!("it unpacks to more than {limit} GiB")));
            }
        }
        Ok(count)
    }
}

/// Calls `see` with the name and the bytes of every regular file in the archive.
///
/// # Errors
/// When the archive is damaged: what came before has been seen.
pub(crate) fn each(
    kind: Kind,
    source: &dyn Source,
    mut see: impl FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    match kind {
        Kind::Tar => tar_members(Stream::new(source), &mut see),
        Kind::TarGz => tar_members(MultiGzDecoder::new(Stream::new(source)), &mut see),
        Kind::TarXz => tar_members(xz(source), &mut see),
        Kind::Zip => zip_members(source, &mut see),
    }
}

fn tar_members(
    stream: impl Read,
    see: &mut impl FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let left = Cell::new(MAX_UNPACKED);
    let mut archive = tar::Archive::new(Limited { stream, left: &left });
    for entry in archive.entries()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if is_pax_sparse(&mut entry)? {
                see(&name, &mut Unsupported("a sparse file in pax's format"))?;
            } else {
                see(&name, &mut entry)?;
            }
        }
    }
    // What follows the last member has the checksums of the compressed stream.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(())
}

/// Whether the member's bytes begin with a map of its holes ("PAX Format" in GNU tar's manual).
fn is_pax_sparse(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<bool> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(false) };
    for extension in extensions {
        if extension?.key_bytes().starts_with(b"GNU.sparse.") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn zip_members(
    source: &dyn Source,
    see: &mut impl FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let archive = ZipLocator::new()
        .locate_in_reader(At(source), &mut buffer, source.len())
        .map_err(|(_, error)| io::Error::other(error))?;
    let left = Cell::new(MAX_UNPACKED);
    let mut entries = archive.entries(&mut buffer);
    while let Some(entry) = entries.next_entry().map_err(io::Error::other)? {
        if entry.is_dir() {
            continue;
        }
        let name = String::from_utf8_lossy(entry.file_path().as_ref()).into_owned();
        if entry.flags().is_encrypted() {
            see(&name, &mut Unsupported("encrypted"))?;
            continue;
        }
        let method = entry.compression_method();
        let member = archive.get_entry(entry.wayfinder()).map_err(io::Error::other)?;
        match method {
            CompressionMethod::STORE => {
                let stream = member.verifying_reader(member.reader());
                see(&name, &mut Limited { stream, left: &left })?;
            }
            CompressionMethod::DEFLATE => {
                let stream = member.verifying_reader(DeflateDecoder::new(member.reader()));
                see(&name, &mut Limited { stream, left: &left })?;
            }
            other => see(&name, &mut Unsupported(&format!("{other:?}")))?,
        }
    }
    Ok(())
}

/// A member that cannot be unpacked here: reading it says so.
struct Unsupported<'a>(&'a str);

impl Read for Unsupported<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let text = format!("packed in a way that is not read here ({}): unpack it first", self.0);
        Err(io::Error::other(text))
    }
}

/// A source, read from its start on.
struct Stream<'a> {
    source: &'a dyn Source,
    at: u64,
}

impl<'a> Stream<'a> {
    fn new(source: &'a dyn Source) -> io::BufReader<Self> {
        io::BufReader::with_capacity(64 * 1024, Self { source, at: 0 })
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = At(self.source).read_at(buf, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// A source for rawzip.
struct At<'a>(&'a dyn Source);

impl ReaderAt for At<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.0.len().saturating_sub(offset);
        let count = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match self.0.read_at(offset, &mut buf[..count]) {
            Ok(()) => Ok(count),
            Err(error @ ReadError::PastEnd { .. }) => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, error.to_string()))
            }
            Err(ReadError::Io(text)) => Err(io::Error::other(text)),
        }
    }
}
