//! The program's first instructions on Linux: it loads the dynamic loader by itself.
//!
//! The loader obeys the environment long before `main`: `LD_PRELOAD` and `LD_AUDIT` run foreign
//! code, `LD_TRACE_LOADED_OBJECTS` and `LD_SHOW_AUXV` print to standard output, and an empty entry
//! in `LD_LIBRARY_PATH` means the current directory. So the program is linked without `PT_INTERP`
//! (`build.rs`): the kernel starts it at `_launch`, which cleans the environment in place, maps the
//! loader as the kernel would have done, and jumps to it. From there on everything is as usual. It
//! remains one plain dynamic file whose needs any tool can read, and no other program is executed.
//!
//! Nothing here may rely on a relocation, for none has been applied: no statics that hold
//! addresses, no calls into other crates or the libc, also none that the compiler would invent for
//! a loop that copies, clears or measures memory. Therefore every access goes through `get` and
//! `put`, which hold an (empty) assembly block that the compiler must take for an access to any
//! memory, and integers stand for addresses.

use core::arch::{asm, naked_asm};
use core::ffi::CStr;

#[cfg(all(target_env = "gnu", target_arch = "x86_64"))]
const LOADER: &CStr = c"/lib64/ld-linux-x86-64.so.2";
#[cfg(all(target_env = "gnu", target_arch = "aarch64"))]
const LOADER: &CStr = c"/lib/ld-linux-aarch64.so.1";
#[cfg(all(target_env = "musl", target_arch = "x86_64"))]
const LOADER: &CStr = c"/lib/ld-musl-x86_64.so.1";
#[cfg(all(target_env = "musl", target_arch = "aarch64"))]
const LOADER: &CStr = c"/lib/ld-musl-aarch64.so.1";

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = libc::EM_X86_64;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = libc::EM_AARCH64;

/// Variables that steer a loader or a C library, by the beginnings of their names, each ended by
/// `|`. `LD_LIBRARY_PATH` alone is kept.
const DROPPED: &CStr =
    c"LD_|DYLD_|GLIBC_TUNABLES=|MALLOC_|GCONV_PATH=|GETCONF_DIR=|LOCPATH=|MUSL_|";
const LIBRARY_PATH: &CStr = c"LD_LIBRARY_PATH=|";

type Header = libc::Elf64_Ehdr;
type Segment = libc::Elf64_Phdr;
const SEGMENT: usize = size_of::<Segment>();
const WORD: usize = size_of::<usize>();

/// The address of a field of the C structure at an address.
macro_rules! field {
    ($address:expr, $structure:ty, $field:ident) => {
        $address + core::mem::offset_of!($structure, $field)
    };
}

/// The entry point: calls [`launch`] with the initial stack, unless a loader was here already
/// (`ld.so tsuku-dltest ...`), which shows by the relocated word. Then it jumps on: to the mapped
/// loader, or to the C start files' `_start`.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _launch() -> ! {
    naked_asm!(
        ".pushsection .data.rel.ro._launch, \"aw\"",
        ".balign 8",
        "77: .quad _launch",
        ".popsection",
        "xor ebp, ebp",
        "mov rbx, rsp",
        "mov r12, rdx",
        "lea rax, [rip + _start]",
        "lea rcx, [rip + _launch]",
        "cmp rcx, [rip + 77b]",
        "je 2f",
        "mov rdi, rsp",
        "lea rsi, [rip + _DYNAMIC]",
        "mov rdx, rax",
        "and rsp, -16",
        "call {launch}",
        "2:",
        "mov rsp, rbx",
        "mov rdx, r12",
        "jmp rax",
        launch = sym launch,
    )
}

/// As above.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _launch() -> ! {
    naked_asm!(
        ".pushsection .data.rel.ro._launch, \"aw\"",
        ".balign 8",
        "77: .quad _launch",
        ".popsection",
        "mov x29, xzr",
        "mov x30, xzr",
        "mov x19, x0",
        "adrp x16, _start",
        "add x16, x16, :lo12:_start",
        "adrp x2, _launch",
        "add x2, x2, :lo12:_launch",
        "adrp x3, 77b",
        "ldr x3, [x3, :lo12:77b]",
        "cmp x2, x3",
        "b.eq 2f",
        "mov x0, sp",
        "adrp x1, _DYNAMIC",
        "add x1, x1, :lo12:_DYNAMIC",
        "mov x2, x16",
        "bl {launch}",
        "mov x16, x0",
        "2:",
        "mov x0, x19",
        "br x16",
        launch = sym launch,
    )
}

