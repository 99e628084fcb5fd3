//! The decisions: from what two agreeing reads show to the next action.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::journal::{Action, Event, Journal, Next, Outcome, Refusal, RefusalKind};
use super::manifest::{Expected, Manifest};
use super::state::{Asset, AssetState, Release, ReleaseState, Tag, difference, mark};

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
        let planted = $goal.bug == Some(super::explore::Bug::$name);
        #[cfg(not(test))]
        let planted = {
            let _ = &$goal;
            false
        };
        planted
    }};
}

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

/// All of ours is there. Whatever else is there must be known to travel along, and goes first.
fn publish(goal: &Goal, journal: &Journal, state: &ReleaseState, draft: &Release) -> Next {
    let extra = || draft.assets.iter().filter(|asset| !goal.assets.contains_key(&asset.name));
    let travellers: Vec<Action> = extra()
        .filter(|asset| goal.transient.contains(&asset.name))
        .map(|asset| Action::DeleteAsset {
            release: draft.id,
            asset: asset.id,
            name: asset.name.clone(),
        })
        .collect();
    if travellers.len() < extra().count() && !bug!(goal, IgnoreExtra) {
        let named: Vec<String> = extra()
            .filter(|asset| !goal.transient.contains(&asset.name))
            .map(|asset| {
                format!(
                    "{} (asset {}): not in the plan; delete it on the forge or plan it",
                    asset.name, asset.id
                )
            })
            .collect();
        return Next::Refuse(Refusal { kind: RefusalKind::Gate, reasons: named });
    }
    if !travellers.is_empty() {
        return Next::Do(travellers);
    }
    if journal.publishes >= goal.patience.attempts {
        let reason = format!(
            "release {}: publishing draft {} was asked for {} times and it is still a draft; run again when the forge is well",
            goal.tag, draft.id, journal.publishes
        );
        return refuse(RefusalKind::Forge, reason);
    }
    match publishable(goal, state) {
        #[cfg(test)]
        Err(_) if goal.bug.is_some() => Next::Do(vec![Action::Publish { release: draft.id }]),
        Ok(release) => Next::Do(vec![Action::Publish { release }]),
        Err(reasons) => Next::Refuse(Refusal { kind: RefusalKind::Gate, reasons }),
    }
}

/// The publish rule: the id of the draft that may be published as this state shows it.
///
/// # Errors
/// Every reason against it.
pub fn publishable(goal: &Goal, state: &ReleaseState) -> Result<u64, Vec<String>> {
    check_tag(goal, &state.tag).map_err(|reason| vec![reason])?;
    let [draft] = state.releases.as_slice() else {
        return Err(vec![format!(
            "tag {} is borne by {} releases, not by one",
            goal.tag,
            state.releases.len()
        )]);
    };
    if !draft.draft || !ours(goal, draft) {
        return Err(vec![format!("release {} is not a draft of this release", draft.id)]);
    }
    let problems = difference(&goal.assets, &draft.assets);
    if problems.is_empty() { Ok(draft.id) } else { Err(problems) }
}

/// The tag is published: compare, write nothing to it, and clear away our own empty twins.
fn after_publish(
    goal: &Goal,
    journal: &mut Journal,
    by_tag: Option<u64>,
    release: &Release,
    drafts: &[&Release],
) -> Next {
    let problems = published_problems(goal, release);
    if !problems.is_empty() {
        let mut reasons = vec![format!(
            "release {} ({}) is already published and is not what it must be; a published release is never touched: release a new version",
            goal.tag, release.id
        )];
        reasons.extend(problems);
        return Next::Refuse(Refusal { kind: RefusalKind::Gate, reasons });
    }
    let strays: Vec<Action> = drafts
        .iter()
        .filter(|draft| ours(goal, draft) && only_mine(goal, draft))
        .map(|draft| drop_draft(draft))
        .collect();
    if !strays.is_empty() {
        return Next::Do(strays);
    }
    if goal.stage == Stage::Publish && by_tag != Some(release.id) {
        return hope(goal, journal, RefusalKind::Forge, || {
            format!(
                "release {} is published as {}, but its tag does not lead to it",
                goal.tag, release.id
            )
        });
    }
    Next::Done { release: release.id, published: true }
}

