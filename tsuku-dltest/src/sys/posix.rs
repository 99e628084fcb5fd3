//! Calls that POSIX systems have in common.

use crate::elf::Source;
use crate::schedule::Millis;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::fmt::{self, Write};
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr::NonNull;

/// The C heap.
pub struct Heap;

// SAFETY: malloc, realloc and free keep the contract of `GlobalAlloc`. Layouts with more than the
// alignment that malloc promises (that of max_align_t, at least 2 words) are refused with null.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > 2 * size_of::<usize>() {
            return core::ptr::null_mut();
        }
        // SAFETY: any size may be asked for.
        unsafe { libc::malloc(layout.size()).cast() }
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller passes a block that `alloc` returned.
        unsafe { libc::free(block.cast()) }
    }

    unsafe fn realloc(&self, block: *mut u8, _: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller passes a block that `alloc` returned, of an alignment `alloc` allows.
        unsafe { libc::realloc(block.cast(), size).cast() }
    }
}

/// An error number of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub c_int);

impl Errno {
    /// That of the last failed call.
    pub fn last() -> Self {
        // SAFETY: the location is the thread's own and always valid.
        #[cfg(target_os = "linux")]
        return Self(unsafe { *libc::__errno_location() });
        // SAFETY: as above.
        #[cfg(target_os = "macos")]
        return Self(unsafe { *libc::__error() });
    }

    /// The result of a call that returns -1 on failure.
    pub(super) fn check(result: c_int) -> Result<c_int, Self> {
        if result == -1 { Err(Self::last()) } else { Ok(result) }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: strerror returns a NUL-terminated string that stays valid until its next call;
        // the process has one thread.
        let text = unsafe { CStr::from_ptr(libc::strerror(self.0)) };
        out.write_str(&text.to_string_lossy())
    }
}

/// Milliseconds on a clock that never goes back.
pub fn now() -> Millis {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `time` has room for what is written, which is always done for this clock.
    let time = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, time.as_mut_ptr());
        time.assume_init()
    };
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}

/// The arguments without the program's own name.
///
/// # Safety
/// `argv` points to `argc` pointers to NUL-terminated strings which live, unchanged, as long as
/// the process.
pub unsafe fn arguments(argc: c_int, argv: *const *const c_char) -> Vec<&'static [u8]> {
    (1..usize::try_from(argc).unwrap_or(0))
        // SAFETY: `index` is below `argc`; the rest is the caller's promise.
        .map(|index| unsafe { CStr::from_ptr(*argv.add(index)) }.to_bytes())
        .collect()
}

/// The value of an environment variable.
pub fn variable(name: &CStr) -> Option<Vec<u8>> {
    // SAFETY: getenv returns null or a NUL-terminated string; nothing changes the environment while
    // it is copied, as there is one thread.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    // SAFETY: as above, and not null.
    (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) }.to_bytes().to_vec())
}

/// The path that this program was executed by; nothing where the kernel does not tell.
#[cfg(target_os = "linux")]
pub fn executed_path() -> Option<Vec<u8>> {
    // SAFETY: getauxval returns 0 or what the kernel laid out: for this entry, the address of a
    // NUL-terminated string that lives as long as the process.
    let path = unsafe { libc::getauxval(libc::AT_EXECFN) } as *const c_char;
    // SAFETY: as above, and not null.
    (!path.is_null()).then(|| unsafe { CStr::from_ptr(path) }.to_bytes().to_vec())
}

/// Opens a file for nothing but its place.
#[cfg(target_os = "linux")]
pub const O_SEARCH: c_int = libc::O_PATH;
/// Opens a file for nothing but its place.
#[cfg(target_os = "macos")]
pub const O_SEARCH: c_int = libc::O_RDONLY | libc::O_NONBLOCK;

/// A descriptor that is closed when dropped.
#[derive(Debug)]
pub struct File(c_int);

