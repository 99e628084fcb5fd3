//! Damaged copies of a file, the same ones in every run. Tests run with overflow checks: a reader
//! that panics, loops or allocates without bounds on any of them fails here.

use alloc::vec::Vec;

/// Calls `check` with `count` damaged copies: words set to values that lie at the edges of types,
/// bits flipped, ends cut off, runs copied elsewhere. Half of the damage is in the first 4 KiB,
/// where headers are, and a quarter in the last.
pub(crate) fn mutants(original: &[u8], count: usize, mut check: impl FnMut(&[u8])) {
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