/// Cleans the environment, maps the loader, describes the program to it in the auxiliary vector,
/// and returns the loader's entry point.
///
/// # Safety
/// `stack` is the stack as the kernel leaves it to a new process: the number of arguments, their
/// addresses, null, those of the environment, null, the auxiliary vector. `dynamic` is the address
/// of this program's dynamic segment, `start` that of the entry point the loader shall call.
unsafe extern "C" fn launch(stack: usize, dynamic: usize, start: usize) -> usize {
    // SAFETY: the addresses read and written are those of the words that the caller vouches for,
    // and of memory mapped here.
    unsafe {
        let arguments: usize = get(stack);
        let environment = stack + WORD * (arguments + 2);
        clean(environment);
        let mut vector = environment;
        while get::<usize>(vector) != 0 {
            vector += WORD;
        }
        vector += WORD;
        let (base, entry) = map_loader(auxiliary(vector, libc::AT_PAGESZ));
        let (segments, count) = describe(
            get(auxiliary_slot(vector, libc::AT_PHDR)),
            auxiliary(vector, libc::AT_PHNUM),
            dynamic,
        );
        put(auxiliary_slot(vector, libc::AT_PHDR), segments);
        put(auxiliary_slot(vector, libc::AT_PHNUM), count);
        put(auxiliary_slot(vector, libc::AT_BASE), base);
        put(auxiliary_slot(vector, libc::AT_ENTRY), start);
        entry
    }
}

/// Removes the variables of [`DROPPED`] from the environment at `slot`, and moves what follows,
/// the auxiliary vector too: loaders look for it right behind.
unsafe fn clean(mut slot: usize) {
    // SAFETY: the words up to the vector's end and the strings they point to belong to the stack
    // that `launch` was given; each word moves to its own place or to a lower one.
    unsafe {
        let valgrind = on_valgrind();
        let mut kept = slot;
        loop {
            let mut variable: usize = get(slot);
            slot += WORD;
            if variable == 0 {
                break;
            }
            let value = match_any(variable, LIBRARY_PATH);
            if value != 0 {
                variable = clean_library_path(variable, value);
            } else if match_any(variable, DROPPED) != 0
                && !(valgrind && match_any(variable, c"LD_PRELOAD=|") != 0)
            {
                variable = 0;
            }
            if variable != 0 {
                put(kept, variable);
                kept += WORD;
            }
        }
        put(kept, 0usize);
        kept += WORD;
        loop {
            let (kind, value): (usize, usize) = (get(slot), get(slot + WORD));
            put(kept, kind);
            put(kept + WORD, value);
            slot += 2 * WORD;
            kept += 2 * WORD;
            if kind == libc::AT_NULL as usize {
                return;
            }
        }
    }
}

/// Whether valgrind runs the program. It replaces malloc by means of `LD_PRELOAD`, and without
/// that takes the C library's own malloc for faulty; nothing else can give this answer.
/// The sequence is that of `RUNNING_ON_VALGRIND` in valgrind.h, nothing at all elsewhere.
fn on_valgrind() -> bool {
    let request: [usize; 6] = [0x1001, 0, 0, 0, 0, 0];
    let mut answer = 0usize;
    // SAFETY: the rotations add up to a whole turn; only `answer` changes, and only on valgrind,
    // which reads `request`.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") &raw const request, inout("rdx") answer, out("rdi") _, options(nostack));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("ror x12, x12, #3", "ror x12, x12, #13", "ror x12, x12, #51", "ror x12, x12, #61",
            "orr x10, x10, x10", in("x4") &raw const request, inout("x3") answer, out("x12") _,
            options(nostack));
    }
    answer != 0
}

/// Where the string at `text` goes on after one of the `names`, or 0 if it begins with none.
unsafe fn match_any(text: usize, names: &'static CStr) -> usize {
    // SAFETY: both strings are NUL-terminated, and no byte behind the NUL is read.
    unsafe {
        let mut name = names.as_ptr() as usize;
        let mut at = text;
        let mut same = true;
        loop {
            let expected: u8 = get(name);
            name += 1;
            if expected == 0 {
                return 0;
            } else if expected == b'|' {
                if same {
                    return at;
                }
                at = text;
                same = true;
            } else if same {
                same = get::<u8>(at) == expected;
                at += 1;
            }
        }
    }
}