impl File {
    /// Takes a descriptor over.
    pub(super) fn owning(fd: c_int) -> Self {
        Self(fd)
    }

    /// The number of the descriptor.
    pub(super) fn fd(&self) -> c_int {
        self.0
    }

    /// Opens `path` with the flags of open(2), always `O_CLOEXEC`.
    pub fn open(path: &[u8], flags: c_int) -> Result<Self, Errno> {
        let path = CString::new(path).map_err(|_| Errno(libc::ENOENT))?;
        // SAFETY: `path` is NUL-terminated; no mode is needed where nothing is created.
        let fd = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) };
        Errno::check(fd).map(Self)
    }

    /// Opens `path` for reading if it is a regular file; otherwise says what it is. It is never
    /// opened if it is not: a FIFO blocks, and some devices act on it.
    pub fn open_regular(path: &[u8]) -> Result<Result<Self, &'static str>, Errno> {
        let name = CString::new(path).map_err(|_| Errno(libc::ENOENT))?;
        let mut status = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: `name` is NUL-terminated, and `status` has room for what stat writes.
        Errno::check(unsafe { libc::stat(name.as_ptr(), status.as_mut_ptr()) })?;
        // SAFETY: stat succeeded, so it is filled in.
        if let Some(what) = irregular(unsafe { status.assume_init() }.st_mode) {
            return Ok(Err(what));
        }
        let flags = libc::O_RDONLY | libc::O_NOCTTY;
        let file = match Self::open(path, flags | libc::O_NONBLOCK) {
            // Somebody has a lease on it (fcntl(2)), and was just asked to give it up.
            Err(Errno(libc::EAGAIN)) => Self::open(path, flags)?,
            file => file?,
        };
        // Another file may have taken the name since.
        Ok(match irregular(file.status()?.st_mode) {
            Some(what) => Err(what),
            None => Ok(file),
        })
    }

    pub(super) fn status(&self) -> Result<libc::stat, Errno> {
        let mut status = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: `status` has room for what fstat writes, and is filled in when it succeeds.
        unsafe {
            Errno::check(libc::fstat(self.0, status.as_mut_ptr()))?;
            Ok(status.assume_init())
        }
    }

    /// A path that leads to this file as long as it is open.
    #[cfg(target_os = "linux")]
    pub fn path_of_descriptor(&self) -> String {
        format!("/proc/self/fd/{}", self.0)
    }

    /// A path that leads to this file as long as it is open.
    #[cfg(target_os = "macos")]
    pub fn path_of_descriptor(&self) -> String {
        format!("/dev/fd/{}", self.0)
    }

    /// The path of this file, free of symbolic links.
    #[cfg(target_os = "linux")]
    pub fn real_path(&self) -> Result<Vec<u8>, Errno> {
        let link = CString::new(self.path_of_descriptor()).map_err(|_| Errno(libc::EINVAL))?;
        let mut path = vec![0u8; libc::PATH_MAX as usize];
        // SAFETY: `link` is NUL-terminated; the pointer and the length are those of one buffer.
        let length = unsafe { libc::readlink(link.as_ptr(), path.as_mut_ptr().cast(), path.len()) };
        path.truncate(usize::try_from(length).map_err(|_| Errno::last())?);
        Ok(path)
    }

    /// The path of this file, free of symbolic links.
    #[cfg(target_os = "macos")]
    pub fn real_path(&self) -> Result<Vec<u8>, Errno> {
        let mut path = vec![0u8; libc::PATH_MAX as usize];
        // SAFETY: the buffer has the PATH_MAX bytes that F_GETPATH asks for.
        Errno::check(unsafe { libc::fcntl(self.0, libc::F_GETPATH, path.as_mut_ptr()) })?;
        path.truncate(path.iter().position(|byte| *byte == 0).unwrap_or(0));
        Ok(path)
    }

    /// Reads into `buffer` and returns how many bytes there were; 0 at the end.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        loop {
            // SAFETY: the pointer and the length are those of one slice.
            let count = unsafe { libc::read(self.0, buffer.as_mut_ptr().cast(), buffer.len()) };
            match usize::try_from(count) {
                Ok(count) => return Ok(count),
                Err(_) => match Errno::last() {
                    Errno(libc::EINTR) => {}
                    error => return Err(error),
                },
            }
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this value's own.
        unsafe { libc::close(self.0) };
    }
}

