//! Where a loader finds the libraries that a library needs, followed without loading anything.
//!
//! The order is that of ld.so(8) on glibc and of `load_library` (ldso/dynlink.c) on musl. Files are
//! reached through [`Files`], so that tests need none.

use crate::elf::{Libc, Library};
use crate::report::{Failure, Kind};
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

/// The files of a system.
pub trait Files {
    /// Reads the library at `path`.
    fn library(&self, path: &[u8]) -> Result<Library, Failure>;
    /// The contents of a small file.
    fn contents(&self, path: &[u8]) -> Option<Vec<u8>>;
    /// The current directory.
    fn directory(&self) -> Vec<u8>;
}

/// A library in the tree of dependencies.
#[derive(Debug)]
pub struct Node {
    /// The name it is needed by; for the root, its path.
    pub name: Vec<u8>,
    /// Where it was found.
    pub path: Option<Vec<u8>>,
    /// What it says of itself, or why it cannot be loaded.
    pub library: Result<Library, Failure>,
    /// The node that needs it; the root has none.
    pub parent: Option<usize>,
    /// The places searched, in order, up to the one that had it.
    pub searched: Vec<Vec<u8>>,
}

/// More libraries than any real one depends on.
const MOST: usize = 1024;

/// Follows the dependencies of the library at `path`, breadth first as loaders do. Each library
/// stands once, where it was first needed; the root is the first node.
pub fn walk(files: &impl Files, path: &[u8], library_path: Option<&[u8]>) -> Vec<Node> {
    let system = System::of(files, library_path);
    let (found, library, searched) = match path.contains(&b'/') {
        true => (Some(absolute(files, path)), files.library(path), Vec::new()),
        false => system.find(files, &[], 0, path),
    };
    let root = Node { name: path.to_vec(), path: found, library, parent: None, searched };
    let mut known: BTreeSet<Vec<u8>> = BTreeSet::new();
    known.extend(root.library.iter().filter_map(|library| library.soname.clone()));
    let mut nodes = vec![root];
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        let needed = node.library.as_ref().map(|library| library.needed.clone());
        for name in needed.unwrap_or_default() {
            if nodes.len() < MOST && !system.is_libc(&name) && known.insert(name.clone()) {
                let (path, library, searched) = system.find(files, &nodes, at, &name);
                nodes.push(Node { name, path, library, parent: Some(at), searched });
            }
        }
        at += 1;
    }
    nodes
}

/// The file that the loader finds for `name`, a name without a slash. It does not search for the
/// libraries of this program itself.
pub fn locate(files: &impl Files, name: &[u8], library_path: Option<&[u8]>) -> Option<Vec<u8>> {
    let system = System::of(files, library_path);
    let glibc: [&[u8]; 2] = [b"libc.so.6", b"libdl.so.2"];
    let loaded = match system.libc {
        Libc::Glibc => glibc.contains(&name) || name.starts_with(b"ld-linux"),
        Libc::Musl => system.is_libc(name),
    };
    if loaded { None } else { system.find(files, &[], 0, name).0 }
}

/// The names from the root to `nodes[index]`: paths where known.
pub fn chain(nodes: &[Node], index: usize) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let mut next = Some(index);
    while let Some(node) = next.and_then(|index| nodes.get(index)) {
        names.push(node.path.clone().unwrap_or_else(|| node.name.clone()));
        next = node.parent;
    }
    names.reverse();
    names
}

/// What holds for all searches in one process.
struct System {
    libc: Libc,
    library_path: Vec<Vec<u8>>,
    standard: Vec<Vec<u8>>,
    cache: Option<Vec<u8>>,
    directory: Vec<u8>,
}

const CACHE: &[u8] = b"/etc/ld.so.cache";

type Found = (Option<Vec<u8>>, Result<Library, Failure>, Vec<Vec<u8>>);

impl System {
    fn of(files: &impl Files, library_path: Option<&[u8]>) -> Self {
        let split = |list: &[u8], separators: &[u8]| -> Vec<Vec<u8>> {
            let entries = list.split(|byte| separators.contains(byte));
            entries.filter(|entry| !entry.is_empty()).map(<[u8]>::to_vec).collect()
        };
        let library_path = split(library_path.unwrap_or_default(), b":;\n");
        let standard: &[u8] = match (Libc::OWN, cfg!(target_arch = "aarch64")) {
            (Libc::Musl, _) => b"/lib:/usr/local/lib:/usr/lib",
            (Libc::Glibc, false) => {
                b"/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib64:/usr/lib64:/lib:/usr/lib"
            }
            (Libc::Glibc, true) => {
                b"/lib/aarch64-linux-gnu:/usr/lib/aarch64-linux-gnu:/lib64:/usr/lib64:/lib:/usr/lib"
            }
        };
        let configured = match Libc::OWN {
            Libc::Musl if cfg!(target_arch = "aarch64") => {
                files.contents(b"/etc/ld-musl-aarch64.path")
            }
            Libc::Musl => files.contents(b"/etc/ld-musl-x86_64.path"),
            Libc::Glibc => None,
        };
        Self {
            libc: Libc::OWN,
            library_path,
            standard: split(configured.as_deref().unwrap_or(standard), b":\n"),
            cache: match Libc::OWN {
                Libc::Glibc => files.contents(CACHE),
                Libc::Musl => None,
            },
            directory: files.directory(),
        }
    }

