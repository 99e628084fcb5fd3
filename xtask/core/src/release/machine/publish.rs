//! The last steps: what must hold before a draft is published, and after.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::super::journal::{Action, Journal, Next, Refusal, RefusalKind};
use super::super::state::{Asset, Release, ReleaseState, difference};
use super::outcome::{hope, refuse};
use super::{Goal, Stage, bug, check_tag, drop_draft, only_mine, ours};

/// All of ours is there. Whatever else is there must be known to travel along, and goes first.
pub(super) fn publish(
    goal: &Goal,
    journal: &Journal,
    state: &ReleaseState,
    draft: &Release,
) -> Next {
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
pub(super) fn after_publish(
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