/// `LD_LIBRARY_PATH` without empty entries, which mean the current directory, and with relative
/// entries made absolute; 0 when nothing is left. `$ORIGIN` is not relative to the current
/// directory and stays.
unsafe fn clean_library_path(variable: usize, value: usize) -> usize {
    // SAFETY: `variable` is NUL-terminated and `value` lies in it. What is written fits: an entry
    // is lengthened at most by the current directory and a slash, and the NUL of the variable pays
    // for the last separator.
    unsafe {
        let (mut end, mut entries) = (value, 1);
        while get::<u8>(end) != 0 {
            entries += is_separator(get(end)) as usize;
            end += 1;
        }
        let directory = map_anonymous(libc::PATH_MAX as usize);
        let directory_length = current_directory(directory, libc::PATH_MAX as usize);
        let new = map_anonymous(end - variable + entries * (directory_length + 1) + 1);
        let mut out = copy(variable, value, new);
        let mut entry = value;
        let first = out;
        while entry < end {
            let mut next = entry;
            while next < end && !is_separator(get(next)) {
                next += 1;
            }
            let from_root = get::<u8>(entry) == b'/' || begins_with_origin(entry);
            if next > entry && (from_root || directory_length > 0) {
                if out > first {
                    put(out, b':');
                    out += 1;
                }
                if !from_root {
                    out = copy(directory, directory + directory_length, out);
                    put(out, b'/');
                    out += 1;
                }
                out = copy(entry, next, out);
            }
            entry = next + 1;
        }
        put(out, 0u8);
        if out == first { 0 } else { new }
    }
}

