//! What a library under test may not do on Linux: change files, use the network, harm processes.
//! Landlock (Documentation/userspace-api/landlock.rst) where the kernel has it, a seccomp filter
//! beside it. Neither needs privileges. Reading and executing stay allowed, so that no verdict
//! changes.

use super::posix::{Errno, File};
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::c_long;

// Numbers and structures of landlock.h; the libc crate lacks them on some targets.
const LANDLOCK_CREATE_RULESET: c_long = 444;
const LANDLOCK_ADD_RULE: c_long = 445;
const LANDLOCK_RESTRICT_SELF: c_long = 446;
const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: u32 = 1;
const WRITE_FILE: u64 = 1 << 1;
/// REMOVE_DIR to MAKE_SYM, bits 4 to 12: whatever changes a directory.
const CHANGE_DIRECTORIES: u64 = 0x1ff0;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const TCP: u64 = 3;
const SCOPES: u64 = 3;

#[repr(C)]
struct RulesetAttributes {
    files: u64,
    network: u64,
    scoped: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// The restrictions, prepared once in the parent.
#[derive(Debug)]
pub(super) struct Restrictions {
    /// The ruleset and the version of Landlock, where the kernel has it.
    landlock: Option<(File, u32)>,
    /// The filter, where the kernel takes filters.
    filter: Option<Vec<libc::sock_filter>>,
    required: bool,
}

impl Restrictions {
    /// What this kernel offers, for the children of process `parent`. If it is `required`, a child
    /// that cannot apply it must not go on.
    pub(super) fn prepare(parent: i32, required: bool) -> Self {
        let filter = seccomp_exists().then(|| filter(parent));
        Self { landlock: ruleset(), filter, required }
    }

    /// None at all.
    pub(super) fn none() -> Self {
        Self { landlock: None, filter: None, required: false }
    }

    /// The version of Landlock that will be applied; 0 for none.
    pub(super) fn landlock_version(&self) -> u32 {
        self.landlock.as_ref().map_or(0, |(_, version)| *version)
    }

    /// Whether the seccomp filter will be applied.
    pub(super) fn filters(&self) -> bool {
        self.filter.is_some()
    }

    /// Restricts the calling process, for good.
    pub(super) fn apply(&self) -> Result<(), Errno> {
        if self.landlock.is_none() && self.filter.is_none() {
            return Ok(());
        }
        // SAFETY: changes the rights of this process alone.
        let privileges = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        let landlock = self.landlock.as_ref().map_or(0, |(ruleset, _)| {
            // SAFETY: as above; the descriptor is a ruleset's.
            unsafe { libc::syscall(LANDLOCK_RESTRICT_SELF, ruleset.fd(), 0) as i32 }
        });
        let filter = self.filter.as_ref().map_or(0, |filter| {
            let (len, filter) = (filter.len() as u16, filter.as_ptr().cast_mut());
            let program = libc::sock_fprog { len, filter };
            // SAFETY: as above; the kernel copies the filter, whose length is that of the vector.
            unsafe {
                libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
            }
        });
        match self.required && [privileges, landlock, filter] != [0; 3] {
            true => Err(Errno::last()),
            false => Ok(()),
        }
    }
}

/// A Landlock ruleset: no writing but to /dev/null, no TCP, no signals to processes outside.
fn ruleset() -> Option<(File, u32)> {
    // SAFETY: asks for a number; the null pointer and size 0 are the documented way.
    let version = unsafe {
        let none = core::ptr::null::<RulesetAttributes>();
        libc::syscall(LANDLOCK_CREATE_RULESET, none, 0usize, CREATE_RULESET_VERSION)
    };
    let version = u32::try_from(version).ok().filter(|version| *version > 0)?;
    let since = |first: u32, rights: u64| if version >= first { rights } else { 0 };
    let attributes = RulesetAttributes {
        files: WRITE_FILE | CHANGE_DIRECTORIES | since(2, REFER) | since(3, TRUNCATE),
        network: since(4, TCP),
        scoped: since(6, SCOPES),
    };
    let size = match version {
        0..4 => 8usize,
        4..6 => 16,
        _ => 24,
    };
    // SAFETY: `attributes` holds at least `size` bytes.
    let fd = unsafe { libc::syscall(LANDLOCK_CREATE_RULESET, &raw const attributes, size, 0) };
    let ruleset = File::owning(i32::try_from(fd).ok().filter(|fd| *fd >= 0)?);
    if let Ok(null) = File::open(b"/dev/null", libc::O_PATH) {
        let allowed = WRITE_FILE | since(3, TRUNCATE);
        let rule = PathBeneath { allowed, parent: null.fd() };
        // SAFETY: `rule` is of the kind that is announced. Without the rule, less is allowed.
        unsafe {
            libc::syscall(LANDLOCK_ADD_RULE, ruleset.fd(), RULE_PATH_BENEATH, &raw const rule, 0);
        }
    }
    Some((ruleset, version))
}

/// Kernels that take filters find that this one is at no address; others do not know the mode.
fn seccomp_exists() -> bool {
    let none = core::ptr::null::<libc::sock_fprog>();
    // SAFETY: the null pointer is an error that changes nothing.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, none) };
    result == -1 && Errno::last() == Errno(libc::EFAULT)
}

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const AUDIT_ARCH: u32 = 0xc000_00f3;

/// Refused altogether: harming other processes, the network beyond TCP, what only root may do to the
/// machine, and leaving the process group.
const REFUSED: &[c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_socket,
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_swapoff,
    PIDFD_GETFD,
    // It would open sockets past this list.
    IO_URING_SETUP,
    // All that a library starts stays in one process group, and so can be killed at once.
    libc::SYS_setsid,
    libc::SYS_setpgid,
];

/// Refused when aimed at the parent, its caller, its group, or everybody.
const AIMED: &[c_long] = &[
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_prlimit64,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setparam,
    PIDFD_OPEN,
];
const PIDFD_OPEN: c_long = 434;
const IO_URING_SETUP: c_long = 425;
const PIDFD_GETFD: c_long = 438;

/// The filter for the children of `parent`, in classic BPF. Offsets are those of
/// `struct seccomp_data`: number 0, architecture 4, first argument 16.
fn filter(parent: i32) -> Vec<libc::sock_filter> {
    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    let statement = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let error = |errno: i32| statement(RETURN, libc::SECCOMP_RET_ERRNO | errno as u32);
    // SAFETY: have no preconditions.
    let (group, caller) = unsafe { (libc::getpgrp(), libc::getppid()) };
    let unless = |code, k| libc::sock_filter { code, jt: 0, jf: 1, k };
    let mut program = vec![
        statement(LOAD, 4),
        libc::sock_filter { code: EQUAL, jt: 1, jf: 0, k: AUDIT_ARCH },
        error(libc::ENOSYS),
        statement(LOAD, 0),
    ];
    if cfg!(target_arch = "x86_64") {
        // The x32 calls, which would go round the list.
        program.extend([unless(AT_LEAST, 0x4000_0000), error(libc::ENOSYS)]);
    }
    for number in REFUSED {
        program.extend([unless(EQUAL, *number as u32), error(libc::EPERM)]);
    }
    // Each of these jumps behind the one `return` that allows all others.
    for (index, number) in AIMED.iter().enumerate() {
        let to = (AIMED.len() - index) as u8;
        program.push(libc::sock_filter { code: EQUAL, jt: to, jf: 0, k: *number as u32 });
    }
    program.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
    program.push(statement(LOAD, 16));
    for target in [parent, caller, -group, -1] {
        program.extend([unless(EQUAL, target as u32), error(libc::EPERM)]);
    }
    program.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
    program
}
