//! Everything that talks to the system, and all unsafe code: `posix` for calls that systems have in
//! common, one module per platform for what a child process needs, and the start of the program.

#[cfg(self_launching)]
mod launch;
mod posix;
mod shared;

#[cfg(target_os = "linux")]
mod crash;
#[cfg(target_os = "linux")]
pub use crash::crash_again;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod mapping;
#[cfg(target_os = "linux")]
pub use mapping::Mapping;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod sandbox;
#[cfg(target_os = "linux")]
pub use linux::{Child, Parent, abilities};
#[cfg(target_os = "linux")]
pub use posix::executed_path;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub use macos::{Child, Parent, abilities, become_child};

pub use posix::{
    Errno, File, Heap, O_SEARCH, abort, arguments, current_directory, die_of_panic, dlclose,
    dlopen, end_unless, is_noexec, is_terminal, let_other_threads_run, now, open_standard_streams,
    process, processors, read_all, read_list, survive_failing_writes, thread_links, variable,
    write_all, write_some, write_stderr,
};

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

/// How much of the sandbox is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sandbox {
    /// Nothing.
    Off,
    /// What the system has.
    Auto,
    /// All of it, or no test.
    Strict,
}
