//! Child processes on Linux: one forked per library, from a parent that has loaded nothing.
//!
//! Old kernels are served (3.10): what came later is called directly, and ENOSYS or EPERM read as
//! "absent".

use super::posix::{Errno, File, exit_now, nothing_to_read, thread_links, write_all};
use super::processes::{Crowd, contents, field, number, put, tasks};
use super::sandbox::Restrictions;
use super::shared::Shared;
use super::{Ending, Sandbox, now};
use crate::child::Task;
use crate::elf::Source;
use crate::record::{Record, State};
use crate::schedule::Millis;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use core::mem::MaybeUninit;

/// Kept of what a child writes, in bytes.
const TAIL: usize = 400;
/// What wrote more than this is a flood, in bytes: it is read only now and then, or this process
/// would do nothing else.
const FLOOD: usize = 16 << 20;
/// More than a library may take while it is loaded, in bytes.
const MOST_MEMORY: u64 = 1 << 30;
/// How often all processes are looked at while a library takes its time.
const CROWD: Millis = 100;
/// More processes or threads than a library may start while it is loaded.
const MOST_TASKS: u64 = 256;
/// The same when the system allows no more.
const MOST_TASKS_STARVED: u64 = 16;

/// What `--version --verbose` says about this system.
pub fn abilities() -> String {
    // SAFETY: has no preconditions.
    let sandbox = Restrictions::prepare(unsafe { libc::getpid() }, false);
    let landlock = match sandbox.landlock_version() {
        0 => String::from("no Landlock"),
        version => format!("Landlock {version}"),
    };
    format!("{landlock}, {}", if sandbox.filters() { "seccomp" } else { "no seccomp" })
}

/// A child, from fork to wait.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    record: Shared,
    output: Option<File>,
    tail: Vec<u8>,
    written: usize,
    watched: bool,
}

impl Child {
    /// What the child reported so far.
    pub fn record(&self) -> &Record {
        self.record.get()
    }

    /// The end of what the child wrote to its standard streams.
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// Kills the child and its process group.
    pub fn kill(&self) {
        // SAFETY: the child has not been waited for, so that the number is still its own. The group
        // is that of its session, which it cannot leave; there is none before the child made it.
        unsafe {
            if libc::kill(-self.pid, libc::SIGKILL) != 0 {
                libc::kill(self.pid, libc::SIGKILL);
            }
        }
    }

    /// Lets others have the processor first, a third of a fair share left: it may be working honestly.
    pub fn yield_processor(&self) {
        // SAFETY: as for `kill`. Relative to this process, which may run at a low priority itself.
        unsafe {
            let own = libc::getpriority(libc::PRIO_PROCESS as _, 0);
            libc::setpriority(libc::PRIO_PROCESS as _, self.pid as u32, own + 5);
        }
        // Where sessions are scheduled as groups, the niceness that counts is the group's.
        put(&format!("/proc/{}/autogroup", self.pid), b"5");
    }

    /// Whether the child has been stopped by a signal.
    pub fn is_stopped(&self) -> bool {
        wait_id(self.pid, libc::WSTOPPED).is_some()
    }

    /// How the child ended, if it did. Its group is gone then too.
    pub fn ended(&mut self) -> Option<Ending> {
        let ending = wait_id(self.pid, libc::WEXITED | libc::WNOWAIT)?;
        self.kill();
        wait_id(self.pid, libc::WEXITED);
        // All that there is, unless others still write.
        let _ = (0..64).all(|_| self.drain());
        Some(ending)
    }

    /// The descriptor to wait on for what the child writes; none is -1.
    fn awaited(&self) -> i32 {
        self.output.as_ref().filter(|_| self.written < FLOOD).map_or(-1, File::fd)
    }

    /// Reads what the child wrote, as much as a pipe holds. Returns whether there was anything.
    fn drain(&mut self) -> bool {
        let Some(output) = &self.output else { return false };
        // What is not filled is not touched: a page that is must be copied after each fork.
        let mut chunk = Vec::<u8>::with_capacity(64 * 1024);
        // SAFETY: the pointer and the length are those of the vector's memory, of which the first
        // `count` bytes are initialised then.
        let count = unsafe {
            let count = libc::read(output.fd(), chunk.as_mut_ptr().cast(), chunk.capacity());
            let Ok(count) = usize::try_from(count) else { return false };
            chunk.set_len(count);
            count
        };
        if count == 0 {
            self.output = None;
            return false;
        }
        self.written = self.written.saturating_add(count);
        self.tail.extend_from_slice(&chunk[count.saturating_sub(TAIL)..]);
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
        true
    }
}

