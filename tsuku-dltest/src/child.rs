//! What a child process does: check, load, explain, unload. It reports each step before it takes it.

use crate::cause;
use crate::diagnosis;
use crate::elf::{self, Libc, Library};
use crate::record::{Record, State};
use crate::report::{Failure, Kind, Phase};
use crate::search::{self, Files, Node};
use crate::sys::{self, Errno, File};
use alloc::ffi::CString;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

/// What a child is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task<'a> {
    /// Test the library at `path`, which must lie in `root` if there is one.
    Test {
        /// As given by the caller.
        path: &'a [u8],
        /// The value of `--root`.
        root: Option<&'a [u8]>,
    },
    /// Look for the reason why the library at this path crashed, or hung.
    Examine {
        /// As given by the caller.
        path: &'a [u8],
        /// Whether to let it crash again, and note where.
        again: bool,
    },
}

impl<'a> Task<'a> {
    /// Does what is asked, and writes to `record` how it went.
    pub fn perform(self, record: &Record) {
        match self {
            Self::Test { path, root } => test(record, path, root),
            Self::Examine { path, again } => examine(record, path, again),
        }
    }

    /// The arguments that hand the task to a new program, where a child is one.
    pub fn to_args(self) -> Vec<&'a [u8]> {
        match self {
            Self::Test { path, root: None } => vec![b"test", path],
            Self::Test { path, root: Some(root) } => vec![b"test", path, root],
            Self::Examine { path, again: false } => vec![b"examine", path],
            Self::Examine { path, again: true } => vec![b"examine", path, b"again"],
        }
    }

    /// The task that such arguments hand over.
    pub fn from_args(args: &[&'a [u8]]) -> Option<Self> {
        match args {
            [b"test", path] => Some(Self::Test { path, root: None }),
            [b"test", path, root] => Some(Self::Test { path, root: Some(root) }),
            [b"examine", path] => Some(Self::Examine { path, again: false }),
            [b"examine", path, b"again"] => Some(Self::Examine { path, again: true }),
            _ => None,
        }
    }
}

fn test(record: &Record, path: &[u8], root: Option<&[u8]>) {
    let target = match check(path, root) {
        Ok(target) => target,
        Err(failure) => return record.fail(&failure),
    };
    record.set_state(State::Loading);
    let (process, threads) = (sys::process(), sys::thread_links());
    let handle = match sys::dlopen(&target.name) {
        Ok(handle) => handle,
        Err(message) => {
            let message = target.in_words_of_caller(message, path);
            // First what is certain: explaining reads more files, and may not come to an end.
            let cause = cause::of(&message, path);
            let failure = Failure::new(cause.kind, Phase::Load, message.clone());
            record.fail(&failure);
            return record.fail(&explain(failure, &cause, path));
        }
    };
    // The library may have forked, and a copy of this process must not answer for it.
    sys::end_unless(process);
    #[cfg(target_os = "linux")]
    if target.file.as_ref().and_then(|file| file.is_of(handle)) == Some(false) {
        return record.fail(&outside(path, b"another file took its name meanwhile"));
    }
    record.set_state(State::Loaded);
    record.set_state(State::Unloading);
    let closed = sys::dlclose(handle);
    sys::end_unless(process);
    match closed {
        Ok(()) => {
            // A thread that the library left behind now runs in code that is gone.
            if sys::thread_links() > threads {
                sys::let_other_threads_run();
            }
            record.set_state(State::Unloaded);
        }
        Err(message) => {
            record.fail(&Failure::new(Kind::UnloadFailed, Phase::Destructor, message));
        }
    }
}

/// What to hand to dlopen.
struct Target {
    name: CString,
    /// The directory that `name` reaches through a descriptor, and how that begins in `name`.
    pinned: Option<(Vec<u8>, Vec<u8>)>,
    /// The file that must be the one loaded, whatever its name means by then.
    #[cfg(target_os = "linux")]
    file: Option<sys::Mapping>,
}

