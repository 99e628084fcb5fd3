//! Child processes on macOS: this program, started anew for each library. Forking is no way there:
//! CoreFoundation and others refuse to work in a process that was forked and did not exec.
//!
//! The child finds its record as descriptor 3 and its task in its arguments; a variable in its
//! environment tells it that it is one.

use super::posix::{Errno, File, current_directory, exit_now, variable};
use super::shared::Shared;
use super::{Ending, Sandbox, now};
use crate::child::Task;
use crate::environment;
use crate::record::{Record, State};
use crate::report::Kind;
use crate::schedule::Millis;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int};
use core::mem::MaybeUninit;
use core::ptr::{null, null_mut};

/// Kept of what a child writes, in bytes.
const TAIL: usize = 400;
/// How long a child that ended with its pipe still open may go unnoticed, in milliseconds.
const SLICE: Millis = 5;
/// The descriptor of the record in a child.
const RECORD: c_int = 3;
/// Marks a child, and says whether it restricts itself.
const MARK: &CStr = c"TSUKU_DLTEST_CHILD";

/// What children are denied, in the language of sandbox-exec(1).
const PROFILE: &CStr = c"(version 1)(allow default)(deny file-write*)\
(allow file-write* (literal \"/dev/null\"))(deny network*)(deny signal (target others))";

unsafe extern "C" {
    /// sandbox_init(3): deprecated, and without a successor for programs that are not bundles.
    fn sandbox_init(profile: *const c_char, flags: u64, error: *mut *mut c_char) -> c_int;
}

/// What `--version --verbose` says about this system.
pub fn abilities() -> String {
    String::from("sandbox_init")
}

/// If this process is a child: performs its task and ends.
pub fn become_child(args: &[&[u8]]) {
    let Some(mode) = variable(MARK) else { return };
    let object = File::owning(RECORD);
    let (Ok(record), Some(task)) = (Shared::map(object.fd(), 0), Task::from_args(args)) else {
        exit_now(crate::exit::NO_ANSWER)
    };
    drop(object);
    // SAFETY: calls on this process's own attributes, with valid pointers.
    unsafe {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::unsetenv(MARK.as_ptr());
        if mode != b"off" {
            let mut error = null_mut();
            let refused = sandbox_init(PROFILE.as_ptr(), 0, &raw mut error) != 0;
            if refused && mode == b"strict" {
                exit_now(crate::exit::NO_ANSWER);
            }
        }
    }
    task.perform(record.get());
    exit_now(0)
}

/// A child, from its start to wait.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    record: Shared,
    output: Option<File>,
    tail: Vec<u8>,
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
        // SAFETY: the child has not been waited for, so that the number is still its own.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            libc::kill(-self.pid, libc::SIGKILL);
        }
    }

    /// Lets others have the processor first.
    pub fn yield_processor(&self) {
        // SAFETY: as for `kill`. Relative to this process, which may run at a low priority itself.
        unsafe {
            let own = libc::getpriority(libc::PRIO_PROCESS, 0);
            libc::setpriority(libc::PRIO_PROCESS, self.pid as u32, own + 5);
        }
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
        self.drain();
        Some(ending)
    }

    fn drain(&mut self) {
        let Some(output) = &self.output else { return };
        let mut chunk = vec![0; 16384];
        for _ in 0..16 {
            match output.read(&mut chunk) {
                Ok(0) => {
                    self.output = None;
                    return;
                }
                Ok(count) => self.tail.extend_from_slice(&chunk[..count]),
                Err(_) => return,
            }
            let surplus = self.tail.len().saturating_sub(TAIL);
            self.tail.drain(..surplus);
        }
    }
}

/// A new object of shared memory for a record, all zero and without a name.
fn shared_memory() -> Result<File, Errno> {
    // SAFETY: has no preconditions.
    let name = CString::new(format!("/tsuku-dltest-{}", unsafe { libc::getpid() }));
    let name = name.map_err(|_| Errno(libc::EINVAL))?;
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    // SAFETY: `name` is NUL-terminated; a mode is given, as O_CREAT asks for.
    let object = unsafe { libc::shm_open(name.as_ptr(), flags, 0o600) };
    let object = File::owning(Errno::check(object)?);
    // SAFETY: as above.
    unsafe {
        libc::shm_unlink(name.as_ptr());
        Errno::check(libc::ftruncate(object.fd(), size_of::<Record>() as libc::off_t))?;
    }
    Ok(object)
}