/// How child `pid` ended or stopped, as `options` ask, without blocking.
fn wait_id(pid: i32, options: i32) -> Option<Ending> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: `info` has room for what is written, and all zero is a valid value; `si_pid` and
    // `si_status` are what waitid fills in.
    unsafe {
        let options = options | libc::WNOHANG;
        let failed = libc::waitid(libc::P_PID, pid as u32, info.as_mut_ptr(), options) != 0;
        let info = info.assume_init();
        if failed || info.si_pid() == 0 {
            return None;
        }
        Some(match info.si_code {
            libc::CLD_EXITED => Ending::Exited(info.si_status()),
            _ => Ending::Signaled(info.si_status()),
        })
    }
}

/// The signals that ask a program to stop.
const STOPPING: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP];

/// The parent: this process, single-threaded, with nothing loaded but its libc.
#[derive(Debug)]
pub struct Parent {
    pid: i32,
    signals: File,
    /// The signals that ask it to stop; those that the caller ignored do not, as under nohup(1).
    stopping: Vec<i32>,
    null: File,
    restrictions: Restrictions,
    /// `/proc/self/task/TID/children`, where the kernel has it.
    children: Option<File>,
    tasks_before: u64,
    /// Children that this process had before: a caller's shell may have become this program.
    children_before: Vec<i32>,
    session: i32,
    /// When all processes are looked at next.
    crowd_due: Cell<Millis>,
    /// What [`thread_links`] says of this one thread, and of those of an emulator that runs it.
    thread_links: libc::nlink_t,
}

impl Parent {
    /// Makes this process fit to be the parent. The error is a line for people.
    pub fn prepare(sandbox: Sandbox) -> Result<Self, String> {
        let failed = |what: &str| format!("cannot {what}: {}", Errno::last());
        close_inherited();
        // SAFETY: has no preconditions.
        let pid = unsafe { libc::getpid() };
        let restrictions = match sandbox {
            Sandbox::Off => Restrictions::none(),
            Sandbox::Auto => Restrictions::prepare(pid, false),
            Sandbox::Strict => Restrictions::prepare(pid, true),
        };
        if sandbox == Sandbox::Strict
            && !(restrictions.landlock_version() > 0 && restrictions.filters())
        {
            return Err(format!("--sandbox strict: this kernel has {}", abilities()));
        }
        restrictions
            .apply_to_parent()
            .map_err(|error| format!("--sandbox strict: cannot restrict this process: {error}"))?;
        let mut stopping = Vec::from(STOPPING);
        // SAFETY: these calls set attributes of this process; the sets are initialised by the calls
        // that get them. Orphans of the children shall come to this process (since Linux 3.4); its
        // memory and its descriptors, under /proc, shall not be open to them, where they are not
        // root's; and what the caller ignored or blocked shall be no matter of the libraries.
        let signals = unsafe {
            libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
            libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
            for signal in 1..=64 {
                if libc::signal(signal, libc::SIG_DFL) == libc::SIG_IGN {
                    stopping.retain(|it| *it != signal);
                }
            }
            let mut all = MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigfillset(all.as_mut_ptr());
            libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), core::ptr::null_mut());
            let mut mask = MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigemptyset(mask.as_mut_ptr());
            for signal in stopping.iter().chain(&[libc::SIGCHLD]) {
                libc::sigaddset(mask.as_mut_ptr(), *signal);
            }
            libc::signalfd(-1, mask.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        let signals = match Errno::check(signals) {
            Ok(fd) => File::owning(fd),
            Err(_) => return Err(failed("receive signals")),
        };
        let null = nothing_to_read(libc::O_RDWR).map_err(|_| failed("open /dev/null"))?;
        let list = format!("/proc/self/task/{pid}/children");
        // SAFETY: has no preconditions.
        let session = unsafe { libc::getsid(0) };
        let mut parent = Self {
            pid,
            signals,
            stopping,
            null,
            restrictions,
            children: File::open(list.as_bytes(), libc::O_RDONLY).ok(),
            tasks_before: tasks(),
            children_before: Vec::new(),
            session,
            crowd_due: Cell::new(now() + CROWD),
            thread_links: thread_links(),
        };
        parent.children_before = parent.child_processes();
        Ok(parent)
    }

    /// What restricts the children, for people.
    pub fn sandbox(&self) -> String {
        let landlock = self.restrictions.landlock_version();
        match (landlock, self.restrictions.filters()) {
            (0, false) => String::from("none"),
            (0, true) => String::from("no_new_privs, seccomp"),
            (version, false) => format!("no_new_privs, Landlock {version}"),
            (version, true) => format!("no_new_privs, Landlock {version}, seccomp"),
        }
    }

