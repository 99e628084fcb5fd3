//! The decisions: from what two agreeing reads show to the next action.

mod outcome;
mod publish;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::journal::{Action, Event, Journal, Next, Refusal, RefusalKind};
use super::manifest::{Expected, Manifest};
use super::state::{Asset, AssetState, Release, ReleaseState, Tag, mark};
use outcome::{backoff, did, hope, read_failed, refuse, wait};
pub use publish::publishable;
use publish::{after_publish, publish};

/// How far a run goes. Each stage does what the earlier ones do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Exactly one draft of ours bears the tag.
    Draft,
    /// It holds the goal's assets; others may be there or come.
    Upload,
    /// It holds exactly the goal's assets, and is published.
    Publish,
}

/// What the forge must hold in the end.
#[derive(Debug, Clone)]
pub struct Goal {
    /// How far to go.
    pub stage: Stage,
    /// The tag.
    pub tag: String,
    /// The commit that the tag must peel to.
    pub commit: String,
    /// The mark of our drafts ([`super::mark::text`]).
    pub mark: String,
    /// The files in hand; for [`Stage::Publish`], all of the release.
    pub assets: Manifest,
    /// The files in hand are all that any job uploads: a draft may be dropped and filled again.
    pub whole: bool,
    /// Assets that travel in the draft and are no part of the release: removed before publishing.
    pub transient: BTreeSet<String>,
    /// How long to hope.
    pub patience: Patience,
    /// A bug that the test suite planted.
    #[cfg(test)]
    pub(super) bug: Option<super::explore::Bug>,
}

impl Goal {
    /// A goal with the usual patience; the files are a part of the release.
    pub fn new(stage: Stage, tag: &str, commit: &str, assets: Manifest) -> Self {
        Self {
            stage,
            tag: tag.into(),
            commit: commit.into(),
            mark: mark::text(tag, commit),
            assets,
            whole: false,
            transient: BTreeSet::new(),
            patience: Patience::default(),
            #[cfg(test)]
            bug: None,
        }
    }

    /// Whether the files in hand are all that any job uploads.
    #[must_use]
    pub fn whole(self, whole: bool) -> Self {
        Self { whole, ..self }
    }

    /// Names of assets that only travel in the draft.
    #[must_use]
    pub fn transient(self, transient: BTreeSet<String>) -> Self {
        Self { transient, ..self }
    }

    /// How long to hope.
    #[must_use]
    pub fn patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }
}

/// How long to hope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// Between two reads that must agree; the unit of every wait that the forge does not set.
    pub pause: Duration,
    /// Tries of one thing.
    pub attempts: u32,
    /// The longest single wait that the forge may ask for.
    pub longest_wait: Duration,
    /// The longest sum of all waits of a run.
    pub budget: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            pause: Duration::from_secs(1),
            attempts: 5,
            longest_wait: Duration::from_secs(300),
            budget: Duration::from_secs(3600),
        }
    }
}

/// Reads that must agree before anything is written or reported.
const SETTLED: u32 = 2;
/// Reads that must agree before a draft is made again or dropped: lists lag behind writes.
const CERTAIN: u32 = 4;
/// Reads that differ from the one before, without a write of ours between: somebody else is at work.
const RESTLESS: u32 = 60;
/// A name that is taken this often, and not seen between, is hidden. Once may be another's upload.
const HIDDEN: u32 = 2;
/// Waits in a row that the forge may ask for before it does one thing.
const THROTTLED: u32 = 10;
/// An asset whose digest does not come is deleted and sent again this often.
const UNKNOWN: u32 = 1;
/// A draft with a hidden asset is dropped and refilled this often.
const DROPS: u32 = 2;

/// Whether the test suite planted this bug; always false in a real build.
macro_rules! bug {
    ($goal:expr, $name:ident) => {{
        #[cfg(test)]
        let planted = $goal.bug == Some(crate::release::explore::Bug::$name);
        #[cfg(not(test))]
        let planted = {
            let _ = &$goal;
            false
        };
        planted
    }};
}

