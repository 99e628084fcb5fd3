//! What became of calls: what the journal keeps of it, and how long to wait.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::journal::{Action, Journal, Next, Outcome, Refusal, RefusalKind};
use super::super::state::AssetState;
use super::{Goal, THROTTLED, bug};

pub(super) fn read_failed(goal: &Goal, journal: &mut Journal, outcome: Outcome) -> Next {
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

pub(super) fn did(goal: &Goal, journal: &mut Journal, results: Vec<(Action, Outcome)>) -> Next {
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
pub(super) fn hope(
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
pub(super) fn backoff(goal: &Goal, tries: u32) -> Duration {
    goal.patience.pause * 2_u32.saturating_pow(tries.saturating_sub(1).min(5))
}

pub(super) fn wait(goal: &Goal, journal: &mut Journal, pause: Duration, why: String) -> Next {
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

pub(super) fn refuse(kind: RefusalKind, reason: String) -> Next {
    Next::Refuse(Refusal { kind, reasons: vec![reason] })
}