    /// Starts a child that performs `task`. It ends with status 0 then, and never returns from here.
    ///
    /// Between fork and the task stand only the system calls of [`Parent::become_child`].
    pub fn start(&self, task: Task<'_>) -> Result<Child, Errno> {
        // A fork would leave the locks of other threads taken for ever.
        assert_eq!(thread_links(), self.thread_links, "the parent has more threads than one");
        let record = Shared::map(-1, libc::MAP_ANONYMOUS)?;
        record.get().set_state(State::Ours);
        let mut ends = [0; 2];
        // SAFETY: `ends` has room for two descriptors.
        Errno::check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
        let [output, input] = ends.map(File::owning);
        // SAFETY: this process has one thread, so that the child finds every lock of the libc free
        // and every structure whole, and may do whatever the parent could.
        match Errno::check(unsafe { libc::fork() })? {
            0 => {
                if self.become_child(input.fd()).is_ok() {
                    task.perform(record.get());
                    exit_now(0);
                }
                // Said where the parent looks for the reasons of a child that died in code of ours.
                let _ = write_all(input.fd(), b"the child process could not be set up");
                exit_now(crate::exit::NO_ANSWER)
            }
            pid => {
                record.keep_from_later_children();
                // SAFETY: the descriptor is open. The flag is that of the parent's end alone.
                unsafe { libc::fcntl(output.fd(), libc::F_SETFL, libc::O_NONBLOCK) };
                let (tail, written, watched) = (Vec::new(), 0, false);
                Ok(Child { pid, record, output: Some(output), tail, written, watched })
            }
        }
    }

