//! The seccomp filter of the sandbox (seccomp(2), Documentation/userspace-api/seccomp_filter.rst): which system
//! calls are refused, and the programs in classic BPF that say so to the kernel.

use super::posix::Errno;
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::c_long;

/// Installs a filter; returns 0, or -1 for an error.
pub(super) fn install(code: &mut [libc::sock_filter]) -> i32 {
    let program = libc::sock_fprog { len: code.len() as u16, filter: code.as_mut_ptr() };
    // SAFETY: changes the rights of this process alone; the kernel copies the filter, whose length is
    // that of the slice.
    unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) }
}

/// Kernels that take filters find that this one is at no address; others do not know the mode.
pub(super) fn exists() -> bool {
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

/// Refused to the parent too, which has no need of it: reading other processes, the network beyond
/// TCP, and what only root may do to the machine.
const COMMON: &[c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_socket,
    libc::SYS_acct,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    // It lets root keep the whole system from opening files.
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    KEXEC_FILE_LOAD,
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
    // It would open sockets past this list.
    IO_URING_SETUP,
    // The later ways to mount.
    OPEN_TREE,
    MOVE_MOUNT,
    FSOPEN,
    FSMOUNT,
    FSPICK,
    MOUNT_SETATTR,
];

/// What changes files, and what Landlock knows nothing of: modes, owners, times and extended attributes.
/// One library could make another one unreadable. Refused to the parent too.
const ATTRIBUTES: &[c_long] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    FCHMODAT2,
    SETXATTRAT,
    REMOVEXATTRAT,
    FILE_SETATTR,
];
/// As above, by their older names.
#[cfg(target_arch = "x86_64")]
const OLD_ATTRIBUTES: &[c_long] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_ATTRIBUTES: &[c_long] = &[];

/// Calls of which some requests, by the second argument, are refused to the parent too.
const REQUESTS: &[c_long] = &[libc::SYS_fcntl, libc::SYS_ioctl];
/// F_SETLEASE keeps others from opening a file, and the rest takes a terminal from its session, or types
/// on it. No request of the other call has one of these numbers.
const REFUSED_REQUESTS: &[u32] = &[F_SETLEASE, TIOCSTI, TIOCSCTTY, TIOCLINUX];
const F_SETLEASE: u32 = 1024;
const TIOCSCTTY: u32 = 0x540e;
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;

