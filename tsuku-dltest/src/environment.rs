//! Which environment variables a child may see, where a child is a new program. (On Linux, the start
//! of the program itself does this, `sys/launch.rs`.)

use alloc::vec::Vec;

/// Beginnings of the names of variables that steer a loader or a C library.
const DROPPED: &[&[u8]] =
    &[b"LD_", b"DYLD_", b"GLIBC_TUNABLES=", b"Malloc", b"MALLOC_", b"OBJC_", b"NSUnbuffered"];
/// The one that is kept, cleaned.
const KEPT: &[u8] = b"DYLD_LIBRARY_PATH=";

/// The variables, each `NAME=value`, that a child may see.
pub fn clean<'a>(variables: impl Iterator<Item = &'a [u8]>, directory: &[u8]) -> Vec<Vec<u8>> {
    variables
        .filter_map(|variable| match variable.strip_prefix(KEPT) {
            Some(list) => {
                let list = clean_list(list, directory);
                (!list.is_empty()).then(|| [KEPT, &list].concat())
            }
            None => {
                let dropped = DROPPED.iter().any(|name| variable.starts_with(name));
                (!dropped).then(|| variable.to_vec())
            }
        })
        .collect()
}

/// A list of directories without empty entries, which mean the current one, and with the relative
/// ones made absolute.
fn clean_list(list: &[u8], directory: &[u8]) -> Vec<u8> {
    let usable = directory.starts_with(b"/") && !directory.contains(&b':');
    let entries: Vec<Vec<u8>> = list
        .split(|byte| *byte == b':')
        .filter(|entry| !entry.is_empty())
        .filter_map(|entry| match entry {
            [b'/' | b'@', ..] => Some(entry.to_vec()),
            _ => usable.then(|| [directory, b"/", entry].concat()),
        })
        .collect();
    entries.join(b":".as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loader_variables_go_and_the_library_path_stays() {
        let variables: &[&[u8]] = &[
            b"HOME=/h",
            b"DYLD_INSERT_LIBRARIES=/evil",
            b"DYLD_LIBRARY_PATH=:/a::b:@loader_path/c:",
            b"LD_PRELOAD=x",
            b"MallocStackLogging=1",
            b"MALLOC_PERTURB_=1",
            b"LDFLAGS=-L",
        ];
        let clean = clean(variables.iter().copied(), b"/w");
        let expected: [&[u8]; 3] =
            [b"HOME=/h", b"DYLD_LIBRARY_PATH=/a:/w/b:@loader_path/c", b"LDFLAGS=-L"];
        assert_eq!(clean, expected);
    }

    #[test]
    fn a_list_of_nothing_goes_too() {
        for directory in [b"/a:b".as_slice(), b""] {
            let variables: [&[u8]; 1] = [b"DYLD_LIBRARY_PATH=:x:"];
            assert!(clean(variables.into_iter(), directory).is_empty());
        }
    }
}
