//! Which library is tested when, and for how long: pure arithmetic on a clock given from outside.
//!
//! A library that takes long gives its slot up to the next one and may still finish: ten that hang
//! cost the others nothing. One deadline holds for all, since callers have one.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Milliseconds on a clock that never goes back.
pub type Millis = u64;

/// How long a library may take before it no longer counts against `jobs`.
pub const SLOT: Millis = 250;

/// Limits of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Libraries tested at once, those apart that gave up their slot.
    pub jobs: usize,
    /// For each library, from its start.
    pub timeout: Millis,
    /// For all, from the program's start.
    pub deadline: Millis,
}

/// What became of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The library at this index took its slot's time: it shall yield to others.
    Slot(usize),
    /// The library at this index took all its time.
    Timeout(usize),
}

#[derive(Debug, Clone, Copy)]
struct Running {
    index: usize,
    started: Millis,
    has_slot: bool,
}

/// The state of a run.
#[derive(Debug)]
pub struct Schedule {
    limits: Limits,
    waiting: VecDeque<usize>,
    running: Vec<Running>,
}

impl Schedule {
    /// Of `count` libraries, by index.
    pub fn new(limits: Limits, count: usize) -> Self {
        Self { limits, waiting: (0..count).collect(), running: Vec::new() }
    }

    /// Whether nothing runs or waits.
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// The next library to start now, if there is a free slot and time.
    pub fn start(&mut self, now: Millis) -> Option<usize> {
        let slots = self.running.iter().filter(|running| running.has_slot).count();
        if now >= self.limits.deadline || slots >= self.limits.jobs {
            return None;
        }
        let index = self.waiting.pop_front()?;
        self.running.push(Running { index, started: now, has_slot: true });
        Some(index)
    }

    /// The library could not be started now; it is the next again.
    pub fn postpone(&mut self, index: usize) {
        self.running.retain(|running| running.index != index);
        self.waiting.push_front(index);
    }

    /// The library ended; returns how long it took.
    pub fn end(&mut self, index: usize, now: Millis) -> Millis {
        match self.running.iter().position(|running| running.index == index) {
            Some(at) => now.saturating_sub(self.running.swap_remove(at).started),
            None => 0,
        }
    }

    /// What is due now. A slot is reported once, a timeout until the library ended.
    pub fn due(&mut self, now: Millis) -> Vec<Due> {
        let limits = self.limits;
        let mut due = Vec::new();
        for running in &mut self.running {
            if now >= Self::end_of(&limits, running) {
                due.push(Due::Timeout(running.index));
            } else if running.has_slot && now >= running.started + SLOT {
                running.has_slot = false;
                due.push(Due::Slot(running.index));
            }
        }
        due
    }

    /// Those that will not be reached, once the deadline has passed.
    pub fn give_up(&mut self, now: Millis) -> Vec<usize> {
        match now >= self.limits.deadline {
            true => self.waiting.drain(..).collect(),
            false => Vec::new(),
        }
    }

    /// When [`Schedule::due`] or [`Schedule::give_up`] will have something, if nothing ends first.
    pub fn next(&self) -> Millis {
        let slot = |running: &Running| match running.has_slot {
            true => running.started + SLOT,
            false => Millis::MAX,
        };
        let times = self.running.iter().map(|it| Self::end_of(&self.limits, it).min(slot(it)));
        times.min().unwrap_or(Millis::MAX).min(self.limits.deadline)
    }

    fn end_of(limits: &Limits, running: &Running) -> Millis {
        running.started.saturating_add(limits.timeout).min(limits.deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { jobs: 2, timeout: 1000, deadline: 4000 };

    #[test]
    fn slots_are_given_up_and_come_back() {
        let mut schedule = Schedule::new(LIMITS, 5);
        assert_eq!((schedule.start(0), schedule.start(0)), (Some(0), Some(1)));
        assert_eq!(schedule.start(0), None);
        assert_eq!(schedule.end(1, 10), 10);
        assert_eq!(schedule.start(10), Some(2));
        assert_eq!(schedule.next(), 250);
        assert_eq!(schedule.due(250), [Due::Slot(0)]);
        assert_eq!(schedule.due(255), []);
        assert_eq!(schedule.start(255), Some(3));
        assert_eq!(schedule.next(), 260);
    }

    #[test]
    fn what_could_not_start_is_next() {
        let mut schedule = Schedule::new(LIMITS, 3);
        assert_eq!(schedule.start(0), Some(0));
        schedule.postpone(0);
        assert_eq!((schedule.start(1), schedule.start(1)), (Some(0), Some(1)));
    }

    #[test]
    fn time_ends_for_each_and_for_all() {
        let mut schedule = Schedule::new(LIMITS, 3);
        schedule.start(3500);
        schedule.start(3500);
        assert_eq!(schedule.due(3999), [Due::Slot(0), Due::Slot(1)]);
        assert_eq!(schedule.next(), 4000);
        assert_eq!(schedule.due(4000), [Due::Timeout(0), Due::Timeout(1)]);
        assert_eq!((schedule.start(4000), schedule.give_up(4000)), (None, vec![2]));
        assert!(!schedule.is_done());
        schedule.end(0, 4001);
        schedule.end(1, 4001);
        assert!(schedule.is_done());
    }

    #[test]
    fn a_slow_library_alone_has_its_timeout() {
        let mut schedule = Schedule::new(LIMITS, 1);
        schedule.start(0);
        assert_eq!(schedule.due(999), [Due::Slot(0)]);
        assert_eq!(schedule.due(1000), [Due::Timeout(0)]);
    }
}
