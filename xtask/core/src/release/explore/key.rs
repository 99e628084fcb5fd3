//! States reduced to what decisions depend on.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::super::journal::{Action, Journal, Next};
use super::super::state::ReleaseState;
use super::Actor;
use super::forge::{Forge, Held};

/// New names for ids. Of drafts the order counts, of assets only which draft they are in, and whether
/// they still are: a draft holds one asset of a name.
pub(super) fn ranks(forge: &Forge) -> BTreeMap<u64, u64> {
    let mut releases: Vec<u64> =
        forge.releases.iter().chain(&forge.before).map(|release| release.id).collect();
    releases.sort_unstable();
    releases.dedup();
    let mut rank: BTreeMap<u64, u64> = releases.into_iter().zip(1..).collect();
    for (held, gone) in [(&forge.releases, 0), (&forge.before, 1 << 32)] {
        for release in held {
            let place = gone + (ranked(release.id, &rank) << 16);
            for asset in &release.assets {
                let name = asset.name.bytes().next().unwrap_or_default();
                rank.entry(asset.id).or_insert(place + u64::from(name));
            }
        }
    }
    rank
}

/// Ids that nothing holds any more are all alike: no read shows them, no write reaches them.
fn ranked(id: u64, rank: &BTreeMap<u64, u64>) -> u64 {
    rank.get(&id).copied().unwrap_or_default()
}

pub(super) fn forge(forge: &Forge, rank: &BTreeMap<u64, u64>) -> Forge {
    let held = |releases: &[Held]| -> Vec<Held> {
        let mut releases = releases.to_vec();
        for release in &mut releases {
            release.id = ranked(release.id, rank);
            for asset in &mut release.assets {
                asset.id = ranked(asset.id, rank);
            }
        }
        releases
    };
    Forge {
        releases: held(&forge.releases),
        before: held(&forge.before),
        next_id: 0,
        writes: 0,
        tag_moved: forge.tag_moved,
        lasting: forge.lasting.clone(),
    }
}

/// `spent`: no fault is left to come; `lasting`: one has come to stay.
pub(super) fn actor(actor: &Actor, forge: &Forge, rank: &BTreeMap<u64, u64>, spent: bool) -> Actor {
    let mut key = actor.clone();
    // A list that lags shows all that it showed before the last write.
    key.journal.known.retain(|id| {
        forge.releases.iter().any(|release| release.id == *id)
            && !forge.before.iter().any(|release| release.id == *id)
    });
    journal(&mut key.journal, rank);
    if spent {
        // Lists show every id by themselves.
        key.journal.known.clear();
    }
    // Tries run out only of a file that meets a fault which stays; what else is met is far from the bounds.
    key.journal.sent.retain(|name, _| forge.lasting.iter().any(|(lasting, _)| lasting == name));
    key.journal.creates = key.journal.creates.min(1);
    key.journal.publishes = key.journal.publishes.min(1);
    key.journal.read_failures = 0;
    key.journal.undeleted = 0;
    key.journal.throttled = 0;
    key.journal.throttled_reads = 0;
    if matches!(key.next, Next::Do(_)) {
        // Forgotten when they are done.
        key.journal.last = None;
        key.journal.agreeing = 0;
        key.journal.hopes = 0;
    }
    match &mut key.next {
        Next::Do(actions) => actions.iter_mut().for_each(|action| ranked_action(action, rank)),
        Next::Done { release, .. } => *release = 0,
        Next::Refuse(refusal) => refusal.reasons.clear(),
        Next::Read | Next::Wait(..) => {}
    }
    for (action, _) in &mut key.results {
        ranked_action(action, rank);
    }
    // Who is over decides nothing more.
    if actor.over() {
        key.journal = Journal::default();
    }
    key
}

fn journal(journal: &mut Journal, rank: &BTreeMap<u64, u64>) {
    journal.changes = 0;
    journal.agreeing = journal.agreeing.min(4);
    journal.known = journal.known.iter().map(|id| ranked(*id, rank)).collect();
    journal.filling = journal.filling.map(|id| ranked(id, rank));
    // Whether there was a bad answer decides, not its words.
    journal.sent.values_mut().for_each(|(_, why)| why.truncate(1));
    if let Some(last) = &mut journal.last {
        state(last, rank);
    }
}

fn state(state: &mut ReleaseState, rank: &BTreeMap<u64, u64>) {
    state.by_tag = state.by_tag.map(|id| ranked(id, rank));
    for release in &mut state.releases {
        release.id = ranked(release.id, rank);
        for asset in &mut release.assets {
            asset.id = ranked(asset.id, rank);
        }
    }
}

fn ranked_action(action: &mut Action, rank: &BTreeMap<u64, u64>) {
    match action {
        Action::Create => {}
        Action::Upload { release, .. } | Action::Publish { release } => {
            *release = ranked(*release, rank);
        }
        Action::DeleteAsset { release, asset, .. } => {
            *release = ranked(*release, rank);
            *asset = ranked(*asset, rank);
        }
        Action::DropDraft { release, assets } => {
            *release = ranked(*release, rank);
            assets.iter_mut().for_each(|asset| *asset = ranked(*asset, rank));
        }
    }
}
