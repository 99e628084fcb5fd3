//! Files: written whole or not at all, hashed as a stream, locked while shared.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow};
use sha2::{Digest as _, Sha256};

use super::interrupt;

/// Puts `bytes` at `path`: written beside it under a temporary name, then renamed. Missing folders
/// are made.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    let temporary = temporary(path);
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .inspect_err(|_| drop(fs::remove_file(&temporary)))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

/// A name beside `path` that no other process and no other call uses.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.{count}.tmp", std::process::id()));
    name.into()
}

/// Copies a file under a temporary name, then renames it; mode kept.
pub(crate) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    let temporary = temporary(to);
    fs::copy(from, &temporary)
        .and_then(|_| fs::rename(&temporary, to))
        .inspect_err(|_| drop(fs::remove_file(&temporary)))
        .with_context(|| format!("cannot copy `{}` to `{}`", from.display(), to.display()))
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make the folder `{}`", path.display()))
}

/// Gives a file the mode of a program.
#[cfg(unix)]
pub(crate) fn make_executable(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make `{}` executable", path.display()))
}

/// Windows goes by the name: only that it is there is looked at.
#[cfg(not(unix))]
pub(crate) fn make_executable(path: &Path) -> anyhow::Result<()> {
    fs::metadata(path).map(drop).with_context(|| format!("`{}` is missing", path.display()))
}

/// User and group of a file or folder; `None` where there is no such thing.
#[cfg(unix)]
pub(crate) fn owner(path: &Path) -> anyhow::Result<Option<(u32, u32)>> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = fs::metadata(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(Some((meta.uid(), meta.gid())))
}

/// User and group of a file or folder; `None` where there is no such thing.
#[cfg(not(unix))]
pub(crate) fn owner(path: &Path) -> anyhow::Result<Option<(u32, u32)>> {
    fs::metadata(path).map(|_| None).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Adds `text` to the end of a file, which is made if it is not there.
pub(crate) fn append(path: &Path, text: &str) -> anyhow::Result<()> {
    let open = File::options().append(true).create(true).open(path);
    open.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

/// Moves a file or a folder to another name on the same disk, in one step.
pub(crate) fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::rename(from, to).with_context(|| format!("cannot make `{}`", to.display()))
}

/// Makes `link` stand for `path`.
#[cfg(unix)]
pub(crate) fn link(path: &Path, link: &Path) -> anyhow::Result<()> {
    std::os::unix::fs::symlink(path, link)
        .with_context(|| format!("cannot make the link `{}`", link.display()))
}

/// What stands in a folder, sorted.
pub(crate) fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    let mut paths = read().with_context(|| format!("cannot read `{}`", folder.display()))?;
    paths.sort_unstable();
    Ok(paths)
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Reads a text file.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Removes a file or a folder, if there is one.
pub(crate) fn remove(path: &Path) -> anyhow::Result<()> {
    let gone = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match gone {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(anyhow!(error).context(format!("cannot remove `{}`", path.display())))
        }
        _ => Ok(()),
    }
}

/// A file's size and digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digest {
    /// In bytes.
    pub(crate) size: u64,
    /// 64 lowercase hexadecimal digits.
    pub(crate) sha256: String,
}

/// Read at once while hashing: larger is no faster, and page faults make mmap slower.
const CHUNK: usize = 64 * 1024;

/// Hashes a file as a stream.
pub(crate) fn digest(path: &Path) -> anyhow::Result<Digest> {
    let stream = || -> std::io::Result<Digest> {
        let mut file = File::open(path)?;
        // On the stack: of many small files, each would pay for pages of its own.
        let mut buffer = [0; CHUNK];
        let mut hasher = Sha256::new();
        let mut size = 0;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    hasher.update(buffer.get(..n).unwrap_or_default());
                    size += n as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Digest { size, sha256: hex::encode(hasher.finalize()) })
    };
    stream().with_context(|| format!("cannot hash `{}`", path.display()))
}

/// Where `needle` stands in a file, read as a stream.
pub(crate) fn find(path: &Path, needle: &[u8]) -> anyhow::Result<Vec<u64>> {
    let stream = || -> std::io::Result<Vec<u64>> {
        let mut file = File::open(path)?;
        let mut places = Vec::new();
        // The end of one chunk is the start of the next: the needle may lie across.
        let mut held = Vec::with_capacity(2 * CHUNK);
        let mut before = 0;
        while Read::by_ref(&mut file).take(CHUNK as u64).read_to_end(&mut held)? > 0 {
            let here = held.windows(needle.len()).enumerate().filter(|(_, w)| *w == needle);
            places.extend(here.map(|(at, _)| before + at as u64));
            let done = (held.len() + 1).saturating_sub(needle.len());
            held.drain(..done);
            before += done as u64;
        }
        Ok(places)
    };
    stream().with_context(|| format!("cannot read `{}`", path.display()))
}

/// Does `work` for each item on every core; results in the items' order.
pub(crate) fn parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    if cores <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let worker = || {
            let mut done = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                match items.get(i) {
                    Some(item) => done.push((i, work(item))),
                    None => return done,
                }
            }
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .flat_map(|worker| match worker.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    });
    results.sort_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

/// An exclusive lock on a file, held until dropped. Other xtask processes wait for it.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code)] File);

impl Lock {
    /// Takes the lock, saying so when another process holds it.
    pub(crate) fn take(path: &Path, what: &str) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let failed = || format!("cannot lock `{}`", path.display());
        let open = File::options().create(true).truncate(false).write(true).open(path);
        let file = open.with_context(failed)?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
                // Asked again and again, since nothing interrupts a lock that is waited for.
                Err(TryLockError::WouldBlock) if told => {
                    interrupt::sleep(Duration::from_millis(50))?
                }
                Err(TryLockError::WouldBlock) => {
                    eprintln!("waiting for another xtask to finish {what}");
                    told = true;
                }
            }
        }
    }
}

/// A new empty folder, removed when dropped.
#[derive(Debug)]
pub(crate) struct TempFolder(PathBuf);

impl TempFolder {
    /// Makes one in `parent`, which is made too.
    pub(crate) fn new(parent: &Path) -> anyhow::Result<Self> {
        let path = temporary(&parent.join("xtask"));
        remove(&path)?;
        make_folder(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        // What is left behind is a temporary folder: not worth an error over the real result.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<_> = (0..100).collect();
        assert_eq!(parallel(&items, |i| i * 2), items.iter().map(|i| i * 2).collect::<Vec<_>>());
    }

    #[test]
    fn a_needle_is_found_across_chunks_too() {
        let folder = TempFolder::new(&std::env::temp_dir()).unwrap();
        let path = folder.path().join("hay");
        let needle = b"needle";
        let mut bytes = vec![b'n'; 3 * CHUNK];
        let places = [0, CHUNK - 3, 2 * CHUNK, 3 * CHUNK - needle.len()];
        for place in places {
            bytes[place..place + needle.len()].copy_from_slice(needle);
        }
        fs::write(&path, bytes).unwrap();
        assert_eq!(find(&path, needle).unwrap(), places.map(|place| place as u64));
        assert_eq!(find(&path, b"none").unwrap(), [0_u64; 0]);
    }

    #[test]
    fn a_digest_is_the_one_of_fips_180() {
        let folder = TempFolder::new(&std::env::temp_dir()).unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, "abc").unwrap();
        let digest = digest(&path).unwrap();
        assert_eq!(digest.size, 3);
        assert!(digest.sha256.starts_with("ba7816bf8f01cfea"), "{}", digest.sha256);
    }
}