use bug;

/// What the settled view asks for, and how many agreeing reads that takes.
struct Verdict {
    next: Next,
    reads: u32,
}

impl From<Next> for Verdict {
    fn from(next: Next) -> Self {
        Self { next, reads: SETTLED }
    }
}

/// The machine: told what happened, answers what to do next.
pub fn step(goal: &Goal, journal: &mut Journal, event: Event) -> Next {
    match event {
        Event::Begin | Event::Waited => Next::Read,
        Event::Saw(state) => saw(goal, journal, state),
        Event::ReadFailed(outcome) => read_failed(goal, journal, outcome),
        Event::Did(results) => did(goal, journal, results),
    }
}

fn saw(goal: &Goal, journal: &mut Journal, state: ReleaseState) -> Next {
    journal.read_failures = 0;
    journal.throttled_reads = 0;
    journal.known.extend(state.releases.iter().map(|release| release.id));
    for asset in state.releases.iter().flat_map(|release| &release.assets) {
        journal.blocked.remove(&asset.name);
        journal.unseen.remove(&asset.name);
    }
    match &journal.last {
        Some(last) if view(goal, last) == view(goal, &state) => journal.agreeing += 1,
        last => {
            journal.changes += u32::from(last.is_some());
            journal.agreeing = 1;
        }
    }
    let agreeing = journal.agreeing;
    if agreeing >= SETTLED || bug!(goal, BelieveOneRead) {
        let verdict = decide(goal, journal, &state);
        if agreeing >= verdict.reads || bug!(goal, BelieveOneRead) {
            journal.last = Some(state);
            return verdict.next;
        }
    }
    journal.last = Some(state);
    if journal.changes > RESTLESS {
        return refuse(
            RefusalKind::Gate,
            format!(
                "release {}: it keeps changing; let whoever works on it end, then run again",
                goal.tag
            ),
        );
    }
    let pause = backoff(goal, agreeing);
    wait(goal, journal, pause, String::from("to see whether a second look shows the same"))
}

/// What of a state matters to the goal. An upload does not care how others' assets come and go, only
/// whether there are any: the first of them stands for all, without what tells one from another.
fn view(goal: &Goal, state: &ReleaseState) -> ReleaseState {
    let mut view = state.clone();
    if goal.stage == Stage::Publish {
        return view;
    }
    for release in &mut view.releases {
        let (mut assets, others): (Vec<Asset>, Vec<Asset>) =
            release.assets.drain(..).partition(|asset| goal.assets.contains_key(&asset.name));
        let nameless =
            Asset { id: 0, name: String::new(), state: AssetState::Partial, size: 0, digest: None };
        assets.extend(others.first().map(|_| nameless));
        release.assets = assets;
    }
    view
}

fn decide(goal: &Goal, journal: &mut Journal, state: &ReleaseState) -> Verdict {
    if let Err(reason) = check_tag(goal, &state.tag) {
        return refuse(RefusalKind::Gate, reason).into();
    }
    let (drafts, published): (Vec<_>, Vec<_>) =
        state.releases.iter().partition(|r| r.draft || bug!(goal, TouchPublished));
    if let [release, ..] = published.as_slice() {
        return after_publish(goal, journal, state.by_tag, release, &drafts).into();
    }
    let foreign: Vec<&Release> =
        drafts.iter().copied().filter(|r| !ours(goal, r) && !bug!(goal, AdoptForeign)).collect();
    if !foreign.is_empty() {
        return refuse(RefusalKind::Gate, foreign_drafts(goal, &foreign)).into();
    }
    match drafts.as_slice() {
        [] => create(goal, journal),
        [draft] => fill(goal, journal, state, draft),
        [winner, twins @ ..] if !bug!(goal, IgnoreTwins) => {
            drop_twins(goal, journal, winner, twins).into()
        }
        [draft, ..] => fill(goal, journal, state, draft),
    }
}

