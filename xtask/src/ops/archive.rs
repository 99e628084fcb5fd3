//! Archives whose bytes follow from their contents alone: entries sorted, owner 0, fixed modes, one
//! time for all, nothing of the machine in any header. Bytes in, bytes out.

use std::io::{Read, Write};

use anyhow::{Context, bail};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use lzma_rust2::{XzOptions, XzWriter};
use rawzip::{CompressionMethod, ZipArchiveWriter, time::UtcDateTime};
use xtask_core::plan::Archive;

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Path in the archive, `/` between its parts, the top folder first.
    pub(crate) path: String,
    pub(crate) data: Vec<u8>,
    /// Mode 0755 instead of 0644.
    pub(crate) executable: bool,
}

impl Entry {
    fn mode(&self) -> u32 {
        if self.executable { 0o755 } else { 0o644 }
    }
}

/// Packs the entries. `seconds` since 1970 (the commit's time) is the time of every entry; zip cannot
/// name one before 1980, and stores that as 1980.
///
/// # Errors
/// When two entries have one path, or a path is not a plain relative one.
pub(crate) fn pack(
    format: Archive,
    mut entries: Vec<Entry>,
    seconds: u64,
) -> anyhow::Result<Vec<u8>> {
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    plain(&entries)?;
    match format {
        Archive::TarGz => gzip(&tar(&entries, seconds)?),
        Archive::TarXz => xz(&tar(&entries, seconds)?),
        Archive::Zip => zip(&entries, seconds),
    }
    .with_context(|| format!("cannot make the {} archive", format.extension()))
}

/// Every path is a plain relative one, and none stands twice. The entries are sorted.
fn plain(entries: &[Entry]) -> anyhow::Result<()> {
    for entry in entries {
        if entry.path.split('/').any(|part| matches!(part, "" | "." | ".."))
            || entry.path.contains('\\')
        {
            bail!("`{}` cannot be a path in an archive; use a plain relative path", entry.path);
        }
    }
    if let Some(pair) = entries.windows(2).find(|pair| matches!(pair, [a, b] if a.path == b.path)) {
        bail!(
            "two files of an archive are named `{}`",
            pair.first().map_or("", |e| e.path.as_str())
        );
    }
    Ok(())
}

fn tar(entries: &[Entry], seconds: u64) -> anyhow::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(entry.data.len() as u64);
        header.set_mode(entry.mode());
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(seconds);
        header.set_entry_type(tar::EntryType::Regular);
        tar.append_data(&mut header, &entry.path, entry.data.as_slice())?;
    }
    Ok(tar.into_inner()?)
}

/// A layer of an image with one program: its tar, and that compressed. The same program and time give the
/// same bytes.
pub(crate) fn layer(entry: Entry, seconds: u64) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let entries = [entry];
    plain(&entries)?;
    let tar = tar(&entries, seconds).context("cannot make a layer")?;
    let compressed = gzip(&tar).context("cannot compress a layer")?;
    Ok((tar, compressed))
}

/// A layer's tar, and its files.
///
/// # Errors
/// When it is no gzip-compressed tar.
pub(crate) fn open_layer(compressed: &[u8]) -> anyhow::Result<(Vec<u8>, Vec<Entry>)> {
    let mut tar = Vec::new();
    let mut gzip = flate2::read::GzDecoder::new(compressed);
    gzip.read_to_end(&mut tar).context("cannot decompress a layer")?;
    let entries = untar(tar.as_slice()).context("a layer is no tar")?;
    Ok((tar, entries))
}

/// Level 9, like the two below: archives are made once and fetched often. The header of [`GzEncoder`]
/// holds neither a time nor a name.
fn gzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

