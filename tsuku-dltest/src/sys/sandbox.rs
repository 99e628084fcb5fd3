//! What a library under test may not do on Linux: change files, use the network, harm processes.
//! Landlock (Documentation/userspace-api/landlock.rst) where the kernel has it, a seccomp filter
//! beside it. Neither needs privileges. Reading and executing stay allowed, and so does shared memory
//! by name, which libraries make in constructors (libcapi20 does): no verdict shall change.

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
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_REGULAR: u64 = 1 << 8;
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
    filter: Option<Filter>,
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

    /// Restricts the calling process, whose number is `own`, for good.
    pub(super) fn apply(&self, own: i32) -> Result<(), Errno> {
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
            let mut program = filter.of(own);
            let program =
                libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
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

/// A Landlock ruleset: no writing but to shared memory and devices that keep nothing, no TCP, no
/// signals to processes outside.
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
    let write = WRITE_FILE | since(3, TRUNCATE);
    let devices = [c"/dev/null", c"/dev/zero", c"/dev/full"].map(|path| (path, write));
    // POSIX shared memory and semaphores, shm_overview(7).
    let memory = (c"/dev/shm", write | MAKE_REGULAR | REMOVE_FILE);
    for (path, allowed) in devices.into_iter().chain([memory]) {
        let Ok(place) = File::open(path.to_bytes(), libc::O_PATH) else { continue };
        let rule = PathBeneath { allowed, parent: place.fd() };
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
    libc::SYS_acct,
    libc::SYS_bpf,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_kexec_load,
    libc::SYS_mount,
    libc::SYS_pivot_root,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_umount2,
    libc::SYS_vhangup,
    PIDFD_GETFD,
    // It takes an open directory of /proc for a pidfd.
    PIDFD_SEND_SIGNAL,
    // It would open sockets past this list.
    IO_URING_SETUP,
    // All that a library starts stays in one process group, and so can be killed at once.
    libc::SYS_setsid,
    libc::SYS_setpgid,
];

/// Refused when the first argument aims at the parent, its caller, their group, or everybody.
const AIMED: &[c_long] = &[
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    PIDFD_OPEN,
];
/// Refused unless the first argument means the process itself: root, and the owner of a process, may
/// slow down every other one on the machine by these, and Landlock knows nothing of them.
const OWN_FIRST: &[c_long] = &[
    libc::SYS_prlimit64,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
];
/// Refused unless the second argument means the process itself, or when the first one means all
/// processes of a user.
const OWN_SECOND: &[c_long] = &[libc::SYS_setpriority, libc::SYS_ioprio_set];
/// The first argument of these that means one process (`IOPRIO_WHO_PROCESS`), or less: setpriority's
/// `PRIO_PROCESS` and `PRIO_PGRP` (each child leads a group of its own).
const WHO_PROCESS: u32 = 1;

const PIDFD_SEND_SIGNAL: c_long = 424;
const IO_URING_SETUP: c_long = 425;
const PIDFD_OPEN: c_long = 434;
const PIDFD_GETFD: c_long = 438;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST: u32 = 16;
const SECOND: u32 = 24;

/// A filter in classic BPF, whole but for the number of the process that installs it.
#[derive(Debug)]
struct Filter {
    program: Vec<libc::sock_filter>,
    /// The statement that compares with that number.
    own: usize,
}

impl Filter {
    /// The program for the process with the number `own`.
    fn of(&self, own: i32) -> Vec<libc::sock_filter> {
        let mut program = self.program.clone();
        program[self.own].k = own as u32;
        program
    }
}

/// The filter for the children of `parent`.
fn filter(parent: i32) -> Filter {
    // SAFETY: have no preconditions.
    let (group, caller) = unsafe { (libc::getpgrp(), libc::getppid()) };
    program(&targets(parent, caller, group))
}

/// The numbers by which kill(2) and its kind name those who must not be harmed. A caller or a group
/// outside of this process's namespace has the number 0, which to these calls means the one that calls.
fn targets(parent: i32, caller: i32, group: i32) -> Vec<i32> {
    let mut targets = vec![-1];
    for target in [parent, caller, group, -group] {
        if target != 0 && !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets
}

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const ABOVE: u16 = 0x25;
const RETURN: u16 = 0x06;

fn statement(code: u16, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt: 0, jf: 0, k }
}

/// Skips the next statement if the comparison does not hold.
fn unless(code: u16, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt: 0, jf: 1, k }
}

fn error(errno: i32) -> libc::sock_filter {
    statement(RETURN, libc::SECCOMP_RET_ERRNO | errno as u32)
}

const ALLOW: libc::sock_filter =
    libc::sock_filter { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };

/// What to do with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Refuse,
    /// Look where the first argument aims.
    Aimed,
    /// Look whether the first, or the second, argument means the process itself.
    OwnFirst,
    OwnSecond,
}