fn check_tag(goal: &Goal, tag: &Tag) -> Result<(), String> {
    let name = &goal.tag;
    match tag {
        _ if bug!(goal, IgnoreTag) => Ok(()),
        Tag::Missing => Err(format!(
            "tag {name} is not on the forge: publishing would make it at another commit; `git push origin {name}` first"
        )),
        Tag::At(commit) if *commit != goal.commit => Err(format!(
            "tag {name} is at {commit} on the forge, not at {}: check the tagged commit out, or release this one under a new version",
            goal.commit
        )),
        Tag::At(_) => Ok(()),
    }
}

fn ours(goal: &Goal, release: &Release) -> bool {
    release.mark.as_ref() == Some(&goal.mark)
}

fn foreign_drafts(goal: &Goal, drafts: &[&Release]) -> String {
    let named: Vec<String> = drafts
        .iter()
        .map(|draft| match &draft.mark {
            None => format!("{} (made by hand or by another tool)", draft.id),
            Some(mark) => format!("{} ({mark})", draft.id),
        })
        .collect();
    format!(
        "tag {} already has a draft that is not this release's: {}; publish or delete it on the forge, then run again",
        goal.tag,
        named.join(", ")
    )
}

fn create(goal: &Goal, journal: &Journal) -> Verdict {
    if journal.creates >= goal.patience.attempts {
        let reason = format!(
            "release {}: {} drafts were asked for and none is seen; look on the forge before running again",
            goal.tag, journal.creates
        );
        return refuse(RefusalKind::Forge, reason).into();
    }
    let reads = if journal.creates == 0 { SETTLED } else { CERTAIN };
    Verdict { next: Next::Do(vec![Action::Create]), reads }
}

/// Two drafts of ours bear the tag: the lowest id wins, whoever made it. Another is dropped only when
/// nobody else's work is in it.
fn drop_twins(goal: &Goal, journal: &mut Journal, winner: &Release, twins: &[&Release]) -> Next {
    let droppable: Vec<Action> = twins
        .iter()
        .filter(|twin| only_mine(goal, twin) || bug!(goal, DropOthersWork))
        .map(|twin| drop_draft(twin))
        .collect();
    if !droppable.is_empty() {
        return Next::Do(droppable);
    }
    let ids: Vec<String> = twins.iter().map(|twin| twin.id.to_string()).collect();
    hope(goal, journal, RefusalKind::Gate, || {
        format!(
            "tag {} has several drafts with assets in them: {} and {}; delete all but one on the forge, then run again",
            goal.tag,
            winner.id,
            ids.join(", ")
        )
    })
}

fn drop_draft(draft: &Release) -> Action {
    let assets = draft.assets.iter().map(|asset| asset.id).collect();
    Action::DropDraft { release: draft.id, assets }
}

/// Whether everything in the release is this run's to delete.
fn only_mine(goal: &Goal, release: &Release) -> bool {
    release.assets.iter().all(|asset| mine(goal, &asset.name))
}

/// A file that this run holds and can send again; or one that travelled, and has arrived.
fn mine(goal: &Goal, name: &str) -> bool {
    goal.assets.contains_key(name)
        || (goal.stage == Stage::Publish && goal.transient.contains(name))
}