fn xz(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = XzWriter::new(Vec::new(), XzOptions::with_preset(9))?;
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// 1980-01-01T00:00:00Z, the first time that a zip entry can have.
const ZIP_EPOCH: u64 = 315_532_800;

fn zip(entries: &[Entry], seconds: u64) -> anyhow::Result<Vec<u8>> {
    let time = UtcDateTime::from_unix(i64::try_from(seconds.max(ZIP_EPOCH))?);
    let mut zip = ZipArchiveWriter::new(Vec::new());
    for entry in entries {
        let (mut file, config) = zip
            .new_file(entry.path.as_str())
            .compression_method(CompressionMethod::DEFLATE)
            .last_modified(time)
            .unix_permissions(0o100_000 | entry.mode())
            .start()?;
        let mut data = config.wrap(DeflateEncoder::new(&mut file, Compression::best()));
        data.write_all(&entry.data)?;
        let (encoder, descriptor) = data.finish()?;
        encoder.finish()?;
        file.finish(descriptor)?;
    }
    Ok(zip.finish()?)
}

/// Unpacks what [`pack`] made, for the smoke test of what users will unpack; sorted. Not for large
/// archives: everything is kept in memory.
///
/// # Errors
/// When the bytes are not such an archive: [`pack`] would have refused its paths, for one.
pub(crate) fn unpack(format: Archive, bytes: &[u8]) -> anyhow::Result<Vec<Entry>> {
    let unpacked = match format {
        Archive::TarGz => untar(flate2::read::GzDecoder::new(bytes)),
        Archive::TarXz => untar(lzma_rust2::XzReader::new(bytes, false)),
        Archive::Zip => unzip(bytes),
    };
    unpacked
        .and_then(|mut entries| {
            entries.sort_by(|a, b| a.path.cmp(&b.path));
            plain(&entries)?;
            Ok(entries)
        })
        .with_context(|| format!("cannot unpack the {} archive", format.extension()))
}

fn untar(bytes: impl Read) -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for file in tar::Archive::new(bytes).entries()? {
        let mut file = file?;
        let path = String::from_utf8(file.path_bytes().into_owned())?;
        let executable = file.header().mode()? & 0o111 != 0;
        let mut data = Vec::new();
        file.read_to_end(&mut data)?;
        entries.push(Entry { path, data, executable });
    }
    Ok(entries)
}

