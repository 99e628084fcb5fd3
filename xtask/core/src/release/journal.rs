//! What passes between the machine and its driver, and what the machine remembers.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::state::ReleaseState;

/// One write. The driver sends it once and tells what became of it. Before it deletes anything it looks
/// whether the release is still a draft, and what is to go still what it was: no forge has a conditional
/// delete.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Make a draft bearing the tag and the mark.
    Create,
    /// Send one file of the goal's manifest.
    Upload {
        /// The draft.
        release: u64,
        /// The file.
        name: String,
    },
    /// Delete one asset by its id, unless it is by now what the goal's manifest has under its name: its
    /// upload may have ended, or its digest come.
    DeleteAsset {
        /// The draft it is in.
        release: u64,
        /// Its id.
        asset: u64,
        /// Its name.
        name: String,
    },
    /// Delete a draft by its id, if it still holds exactly these assets.
    DropDraft {
        /// The draft.
        release: u64,
        /// The ids of its assets.
        assets: Vec<u64>,
    },
    /// Publish a draft by its id.
    Publish {
        /// The draft.
        release: u64,
    },
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The forge says it is done; for [`Action::Create`], with the new id.
    Done(Option<u64>),
    /// No answer, a broken one, or 5xx: it may be done or not.
    Lost(String),
    /// Refused for now; the forge asks to wait.
    Throttled(Duration),
    /// The name is taken (422 `already_exists`).
    Taken,
    /// What it was about is not there (404).
    Gone(String),
    /// Refused for good; the forge's text.
    Denied(String),
    /// Never sent, because an earlier one was refused.
    Skipped,
}

/// What the driver tells the machine.
#[derive(Debug, Clone)]
pub enum Event {
    /// The first event of a run.
    Begin,
    /// A complete fresh read.
    Saw(ReleaseState),
    /// A read that did not come to its end.
    ReadFailed(Outcome),
    /// What became of the actions.
    Did(Vec<(Action, Outcome)>),
    /// The wait is over.
    Waited,
}

/// What the machine tells the driver.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Next {
    /// Read the tag, every release that bears it, and by id those in [`Journal::known`].
    Read,
    /// Do these, in any order, together if possible.
    Do(Vec<Action>),
    /// Wait that long, for this reason.
    Wait(Duration, String),
    /// The goal is reached: the forge holds it.
    Done {
        /// The release's id.
        release: u64,
        /// Whether it is published.
        published: bool,
    },
    /// The goal cannot be reached, or must not.
    Refuse(Refusal),
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// Whose fault it is.
    pub kind: RefusalKind,
    /// Each a full sentence: the thing, the cause, the cure.
    pub reasons: Vec<String>,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// What the forge holds is not what it must hold.
    Gate,
    /// The forge does not do what it is asked.
    Forge,
}

/// What the machine remembers within one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Journal {
    /// The last read since the last write.
    pub(super) last: Option<ReleaseState>,
    /// How many reads in a row showed the same.
    pub(super) agreeing: u32,
    /// How many reads since the last write showed something else than the one before.
    pub(super) changes: u32,
    /// Ids that were seen or made: lists lag, reads by id do not.
    pub(super) known: BTreeSet<u64>,
    /// Drafts asked for.
    pub(super) creates: u32,
    /// The draft that uploads and taken names are counted for.
    pub(super) filling: Option<u64>,
    /// Drafts dropped.
    pub(super) drops: u32,
    /// Publishings asked for.
    pub(super) publishes: u32,
    /// Uploads by name: how often, and what came of the last.
    pub(super) sent: BTreeMap<String, (u32, String)>,
    /// Names that the forge says it has, and no read has shown yet: lists lag.
    pub(super) unseen: BTreeSet<String>,
    /// Names that the forge says are taken, and how often it said so while no read showed them.
    pub(super) blocked: BTreeMap<String, u32>,
    /// Names whose digest did not come, and how often they were deleted to be sent again.
    pub(super) undigested: BTreeMap<String, u32>,
    /// Deletions of assets whose answers were lost, in a row.
    pub(super) undeleted: u32,
    /// Settled reads that showed something which time may mend.
    pub(super) hopes: u32,
    /// Reads that failed, in a row.
    pub(super) read_failures: u32,
    /// How often the forge asked to wait before a write, in a row.
    pub(super) throttled: u32,
    /// The same before a read.
    pub(super) throttled_reads: u32,
    /// All waits together.
    pub(super) waited: Duration,
}

impl Journal {
    /// An empty journal that knows of a release by its id, for example from an earlier job.
    pub fn knowing(release: Option<u64>) -> Self {
        Self { known: release.into_iter().collect(), ..Self::default() }
    }

    /// Ids that the next read must look up one by one, whatever the lists show.
    pub fn known(&self) -> impl Iterator<Item = u64> + '_ {
        self.known.iter().copied()
    }
}