impl Target {
    fn plain(path: &[u8]) -> Result<Self, Failure> {
        match CString::new(path) {
            Ok(name) => Ok(Self {
                name,
                pinned: None,
                #[cfg(target_os = "linux")]
                file: None,
            }),
            Err(_) => Err(Failure::new(Kind::NotFound, Phase::Check, "the path holds a NUL")),
        }
    }

    /// `base` in the directory that is open as `directory`, whatever its name means by then. The
    /// descriptor stays open as long as the process.
    fn pinned(directory: File, name: &[u8], base: &[u8]) -> Result<Self, Failure> {
        let prefix = directory.path_of_descriptor().into_bytes();
        core::mem::forget(directory);
        let target = Self::plain(&[prefix.as_slice(), b"/", base].concat())?;
        Ok(Self { pinned: Some((prefix, name.to_vec())), ..target })
    }

    /// The file itself, for names in which the loader would read a token. What it needs is not found
    /// by `$ORIGIN` then.
    fn of_file(file: File, path: &[u8]) -> Result<Self, Failure> {
        let name = file.path_of_descriptor().into_bytes();
        core::mem::forget(file);
        Ok(Self { pinned: Some((name.clone(), path.to_vec())), ..Self::plain(&name)? })
    }

    /// The loader's message with the names that the caller knows.
    fn in_words_of_caller(&self, message: Vec<u8>, path: &[u8]) -> Vec<u8> {
        let Some((prefix, directory)) = &self.pinned else { return message };
        let message = replace_all(&message, self.name.as_bytes(), path);
        replace_all(&message, prefix, directory)
    }
}