fn unzip(bytes: &[u8]) -> anyhow::Result<Vec<Entry>> {
    let archive = rawzip::ZipArchive::from_slice(bytes)?;
    let mut entries = Vec::new();
    for record in archive.entries() {
        let record = record?;
        let file = archive.get_entry(record.wayfinder())?;
        let mut data = Vec::new();
        file.verifying_reader(flate2::read::DeflateDecoder::new(file.data()))
            .read_to_end(&mut data)?;
        entries.push(Entry {
            path: record.file_path().try_normalize()?.as_ref().to_owned(),
            data,
            executable: record.mode().value() & 0o111 != 0,
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    const FORMATS: [Archive; 3] = [Archive::TarGz, Archive::TarXz, Archive::Zip];
    /// 2026-08-01T12:34:56Z.
    const TIME: u64 = 1_785_587_696;

    fn entries() -> Vec<Entry> {
        let entry = |path: &str, data: &[u8], executable| Entry {
            path: path.to_owned(),
            data: data.to_vec(),
            executable,
        };
        let long = format!("tool-1.0/docs/{}/page.md", "long-".repeat(18));
        vec![
            entry("tool-1.0/tool", &b"\x7fELF program".repeat(5000), true),
            entry("tool-1.0/README.md", b"read me\n", false),
            entry(&long, b"page\n", false),
            entry("tool-1.0/empty", b"", false),
        ]
    }

    fn sorted() -> Vec<Entry> {
        let mut entries = entries();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries
    }

    #[test]
    fn what_is_packed_comes_back_sorted() {
        for format in FORMATS {
            let bytes = pack(format, entries(), TIME).unwrap();
            assert_eq!(unpack(format, &bytes).unwrap(), sorted(), "{format:?}");
            let mut reversed = entries();
            reversed.reverse();
            assert_eq!(pack(format, reversed, TIME).unwrap(), bytes, "{format:?}: order matters");
        }
    }

    #[test]
    fn damaged_archives_are_errors() {
        for format in FORMATS {
            let bytes = pack(format, entries(), TIME).unwrap();
            for end in [0, 1, 10, bytes.len() / 2] {
                assert!(unpack(format, &bytes[..end]).is_err(), "{format:?} cut at {end}");
            }
        }
    }

    #[test]
    fn paths_that_leave_the_folder_or_collide_are_refused() {
        for path in ["/etc/passwd", "../x", "a/../b", "a//b", "", "a\\b"] {
            let entry = Entry { path: path.to_owned(), data: Vec::new(), executable: false };
            assert!(pack(Archive::Zip, vec![entry], TIME).is_err(), "{path}");
        }
        let mut twice = entries();
        twice.extend(entries());
        let error = pack(Archive::TarGz, twice, TIME).unwrap_err().to_string();
        assert!(error.contains("two files of an archive are named"), "{error}");
        // As another program may have made it.
        let mut bytes = tar(&entries(), TIME).unwrap();
        let mut header = tar::Header::from_byte_slice(&bytes[..512]).clone();
        header.as_mut_bytes()[..8].copy_from_slice(b"../../x\0");
        header.set_cksum();
        bytes[..512].copy_from_slice(header.as_bytes());
        let error = format!("{:#}", unpack(Archive::TarGz, &gzip(&bytes).unwrap()).unwrap_err());
        assert!(error.contains("`../../x` cannot be a path"), "{error}");
    }

    #[test]
    fn a_time_before_1980_is_stored_as_1980_in_a_zip() {
        assert!(pack(Archive::Zip, entries(), 0).is_ok());
    }

    /// Runs `script` under sh with `$1` the archive; its standard output.
    fn sh(script: &str, archive: &Path, cwd: &Path) -> String {
        let output = Command::new("sh")
            .args(["-ec", script, "sh"])
            .arg(archive)
            .current_dir(cwd)
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "`{script}` failed (Debian packages: tar, libarchive-tools, unzip, xz-utils, python3):\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    const PYTHON_TAR: &str = r#"python3 -c '
import sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    for member in archive: print(member.name, oct(member.mode), member.uid, member.gid, member.mtime, member.uname or "-")
    archive.extractall()
' "$1""#;
    const PYTHON_ZIP: &str = r#"python3 -c '
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    for info in archive.infolist(): print(info.filename, oct(info.external_attr >> 16), info.date_time)
    archive.extractall()
' "$1""#;

    /// Other programs unpack it to the same files, modes included, and list what was asked for.
    #[test]
    fn other_programs_read_the_archives() {
        let unpackers: &[(Archive, &str)] = &[
            (Archive::TarGz, "gzip -t \"$1\"; tar -xpzf \"$1\""),
            (Archive::TarGz, "bsdtar -xpf \"$1\""),
            (Archive::TarGz, PYTHON_TAR),
            (Archive::TarXz, "xz -t \"$1\"; tar -xpJf \"$1\""),
            (Archive::TarXz, "bsdtar -xpf \"$1\""),
            (Archive::TarXz, PYTHON_TAR),
            (Archive::Zip, "unzip -tq \"$1\"; unzip -q \"$1\""),
            (Archive::Zip, "bsdtar -xpf \"$1\""),
            (Archive::Zip, PYTHON_ZIP),
        ];
        let scratch = std::env::temp_dir().join(format!("xtask-archive-{}", std::process::id()));
        for (at, (format, script)) in unpackers.iter().enumerate() {
            let folder = scratch.join(at.to_string());
            std::fs::create_dir_all(&folder).unwrap();
            let archive = scratch.join(format!("a.{}", format.extension()));
            std::fs::write(&archive, pack(*format, entries(), TIME).unwrap()).unwrap();
            sh(script, &archive, &folder);
            for entry in entries() {
                let data = std::fs::read(folder.join(&entry.path)).unwrap();
                assert_eq!(data, entry.data, "{script}: {}", entry.path);
            }
            // Python's zipfile is known to drop modes; everything else keeps them.
            if *script != PYTHON_ZIP {
                let listed = sh("stat -c '%a' tool-1.0/tool tool-1.0/README.md", &archive, &folder);
                assert_eq!(listed, "755\n644\n", "{script}");
            }
        }
        let tar = scratch.join("a.tar.gz");
        let listed = sh("tar --numeric-owner --full-time -tvzf \"$1\"", &tar, &scratch);
        for line in listed.lines() {
            assert!(line.contains(" 0/0 ") && line.contains("2026-08-01 12:34:56"), "{line}");
        }
        assert!(listed.lines().last().unwrap().starts_with("-rwxr-xr-x"), "{listed}");
        let listed = sh("unzip -Z -T \"$1\"", &scratch.join("a.zip"), &scratch);
        assert!(listed.contains("-rwxr-xr-x") && listed.contains("20260801.123456"), "{listed}");
        std::fs::remove_dir_all(&scratch).unwrap();
    }

    #[test]
    fn headers_hold_no_time_name_or_system() {
        let gz = pack(Archive::TarGz, entries(), TIME).unwrap();
        // RFC 1952: magic, method 8, no flags (no name), mtime 0, XFL 2 (best), OS 255 (unknown).
        assert_eq!(gz[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
    }
}