fn wait_id(pid: i32, options: c_int) -> Option<Ending> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: `info` has room for what is written, and all zero is a valid value.
    let info = unsafe {
        let options = options | libc::WNOHANG;
        if libc::waitid(libc::P_PID, pid as u32, info.as_mut_ptr(), options) != 0 {
            return None;
        }
        info.assume_init()
    };
    match (info.si_pid, info.si_code) {
        (0, _) => None,
        (_, libc::CLD_EXITED) => Some(Ending::Exited(info.si_status)),
        _ => Some(Ending::Signaled(info.si_status)),
    }
}

/// What is not measured here.
pub type Crowd = core::convert::Infallible;

/// The parent.
#[derive(Debug)]
pub struct Parent {
    program: CString,
    environment: Vec<CString>,
    sandbox: Sandbox,
}

impl Parent {
    /// Makes this process fit to be the parent. The error is a line for people.
    pub fn prepare(sandbox: Sandbox) -> Result<Self, String> {
        let mode = match sandbox {
            Sandbox::Off => "off",
            Sandbox::Auto => "auto",
            Sandbox::Strict => "strict",
        };
        let mut environment: Vec<CString> =
            environment::clean(variables().into_iter(), &current_directory())
                .into_iter()
                .filter_map(|variable| CString::new(variable).ok())
                .collect();
        environment.extend(CString::new(format!("{}={mode}", MARK.to_string_lossy())).ok());
        let program = program().ok_or("cannot tell where this program is")?;
        Ok(Self { program, environment, sandbox })
    }

    /// What restricts the children, for people.
    pub fn sandbox(&self) -> String {
        String::from(match self.sandbox {
            Sandbox::Off => "none",
            Sandbox::Auto | Sandbox::Strict => "sandbox_init: no writing, no network, no signals",
        })
    }

