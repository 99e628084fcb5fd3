//! Files to look at: folders are walked and files judged by all cores at once.

use std::collections::HashSet;
use std::fs::{self, DirEntry, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use super::bytes::FileSource;

/// Calls `look` on every regular file under `root`, from as many threads as there are cores, and
/// gives what it answered, sorted by path. Symbolic links to folders are not followed; one to a
/// file is, unless that file is met under its own name.
pub(crate) fn each_file<T: Send>(
    root: &Path,
    look: impl Fn(&Path, io::Result<FileSource>) -> Option<T> + Sync,
) -> Vec<(PathBuf, T)> {
    let queue = Queue::starting_with(root);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut links = Vec::new();
    thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(|| work(&queue, &look))).collect();
        for handle in handles {
            let done = handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            found.extend(done.found);
            seen.extend(done.seen);
            links.extend(done.links);
        }
    });
    links.sort_unstable();
    for link in links {
        let Ok(target) = fs::metadata(&link) else { continue };
        let new = identity(&target).is_none_or(|file| seen.insert(file));
        if target.is_file() && new {
            found.extend(look(&link, FileSource::open_regular(&link)).map(|answer| (link, answer)));
        }
    }
    found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    found
}

/// What one worker brings home.
struct Done<T> {
    found: Vec<(PathBuf, T)>,
    seen: Vec<Identity>,
    links: Vec<PathBuf>,
}

fn work<T>(queue: &Queue, look: &impl Fn(&Path, io::Result<FileSource>) -> Option<T>) -> Done<T> {
    let mut done = Done { found: Vec::new(), seen: Vec::new(), links: Vec::new() };
    while let Some(task) = queue.take() {
        match task {
            Task::Folder(folder) => {
                if let Err(error) = list(queue, &folder, &mut done) {
                    done.found.extend(look(&folder, Err(error)).map(|answer| (folder, answer)));
                }
            }
            Task::Files(files) => {
                for path in files {
                    let answer = look(&path, FileSource::open_regular(&path));
                    done.found.extend(answer.map(|answer| (path, answer)));
                }
            }
        }
        queue.finished();
    }
    done
}

/// Files handed out together: few enough to spread, many enough to make the hand-over cheap.
const BATCH: usize = 32;

fn list<T>(queue: &Queue, folder: &Path, done: &mut Done<T>) -> io::Result<()> {
    let folder_metadata = fs::metadata(folder)?;
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind: FileType = entry.file_type()?;
        if kind.is_dir() {
            queue.add(Task::Folder(entry.path()));
        } else if kind.is_symlink() {
            done.links.push(entry.path());
        } else if kind.is_file() {
            done.seen.extend(entry_identity(&folder_metadata, &entry));
            files.push(entry.path());
            if files.len() == BATCH {
                queue.add(Task::Files(std::mem::take(&mut files)));
            }
        }
    }
    if !files.is_empty() {
        queue.add(Task::Files(files));
    }
    Ok(())
}

/// What tells one file from another under any name: device and inode. Not known on every system.
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

/// The identity of a file in a folder, without asking for its metadata.
#[cfg(unix)]
fn entry_identity(folder: &Metadata, entry: &DirEntry) -> Option<Identity> {
    use std::os::unix::fs::{DirEntryExt, MetadataExt};
    Some((folder.dev(), entry.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<Identity> {
    None
}

#[cfg(not(unix))]
fn entry_identity(_: &Metadata, _: &DirEntry) -> Option<Identity> {
    None
}

enum Task {
    Folder(PathBuf),
    Files(Vec<PathBuf>),
}

/// Tasks to do, and how many are not finished: the walk ends when both are none.
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    tasks: Vec<Task>,
    unfinished: usize,
}

impl Queue {
    fn starting_with(root: &Path) -> Self {
        let tasks = vec![Task::Folder(root.to_owned())];
        Self { state: Mutex::new(State { tasks, unfinished: 1 }), changed: Condvar::new() }
    }

    fn add(&self, task: Task) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tasks.push(task);
        state.unfinished += 1;
        self.changed.notify_one();
    }

    /// The next task; waits while others may still add some.
    fn take(&self) -> Option<Task> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(task) = state.tasks.pop() {
                return Some(task);
            }
            if state.unfinished == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finished(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.unfinished -= 1;
        if state.unfinished == 0 {
            self.changed.notify_all();
        }
    }
}