    /// Whether musl answers to `name` itself, whatever the file system holds.
    fn is_libc(&self, name: &[u8]) -> bool {
        // The list is `reserved` in load_library.
        const RESERVED: &[&[u8]] = &[b"c.", b"pthread.", b"rt.", b"m.", b"dl.", b"util.", b"xnet."];
        self.libc == Libc::Musl
            && (name.starts_with(b"ld-musl-")
                || name
                    .strip_prefix(b"lib")
                    .is_some_and(|rest| RESERVED.iter().any(|it| rest.starts_with(it))))
    }

    /// Looks for `name`, needed by `nodes[parent]`.
    fn find(&self, files: &impl Files, nodes: &[Node], parent: usize, name: &[u8]) -> Found {
        if name.contains(&b'/') {
            // musl takes such a name as it is.
            let origin = nodes.get(parent).filter(|_| self.libc == Libc::Glibc);
            let name = origin.map_or_else(|| name.to_vec(), |node| self.with_origin(node, name));
            return (Some(name.clone()), files.library(&name), Vec::new());
        }
        let mut searched = Vec::new();
        let mut unusable = None;
        for place in self.places(nodes, parent) {
            let candidate = match place.as_slice() {
                CACHE => self.cached(name),
                directory => Some([directory, b"/", name].concat()),
            };
            if !searched.contains(&place) {
                searched.push(place);
            }
            let Some(candidate) = candidate else { continue };
            if let Some((path, library)) = self.optimised(files, &candidate) {
                return (Some(path), Ok(library), searched);
            }
            match files.library(&candidate) {
                Err(failure) if failure.kind == Kind::NotFound => {}
                Err(failure) if self.goes_on_behind(failure.kind) => {
                    unusable = unusable.or(Some((candidate, failure)));
                }
                result => return (Some(candidate), result, searched),
            }
        }
        match unusable {
            Some((path, failure)) => (Some(path), Err(failure), searched),
            None => {
                let failure =
                    Failure::new(Kind::NotFound, crate::report::Phase::Check, "not found");
                (None, Err(failure), searched)
            }
        }
    }

    /// The library that glibc prefers to the one at `path` on processors that can run it, ld.so(8).
    /// Which these are is not asked: what is sound is no reason to refuse.
    fn optimised(&self, files: &impl Files, path: &[u8]) -> Option<(Vec<u8>, Library)> {
        const DIRECTORIES: &[&[u8]] = match cfg!(target_arch = "x86_64") {
            true => &[
                b"glibc-hwcaps/x86-64-v4/",
                b"glibc-hwcaps/x86-64-v3/",
                b"glibc-hwcaps/x86-64-v2/",
            ],
            false => &[],
        };
        let directories = if self.libc == Libc::Glibc { DIRECTORIES } else { &[] };
        let (directory, name) = path.split_at(path.iter().rposition(|it| *it == b'/')? + 1);
        directories.iter().find_map(|own| {
            let path = [directory, own, name].concat();
            files.library(&path).ok().map(|library| (path, library))
        })
    }

    /// Whether the loader looks further when it finds a file that fails so: both do behind one that
    /// they may not read, glibc alone behind one for another machine.
    fn goes_on_behind(&self, kind: Kind) -> bool {
        kind == Kind::Unreadable || (kind == Kind::WrongArch && self.libc == Libc::Glibc)
    }

    /// The directories to search for what `nodes[parent]` needs, and the cache in its place.
    fn places(&self, nodes: &[Node], parent: usize) -> Vec<Vec<u8>> {
        let mut places = Vec::new();
        let runpath = |node: &Node| node.library.as_ref().ok().and_then(|it| it.runpath.clone());
        let rpath = |node: &Node| node.library.as_ref().ok().and_then(|it| it.rpath.clone());
        let own = nodes.get(parent);
        let own_runpath = own.and_then(runpath);
        let ancestors =
            || core::iter::successors(own, |node| node.parent.and_then(|index| nodes.get(index)));
        match self.libc {
            Libc::Glibc => {
                if own_runpath.is_none() {
                    for node in ancestors().filter(|node| runpath(node).is_none()) {
                        self.expand(&mut places, node, rpath(node));
                    }
                }
                places.extend(self.library_path.iter().cloned());
                if let Some(node) = own {
                    self.expand(&mut places, node, own_runpath);
                }
                places.push(CACHE.to_vec());
            }
            Libc::Musl => {
                places.extend(self.library_path.iter().cloned());
                for node in ancestors() {
                    self.expand(&mut places, node, runpath(node).or_else(|| rpath(node)));
                }
            }
        }
        places.extend(self.standard.iter().cloned());
        places
    }