    /// Starts a child that performs `task`.
    pub fn start(&self, task: Task<'_>) -> Result<Child, Errno> {
        let object = shared_memory()?;
        let record = Shared::map(object.fd(), 0)?;
        record.get().set_state(State::Ours);
        let mut ends = [0; 2];
        // SAFETY: `ends` has room for two descriptors.
        Errno::check(unsafe { libc::pipe(ends.as_mut_ptr()) })?;
        let [output, input] = ends.map(File::owning);
        // SAFETY: the descriptor is open.
        unsafe { libc::fcntl(output.fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        let args: Result<Vec<CString>, _> = core::iter::once(self.program.to_bytes())
            .chain(task.to_args())
            .map(CString::new)
            .collect();
        let args = args.map_err(|_| Errno(libc::ENOENT))?;
        let pid = self.spawn(&args, input.fd(), object.fd())?;
        Ok(Child { pid, record, output: Some(output), tail: Vec::new() })
    }

    /// Starts this program with its own session, default signals, and no descriptors but the
    /// standard ones and the record.
    fn spawn(&self, args: &[CString], output: c_int, record: c_int) -> Result<i32, Errno> {
        let pointers = |strings: &[CString]| -> Vec<*mut c_char> {
            let strings = strings.iter().map(|it| it.as_ptr().cast_mut());
            strings.chain(core::iter::once(null_mut())).collect()
        };
        let (argv, envp) = (pointers(args), pointers(&self.environment));
        let flags = libc::POSIX_SPAWN_CLOEXEC_DEFAULT
            | libc::POSIX_SPAWN_SETSIGDEF
            | libc::POSIX_SPAWN_SETSIGMASK
            | POSIX_SPAWN_SETSID;
        let mut actions = MaybeUninit::<libc::posix_spawn_file_actions_t>::uninit();
        let mut attributes = MaybeUninit::<libc::posix_spawnattr_t>::uninit();
        let (mut all, mut none) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        let mut pid = 0;
        // SAFETY: actions and attributes are initialised first and destroyed last; the sets are
        // initialised by the calls that fill them; both lists end with null, and the strings in them
        // outlive the call.
        let result = unsafe {
            let (actions, attributes) = (actions.as_mut_ptr(), attributes.as_mut_ptr());
            libc::sigfillset(all.as_mut_ptr());
            libc::sigemptyset(none.as_mut_ptr());
            libc::posix_spawn_file_actions_init(actions);
            libc::posix_spawnattr_init(attributes);
            libc::posix_spawnattr_setflags(attributes, flags as libc::c_short);
            libc::posix_spawnattr_setsigdefault(attributes, all.as_ptr());
            libc::posix_spawnattr_setsigmask(attributes, none.as_ptr());
            let null_device = c"/dev/null".as_ptr();
            libc::posix_spawn_file_actions_addopen(actions, 0, null_device, libc::O_RDONLY, 0);
            libc::posix_spawn_file_actions_adddup2(actions, record, RECORD);
            libc::posix_spawn_file_actions_adddup2(actions, output, libc::STDOUT_FILENO);
            libc::posix_spawn_file_actions_adddup2(actions, output, libc::STDERR_FILENO);
            let program = self.program.as_ptr();
            let (argv, envp) = (argv.as_ptr(), envp.as_ptr());
            let result = libc::posix_spawn(&raw mut pid, program, actions, attributes, argv, envp);
            libc::posix_spawn_file_actions_destroy(actions);
            libc::posix_spawnattr_destroy(attributes);
            result
        };
        if result == 0 { Ok(pid) } else { Err(Errno(result)) }
    }

    /// Waits until a child ends or writes, or `until` is reached. Signals are not caught here.
    pub fn wait<'a>(
        &self,
        children: impl Iterator<Item = &'a mut Child>,
        until: Millis,
    ) -> Option<i32> {
        let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut children: Vec<&mut Child> = children.collect();
        let mut entries: Vec<libc::pollfd> = children
            .iter()
            .map(|child| entry(child.output.as_ref().map_or(-1, File::fd)))
            .collect();
        let time = until.saturating_sub(now()).min(SLICE) as c_int;
        // SAFETY: the pointer and the length are those of one vector.
        unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, time) };
        for (child, entry) in children.iter_mut().zip(&entries) {
            if entry.revents != 0 {
                child.drain();
            }
        }
        None
    }

    /// Signals are not caught here.
    pub fn heed_signals(&self) {}

    /// Ends this process by `signal`.
    pub fn die_of(&self, signal: i32) -> ! {
        // SAFETY: system calls on this process's own signals.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
        exit_now(128 + signal)
    }

    /// Nothing is measured here: time alone limits a child.
    pub fn crowd(&self, _: bool) -> Option<Crowd> {
        None
    }

    /// As above.
    pub fn watch(&self, _: &mut Child, _: bool, _: Option<&Crowd>) -> Option<Kind> {
        None
    }

    /// Orphans go to launchd here; process groups are killed as their leaders end.
    pub fn sweep<'a>(&self, _: impl Iterator<Item = &'a Child>) -> bool {
        false
    }
}

/// sys/spawn.h, since macOS 10.15.
const POSIX_SPAWN_SETSID: c_int = 0x0400;

/// The path of this program.
fn program() -> Option<CString> {
    let mut path = vec![0u8; libc::PATH_MAX as usize];
    let mut size = path.len() as u32;
    // The libc crate has it leave to another crate, for one function.
    #[expect(deprecated)]
    // SAFETY: the pointer and the size are those of one buffer.
    let known = unsafe { libc::_NSGetExecutablePath(path.as_mut_ptr().cast(), &raw mut size) } == 0;
    path.truncate(path.iter().position(|byte| *byte == 0)?);
    known.then(|| CString::new(path).ok())?
}

/// The environment, each variable as `NAME=value`.
fn variables() -> Vec<&'static [u8]> {
    let mut variables = Vec::new();
    // SAFETY: the list is null-terminated, its strings NUL-terminated; this process has one thread
    // and does not change its environment while the result is in use.
    unsafe {
        let mut slot: *mut *mut c_char = *libc::_NSGetEnviron();
        while !slot.is_null() && *slot != null::<c_char>().cast_mut() {
            variables.push(CStr::from_ptr(*slot).to_bytes());
            slot = slot.add(1);
        }
    }
    variables
}
