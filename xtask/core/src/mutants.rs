//! Damaged copies of a file, the same ones in every run. Tests run with overflow checks: a reader
//! that panics, reads without bounds or allocates without bounds on any of them fails here.
//!
//! Work is counted, not timed: calls of the reader, bytes read, bytes held. A clock would measure
//! the machine.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::cell::Cell;
use std::alloc::{GlobalAlloc, Layout, System};

use crate::audit::{self, Judged, Verdict, policies};
use crate::formats::{Binary, ReadError, Source};
use crate::report;

/// Bytes that may be held at any moment for one mutant.
const MAX_HELD: isize = 64 << 20;
/// Bytes that may be read of one mutant, besides a multiple of its own length: a file may be hashed
/// and searched whole, and tables may overlap.
const MAX_READ: u64 = 4 << 20;
const MAX_PASSES: u64 = 16;
/// Reads of one mutant.
const MAX_CALLS: u64 = 1 << 16;

/// A file that counts what is read of it.
pub(crate) struct Counted<'a> {
    pub(crate) bytes: &'a [u8],
    read: Cell<u64>,
    calls: Cell<u64>,
}

impl<'a> Counted<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, read: Cell::new(0), calls: Cell::new(0) }
    }
}

impl Source for Counted<'_> {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        self.read.set(self.read.get() + buf.len() as u64);
        self.calls.set(self.calls.get() + 1);
        self.bytes.read_at(offset, buf)
    }
}

/// Calls `check` with `count` damaged copies, and holds each call to the limits above.
pub(crate) fn mutants(original: &[u8], count: usize, mut check: impl FnMut(&Counted<'_>)) {
    damaged(original, count, |mutant| {
        let source = Counted::new(mutant);
        let held = most_held(|| check(&source));
        assert!(held < MAX_HELD, "{held} bytes held for a mutant of {} bytes", mutant.len());
        let (read, calls) = (source.read.get(), source.calls.get());
        let most = MAX_READ + MAX_PASSES * source.len();
        assert!(read <= most, "{read} bytes read of a mutant of {} bytes", mutant.len());
        assert!(calls <= MAX_CALLS, "{calls} reads of a mutant of {} bytes", mutant.len());
    });
}

/// Judges what was read of a mutant by every named policy, and renders the answer.
pub(crate) fn judged(binary: Binary, source: &Counted<'_>) {
    let mut findings = Vec::new();
    for named in policies::POLICIES {
        findings.extend(audit::audit(&binary, Some(source), &named.policy).unwrap());
    }
    let verdict = Verdict::Read { binary, findings };
    let judged = Judged { path: "mutant".into(), size: Some(source.len()), verdict };
    assert!(!report::audit::text(core::slice::from_ref(&judged)).is_empty());
    let json = report::audit::json(core::slice::from_ref(&judged));
    assert!(json["files"][0]["outcome"].is_string());
    let rendered = [report::audit::entry(&judged).to_string()];
    assert_eq!(report::audit::join(&rendered), json.to_string());
}

/// The most bytes that `work` holds at one moment.
fn most_held(work: impl FnOnce()) -> isize {
    HELD.set((0, 0));
    work();
    HELD.get().1
}

std::thread_local! {
    /// What this thread holds, and the most it has held. Tests run side by side in one process.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// The system's allocator, counted for each thread.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

impl Counting {
    fn change(by: isize) {
        // A thread that ends frees after its own variables are gone.
        let _ = HELD.try_with(|held| {
            let now = held.get().0 + by;
            held.set((now, held.get().1.max(now)));
        });
    }
}

// SAFETY: every call is the system allocator's; what is counted is not used by any.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::change(layout.size() as isize);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::change(layout.size() as isize);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        Self::change(-(layout.size() as isize));
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::change(size as isize - layout.size() as isize);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[test]
fn what_is_held_is_counted() {
    let held = most_held(|| {
        let mut bytes = alloc::vec![0u8; 1 << 20];
        bytes.resize(3 << 20, 0);
        drop(bytes);
        drop(alloc::vec![1u8; 1 << 20]);
    });
    assert_eq!(held, 3 << 20);
}

/// Calls `check` with `count` damaged copies: words set to values that lie at the edges of types,
/// bits flipped, ends cut off, runs copied elsewhere. Half of the damage is in the first 4 KiB,
/// where headers are, and a quarter in the last.
fn damaged(original: &[u8], count: usize, mut check: impl FnMut(&[u8])) {
    const EDGES: [u32; 12] =
        [0, 1, 2, 7, 12, 0x7f, 0xff, 0x1000, 0x7fff_ffff, 0x8000_0000, u32::MAX - 3, u32::MAX];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut mutant: Vec<u8> = Vec::new();
    for _ in 0..count {
        mutant.clear();
        mutant.extend_from_slice(original);
        for _ in 0..=random.below(3) {
            let len = mutant.len();
            if len < 64 {
                break;
            }
            let at = match random.below(4) {
                0 => random.below(len),
                1 => len - 1 - random.below(len.min(4096)),
                _ => random.below(len.min(4096)),
            };
            match random.below(8) {
                0 => mutant.truncate(at),
                1 => {
                    let from = random.below(len);
                    let run = random.below(32).min(len - from.max(at));
                    mutant.copy_within(from..from + run, at);
                }
                2 | 3 => mutant[at] ^= 1 << random.below(8),
                kind => {
                    let edge = EDGES[random.below(EDGES.len())];
                    let word = if kind < 6 { edge.to_le_bytes() } else { edge.to_be_bytes() };
                    let at = (at & !3).min(len - 4);
                    mutant[at..at + 4].copy_from_slice(&word);
                }
            }
        }
        check(&mutant);
    }
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}