impl Source for File {
    fn size(&self) -> u64 {
        self.status().ok().and_then(|status| u64::try_from(status.st_size).ok()).unwrap_or(0)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Ok(at) = libc::off_t::try_from(offset.saturating_add(done as u64)) else { break };
            // SAFETY: the pointer and the length are those of one slice.
            let count = unsafe { libc::pread(self.0, rest.as_mut_ptr().cast(), rest.len(), at) };
            match usize::try_from(count) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(_) if Errno::last() == Errno(libc::EINTR) => {}
                Err(_) => break,
            }
        }
        done
    }
}

/// What a file is that is not a regular one.
fn irregular(mode: libc::mode_t) -> Option<&'static str> {
    match mode & libc::S_IFMT {
        libc::S_IFREG => None,
        libc::S_IFDIR => Some("a directory"),
        libc::S_IFIFO => Some("a FIFO"),
        libc::S_IFSOCK => Some("a socket"),
        libc::S_IFCHR => Some("a character device"),
        libc::S_IFBLK => Some("a block device"),
        _ => Some("a special file"),
    }
}

/// Whether the file system of `path` is mounted so that nothing on it may be executed.
pub fn is_noexec(path: &[u8]) -> bool {
    let Ok(path) = CString::new(path) else { return false };
    // SAFETY: `path` is NUL-terminated, and `status` is read only if statvfs filled it in.
    #[cfg(target_os = "linux")]
    unsafe {
        let mut status = MaybeUninit::<libc::statvfs>::uninit();
        libc::statvfs(path.as_ptr(), status.as_mut_ptr()) == 0
            && status.assume_init().f_flag & libc::ST_NOEXEC != 0
    }
    // SAFETY: as above, with the call that tells it there.
    #[cfg(target_os = "macos")]
    unsafe {
        let mut status = MaybeUninit::<libc::statfs>::uninit();
        libc::statfs(path.as_ptr(), status.as_mut_ptr()) == 0
            && status.assume_init().f_flags & libc::MNT_NOEXEC as u32 != 0
    }
}

/// All that is left in `file`, up to `most` bytes.
pub fn read_all(file: &File, most: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 65536];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(bytes),
            count => bytes.extend_from_slice(&chunk[..count]),
        }
        if bytes.len() > most {
            return Err(Errno(libc::EFBIG));
        }
    }
}

/// The list in the file at `path`, or on standard input, up to `most` bytes. It may be a pipe that
/// nobody writes to: at `until`, on the clock of [`now`], the error is ETIME.
pub fn read_list(path: Option<&[u8]>, most: usize, until: Millis) -> Result<Vec<u8>, Errno> {
    let file = match path {
        // With neither reader nor writer, opening a FIFO would block.
        Some(path) => File::open(path, libc::O_NONBLOCK)?,
        None => File(libc::STDIN_FILENO),
    };
    // Standard input stays open; and a list is read once.
    let file = ManuallyDrop::new(file);
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 65536];
    loop {
        let mut poll = libc::pollfd { fd: file.fd(), events: libc::POLLIN, revents: 0 };
        let time = until.saturating_sub(now()).min(60_000) as c_int;
        // SAFETY: the pointer is to one pollfd, and one is announced.
        if unsafe { libc::poll(&raw mut poll, 1, time) } < 1 {
            if now() >= until {
                return Err(Errno(libc::ETIME));
            }
            // Reading would wait without an end.
            continue;
        }
        match file.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(Errno(libc::EAGAIN)) => {}
            Err(error) => return Err(error),
        }
        if bytes.len() > most {
            return Err(Errno(libc::EFBIG));
        }
    }
}