/// Refused to children altogether.
const REFUSED: &[c_long] = &[
    // It takes an open directory of /proc for a pidfd.
    PIDFD_SEND_SIGNAL,
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

const KEXEC_FILE_LOAD: c_long = if cfg!(target_arch = "x86_64") { 320 } else { 294 };
const PIDFD_SEND_SIGNAL: c_long = 424;
const IO_URING_SETUP: c_long = 425;
const OPEN_TREE: c_long = 428;
const MOVE_MOUNT: c_long = 429;
const FSOPEN: c_long = 430;
const FSMOUNT: c_long = 432;
const FSPICK: c_long = 433;
const MOUNT_SETATTR: c_long = 442;
const FCHMODAT2: c_long = 452;
const SETXATTRAT: c_long = 463;
const REMOVEXATTRAT: c_long = 466;
const FILE_SETATTR: c_long = 469;
const PIDFD_OPEN: c_long = 434;
const PIDFD_GETFD: c_long = 438;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST: u32 = 16;
const SECOND: u32 = 24;

/// The children's part of the filter, whole but for the number of the process that installs it.
#[derive(Debug)]
pub(super) struct Filter {
    code: Vec<libc::sock_filter>,
    /// The statement that compares with that number.
    own: usize,
}

impl Filter {
    /// The filter for the process with the number `own`.
    pub(super) fn of(&self, own: i32) -> Vec<libc::sock_filter> {
        let mut code = self.code.clone();
        code[self.own].k = own as u32;
        code
    }
}

/// The children's part of the filter for those of `parent`.
pub(super) fn of_children(parent: i32) -> Filter {
    // SAFETY: have no preconditions.
    let (group, caller) = unsafe { (libc::getpgrp(), libc::getppid()) };
    children_filter(&targets(parent, caller, group))
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

// Operations of classic BPF, linux/bpf_common.h.
const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const ABOVE: u16 = 0x25;
const RETURN: u16 = 0x06;

/// A place that a comparison goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    Allow,
    Refuse,
    /// Not a call of this system.
    Absent,
    /// Look what the second argument asks for.
    Request,
    /// Look where the first argument aims.
    Aimed,
    /// Look whether the first, or the second, argument means the process itself.
    OwnFirst,
    OwnSecond,
    /// The statement behind the comparison.
    Next,
}

/// A program in classic BPF (Documentation/networking/filter.rst). Jumps lead forward only.
#[derive(Default)]
struct Program {
    code: Vec<libc::sock_filter>,
    /// Comparisons, and where they go: `finish` fills that in.
    open: Vec<(usize, Label, Label)>,
    places: Vec<(Label, usize)>,
}

impl Program {
    fn statement(&mut self, code: u16, k: u32) {
        self.code.push(libc::sock_filter { code, jt: 0, jf: 0, k });
    }

    /// Goes to `then` if the comparison holds, to `otherwise` if not.
    fn compare(&mut self, code: u16, k: u32, then: Label, otherwise: Label) {
        self.open.push((self.code.len(), then, otherwise));
        self.statement(code, k);
    }

    /// Here is the place that `label` means.
    fn place(&mut self, label: Label) {
        self.places.push((label, self.code.len()));
    }

    /// A binary search for the number among `rules`, which are sorted. When a filter is installed,
    /// the kernel runs it for each number that there is (seccomp_cache_prepare): one after the other
    /// would cost as much as the fork.
    fn search(&mut self, rules: &[(u32, Label)]) {
        if rules.len() > 3 {
            let (left, right) = rules.split_at(rules.len() / 2);
            let branch = self.code.len();
            self.statement(AT_LEAST, right[0].0);
            self.search(left);
            self.code[branch].jt = (self.code.len() - branch - 1) as u8;
            return self.search(right);
        }
        for (at, (number, rule)) in rules.iter().enumerate() {
            let last = at + 1 == rules.len();
            self.compare(EQUAL, *number, *rule, if last { Label::Allow } else { Label::Next });
        }
    }

    /// The program, with the ends that there are.
    fn finish(mut self) -> Vec<libc::sock_filter> {
        let error = |errno: i32| libc::SECCOMP_RET_ERRNO | errno as u32;
        for (label, answer) in [
            (Label::Allow, libc::SECCOMP_RET_ALLOW),
            (Label::Refuse, error(libc::EPERM)),
            (Label::Absent, error(libc::ENOSYS)),
        ] {
            self.place(label);
            self.statement(RETURN, answer);
        }
        for (at, then, otherwise) in self.open {
            let distance = |label| {
                let place = self.places.iter().find(|(it, _)| *it == label);
                place.map_or(0, |(_, place)| (place - at - 1) as u8)
            };
            (self.code[at].jt, self.code[at].jf) = (distance(then), distance(otherwise));
        }
        self.code
    }
}

/// The rules for some lists of numbers, sorted by number.
fn rules(lists: &[(&[c_long], Label)]) -> Vec<(u32, Label)> {
    let mut rules = Vec::new();
    for (numbers, rule) in lists {
        rules.extend(numbers.iter().map(|number| (*number as u32, *rule)));
    }
    rules.sort_unstable_by_key(|(number, _)| *number);
    rules
}

/// The filter of the parent, which its children inherit.
pub(super) fn common() -> Vec<libc::sock_filter> {
    let mut program = Program::default();
    program.statement(LOAD, ARCHITECTURE);
    program.compare(EQUAL, AUDIT_ARCH, Label::Next, Label::Absent);
    program.statement(LOAD, NUMBER);
    if cfg!(target_arch = "x86_64") {
        // The x32 calls, which would go round the list.
        program.compare(AT_LEAST, 0x4000_0000, Label::Absent, Label::Next);
    }
    program.search(&rules(&[
        (COMMON, Label::Refuse),
        (ATTRIBUTES, Label::Refuse),
        (OLD_ATTRIBUTES, Label::Refuse),
        (REQUESTS, Label::Request),
    ]));
    program.place(Label::Request);
    program.statement(LOAD, SECOND);
    for (at, request) in REFUSED_REQUESTS.iter().enumerate() {
        let last = at + 1 == REFUSED_REQUESTS.len();
        let otherwise = if last { Label::Allow } else { Label::Next };
        program.compare(EQUAL, *request, Label::Refuse, otherwise);
    }
    program.finish()
}

/// The part that each child adds. Numbers of another architecture need not concern it: the strictest
/// of all filters counts.
fn children_filter(targets: &[i32]) -> Filter {
    let mut program = Program::default();
    program.statement(LOAD, NUMBER);
    program.search(&rules(&[
        (REFUSED, Label::Refuse),
        (AIMED, Label::Aimed),
        (OWN_FIRST, Label::OwnFirst),
        (OWN_SECOND, Label::OwnSecond),
    ]));
    program.place(Label::Aimed);
    program.statement(LOAD, FIRST);
    for (at, target) in targets.iter().enumerate() {
        let last = at + 1 == targets.len();
        let otherwise = if last { Label::Allow } else { Label::Next };
        program.compare(EQUAL, *target as u32, Label::Refuse, otherwise);
    }
    program.place(Label::OwnSecond);
    program.statement(LOAD, FIRST);
    program.compare(ABOVE, WHO_PROCESS, Label::Refuse, Label::Next);
    program.statement(LOAD, SECOND);
    program.statement(JUMP, 1);
    program.place(Label::OwnFirst);
    program.statement(LOAD, FIRST);
    program.compare(EQUAL, 0, Label::Allow, Label::Next);
    let own = program.code.len();
    program.compare(EQUAL, 0, Label::Allow, Label::Refuse);
    Filter { code: program.finish(), own }
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
        let filter = children_filter(&targets(100, 50, 40)).of(77);
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

    #[test]
    fn what_no_process_here_may_do_is_refused_to_all() {
        let filter = common();
        let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
        let named = [COMMON, ATTRIBUTES, OLD_ATTRIBUTES].concat();
        for number in 0..600 {
            let expected = if named.contains(&number) { refused } else { libc::SECCOMP_RET_ALLOW };
            assert_eq!(verdict(&filter, number, 0, 0), expected, "{number}");
        }
        for number in REQUESTS {
            for request in REFUSED_REQUESTS {
                assert_eq!(verdict(&filter, *number, 5, *request as i32), refused, "{request:#x}");
            }
            // What the parent asks for, and terminals are asked.
            for request in [libc::F_GETFD, libc::F_SETFL, libc::F_SETLKW, 0x5401, 0x5413] {
                let verdict = verdict(&filter, *number, 5, request);
                assert_eq!(verdict, libc::SECCOMP_RET_ALLOW, "{request:#x}");
            }
        }
        // What the parent itself needs: to watch, to kill, to slow down, to end by a signal.
        for number in [libc::SYS_kill, libc::SYS_tgkill, libc::SYS_setpriority, PIDFD_OPEN] {
            assert!(!COMMON.contains(&number), "{number}");
        }
        if cfg!(target_arch = "x86_64") {
            let absent = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
            assert_eq!(verdict(&filter, 0x4000_0000 | libc::SYS_socket, 0, 0), absent);
        }
    }

    /// In a container the program may be process 1, whose caller and group are outside.
    #[test]
    fn nobody_outside_the_namespace_is_aimed_at() {
        assert_eq!(targets(1, 0, 0), [-1, 1]);
        assert_eq!(targets(7, 1, 7), [-1, 7, 1, -7]);
    }
}
