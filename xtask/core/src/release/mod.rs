//! What the forge MUST HOLD: a machine without clock or I/O.
//!
//! [`step`] is told what fresh reads showed and what became of each action, and answers what to do
//! next. It believes reads, never answers; it writes nothing on one read alone; and it asks for
//! [`Action::Publish`] only when [`publishable`] holds of two agreeing reads made after the last
//! write. Everything it remembers is in the [`Journal`]: a process that dies and starts again with an
//! empty one reaches the same end.

pub mod agree;
mod journal;
mod machine;
mod manifest;
pub mod names;
pub mod notes;
mod state;

#[cfg(test)]
mod explore;
#[cfg(test)]
mod tests;

pub use journal::{Action, Event, Journal, Next, Outcome, Refusal, RefusalKind};
pub use machine::{Goal, Patience, Stage, publishable, step};
pub use manifest::{Digest, Expected, Manifest};
pub use state::{Asset, AssetState, Release, ReleaseState, Tag, difference, mark};