fn published_problems(goal: &Goal, release: &Release) -> Vec<String> {
    let mut expected = goal.assets.clone();
    expected.retain(|name, _| !goal.transient.contains(name));
    match goal.stage {
        Stage::Draft if ours(goal, release) => Vec::new(),
        Stage::Draft => vec![String::from("it does not bear this release's mark")],
        Stage::Publish => difference(&expected, &release.assets),
        Stage::Upload => {
            let mine: Vec<Asset> = release
                .assets
                .iter()
                .filter(|asset| expected.contains_key(&asset.name))
                .cloned()
                .collect();
            difference(&expected, &mine)
        }
    }
}

fn read_failed(goal: &Goal, journal: &mut Journal, outcome: Outcome) -> Next {
    match outcome {
        Outcome::Throttled(asked) => {
            journal.throttled_reads += 1;
            let times = journal.throttled_reads;
            throttled(goal, journal, times, asked, &format!("reading release {}", goal.tag))
        }
        Outcome::Lost(why) => {
            journal.read_failures += 1;
            if journal.read_failures >= goal.patience.attempts {
                let reason = format!("release {}: cannot read it: {why}", goal.tag);
                return refuse(RefusalKind::Forge, reason);
            }
            let pause = backoff(goal, journal.read_failures);
            wait(goal, journal, pause, format!("after a failed read ({why})"))
        }
        Outcome::Gone(why) | Outcome::Denied(why) => refuse(RefusalKind::Forge, why),
        Outcome::Done(_) | Outcome::Taken | Outcome::Skipped => Next::Read,
    }
}

fn did(goal: &Goal, journal: &mut Journal, results: Vec<(Action, Outcome)>) -> Next {
    let seen = journal.last.take();
    let lacked_digest = |asset: u64| {
        let mut assets = seen.iter().flat_map(|state| &state.releases).flat_map(|r| &r.assets);
        assets.any(|a| a.id == asset && a.state == AssetState::Uploaded && a.digest.is_none())
    };
    journal.agreeing = 0;
    journal.changes = 0;
    journal.hopes = 0;
    let denied: Vec<String> = results
        .iter()
        .filter_map(|(action, outcome)| match outcome {
            Outcome::Denied(why) => Some(format!("{}: {why}", describe(action))),
            Outcome::Gone(why) if *action == Action::Create => {
                Some(format!("{}: {why}", describe(action)))
            }
            _ => None,
        })
        .collect();
    if !denied.is_empty() {
        return Next::Refuse(Refusal { kind: RefusalKind::Forge, reasons: denied });
    }
    #[cfg(test)]
    if let Some(again) = blind_resend(goal, &results) {
        return again;
    }
    let mut pause = Duration::ZERO;
    let mut throttle = None;
    let mut limited = Vec::new();
    let mut why = String::new();
    for (action, outcome) in results {
        if outcome == Outcome::Skipped {
            continue;
        }
        if let Outcome::Throttled(asked) = outcome {
            throttle = throttle.max(Some(asked));
            limited.push(describe(&action));
            continue;
        }
        journal.throttled = 0;
        if let Action::DeleteAsset { asset, name, .. } = &action
            && lacked_digest(*asset)
            && !matches!(outcome, Outcome::Lost(_))
        {
            *journal.undigested.entry(name.clone()).or_default() += 1;
        }
        let tries = count(goal, journal, &action, &outcome);
        if let Outcome::Lost(text) = outcome {
            if matches!(action, Action::DeleteAsset { .. }) && tries >= goal.patience.attempts {
                let what = describe(&action);
                let reason =
                    format!("{what}: {text}, {tries} times; run again when the forge is well");
                return refuse(RefusalKind::Forge, reason);
            }
            pause = pause.max(backoff(goal, tries));
            why = format!("after {}: {text}", describe(&action));
        }
    }
    match throttle {
        Some(asked) => {
            journal.throttled += 1;
            let times = journal.throttled;
            throttled(goal, journal, times, asked.max(pause), &limited.join(", "))
        }
        None if pause > Duration::ZERO => wait(goal, journal, pause, why),
        None => Next::Read,
    }
}