/// The current directory, or nothing where it has no name.
pub fn current_directory() -> Vec<u8> {
    let mut buffer = vec![0u8; libc::PATH_MAX as usize];
    // SAFETY: the pointer and the length are those of one buffer; the result is null or its start.
    let name = unsafe { libc::getcwd(buffer.as_mut_ptr().cast(), buffer.len()) };
    if name.is_null() {
        return Vec::new();
    }
    let end = buffer.iter().position(|byte| *byte == 0).unwrap_or(0);
    buffer.truncate(end);
    buffer
}

/// How many processors this process may use.
pub fn processors() -> usize {
    #[cfg(target_os = "linux")]
    {
        let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
        let size = size_of::<libc::cpu_set_t>();
        // SAFETY: `set` has the size that is announced, and all zero is a valid set.
        let count = unsafe {
            let failed = libc::sched_getaffinity(0, size, set.as_mut_ptr()) != 0;
            if failed { 0 } else { libc::CPU_COUNT(set.assume_init_ref()) }
        };
        if count > 0 {
            return usize::try_from(count).unwrap_or(1);
        }
    }
    // SAFETY: has no preconditions.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }).unwrap_or(1).max(1)
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    // SAFETY: has no preconditions.
    unsafe { libc::isatty(libc::STDOUT_FILENO) == 1 }
}

/// Gives standard streams that the caller closed something to stand for them: otherwise the next
/// file opened would take their number, and the answer might go to it. Writing to a standard output
/// that was closed still fails.
pub fn open_standard_streams() {
    for fd in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: asks for flags.
        let closed = unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1;
        // Opening takes the lowest free number, which is `fd`, since all below are taken.
        if closed && let Ok(nothing) = nothing_to_read(libc::O_RDONLY) {
            core::mem::forget(nothing);
        }
    }
}

/// /dev/null, opened with `flags`, or where there is none, as in bare containers, the end of a pipe
/// that nobody writes to.
pub(super) fn nothing_to_read(flags: c_int) -> Result<File, Errno> {
    File::open(b"/dev/null", flags).or_else(|_| {
        let mut ends = [0; 2];
        // SAFETY: `ends` has room for two descriptors.
        Errno::check(unsafe { libc::pipe(ends.as_mut_ptr()) })?;
        let [output, _input] = ends.map(File);
        Ok(output)
    })
}

/// Makes writing to a pipe without a reader, or beyond the limit of file sizes, an error instead of
/// death by a signal.
pub fn survive_failing_writes() {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        // SAFETY: ignoring a signal replaces no handler of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Writes `text` to standard error; there is nobody to tell when that fails.
pub fn write_stderr(text: &str) {
    let _ = write_all(libc::STDERR_FILENO, text.as_bytes());
}

/// Writes all of `bytes` to `fd`.
pub fn write_all(fd: c_int, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        // SAFETY: the pointer and the length are those of one slice.
        let written = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(_) => match Errno::last() {
                Errno(libc::EINTR) => {}
                Errno(libc::EAGAIN) => wait_writable(fd),
                error => return Err(error),
            },
        }
    }
    Ok(())
}

/// Writes as many of `bytes` to `fd` as go without waiting for a reader, and returns how many.
pub fn write_some(fd: c_int, bytes: &[u8]) -> Result<usize, Errno> {
    // What a pipe that takes anything takes at once, by pipe(7).
    const AT_ONCE: usize = libc::PIPE_BUF;
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
        // SAFETY: the pointer is to one pollfd, and one is announced.
        if unsafe { libc::poll(&raw mut poll, 1, 0) } < 1 {
            break;
        }
        let rest = rest.get(..AT_ONCE).unwrap_or(rest);
        write_all(fd, rest)?;
        done += rest.len();
    }
    Ok(done)
}

