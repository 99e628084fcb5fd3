//! A second look at a library that crashed, or hangs: a file that explains it, or where it happened.
//! It is taken by a child process too, beside those that test, and never waited for beyond its time.

use crate::child::Task;
use crate::record::State;
use crate::report::{Failure, Kind, Phase, Verdict};
use crate::schedule::Millis;
use crate::sys::{Child, Parent};

/// How long a look may take.
const LONGEST: Millis = 300;

/// One that is being taken.
pub struct Look {
    /// The child that takes it.
    pub child: Child,
    until: Millis,
}

/// What became of a look.
pub enum Seen {
    /// It goes on.
    NotYet,
    /// It is over, with what explains the failure, if anything does.
    Done(Option<Failure>),
}

impl Look {
    /// Starts to look at the library at `path`, which crashed and may do so `again`, until `deadline`
    /// (on the clock of [`crate::sys::now`]) at most.
    pub fn start(parent: &Parent, path: &[u8], again: bool, deadline: Millis) -> Option<Self> {
        let now = crate::sys::now();
        if now >= deadline {
            return None;
        }
        let child = parent.start(Task::Examine { path, again }).ok()?;
        Some(Self { child, until: deadline.min(now + LONGEST) })
    }

    /// How far it came. One that takes too long is killed, and left to be swept up.
    pub fn see(&mut self) -> Seen {
        if self.child.ended().is_some() {
            let record = self.child.record();
            return Seen::Done((record.state() == State::Failed).then(|| record.failure()));
        }
        if crate::sys::now() < self.until {
            return Seen::NotYet;
        }
        self.child.kill();
        Seen::Done(None)
    }
}

/// Whether a look at what crashed may tell more.
pub fn is_worth_while(verdict: &Verdict) -> bool {
    verdict.failure.as_ref().is_some_and(|failure| failure.kind == Kind::Crashed)
}

/// Adds what was `found` to the verdict on a crash, or on a hang while loading.
pub fn explain(verdict: &mut Verdict, found: Failure) {
    let Some(failure) = &mut verdict.failure else { return };
    let hung = failure.kind == Kind::Timeout && failure.phase == Phase::Load;
    if failure.kind != Kind::Crashed && !hung {
        return;
    }
    if found.kind == Kind::Crashed {
        failure.phase = found.phase;
        return;
    }
    failure.kind = found.kind;
    failure.error.extend_from_slice(b"; a library it needs is at fault: ");
    failure.error.extend_from_slice(&found.error);
    failure.needed_by = found.needed_by;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(kind: Kind, phase: Phase, found: Failure) -> Failure {
        let failure = Some(Failure::new(kind, phase, "why"));
        let mut verdict = Verdict { failure, ms: None, output: Vec::new() };
        explain(&mut verdict, found);
        verdict.failure.expect("a failure")
    }

    #[test]
    fn only_crashes_and_hangs_in_the_loader_are_explained() {
        let fifo = || Failure::new(Kind::NotAFile, Phase::Check, "a FIFO");
        for (kind, phase) in [(Kind::Crashed, Phase::Load), (Kind::Timeout, Phase::Load)] {
            let failure = explained(kind, phase, fifo());
            assert_eq!(failure.kind, Kind::NotAFile);
            assert_eq!(failure.error, b"why; a library it needs is at fault: a FIFO");
        }
        for (kind, phase) in [(Kind::Timeout, Phase::Destructor), (Kind::Exited, Phase::Load)] {
            assert_eq!(explained(kind, phase, fifo()), Failure::new(kind, phase, "why"));
        }
        let again = Failure::new(Kind::Crashed, Phase::Constructor, "");
        let failure = explained(Kind::Crashed, Phase::Load, again);
        assert_eq!(failure, Failure::new(Kind::Crashed, Phase::Constructor, "why"));
    }
}