/// Writes an action into the journal; how often it was tried.
fn count(goal: &Goal, journal: &mut Journal, action: &Action, outcome: &Outcome) -> u32 {
    match action {
        Action::Create => {
            if let Outcome::Done(Some(id)) = outcome {
                journal.known.insert(*id);
            }
            journal.creates += 1;
            journal.creates
        }
        Action::Upload { name, .. } => {
            if *outcome == Outcome::Taken {
                *journal.blocked.entry(name.clone()).or_default() += 1;
            }
            if matches!(outcome, Outcome::Done(_)) {
                journal.unseen.insert(name.clone());
            }
            let entry = journal.sent.entry(name.clone()).or_default();
            entry.0 += u32::from(!bug!(goal, ForgetAttempts));
            entry.1 = match outcome {
                Outcome::Lost(why) | Outcome::Gone(why) => why.clone(),
                Outcome::Taken => String::from("the name is taken"),
                _ => String::new(),
            };
            entry.0
        }
        Action::DeleteAsset { .. } => {
            let lost = matches!(outcome, Outcome::Lost(_));
            journal.undeleted = if lost { journal.undeleted + 1 } else { 0 };
            journal.undeleted.max(1)
        }
        Action::DropDraft { release, .. } => {
            if matches!(outcome, Outcome::Done(_) | Outcome::Gone(_)) {
                journal.known.remove(release);
            }
            // A twin that goes is no draft that was filled in vain.
            journal.drops += u32::from(journal.filling == Some(*release));
            journal.drops.max(1)
        }
        Action::Publish { .. } => {
            journal.publishes += 1;
            journal.publishes
        }
    }
}

/// The planted bug of resending without a look.
#[cfg(test)]
fn blind_resend(goal: &Goal, results: &[(Action, Outcome)]) -> Option<Next> {
    let planted = bug!(goal, ResendBlindly);
    let lost = results
        .iter()
        .find(|(action, outcome)| *action == Action::Create && matches!(outcome, Outcome::Lost(_)));
    lost.filter(|_| planted).map(|(action, _)| Next::Do(vec![action.clone()]))
}

fn describe(action: &Action) -> String {
    match action {
        Action::Create => String::from("making the draft"),
        Action::Upload { release, name } => format!("uploading {name} to draft {release}"),
        Action::DeleteAsset { asset, name, .. } => format!("deleting {name} (asset {asset})"),
        Action::DropDraft { release, .. } => format!("deleting draft {release}"),
        Action::Publish { release } => format!("publishing draft {release}"),
    }
}

fn throttled(goal: &Goal, journal: &mut Journal, times: u32, asked: Duration, what: &str) -> Next {
    if asked > goal.patience.longest_wait || times > THROTTLED {
        let reason = format!(
            "{what}: the forge asks to wait {} s ({times} times in a row); at most {} s are waited, {THROTTLED} times: run again later",
            asked.as_secs(),
            goal.patience.longest_wait.as_secs()
        );
        return refuse(RefusalKind::Forge, reason);
    }
    wait(
        goal,
        journal,
        asked.max(goal.patience.pause),
        String::from("because the forge limits the rate"),
    )
}

/// Time may mend it: look again, a bounded number of times.
fn hope(
    goal: &Goal,
    journal: &mut Journal,
    kind: RefusalKind,
    reason: impl Fn() -> String,
) -> Next {
    if journal.hopes >= goal.patience.attempts {
        return refuse(kind, reason());
    }
    journal.hopes += 1;
    let pause = backoff(goal, journal.hopes);
    wait(goal, journal, pause, reason())
}

/// 1, 2, 4, … pauses.
fn backoff(goal: &Goal, tries: u32) -> Duration {
    goal.patience.pause * 2_u32.saturating_pow(tries.saturating_sub(1).min(5))
}

fn wait(goal: &Goal, journal: &mut Journal, pause: Duration, why: String) -> Next {
    journal.waited += pause;
    if journal.waited > goal.patience.budget {
        let reason = format!(
            "release {}: waited {} s in all, the most that is waited; run again later ({why})",
            goal.tag,
            goal.patience.budget.as_secs()
        );
        return refuse(RefusalKind::Forge, reason);
    }
    Next::Wait(pause, why)
}

fn refuse(kind: RefusalKind, reason: String) -> Next {
    Next::Refuse(Refusal { kind, reasons: vec![reason] })
}