fn program(targets: &[i32]) -> Filter {
    let rules = [
        (REFUSED, Rule::Refuse),
        (AIMED, Rule::Aimed),
        (OWN_FIRST, Rule::OwnFirst),
        (OWN_SECOND, Rule::OwnSecond),
    ];
    let of = |(numbers, rule): (&'static [c_long], Rule)| {
        numbers.iter().map(move |number| (*number as u32, rule))
    };
    let mut rules: Vec<(u32, Rule)> = rules.into_iter().flat_map(of).collect();
    rules.sort_unstable_by_key(|(number, _)| *number);
    let mut program = vec![
        statement(LOAD, ARCHITECTURE),
        libc::sock_filter { code: EQUAL, jt: 1, jf: 0, k: AUDIT_ARCH },
        error(libc::ENOSYS),
        statement(LOAD, NUMBER),
    ];
    if cfg!(target_arch = "x86_64") {
        // The x32 calls, which would go round the list.
        program.extend([unless(AT_LEAST, 0x4000_0000), error(libc::ENOSYS)]);
    }
    search(&rules, &mut program);
    let own_second = program.len();
    program.extend([
        statement(LOAD, FIRST),
        unless(ABOVE, WHO_PROCESS),
        error(libc::EPERM),
        statement(LOAD, SECOND),
        statement(JUMP, 1),
    ]);
    let own_first = program.len();
    program.extend([statement(LOAD, FIRST), unless(EQUAL, 0), ALLOW]);
    let own = program.len();
    program.extend([unless(EQUAL, 0), ALLOW, error(libc::EPERM)]);
    let aimed = program.len();
    program.push(statement(LOAD, FIRST));
    for target in targets {
        program.extend([unless(EQUAL, *target as u32), error(libc::EPERM)]);
    }
    program.push(ALLOW);
    // What `search` left open: how far it is to the statements that look at arguments.
    for (at, it) in
        program.iter_mut().enumerate().take(own_second).filter(|(_, it)| it.code == JUMP)
    {
        let target = match it.k {
            rule if rule == Rule::Aimed as u32 => aimed,
            rule if rule == Rule::OwnFirst as u32 => own_first,
            _ => own_second,
        };
        it.k = (target - at - 1) as u32;
    }
    Filter { program, own }
}

/// A binary search for the number among `rules`, which are sorted. When a filter is installed, the
/// kernel runs it for each number that there is (seccomp_cache_prepare): one after the other would
/// cost as much as the fork.
fn search(rules: &[(u32, Rule)], program: &mut Vec<libc::sock_filter>) {
    if rules.len() > 2 {
        let (left, right) = rules.split_at(rules.len() / 2);
        let branch = program.len();
        program.push(statement(AT_LEAST, right[0].0));
        search(left, program);
        program[branch].jt = (program.len() - branch - 1) as u8;
        return search(right, program);
    }
    for (number, rule) in rules {
        program.push(unless(EQUAL, *number));
        program.push(match rule {
            Rule::Refuse => error(libc::EPERM),
            aimed => statement(JUMP, *aimed as u32),
        });
    }
    program.push(ALLOW);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel does, for the few operations that it has.
    fn verdict(filter: &[libc::sock_filter], number: c_long, first: i32, second: i32) -> u32 {
        let load = |at| match at {
            NUMBER => number as u32,
            ARCHITECTURE => AUDIT_ARCH,
            FIRST => first as u32,
            SECOND => second as u32,
            _ => panic!("{at}"),
        };
        let (mut at, mut value) = (0, 0);
        loop {
            let it = &filter[at];
            let jump = |holds| usize::from(if holds { it.jt } else { it.jf });
            at += 1 + match it.code {
                0x20 => {
                    value = load(it.k);
                    0
                }
                0x05 => it.k as usize,
                0x15 => jump(value == it.k),
                0x25 => jump(value > it.k),
                0x35 => jump(value >= it.k),
                0x06 => return it.k,
                code => panic!("{code:#x}"),
            };
        }
    }

    #[test]
    fn the_filter_refuses_what_aims_at_others() {
        let filter = program(&targets(100, 50, 40)).of(77);
        let allowed = |number, first, second| {
            verdict(&filter, number, first, second) == libc::SECCOMP_RET_ALLOW
        };
        for number in AIMED {
            for target in [100, 50, 40, -40, -1] {
                assert!(!allowed(*number, target, 0), "{number} {target}");
            }
            for target in [0, 1, 77, 101, -101] {
                assert!(allowed(*number, target, 0), "{number} {target}");
            }
        }
        for other in [1, -1, 40, 50, 76, 78, 100] {
            for number in OWN_FIRST {
                assert!(!allowed(*number, other, 0), "{number} {other}");
            }
            for number in OWN_SECOND {
                assert!(!allowed(*number, 0, other) && !allowed(*number, 1, other), "{number}");
            }
        }
        for own in [0, 77] {
            assert!(OWN_FIRST.iter().all(|number| allowed(*number, own, 1)));
            for number in OWN_SECOND {
                assert!(allowed(*number, 0, own) && allowed(*number, 1, own), "{number}");
                assert!(!allowed(*number, 2, own) && !allowed(*number, 3, own), "{number}");
            }
        }
        for number in REFUSED {
            assert!(!allowed(*number, 0, 0), "{number}");
        }
        let named = [REFUSED, AIMED, OWN_FIRST, OWN_SECOND].concat();
        for number in (0..600).filter(|number| !named.contains(number)) {
            assert!(allowed(number, 100, 100), "{number}");
        }
    }

    /// In a container the program may be process 1, whose caller and group are outside.
    #[test]
    fn nobody_outside_the_namespace_is_aimed_at() {
        assert_eq!(targets(1, 0, 0), [-1, 1]);
        assert_eq!(targets(7, 1, 7), [-1, 7, 1, -7]);
    }
}
