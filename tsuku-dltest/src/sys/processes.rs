//! What /proc says of all processes, and the end of those that descend from a child.

use super::posix::{File, write_all};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::ptr::NonNull;

/// A process, from /proc/PID/stat.
#[derive(Debug)]
struct Process {
    parent: i32,
    session: i32,
    threads: u64,
    /// In pages, those shared with others included.
    resident: u64,
    /// In ticks since the system's start: with the number, it is one process's alone.
    started: u64,
}

/// All processes that can be seen, by number.
#[derive(Debug)]
pub struct Crowd(BTreeMap<i32, Process>);

impl Crowd {
    /// All that there are.
    pub(super) fn now() -> Self {
        Self(
            numbered_entries()
                .into_iter()
                .filter_map(|pid| Some((pid, Process::of(pid)?)))
                .collect(),
        )
    }

    /// Those whose parent is this one.
    pub(super) fn children_of(&self, parent: i32) -> Vec<i32> {
        self.0.iter().filter(|(_, it)| it.parent == parent).map(|(pid, _)| *pid).collect()
    }

    /// Kills those that descend from one of `roots`, and these.
    pub(super) fn kill_below(&self, roots: &[i32]) {
        for (pid, process) in self.0.iter().filter(|(pid, _)| self.descends(**pid, roots)) {
            process.kill(*pid);
        }
    }

    fn descends(&self, pid: i32, roots: &[i32]) -> bool {
        // Numbers may have been used again while the table was made: no way up is longer than this.
        let up = |pid: &i32| self.0.get(pid).map(|process| process.parent);
        core::iter::successors(Some(pid), up).take(self.0.len()).any(|pid| roots.contains(&pid))
    }

    /// The number of threads in the session of `leader` and in processes that descend from it.
    pub(super) fn threads_below(&self, leader: i32) -> u64 {
        self.below(leader).map(|(_, process)| process.threads).sum()
    }

    /// Whether the same take more than `most` bytes of memory, of pages of `page` bytes. What they share
    /// after a fork counts once: that is asked of the kernel where it may matter, and not known before
    /// Linux 4.14.
    pub(super) fn memory_exceeds(&self, leader: i32, most: u64, page: u64) -> bool {
        let resident: u64 = self.below(leader).map(|(_, process)| process.resident).sum();
        let own = |(pid, _): (&i32, _)| {
            proportional(&contents(&format!("/proc/{pid}/smaps_rollup"), 1024))
        };
        resident.saturating_mul(page) > most && self.below(leader).map(own).sum::<u64>() > most
    }

    fn below(&self, leader: i32) -> impl Iterator<Item = (&i32, &Process)> {
        let is_below =
            move |pid: i32, it: &Process| it.session == leader || self.descends(pid, &[leader]);
        self.0.iter().filter(move |(pid, it)| is_below(**pid, it))
    }
}

impl Process {
    fn of(pid: i32) -> Option<Self> {
        let text = contents(&format!("/proc/{pid}/stat"), 1024);
        // The name, in parentheses, may contain anything.
        let rest = text.get(text.iter().rposition(|byte| *byte == b')')? + 2..)?;
        let signed = |index| field(rest, index).and_then(|value| i32::try_from(value).ok());
        Some(Self {
            parent: signed(1)?,
            session: signed(3)?,
            threads: field(rest, 17)?,
            resident: field(rest, 21)?,
            started: field(rest, 19)?,
        })
    }

    /// Kills this process, and none that has its number by now: the descriptor is opened first, and if
    /// the process of that number started when this one did, the descriptor is this one's. Kernels
    /// before 5.3 have no such descriptors, and leave a moment in between.
    fn kill(&self, pid: i32) {
        // SAFETY: makes a descriptor, or fails.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let process = i32::try_from(fd).ok().filter(|fd| *fd >= 0).map(File::owning);
        if Self::of(pid).is_none_or(|now| now.started != self.started) {
            return;
        }
        // SAFETY: sends a signal to the process of the descriptor, or of the number just checked.
        unsafe {
            match process {
                Some(process) => {
                    let no_info = core::ptr::null::<libc::siginfo_t>();
                    libc::syscall(
                        libc::SYS_pidfd_send_signal,
                        process.fd(),
                        libc::SIGKILL,
                        no_info,
                        0,
                    );
                }
                None => {
                    libc::kill(pid, libc::SIGKILL);
                }
            }
        }
    }
}

/// The names in /proc that are numbers.
fn numbered_entries() -> Vec<i32> {
    let mut numbers = Vec::new();
    // SAFETY: the directory is open until closedir; each entry is used before the next is read, and
    // its name is NUL-terminated.
    unsafe {
        let directory = libc::opendir(c"/proc".as_ptr());
        if directory.is_null() {
            return numbers;
        }
        while let Some(entry) = NonNull::new(libc::readdir(directory)) {
            let name = core::ffi::CStr::from_ptr((*entry.as_ptr()).d_name.as_ptr());
            numbers.extend(number(name.to_bytes()).and_then(|pid| i32::try_from(pid).ok()));
        }
        libc::closedir(directory);
    }
    numbers
}

/// The number of threads on the whole system, from /proc/loadavg.
pub(super) fn tasks() -> u64 {
    let text = contents("/proc/loadavg", 128);
    let counts = text.split(|byte| *byte == b' ').nth(3).unwrap_or_default();
    counts.split(|byte| *byte == b'/').nth(1).and_then(number).unwrap_or(0)
}

/// The proportional set size, in bytes, that the text of smaps_rollup gives (`Pss:   123 kB`), or 0.
fn proportional(text: &[u8]) -> u64 {
    let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Pss:"));
    let digits = line.unwrap_or_default().trim_ascii().strip_suffix(b" kB").unwrap_or_default();
    number(digits).unwrap_or(0).saturating_mul(1024)
}

/// The `index`th number in `text`, whose fields are separated by single spaces.
pub(super) fn field(text: &[u8], index: usize) -> Option<u64> {
    text.split(|byte| *byte == b' ').nth(index).and_then(number)
}

/// The number that `digits` are, perhaps with white space behind.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    core::str::from_utf8(digits).ok()?.trim_end().parse().ok()
}

/// The start of a file, or nothing if it cannot be read.
pub(super) fn contents(path: &str, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; most];
    let file = File::open(path.as_bytes(), libc::O_RDONLY);
    let count = file.and_then(|file| file.read(&mut bytes)).unwrap_or(0);
    bytes.truncate(count);
    bytes
}

/// Writes to a file, if that can be done.
pub(super) fn put(path: &str, bytes: &[u8]) {
    if let Ok(file) = File::open(path.as_bytes(), libc::O_WRONLY) {
        let _ = write_all(file.fd(), bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proportional_size_is_read() {
        let text = b"55d0-7ffc ---p 00000000 00:00 0    [rollup]\nRss:     900 kB\nPss:     123 kB\nPss_Dirty: 9 kB\n";
        assert_eq!(proportional(text), 123 * 1024);
        for text in [&b""[..], b"Pss:", b"Pss: x kB", b"Pss: 5 MB"] {
            assert_eq!(proportional(text), 0);
        }
    }
}