/// Brings the one draft to hold the goal's assets, and publishes it when that is the goal.
fn fill(goal: &Goal, journal: &mut Journal, state: &ReleaseState, draft: &Release) -> Verdict {
    if goal.stage == Stage::Draft {
        return Next::Done { release: draft.id, published: false }.into();
    }
    if journal.filling.replace(draft.id) != Some(draft.id) {
        journal.sent.clear();
        journal.unseen.clear();
        journal.blocked.clear();
        journal.undigested.clear();
    }
    let mut work = Vec::new();
    let mut reasons = Vec::new();
    let mut unknown = Vec::new();
    let mut reads = SETTLED;
    for (name, expected) in &goal.assets {
        let found = draft.asset(name);
        let hidden = journal.blocked.get(name).is_some_and(|times| *times >= HIDDEN);
        if hidden && !bug!(goal, IgnoreHidden) {
            return refill(goal, journal, draft, name);
        }
        let action = match found {
            Some(asset) if good(goal, asset, expected) => continue,
            // A digest that does not come in time may come with another upload.
            Some(asset)
                if asset.may_be(expected)
                    && (journal.hopes < goal.patience.attempts
                        || journal.undigested.get(name).is_some_and(|times| *times >= UNKNOWN)) =>
            {
                unknown.push(asset.difference(expected));
                continue;
            }
            Some(asset) => {
                Action::DeleteAsset { release: draft.id, asset: asset.id, name: name.clone() }
            }
            None if bug!(goal, CompareOnlyListed) && !draft.assets.is_empty() => continue,
            None if bug!(goal, TrustAnswers) && journal.sent.contains_key(name) => continue,
            None => Action::Upload { release: draft.id, name: name.clone() },
        };
        if found.is_none() && journal.unseen.contains(name) {
            reads = CERTAIN;
        }
        match journal.sent.get(name) {
            Some((sent, why)) if *sent >= goal.patience.attempts => {
                let now =
                    found.map_or_else(|| format!("{name}: not there"), |a| a.difference(expected));
                let last =
                    if why.is_empty() { String::new() } else { format!(" (last answer: {why})") };
                reasons.push(format!(
                    "{now} after {sent} uploads{last}; run again when the forge is well"
                ));
            }
            _ => work.push(action),
        }
    }
    if !reasons.is_empty() {
        return Next::Refuse(Refusal { kind: RefusalKind::Forge, reasons }).into();
    }
    if !work.is_empty() {
        return Verdict { next: Next::Do(work), reads };
    }
    if !unknown.is_empty() {
        return hope(goal, journal, RefusalKind::Forge, || {
            format!(
                "{}; what cannot be compared is not published: run again when the forge gives digests, and it is sent anew",
                unknown.join("; ")
            )
        })
        .into();
    }
    match goal.stage {
        Stage::Draft | Stage::Upload => Next::Done { release: draft.id, published: false }.into(),
        Stage::Publish => {
            // Asked for already: what is not seen yet may have happened all the same.
            let reads = if journal.publishes == 0 { SETTLED } else { CERTAIN };
            Verdict { next: publish(goal, journal, state, draft), reads }
        }
    }
}

fn good(goal: &Goal, asset: &Asset, expected: &Expected) -> bool {
    asset.is(expected)
        || (bug!(goal, IgnoreDigest) && asset.size == expected.size)
        || (bug!(goal, TrustNullDigest) && asset.may_be(expected))
        || (bug!(goal, IgnoreState) && asset.state == AssetState::Partial)
}

/// A name is taken by an asset that no read shows (a `starter` left by a failed upload): it has no id to
/// delete it by, so the draft goes, and a new one is filled. Only who holds every file may do so: between
/// the last look and the deletion, another job's upload could end, and be lost after it said "done".
fn refill(goal: &Goal, journal: &Journal, draft: &Release, name: &str) -> Verdict {
    let taken = format!(
        "{name}: the forge says the name is taken in draft {} and shows no such asset",
        draft.id
    );
    let mine = goal.whole && only_mine(goal, draft) || bug!(goal, DropOthersWork);
    let next = if !mine {
        let cure = "the draft must be made anew: upload every file of the plan in one run";
        refuse(RefusalKind::Gate, format!("{taken}; {cure}"))
    } else if journal.drops >= DROPS {
        refuse(RefusalKind::Forge, format!("{taken}, even in a new draft; run again later"))
    } else {
        Next::Do(vec![drop_draft(draft)])
    };
    Verdict { next, reads: CERTAIN }
}