/// Blocks until `fd`, which somebody made non-blocking, takes bytes again.
fn wait_writable(fd: c_int) {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: the pointer is to one pollfd, and one is announced.
    unsafe { libc::poll(&raw mut poll, 1, -1) };
}

/// Loads the library at `path`, all symbols resolved and none of them shared. The error is the
/// loader's message.
pub fn dlopen(path: &CStr) -> Result<NonNull<c_void>, Vec<u8>> {
    // SAFETY: `path` is NUL-terminated. Running the library's code is what this program is for; it
    // is done in a process that holds nothing else.
    let handle = unsafe {
        libc::dlerror();
        libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL)
    };
    NonNull::new(handle).ok_or_else(dlerror)
}

/// Unloads a library.
pub fn dlclose(handle: NonNull<c_void>) -> Result<(), Vec<u8>> {
    // SAFETY: `handle` comes from `dlopen`, which callers close once.
    match unsafe { libc::dlclose(handle.as_ptr()) } {
        0 => Ok(()),
        _ => Err([b"dlclose failed: ".as_slice(), &dlerror()].concat()),
    }
}

/// The number of this process, from the kernel.
pub fn process() -> i32 {
    // SAFETY: has no preconditions.
    #[cfg(target_os = "linux")]
    return unsafe { libc::syscall(libc::SYS_getpid) } as i32;
    // SAFETY: as above.
    #[cfg(target_os = "macos")]
    return unsafe { libc::getpid() };
}

/// Ends this process unless it is still `process`.
pub fn end_unless(process: i32) {
    if self::process() != process {
        exit_now(0);
    }
}

/// A number that grows with the threads of this process: 0 for one, otherwise that of the links to
/// the directory of its threads, or 1 without `/proc`. 0 too where nothing tells.
pub fn thread_links() -> libc::nlink_t {
    // unshare(2): this flag is an error in a process with more threads than one, and without effect in
    // any other. /proc would cost each child as much as all other calls before dlopen.
    // SAFETY: as the comment says.
    #[cfg(target_os = "linux")]
    let several = match unsafe { libc::unshare(libc::CLONE_THREAD) } {
        0 => return 0,
        _ => libc::nlink_t::from(Errno::last() == Errno(libc::EINVAL)),
    };
    #[cfg(target_os = "macos")]
    let several = 0;
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the path is NUL-terminated, and `status` is read only if stat filled it in.
    unsafe {
        match libc::stat(c"/proc/self/task".as_ptr(), status.as_mut_ptr()) {
            0 => status.assume_init().st_nlink,
            _ => several,
        }
    }
}

/// Waits a moment for what other threads do to show.
pub fn let_other_threads_run() {
    // SAFETY: has no preconditions.
    unsafe { libc::usleep(30_000) };
}

/// The loader's message for its last failure.
fn dlerror() -> Vec<u8> {
    // SAFETY: dlerror returns null or a NUL-terminated string, valid until the next dl* call.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return b"the loader gave no reason".to_vec();
    }
    // SAFETY: as above, and not null.
    unsafe { CStr::from_ptr(text) }.to_bytes().to_vec()
}

/// Ends the process at once, with SIGABRT.
pub fn abort() -> ! {
    // SAFETY: has no preconditions.
    unsafe { libc::abort() }
}

/// The end of a panic: a message without allocating, and no answer.
pub fn die_of_panic(info: &core::panic::PanicInfo<'_>) -> ! {
    struct Stderr;
    impl Write for Stderr {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            write_stderr(text);
            Ok(())
        }
    }
    let _ = writeln!(Stderr, "tsuku-dltest: internal error: {info}");
    exit_now(crate::exit::NO_ANSWER)
}

/// Ends the process without running anything more in it.
pub(super) fn exit_now(status: c_int) -> ! {
    // SAFETY: has no preconditions. Nothing of this process is worth flushing.
    unsafe { libc::_exit(status) }
}