    /// The whole way from fork to the library: own session, death with the parent, default signals,
    /// no core file, standard streams of its own, no other descriptor, the sandbox.
    fn become_child(&self, output: i32) -> Result<(), Errno> {
        // SAFETY: system calls on this process's own attributes, with valid pointers. Descriptors
        // are closed whose owners are never used or dropped here, since the child ends by _exit.
        unsafe {
            // The leader of a session has its number.
            let own = libc::setsid();
            libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0);
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
            if libc::getppid() != self.pid {
                exit_now(crate::exit::NO_ANSWER);
            }
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
            Errno::check(libc::dup2(self.null.fd(), libc::STDIN_FILENO))?;
            Errno::check(libc::dup2(output, libc::STDOUT_FILENO))?;
            Errno::check(libc::dup2(output, libc::STDERR_FILENO))?;
            self.restrictions.apply(own)?;
            close_from(3);
            let mut none = MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigemptyset(none.as_mut_ptr());
            libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), core::ptr::null_mut());
        }
        Ok(())
    }

    /// Waits until a child ends or writes, a signal asks to stop, or `until` is reached. Returns the
    /// number of a signal that asked.
    pub fn wait<'a>(
        &self,
        children: impl Iterator<Item = &'a mut Child>,
        until: Millis,
    ) -> Option<i32> {
        let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut children: Vec<&mut Child> = children.collect();
        let mut entries = vec![entry(self.signals.fd())];
        entries.extend(children.iter().map(|child| entry(child.awaited())));
        let time = until.saturating_sub(now()).min(60_000) as i32;
        // SAFETY: the pointer and the length are those of one vector.
        unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, time) };
        for (child, entry) in children.iter_mut().zip(&entries[1..]) {
            if entry.revents != 0 {
                child.drain();
            }
        }
        self.asked_to_stop(&children)
    }

    /// Reads the signals that came. One from a library is nothing to obey.
    fn asked_to_stop(&self, children: &[&mut Child]) -> Option<i32> {
        let mut asked = None;
        loop {
            let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
            let size = size_of::<libc::signalfd_siginfo>();
            // SAFETY: `info` has room for `size` bytes, and is filled in when so many were read.
            let info = unsafe {
                let count = libc::read(self.signals.fd(), info.as_mut_ptr().cast(), size);
                if usize::try_from(count) != Ok(size) {
                    return asked;
                }
                info.assume_init()
            };
            // SAFETY: asks for the session of a process that may be gone.
            let session = unsafe { libc::getsid(info.ssi_pid as i32) };
            let from_library = children.iter().any(|child| child.pid == session);
            if info.ssi_signo != libc::SIGCHLD as u32 && !from_library {
                asked = Some(info.ssi_signo as i32);
            }
        }
    }

    /// From now on a signal that asks to stop ends this process at once. Those that came before are
    /// dropped: they may have been a library's.
    pub fn heed_signals(&self) {
        // SAFETY: system calls on this process's own signals. `set` is initialised by sigemptyset.
        unsafe {
            let mut set = MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigemptyset(set.as_mut_ptr());
            for signal in &self.stopping {
                libc::signal(*signal, libc::SIG_IGN);
                libc::signal(*signal, libc::SIG_DFL);
                libc::sigaddset(set.as_mut_ptr(), *signal);
            }
            libc::sigprocmask(libc::SIG_UNBLOCK, set.as_ptr(), core::ptr::null_mut());
        }
    }

    /// Ends this process by `signal`, as if it had never been caught.
    pub fn die_of(&self, signal: i32) -> ! {
        // SAFETY: system calls on this process's own signals. `set` is initialised by sigemptyset.
        unsafe {
            let mut set = MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigemptyset(set.as_mut_ptr());
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
            libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), core::ptr::null_mut());
        }
        exit_now(128 + signal)
    }

    /// All processes, now and then, and at once if there is reason to look for a library that starts
    /// them without end; `starved` says that no more can be started.
    pub fn crowd(&self, starved: bool) -> Option<Crowd> {
        let now = now();
        let due = now >= self.crowd_due.get();
        if !(due || starved || self.too_many_tasks()) {
            return None;
        }
        self.crowd_due.set(now + CROWD);
        Some(Crowd::now())
    }

    /// Looks after a child that has been running for a while, among the processes of the `crowd`.
    /// Returns what it does that no library has reason to do.
    pub fn watch(
        &self,
        child: &mut Child,
        starved: bool,
        crowd: Option<&Crowd>,
    ) -> Option<crate::report::Kind> {
        if child.written >= FLOOD {
            child.drain();
        }
        if !child.watched {
            child.watched = true;
            // When memory runs out, the library shall go first.
            put(&format!("/proc/{}/oom_score_adj", child.pid), b"1000");
        }
        let pages = contents(&format!("/proc/{}/statm", child.pid), 128);
        let resident: u64 = field(&pages, 1).unwrap_or(0);
        // SAFETY: has no preconditions.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
        let exceeds = |crowd: &Crowd| crowd.memory_exceeds(child.pid, MOST_MEMORY, page);
        if resident * page > MOST_MEMORY || crowd.is_some_and(exceeds) {
            return Some(crate::report::Kind::OutOfMemory);
        }
        let most = if starved { MOST_TASKS_STARVED } else { MOST_TASKS };
        let many = crowd.is_some_and(|crowd| crowd.threads_below(child.pid) > most);
        many.then_some(crate::report::Kind::ForkBomb)
    }

    fn too_many_tasks(&self) -> bool {
        tasks() > self.tasks_before + MOST_TASKS
    }

    /// Kills what children left behind: processes that lost their own parents and so became
    /// children of this one. Returns whether there were any.
    ///
    /// Those of a library that is `running` are left to it: it may wait for what they do, and they go
    /// with its process group. So are those that were here before it, with what they started.
    pub fn sweep<'a>(&self, running: impl Iterator<Item = &'a Child>) -> bool {
        let running: Vec<i32> = running.map(|child| child.pid).collect();
        let mut orphans = self.child_processes();
        orphans.retain(|pid| !running.contains(pid) && !self.children_before.contains(pid));
        orphans.retain(|pid| {
            // SAFETY: ask for numbers of a process. Children that were not waited for keep theirs.
            let (session, group) = unsafe { (libc::getsid(*pid), libc::getpgid(*pid)) };
            if running.contains(&group) {
                wait_id(*pid, libc::WEXITED);
                return false;
            }
            session != self.session
        });
        for pid in &orphans {
            // SAFETY: children that were not waited for keep their numbers.
            unsafe {
                libc::kill(*pid, libc::SIGKILL);
                libc::kill(-pid, libc::SIGKILL);
            }
            wait_id(*pid, libc::WEXITED);
        }
        // Those that multiply must go at once, not one generation after the other.
        if !orphans.is_empty() && self.too_many_tasks() {
            Crowd::now().kill_below(&orphans);
        }
        !orphans.is_empty()
    }

    fn child_processes(&self) -> Vec<i32> {
        match &self.children {
            Some(list) => {
                // Usually a few numbers; memory that is touched costs a copy after each fork.
                let mut bytes = vec![0; 512];
                let mut count = list.read_at(0, &mut bytes);
                if count == bytes.len() {
                    bytes = vec![0; 1 << 19];
                    count = list.read_at(0, &mut bytes);
                }
                let numbers = bytes[..count].split(|byte| *byte == b' ');
                numbers.filter_map(number).filter_map(|pid| i32::try_from(pid).ok()).collect()
            }
            None => Crowd::now().children_of(self.pid),
        }
    }
}

/// Closes what the caller left open, beyond the standard streams: the libraries shall not find it.
fn close_inherited() {
    close_from(3);
}

/// Closes all descriptors from `first` on.
fn close_from(first: i32) {
    // SAFETY: callers own every descriptor from `first` on, or nobody does any more.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, i32::MAX, 0) == 0 {
            return;
        }
        // Before Linux 5.9.
        let most = libc::sysconf(libc::_SC_OPEN_MAX).clamp(256, 65536) as i32;
        for fd in first..most {
            libc::close(fd);
        }
    }
}