/// Whether the loader reads the beginning of an entry as the directory of this program. musl takes the
/// words literally in this list, and glibc those of longer names.
unsafe fn begins_with_origin(entry: usize) -> bool {
    if cfg!(target_env = "musl") {
        return false;
    }
    // SAFETY: the entry is NUL-terminated, and no byte behind the NUL is read.
    unsafe {
        let behind = match_any(entry, c"$ORIGIN|");
        match_any(entry, c"${ORIGIN}|") != 0
            || (behind != 0
                && !matches!(get::<u8>(behind), b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_'))
    }
}

/// glibc splits the list at `:` and `;`, musl at `:` and newlines.
fn is_separator(byte: u8) -> bool {
    byte == b':'
        || (byte == b';' && cfg!(target_env = "gnu"))
        || (byte == b'\n' && cfg!(target_env = "musl"))
}

/// Writes the current directory to `buffer` and returns its length, or 0 if it has no name that
/// can stand in a list of directories.
unsafe fn current_directory(buffer: usize, size: usize) -> usize {
    // SAFETY: the kernel writes at most `size` bytes, with a NUL.
    unsafe {
        let written = call(libc::SYS_getcwd, buffer, size, 0, 0, 0, 0);
        if failed(written) || get::<u8>(buffer) != b'/' {
            return 0;
        }
        let mut at = buffer;
        loop {
            let byte: u8 = get(at);
            if byte == 0 {
                return at - buffer;
            }
            if is_separator(byte) || (byte == b'$' && cfg!(target_env = "gnu")) {
                return 0;
            }
            at += 1;
        }
    }
}

/// Maps the loader's segments and returns its base and its entry point.
unsafe fn map_loader(page: usize) -> (usize, usize) {
    // SAFETY: the header is read into a page of our own, its size checked; the segments are mapped
    // over a range reserved for all of them.
    unsafe {
        let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as usize;
        let path = LOADER.as_ptr() as usize;
        let file = call(libc::SYS_openat, libc::AT_FDCWD as usize, path, flags, 0, 0, 0);
        if failed(file) {
            refuse(c" is not here, and this build of tsuku-dltest needs it. Use the build for this system's libc.\n");
        }
        let header = map_anonymous(page);
        let length = call(libc::SYS_pread64, file, header, page, 0, 0, 0);
        let table = header + get::<u64>(field!(header, Header, e_phoff)) as usize;
        let count = get::<u16>(field!(header, Header, e_phnum)) as usize;
        if failed(length)
            || length < size_of::<Header>()
            || get::<u32>(header) != u32::from_le_bytes(*b"\x7fELF")
            || get::<u16>(field!(header, Header, e_type)) != libc::ET_DYN
            || get::<u16>(field!(header, Header, e_machine)) != MACHINE
            || count == 0
            || table < header
            || table - header > length
            || count * SEGMENT > length - (table - header)
        {
            refuse(c" is not a dynamic loader for this machine.\n");
        }
        let (start, end) = extent(table, count, page);
        if start >= end {
            refuse(c" has nothing to load.\n");
        }
        let place = map(0, end - start, libc::PROT_NONE, libc::MAP_ANONYMOUS, usize::MAX, 0);
        // What is added to the addresses in the file; prelink gave loaders addresses of their own.
        let base = place.wrapping_sub(start);
        let mut segment = table;
        while segment < table + count * SEGMENT {
            if get::<u32>(field!(segment, Segment, p_type)) == libc::PT_LOAD {
                map_segment(segment, base, file, page);
            }
            segment += SEGMENT;
        }
        call(libc::SYS_close, file, 0, 0, 0, 0, 0);
        (base, base.wrapping_add(get::<u64>(field!(header, Header, e_entry)) as usize))
    }
}

/// The addresses where the loader's first page begins and where its last one ends.
unsafe fn extent(table: usize, count: usize, page: usize) -> (usize, usize) {
    let (mut start, mut end) = (usize::MAX, 0);
    let mut segment = table;
    while segment < table + count * SEGMENT {
        // SAFETY: `table` holds `count` program headers.
        unsafe {
            if get::<u32>(field!(segment, Segment, p_type)) == libc::PT_LOAD {
                let first = get::<u64>(field!(segment, Segment, p_vaddr)) as usize;
                let last = first + get::<u64>(field!(segment, Segment, p_memsz)) as usize;
                if first < start {
                    start = first;
                }
                if last > end {
                    end = last;
                }
            }
        }
        segment += SEGMENT;
    }
    (start & !(page - 1), (end + page - 1) & !(page - 1))
}

/// Maps one segment of `file` to its place behind `base`, and clears what the file does not fill.
unsafe fn map_segment(segment: usize, base: usize, file: usize, page: usize) {
    // SAFETY: `segment` is a program header of the loader, whose place was reserved by the caller.
    unsafe {
        let flags: u32 = get(field!(segment, Segment, p_flags));
        let mut protection = libc::PROT_NONE;
        if flags & libc::PF_R != 0 {
            protection |= libc::PROT_READ;
        }
        if flags & libc::PF_W != 0 {
            protection |= libc::PROT_WRITE;
        }
        if flags & libc::PF_X != 0 {
            protection |= libc::PROT_EXEC;
        }
        let address = base.wrapping_add(get::<u64>(field!(segment, Segment, p_vaddr)) as usize);
        let offset = get::<u64>(field!(segment, Segment, p_offset)) as usize;
        let filled = address + get::<u64>(field!(segment, Segment, p_filesz)) as usize;
        let end = address + get::<u64>(field!(segment, Segment, p_memsz)) as usize;
        let first = address & !(page - 1);
        let filled_pages = (filled + page - 1) & !(page - 1);
        let fixed = libc::MAP_FIXED;
        if filled > address {
            map(first, filled - first, protection, fixed, file, offset & !(page - 1));
        }
        if end > filled {
            let mut at = filled;
            while at < filled_pages {
                put(at, 0u8);
                at += 1;
            }
            if end > filled_pages {
                let rest = end - filled_pages;
                let anonymous = fixed | libc::MAP_ANONYMOUS;
                map(filled_pages, rest, protection, anonymous, usize::MAX, 0);
            }
        }
    }
}

/// A copy of the program headers at `table`, with the two that the loader expects and that were
/// not linked: `PT_PHDR`, by which it finds the program's base, and `PT_INTERP`, its own name.
unsafe fn describe(table: usize, count: usize, dynamic: usize) -> (usize, usize) {
    // SAFETY: `table` holds `count` program headers; the new table has room for two more.
    unsafe {
        let mut base = 0;
        let mut segment = table;
        while segment < table + count * SEGMENT {
            if get::<u32>(field!(segment, Segment, p_type)) == libc::PT_DYNAMIC {
                base = dynamic - get::<u64>(field!(segment, Segment, p_vaddr)) as usize;
            }
            segment += SEGMENT;
        }
        let new = map_anonymous((count + 2) * SEGMENT);
        let mut out = new + 2 * SEGMENT;
        segment = table;
        while segment < table + count * SEGMENT {
            let kind: u32 = get(field!(segment, Segment, p_type));
            if kind != libc::PT_PHDR && kind != libc::PT_INTERP {
                copy(segment, segment + SEGMENT, out);
                out += SEGMENT;
            }
            segment += SEGMENT;
        }
        let name = LOADER.as_ptr() as usize;
        put_segment(new, libc::PT_PHDR, new.wrapping_sub(base), out - new);
        put_segment(new + SEGMENT, libc::PT_INTERP, name - base, LOADER.count_bytes() + 1);
        (new, (out - new) / SEGMENT)
    }
}

unsafe fn put_segment(segment: usize, kind: u32, address: usize, size: usize) {
    // SAFETY: `segment` is a program header in memory of our own, all zero.
    unsafe {
        put(field!(segment, Segment, p_type), kind);
        put(field!(segment, Segment, p_flags), libc::PF_R);
        put(field!(segment, Segment, p_vaddr), address as u64);
        put(field!(segment, Segment, p_filesz), size as u64);
        put(field!(segment, Segment, p_memsz), size as u64);
        put(field!(segment, Segment, p_align), 1u64);
    }
}

/// The value of the entry `kind` of the auxiliary vector.
unsafe fn auxiliary(vector: usize, kind: libc::c_ulong) -> usize {
    // SAFETY: the slot is that of the vector, which the caller vouches for.
    unsafe { get(auxiliary_slot(vector, kind)) }
}

/// The address of the value of the entry `kind` of the auxiliary vector. All entries asked for
/// have been there since Linux 2.6.
unsafe fn auxiliary_slot(vector: usize, kind: libc::c_ulong) -> usize {
    let mut entry = vector;
    // SAFETY: the vector ends with AT_NULL, which is not passed.
    unsafe {
        while get::<usize>(entry) != kind as usize {
            if get::<usize>(entry) == libc::AT_NULL as usize {
                refuse(c": the kernel's auxiliary vector lacks what it needs.\n");
            }
            entry += 2 * WORD;
        }
    }
    entry + WORD
}

/// Copies the bytes from `from` up to `end` to `to`, and returns where they end.
unsafe fn copy(mut from: usize, end: usize, mut to: usize) -> usize {
    // SAFETY: the caller vouches for both ranges.
    unsafe {
        while from < end {
            put(to, get::<u8>(from));
            from += 1;
            to += 1;
        }
    }
    to
}

/// Fresh zeroed memory.
unsafe fn map_anonymous(length: usize) -> usize {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the kernel chooses the place.
    unsafe { map(0, length, protection, libc::MAP_ANONYMOUS, usize::MAX, 0) }
}

unsafe fn map(
    address: usize,
    length: usize,
    protection: i32,
    flags: i32,
    file: usize,
    offset: usize,
) -> usize {
    let flags = (flags | libc::MAP_PRIVATE) as usize;
    // SAFETY: the caller gives either no address or one in a range it reserved.
    let mapped =
        unsafe { call(libc::SYS_mmap, address, length, protection as usize, flags, file, offset) };
    if failed(mapped) {
        refuse(c" cannot be mapped into memory.\n");
    }
    mapped
}

/// Says why there is no start, and ends with status 3: no answer.
fn refuse(reason: &'static CStr) -> ! {
    print(c"tsuku-dltest: ");
    print(LOADER);
    print(reason);
    loop {
        // SAFETY: has no preconditions.
        unsafe { call(libc::SYS_exit_group, crate::exit::NO_ANSWER as usize, 0, 0, 0, 0, 0) };
    }
}

#[inline(always)]
fn print(text: &'static CStr) {
    let (start, length) = (text.as_ptr() as usize, text.count_bytes());
    // SAFETY: writes a constant.
    unsafe { call(libc::SYS_write, 2, start, length, 0, 0, 0) };
}

/// Whether the result of a system call is an error: the last 4095 values are.
fn failed(result: usize) -> bool {
    result > usize::MAX - 4096
}

/// Reads a value, and never as part of a call to the libc.
#[inline(always)]
unsafe fn get<T: Copy>(address: usize) -> T {
    // SAFETY: the caller vouches for the address and its alignment; the assembly is empty.
    unsafe {
        asm!("", options(nostack, preserves_flags));
        *(address as *const T)
    }
}

/// Writes a value, and never as part of a call to the libc.
#[inline(always)]
unsafe fn put<T: Copy>(address: usize, value: T) {
    // SAFETY: the caller vouches for the address and its alignment; the assembly is empty.
    unsafe {
        asm!("", options(nostack, preserves_flags));
        *(address as *mut T) = value;
    }
}

/// A system call.
#[inline(always)]
unsafe fn call(
    number: libc::c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> usize {
    let result;
    // SAFETY: the kernel keeps all registers but the named ones; what the call does to memory is
    // the caller's to vouch for.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", inlateout("rax") number as usize => result, in("rdi") a, in("rsi") b,
            in("rdx") c, in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _,
            options(nostack));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc 0", in("x8") number as usize, inlateout("x0") a => result, in("x1") b,
            in("x2") c, in("x3") d, in("x4") e, in("x5") f, options(nostack));
    }
    result
}
