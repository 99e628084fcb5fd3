//! What a child process reports to its parent, through memory that the two of them share.
//!
//! A pipe would do for honest libraries; others close every descriptor, or write to each. And the
//! record says how far the child came, also when it died.

use crate::report::{Failure, Kind, Phase};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// How far a child came. Only the child moves it on, from [`State::Ours`] that its parent sets. The
/// numbers are words, so that a library that fills all shared memory with some value hits none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// In code of ours: what goes wrong now is no fault of the library.
    Ours = u32::from_be_bytes(*b"ours"),
    /// In dlopen.
    Loading = u32::from_be_bytes(*b"load"),
    /// dlopen succeeded.
    Loaded = u32::from_be_bytes(*b"here"),
    /// In dlclose.
    Unloading = u32::from_be_bytes(*b"drop"),
    /// All done, and all was well.
    Unloaded = u32::from_be_bytes(*b"gone"),
    /// All done; the failure is in the record.
    Failed = u32::from_be_bytes(*b"fail"),
}

impl State {
    const ALL: [Self; 6] =
        [Self::Ours, Self::Loading, Self::Loaded, Self::Unloading, Self::Unloaded, Self::Failed];
}

/// Room for the message and the names that go with it, in bytes.
const ROOM: usize = 16 * 1024;

/// One child's report. All parts are atomic: two processes see them.
#[repr(C)]
pub struct Record {
    state: AtomicU32,
    kind: AtomicU32,
    phase: AtomicU32,
    error: AtomicU32,
    needed_by: AtomicU32,
    searched: AtomicU32,
    text: [AtomicU8; ROOM],
}

impl Record {
    /// The state last set.
    pub fn state(&self) -> State {
        let number = self.state.load(Ordering::Acquire);
        let known = State::ALL.into_iter().find(|state| *state as u32 == number);
        // Other numbers are the work of a library, which was being loaded then.
        known.unwrap_or(State::Loading)
    }

    /// Moves on.
    pub fn set_state(&self, state: State) {
        self.state.store(state as u32, Ordering::Release);
    }

    /// Writes the failure, and then the state that says so. What does not fit is left out. It may
    /// be called again with more names for the same failure.
    pub fn fail(&self, failure: &Failure) {
        self.kind.store(failure.kind.number(), Ordering::Relaxed);
        self.phase.store(failure.phase.number(), Ordering::Relaxed);
        let mut end = 0;
        let error = failure.error.get(..4096).unwrap_or(&failure.error);
        self.error.store(self.append(&mut end, error), Ordering::Relaxed);
        for (count, names) in
            [(&self.needed_by, &failure.needed_by), (&self.searched, &failure.searched)]
        {
            let mut written = 0;
            for name in names {
                let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
                if end + 4 + name.len() > ROOM {
                    break;
                }
                self.append(&mut end, &length.to_le_bytes());
                self.append(&mut end, name);
                written += 1;
            }
            count.store(written, Ordering::Relaxed);
        }
        self.set_state(State::Failed);
    }

    /// Writes where a crash happened, without allocating: it is called from a signal handler.
    pub fn note_crash(&self, phase: Phase) {
        self.kind.store(Kind::Crashed.number(), Ordering::Relaxed);
        self.phase.store(phase.number(), Ordering::Relaxed);
        self.set_state(State::Failed);
    }

    /// The failure that the record holds. Its contents may be anything: the library under test can
    /// write to the record too.
    pub fn failure(&self) -> Failure {
        let kind = Kind::from_number(self.kind.load(Ordering::Relaxed)).unwrap_or(Kind::Other);
        let phase = Phase::from_number(self.phase.load(Ordering::Relaxed)).unwrap_or(Phase::Load);
        let mut rest = self.text.as_slice();
        let error = take(&mut rest, self.error.load(Ordering::Relaxed) as usize);
        let mut names = |count: &AtomicU32| -> Vec<Vec<u8>> {
            let mut names = Vec::new();
            for _ in 0..count.load(Ordering::Relaxed).min(1024) {
                let length = take(&mut rest, 4);
                let length = length.try_into().map_or(0, u32::from_le_bytes);
                names.push(take(&mut rest, length as usize));
            }
            names
        };
        let (needed_by, searched) = (names(&self.needed_by), names(&self.searched));
        Failure { needed_by, searched, ..Failure::new(kind, phase, error) }
    }

    fn append(&self, end: &mut usize, bytes: &[u8]) -> u32 {
        let room = self.text.get(*end..).unwrap_or_default();
        for (cell, byte) in room.iter().zip(bytes) {
            cell.store(*byte, Ordering::Relaxed);
        }
        *end += bytes.len().min(room.len());
        bytes.len() as u32
    }
}

fn take(rest: &mut &[AtomicU8], length: usize) -> Vec<u8> {
    let (taken, left) = rest.split_at(length.min(rest.len()));
    *rest = left;
    taken.iter().map(|cell| cell.load(Ordering::Relaxed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank() -> Box<Record> {
        Box::new(Record {
            state: AtomicU32::new(0),
            kind: AtomicU32::new(0),
            phase: AtomicU32::new(0),
            error: AtomicU32::new(0),
            needed_by: AtomicU32::new(0),
            searched: AtomicU32::new(0),
            text: [const { AtomicU8::new(0) }; ROOM],
        })
    }

    #[test]
    fn a_failure_comes_back_as_it_was() {
        let record = blank();
        record.set_state(State::Ours);
        assert_eq!(record.state(), State::Ours);
        let failure = Failure {
            needed_by: vec![b"a".to_vec(), b"b".to_vec()],
            searched: vec![b"/lib".to_vec()],
            ..Failure::new(Kind::MissingDependency, Phase::Load, "no")
        };
        record.fail(&failure);
        assert_eq!(record.state(), State::Failed);
        assert_eq!(record.failure(), failure);
    }

    #[test]
    fn nonsense_in_the_record_does_no_harm() {
        let record = blank();
        for field in [&record.state, &record.kind, &record.phase] {
            field.store(u32::MAX, Ordering::Relaxed);
        }
        for field in [&record.error, &record.needed_by, &record.searched] {
            field.store(u32::MAX, Ordering::Relaxed);
        }
        for cell in &record.text {
            cell.store(0xff, Ordering::Relaxed);
        }
        assert_eq!(record.state(), State::Loading);
        assert_eq!(record.failure().error.len(), ROOM);
    }

    #[test]
    fn no_filling_of_memory_is_an_end() {
        let record = blank();
        for byte in 0..=u8::MAX {
            for number in [u32::from(byte), u32::from_ne_bytes([byte; 4])] {
                record.state.store(number, Ordering::Relaxed);
                assert_eq!(record.state(), State::Loading, "{number:#x}");
            }
        }
        for state in State::ALL {
            record.set_state(state);
            assert_eq!(record.state(), state);
        }
    }
}