    /// Adds the entries of a list of directories, `$ORIGIN` being that of `node`.
    fn expand(&self, places: &mut Vec<Vec<u8>>, node: &Node, list: Option<Vec<u8>>) {
        for entry in list.iter().flat_map(|list| list.split(|byte| *byte == b':')) {
            let entry = self.with_origin(node, entry);
            if !entry.is_empty() {
                places.push(entry);
            }
        }
    }

    /// `text` with the directory of `node` for `$ORIGIN`.
    fn with_origin(&self, node: &Node, text: &[u8]) -> Vec<u8> {
        let path = node.path.as_deref().unwrap_or_default();
        let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let origin = if slash == 0 { self.directory.as_slice() } else { &path[..slash] };
        replace(&replace(text, b"${ORIGIN}", origin), b"$ORIGIN", origin)
    }

    /// The path that glibc's cache has for `name` (format: `struct cache_file_new` in dl-cache.h).
    fn cached(&self, name: &[u8]) -> Option<Vec<u8>> {
        const MAGIC: &str = "glibc-ld.so.cache1.1";
        let file = self.cache.as_deref()?;
        let table = file.get(crate::cause::find(file, MAGIC)?..)?;
        let word = |at: usize| -> Option<usize> {
            Some(u32::from_le_bytes(table.get(at..at + 4)?.try_into().ok()?) as usize)
        };
        let string = |at: usize| table.get(at..)?.split(|byte| *byte == 0).next();
        (0..word(20)?.min(100_000)).find_map(|index| {
            let entry = 48 + index * 24;
            let same = string(word(entry + 4)?)? == name;
            // The flags of an entry tell the machine; those of 64-bit ones begin at 0x0300.
            (same && word(entry)? >= 0x300).then_some(string(word(entry + 8)?)?.to_vec())
        })
    }
}

fn absolute(files: &impl Files, path: &[u8]) -> Vec<u8> {
    match path.starts_with(b"/") {
        true => path.to_vec(),
        false => [&files.directory(), b"/".as_slice(), path].concat(),
    }
}

fn replace(text: &[u8], token: &[u8], value: &[u8]) -> Vec<u8> {
    match text.windows(token.len()).position(|window| window == token) {
        Some(start) => [&text[..start], value, &text[start + token.len()..]].concat(),
        None => text.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Phase;
    use std::collections::BTreeMap;

    struct Fake(BTreeMap<&'static str, Library>);

    impl Files for Fake {
        fn library(&self, path: &[u8]) -> Result<Library, Failure> {
            let path = std::str::from_utf8(path).expect("text");
            let absent = || Failure::new(Kind::NotFound, Phase::Check, "no");
            self.0.get(path).cloned().ok_or_else(absent)
        }
        fn contents(&self, _: &[u8]) -> Option<Vec<u8>> {
            None
        }
        fn directory(&self) -> Vec<u8> {
            b"/here".to_vec()
        }
    }

    fn needing(needed: &[&str], runpath: Option<&str>) -> Library {
        Library {
            needed: needed.iter().map(|name| name.as_bytes().to_vec()).collect(),
            runpath: runpath.map(|path| path.as_bytes().to_vec()),
            ..Library::default()
        }
    }

    #[test]
    fn the_chain_and_the_places_of_a_missing_library_are_told() {
        let files = Fake(BTreeMap::from([
            ("/x/a.so", needing(&["b.so"], Some("$ORIGIN/deps"))),
            ("/x/deps/b.so", needing(&["c.so", "b.so"], Some("${ORIGIN}"))),
        ]));
        let nodes = walk(&files, b"/x/a.so", Some(b"/l"));
        assert_eq!(nodes.len(), 3, "{nodes:?}");
        assert_eq!(nodes[2].name, b"c.so");
        assert!(nodes[2].path.is_none());
        assert_eq!(chain(&nodes, 1), [b"/x/a.so".to_vec(), b"/x/deps/b.so".to_vec()]);
        assert_eq!(nodes[2].searched[..3], [b"/l".to_vec(), b"/x/deps".to_vec(), CACHE.to_vec()]);
    }

    #[test]
    fn circles_end() {
        let files = Fake(BTreeMap::from([
            ("/x/a.so", needing(&["b.so"], Some("/x"))),
            ("/x/b.so", needing(&["a.so", "b.so"], Some("/x"))),
        ]));
        assert!(walk(&files, b"/x/a.so", None).len() < 5);
    }
}
