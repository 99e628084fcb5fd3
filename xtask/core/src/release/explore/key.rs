//! States reduced to what decisions depend on.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::super::journal::{Action, Journal, Next};
use super::super::state::ReleaseState;
use super::Actor;
use super::forge::{Forge, Held};

/// Ids that nothing holds any more are all alike: no read shows them, no write reaches them.
fn ranked(id: u64, rank: &BTreeMap<u64, u64>) -> u64 {
    rank.get(&id).copied().unwrap_or(if rank.is_empty() { id } else { 0 })
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
pub(super) fn actor(actor: &Actor, rank: &BTreeMap<u64, u64>, spent: bool, lasting: bool) -> Actor {
    let mut key = actor.clone();
    journal(&mut key.journal, rank);
    if spent {
        // Lists show every id by themselves.
        key.journal.known.clear();
    }
    if !lasting {
        // Tries run out only under a fault that stays; what else is met is far from the bound.
        key.journal.sent.clear();
        key.journal.creates = key.journal.creates.min(1);
        key.journal.publishes = key.journal.publishes.min(1);
    }
    match &mut key.next {
        Next::Do(actions) => actions.iter_mut().for_each(|action| ranked_action(action, rank)),
        Next::Done { release, .. } => *release = ranked(*release, rank),
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
    journal.known.retain(|id| rank.contains_key(id));
    journal.known = journal.known.iter().map(|id| ranked(*id, rank)).collect();
    journal.filling = journal.filling.map(|id| ranked(id, rank));
    journal.sent.values_mut().for_each(|(_, why)| why.clear());
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