fn replace_all(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// All that can be known without loading.
fn check(path: &[u8], root: Option<&[u8]>) -> Result<Target, Failure> {
    if path.is_empty() {
        return Err(Failure::new(Kind::NotFound, Phase::Check, "the path is empty"));
    }
    let Some(slash) = path.iter().rposition(|byte| *byte == b'/') else {
        return match root {
            None => named(path),
            Some(_) => Err(outside(path, b"a name to search for")),
        };
    };
    let target = match root {
        Some(root) => return inside(path, root),
        None if path.contains(&b'$') => {
            let (directory, base) = (&path[..slash + 1], &path[slash + 1..]);
            literal(path, directory, base)?
        }
        None => Target::plain(path)?,
    };
    check_file(target.name.as_bytes(), path)?;
    Ok(target)
}

/// A name without a slash, for which the loader searches. What it will find is checked too.
fn named(name: &[u8]) -> Result<Target, Failure> {
    let target = Target::plain(name)?;
    #[cfg(target_os = "linux")]
    if let Some(found) = search::locate(&SystemFiles, name, library_path().as_deref()) {
        check_file(&found, &found)?;
    }
    Ok(target)
}

/// Checks the file `name`, known to the caller as `path`.
#[cfg(target_os = "linux")]
fn check_file(name: &[u8], path: &[u8]) -> Result<(), Failure> {
    read_library(name, path)?;
    // musl asks neither for the machine nor for the libc of what a library needs.
    if Libc::OWN == Libc::Musl {
        let nodes = tree(name);
        if let Some((index, failure)) = diagnosis::first_unfit(&nodes) {
            let needed_by = diagnosis::users(&nodes, index);
            return Err(Failure { needed_by, ..failure.clone() });
        }
    }
    Ok(())
}

/// macOS keeps its own libraries in a cache, not in files; dyld checks the rest itself.
#[cfg(target_os = "macos")]
fn check_file(name: &[u8], path: &[u8]) -> Result<(), Failure> {
    match File::open_regular(name) {
        Ok(Err(what)) => Err(not_a_file(path, what)),
        _ => Ok(()),
    }
}

/// Reads the library in the file `name`, known to the caller as `path`.
fn read_library(name: &[u8], path: &[u8]) -> Result<Library, Failure> {
    let file = match File::open_regular(name) {
        Ok(Ok(file)) => file,
        Ok(Err(what)) => return Err(not_a_file(path, what)),
        Err(errno) => return Err(cannot_open(path, errno)),
    };
    let library = elf::read(&file).map_err(|failure| about(path, failure))?;
    library.check_libc(Libc::OWN).map_err(|failure| about(path, failure))?;
    Ok(library)
}

fn not_a_file(path: &[u8], what: &str) -> Failure {
    let error = [path, b": not a regular file: ", what.as_bytes()].concat();
    Failure::new(Kind::NotAFile, Phase::Check, error)
}

/// In the words of glibc.
fn cannot_open(path: &[u8], errno: Errno) -> Failure {
    let kind = match errno.0 {
        libc::ENOENT | libc::ENOTDIR | libc::ELOOP | libc::ENAMETOOLONG => Kind::NotFound,
        _ => Kind::Unreadable,
    };
    let reason = format!(": cannot open shared object file: {errno}");
    Failure::new(kind, Phase::Check, [path, reason.as_bytes()].concat())
}

fn about(path: &[u8], failure: Failure) -> Failure {
    Failure { error: [path, b": ", failure.error.as_slice()].concat(), ..failure }
}

fn outside(path: &[u8], what: &[u8]) -> Failure {
    let error = [path, b": refused by --root: ", what].concat();
    Failure::new(Kind::OutsideRoot, Phase::Check, error)
}

/// Whether glibc would replace a part of `name`.
fn has_token(name: &[u8]) -> bool {
    const TOKENS: [&[u8]; 6] =
        [b"$ORIGIN", b"${ORIGIN}", b"$LIB", b"${LIB}", b"$PLATFORM", b"${PLATFORM}"];
    TOKENS.iter().any(|token| name.windows(token.len()).any(|window| window == *token))
}

/// A path with a dollar sign: glibc would read `$ORIGIN`, `$LIB` and `$PLATFORM` in it, which a
/// file's name does not mean.
fn literal(path: &[u8], directory: &[u8], base: &[u8]) -> Result<Target, Failure> {
    if has_token(base) {
        let file = File::open(path, sys::O_SEARCH).map_err(|errno| cannot_open(path, errno))?;
        return Target::of_file(file, path);
    }
    let opened = File::open(directory, sys::O_SEARCH | libc::O_DIRECTORY);
    let opened = opened.map_err(|errno| cannot_open(path, errno))?;
    Target::pinned(opened, directory.strip_suffix(b"/").unwrap_or(directory), base)
}

/// The library at `path` if that is, all symbolic links followed, inside the directory `root`. It and
/// its own directory are held open from then on: nobody can put others in their places unnoticed.
#[cfg(target_os = "linux")]
fn inside(path: &[u8], root: &[u8]) -> Result<Target, Failure> {
    let (file, real_path) = inside_root(path, root)?;
    let slash = real_path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let (directory, base) = (&real_path[..slash.max(1)], &real_path[slash + 1..]);
    let opened = File::open(directory, sys::O_SEARCH | libc::O_DIRECTORY);
    let opened = opened.map_err(|errno| cannot_open(path, errno))?;
    if opened.real_path().map_err(|errno| cannot_open(path, errno))? != directory {
        return Err(outside(path, b"its directory changed meanwhile"));
    }
    let pinned = Target::pinned(opened, directory, base)?;
    check_file(pinned.name.as_bytes(), path)?;
    let mapping = sys::Mapping::of(&file).map_err(|errno| cannot_open(path, errno))?;
    let target = if has_token(base) { Target::of_file(file, path)? } else { pinned };
    Ok(Target { file: Some(mapping), ..target })
}

/// As above, as far as it goes here: no path leads through a descriptor of a directory.
#[cfg(target_os = "macos")]
fn inside(path: &[u8], root: &[u8]) -> Result<Target, Failure> {
    let real_path = inside_root(path, root)?.1;
    check_file(&real_path, path)?;
    Target::plain(&real_path)
}

/// Opens `path` for its place, and says where it is if that is inside `root`.
fn inside_root(path: &[u8], root: &[u8]) -> Result<(File, Vec<u8>), Failure> {
    let real = |file: &File| file.real_path().map_err(|errno| cannot_open(path, errno));
    let root_file = File::open(root, sys::O_SEARCH | libc::O_DIRECTORY);
    let root = real(&root_file.map_err(|errno| cannot_open(root, errno))?)?;
    let file = File::open(path, sys::O_SEARCH).map_err(|errno| cannot_open(path, errno))?;
    let real_path = real(&file)?;
    let prefix = [root.strip_suffix(b"/").unwrap_or(&root), b"/"].concat();
    match real_path.starts_with(&prefix) {
        true => Ok((file, real_path)),
        false => Err(outside(path, &[b"it is ".as_slice(), &real_path].concat())),
    }
}

/// Adds to a failure who needs what is missing, and where it was looked for.
fn explain(failure: Failure, cause: &cause::Cause<'_>, path: &[u8]) -> Failure {
    // glibc does not say why a segment cannot be mapped.
    let unmapped = cause::find(&failure.error, ": failed to map segment");
    let object = unmapped.map(|end| &failure.error[..end]);
    if object.is_some_and(sys::is_noexec) {
        return Failure { kind: Kind::Noexec, ..failure };
    }
    diagnosis::refine(failure, cause, &tree(path))
}

/// The library and all that it needs.
fn tree(path: &[u8]) -> Vec<Node> {
    search::walk(&SystemFiles, path, library_path().as_deref())
}

/// Finds, after a crash or a hang, a library of the tree that explains it, for damaged files crash
/// loaders and FIFOs stop them. If there is none, lets a crash happen `again` and notes where.
#[cfg_attr(target_os = "macos", expect(unused_variables))]
fn examine(record: &Record, path: &[u8], again: bool) {
    let nodes = tree(path);
    if let Some((index, failure)) = diagnosis::first_unfit(&nodes) {
        let needed_by = diagnosis::users(&nodes, index);
        return record.fail(&Failure { needed_by, ..failure.clone() });
    }
    #[cfg(target_os = "linux")]
    if again
        && let Ok(target) = check(path, None)
        && let Some(root) = nodes.into_iter().next()
    {
        // The name by which the loader knows it.
        let name = if path.contains(&b'/') { None } else { root.path };
        let name = name.and_then(|path| CString::new(path).ok()).unwrap_or(target.name);
        sys::crash_again(record, &name);
    }
}

/// `LD_LIBRARY_PATH`, as the start of the program left it.
pub(crate) fn library_path() -> Option<Vec<u8>> {
    sys::variable(c"LD_LIBRARY_PATH")
}

/// The files of this system.
pub(crate) struct SystemFiles;

impl Files for SystemFiles {
    fn library(&self, path: &[u8]) -> Result<Library, Failure> {
        read_library(path, path)
    }

    fn contents(&self, path: &[u8]) -> Option<Vec<u8>> {
        let file = File::open_regular(path).ok()?.ok()?;
        sys::read_all(&file, 64 << 20).ok()
    }

    fn directory(&self) -> Vec<u8> {
        sys::current_directory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_survive_the_way_through_arguments() {
        for task in [
            Task::Test { path: b"/a", root: None },
            Task::Test { path: b"", root: Some(b"/r") },
            Task::Examine { path: b"/a", again: false },
            Task::Examine { path: b"/a", again: true },
        ] {
            assert_eq!(Task::from_args(&task.to_args()), Some(task));
        }
        assert_eq!(Task::from_args(&[b"nonsense"]), None);
    }

    #[test]
    fn messages_name_what_the_caller_named() {
        let target = Target {
            name: c"/proc/self/fd/3/l.so".into(),
            pinned: Some((b"/proc/self/fd/3".to_vec(), b"/real".to_vec())),
            #[cfg(target_os = "linux")]
            file: None,
        };
        let message = b"/proc/self/fd/3/l.so: needs /proc/self/fd/3/m.so".to_vec();
        let message = target.in_words_of_caller(message, b"/given/l.so");
        assert_eq!(message, b"/given/l.so: needs /real/m.so");
    }
}
