//! Which file a loaded library is: names can change between a look at a file and its loading.
//!
//! `/proc/self/maps` names the device and the inode behind each address. File systems in layers give
//! other numbers there than stat does, so two addresses are compared, and no address with a file.

use super::posix::{Errno, File, read_all};
use core::ffi::{c_char, c_int, c_void};
use core::ptr::{NonNull, null_mut};

/// The start of `struct link_map` in link.h, the same in glibc and musl.
#[repr(C)]
struct LinkMap {
    base: usize,
    name: *const c_char,
    dynamic: *const c_void,
}

/// dlfcn.h.
const RTLD_DI_LINKMAP: c_int = 2;

unsafe extern "C" {
    /// dlinfo(3), which the libc crate lacks for musl.
    fn dlinfo(handle: *mut c_void, request: c_int, info: *mut c_void) -> c_int;
}

/// The first page of a file, mapped as long as the process lives: unlike a descriptor, a library does
/// not close it in passing.
#[derive(Debug)]
pub struct Mapping(usize);

impl Mapping {
    /// Maps `file`, a regular one that may have been opened for nothing but its place.
    pub fn of(file: &File) -> Result<Self, Errno> {
        let file = File::open(file.path_of_descriptor().as_bytes(), libc::O_RDONLY)?;
        // SAFETY: the kernel chooses the place; nothing is read from it.
        let page =
            unsafe { libc::mmap(null_mut(), 1, libc::PROT_READ, libc::MAP_PRIVATE, file.fd(), 0) };
        if page == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(Self(page.addr())) }
    }

    /// Whether the library behind `handle` was loaded from this file; nothing where the system does
    /// not tell.
    pub fn is_of(&self, handle: NonNull<c_void>) -> Option<bool> {
        let mut map = null_mut::<LinkMap>();
        // SAFETY: `handle` comes from dlopen; this request writes one pointer to a description that
        // lives as long as the handle is open.
        let dynamic = unsafe {
            if dlinfo(handle.as_ptr(), RTLD_DI_LINKMAP, (&raw mut map).cast()) != 0 {
                return None;
            }
            (*map).dynamic.addr()
        };
        let maps =
            read_all(&File::open(b"/proc/self/maps", libc::O_RDONLY).ok()?, 64 << 20).ok()?;
        Some(file_at(&maps, dynamic)? == file_at(&maps, self.0)?)
    }
}

/// Device and inode of the file mapped at `address`, from lines of proc_pid_maps(5):
/// `address perms offset dev inode pathname`.
fn file_at(maps: &[u8], address: usize) -> Option<(&[u8], &[u8])> {
    maps.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let (start, end) = core::str::from_utf8(fields.next()?).ok()?.split_once('-')?;
        let hexadecimal = |digits| usize::from_str_radix(digits, 16).ok();
        let range = hexadecimal(start)?..hexadecimal(end)?;
        range.contains(&address).then_some(())?;
        Some((fields.nth(2)?, fields.next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{O_SEARCH, dlopen};

    #[test]
    fn the_file_behind_an_address() {
        let maps = b"1000-2000 r--p 00000000 fe:00 77      /a b\n\
                     2000-3000 rw-p 00001000 fe:00 77      /a b\n3000-4000 rw-p 00000000 00:00 0\n";
        assert_eq!(file_at(maps, 0x1fff), Some((b"fe:00".as_slice(), b"77".as_slice())));
        assert_eq!(file_at(maps, 0x1000), file_at(maps, 0x2000));
        assert_ne!(file_at(maps, 0x1000), file_at(maps, 0x3000));
        assert_eq!(file_at(maps, 0x4000), None);
        assert_eq!(file_at(b"nonsense\n\xff-1 \n", 0), None);
    }

    /// What a swap of names comes down to: the file that was looked at, and the one that was loaded.
    #[test]
    fn another_file_than_the_one_loaded_is_told_apart() {
        let handle = dlopen(c"libm.so.6").expect("a library");
        let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
        let mut paths = maps.lines().filter_map(|line| line.split(' ').next_back());
        let path = paths.find(|path| path.contains("/libm")).expect("its path");
        let copy = std::env::temp_dir().join(format!("mapping-{}.so", std::process::id()));
        std::fs::copy(path, &copy).expect("a copy");
        let of = |path: &str| {
            let file = File::open(path.as_bytes(), O_SEARCH).expect("a file");
            Mapping::of(&file).expect("a mapping").is_of(handle)
        };
        assert_eq!(of(path), Some(true));
        assert_eq!(of(copy.to_str().expect("text")), Some(false));
        std::fs::remove_file(copy).expect("to remove it");
    }
}
