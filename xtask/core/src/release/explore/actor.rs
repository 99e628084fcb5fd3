//! One process that drives the machine against the model.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::super::journal::{Action, Event, Journal, Next, Outcome};
use super::super::machine::{Goal, step};
use super::forge::{Fault, Forge};
use core::time::Duration;

/// One process: a goal, what it remembers, and what it is about to do.
#[derive(Debug, Clone, Hash)]
pub(super) struct Actor {
    pub(super) journal: Journal,
    pub(super) next: Next,
    pub(super) results: Vec<(Action, Outcome)>,
}

impl Actor {
    pub(super) fn start(goal: &Goal) -> Self {
        let mut journal = Journal::default();
        let next = step(goal, &mut journal, Event::Begin);
        Self { journal, next, results: Vec::new() }
    }

    pub(super) fn over(&self) -> bool {
        matches!(self.next, Next::Done { .. } | Next::Refuse(_))
    }

    pub(super) fn tell(&mut self, goal: &Goal, event: Event) {
        self.next = step(goal, &mut self.journal, event);
        while matches!(self.next, Next::Wait(..)) {
            self.next = step(goal, &mut self.journal, Event::Waited);
        }
    }

    /// Healthy reads until something is decided, or a hope is.
    pub(super) fn settle(&mut self, goal: &Goal, forge: &mut Forge) {
        let hopes = self.journal.hopes;
        while self.next == Next::Read && self.journal.hopes == hopes {
            let known: Vec<u64> = self.journal.known().collect();
            self.tell(goal, Event::Saw(forge.read(None, &known)));
        }
    }

    /// Makes the second try of what fails for ever the last.
    pub(super) fn tire(&mut self, goal: &Goal, forge: &Forge) {
        for (name, _) in &forge.lasting {
            if let Some((sent, _)) = self.journal.sent.get_mut(name).filter(|(sent, _)| *sent > 1) {
                *sent = goal.patience.attempts;
            }
        }
    }

    /// The faults that the pending call can meet.
    pub(super) fn faults(&self) -> Vec<Fault> {
        match &self.next {
            Next::Read => Fault::READ.to_vec(),
            Next::Do(actions) => actions.first().map(Fault::of).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// Makes the pending call.
    pub(super) fn go(&mut self, goal: &Goal, forge: &mut Forge, fault: Option<Fault>) {
        let dies = fault.is_some_and(Fault::kills);
        match &mut self.next {
            Next::Read => {
                if fault == Some(Fault::TagMoves) {
                    forge.tag_moved = true;
                }
                if fault.is_none() {
                    self.settle(goal, forge);
                    return;
                }
                let known: Vec<u64> = self.journal.known().collect();
                let event = match fault {
                    Some(Fault::LostBefore) => {
                        Event::ReadFailed(Outcome::Lost("reset".to_string()))
                    }
                    Some(Fault::Throttled) => Event::ReadFailed(Outcome::Throttled(Duration::ZERO)),
                    Some(Fault::Denied) => Event::ReadFailed(Outcome::Denied("403".to_string())),
                    _ => Event::Saw(forge.read(fault, &known)),
                };
                if !dies {
                    self.tell(goal, event);
                }
            }
            Next::Do(actions) => {
                let action = actions.remove(0);
                let outcome = forge.act(&goal.assets, &action, fault);
                let stop = matches!(outcome, Outcome::Denied(_) | Outcome::Throttled(_));
                self.results.push((action, outcome));
                if stop {
                    self.results.extend(actions.drain(..).map(|action| (action, Outcome::Skipped)));
                }
                if actions.is_empty() && !dies {
                    let results = core::mem::take(&mut self.results);
                    self.tell(goal, Event::Did(results));
                }
            }
            _ => {}
        }
        if dies {
            *self = Self::start(goal);
        }
    }
}
