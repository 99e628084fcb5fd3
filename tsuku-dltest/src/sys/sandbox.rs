//! What a library under test may not do on Linux: change files, use the network, harm processes.
//! Landlock (Documentation/userspace-api/landlock.rst) where the kernel has it, a seccomp filter
//! beside it. Neither needs privileges. Reading and executing stay allowed, and so does shared memory
//! by name, which libraries make in constructors (libcapi20 does): no verdict shall change.

use super::filter::{self, Filter};
use super::posix::{Errno, File};
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
    /// The children's part of the filter, where the kernel takes filters.
    filter: Option<Filter>,
    required: bool,
}

impl Restrictions {
    /// What this kernel offers, for the children of process `parent`. If it is `required`, a child
    /// that cannot apply it must not go on.
    pub(super) fn prepare(parent: i32, required: bool) -> Self {
        let filter = filter::exists().then(|| filter::of_children(parent));
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

    /// Restricts the calling process, the parent, for good in what neither it nor a child may ever
    /// do; children inherit that. A filter costs the kernel most when it is installed: it is
    /// compiled, and tried on each number. So each child installs its own, small part alone.
    pub(super) fn apply_to_parent(&self) -> Result<(), Errno> {
        if self.landlock.is_none() && self.filter.is_none() {
            return Ok(());
        }
        // SAFETY: changes the rights of this process alone, which executes no other program.
        let privileges = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        let filter = self.filter.as_ref().map_or(0, |_| filter::install(&mut filter::common()));
        self.outcome([privileges, filter])
    }

    /// Restricts the calling process, a child with the number `own`, for good.
    pub(super) fn apply(&self, own: i32) -> Result<(), Errno> {
        let landlock = self.landlock.as_ref().map_or(0, |(ruleset, _)| {
            // SAFETY: changes the rights of this process alone; the descriptor is a ruleset's.
            unsafe { libc::syscall(LANDLOCK_RESTRICT_SELF, ruleset.fd(), 0) as i32 }
        });
        let filter = self.filter.as_ref().map_or(0, |filter| filter::install(&mut filter.of(own)));
        self.outcome([landlock, filter])
    }

    fn outcome(&self, results: [i32; 2]) -> Result<(), Errno> {
        match self.required && results != [0; 2] {
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
