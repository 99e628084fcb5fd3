//! One row for each fault: what the machine answers, event by event.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use core::time::Duration;

use super::*;

const TAG: &str = "v1.0.0";
const COMMIT: &str = "c0ffee";

fn expected(byte: u8) -> Expected {
    Expected { size: 3, digest: Digest([byte; 32]) }
}

fn goal(stage: Stage) -> Goal {
    let assets = [("a".to_string(), expected(1)), ("b".to_string(), expected(2))];
    Goal::new(stage, TAG, COMMIT, assets.into()).whole(true)
}

fn asset(id: u64, name: &str, byte: u8) -> Asset {
    let digest = Some(Digest([byte; 32]));
    Asset { id, name: name.into(), state: AssetState::Uploaded, size: 3, digest }
}

fn draft(id: u64, assets: &[Asset]) -> Release {
    Release { id, draft: true, mark: Some(mark::text(TAG, COMMIT)), assets: assets.to_vec() }
}

fn state(releases: &[Release]) -> ReleaseState {
    let by_tag = releases.iter().find(|release| !release.draft).map(|release| release.id);
    ReleaseState { tag: Tag::At(COMMIT.into()), releases: releases.to_vec(), by_tag }
}

/// Shows the same state until the machine asks for something else than another look; how often.
fn settle(goal: &Goal, journal: &mut Journal, state: &ReleaseState) -> (Next, u32) {
    for reads in 1..100 {
        match step(goal, journal, Event::Saw(state.clone())) {
            Next::Wait(..) => assert_eq!(step(goal, journal, Event::Waited), Next::Read),
            next => return (next, reads),
        }
    }
    panic!("it looks for ever");
}

/// What the machine wants when it sees this from the start.
fn wants(goal: &Goal, state: &ReleaseState) -> Next {
    settle(goal, &mut Journal::default(), state).0
}

fn upload(name: &str) -> Action {
    Action::Upload { release: 1, name: name.into() }
}

fn refusal(next: Next) -> (RefusalKind, String) {
    match next {
        Next::Refuse(refusal) => (refusal.kind, refusal.reasons.join("\n")),
        other => panic!("{other:?}"),
    }
}

fn whole() -> [Asset; 2] {
    [asset(10, "a", 1), asset(11, "b", 2)]
}

#[test]
fn nothing_is_there() {
    assert_eq!(wants(&goal(Stage::Draft), &state(&[])), Next::Do(vec![Action::Create]));
}

#[test]
fn one_read_is_not_believed() {
    let (_, reads) = settle(&goal(Stage::Draft), &mut Journal::default(), &state(&[]));
    assert_eq!(reads, 2);
    let mut journal = Journal::default();
    let goal = goal(Stage::Publish);
    step(&goal, &mut journal, Event::Saw(state(&[])));
    let next = step(&goal, &mut journal, Event::Saw(state(&[draft(1, &[])])));
    assert!(matches!(next, Next::Wait(..)), "{next:?}");
}

#[test]
fn the_tag_comes_first() {
    for tag in [Tag::Missing, Tag::At("other".into())] {
        let (kind, why) =
            refusal(wants(&goal(Stage::Publish), &ReleaseState { tag, ..state(&[]) }));
        assert_eq!(kind, RefusalKind::Gate);
        assert!(why.contains(TAG), "{why}");
    }
}

#[test]
fn what_is_missing_is_uploaded_and_what_is_wrong_deleted() {
    let held = [asset(10, "a", 9)];
    let delete = Action::DeleteAsset { release: 1, asset: 10, name: "a".into() };
    let next = wants(&goal(Stage::Publish), &state(&[draft(1, &held)]));
    assert_eq!(next, Next::Do(vec![delete, upload("b")]));
    let mut starter = asset(10, "a", 1);
    starter.state = AssetState::Partial;
    let next = wants(&goal(Stage::Publish), &state(&[draft(1, &[starter, asset(11, "b", 2)])]));
    assert_eq!(
        next,
        Next::Do(vec![Action::DeleteAsset { release: 1, asset: 10, name: "a".into() }])
    );
}

#[test]
fn a_lost_answer_is_looked_after_and_an_equal_digest_is_done() {
    let goal = goal(Stage::Upload);
    let mut journal = Journal::default();
    settle(&goal, &mut journal, &state(&[draft(1, &[])]));
    let lost = Outcome::Lost("reset".into());
    let next = step(
        &goal,
        &mut journal,
        Event::Did(vec![(upload("a"), lost), (upload("b"), Outcome::Done(None))]),
    );
    assert!(matches!(next, Next::Wait(..)), "{next:?}");
    let (next, _) = settle(&goal, &mut journal, &state(&[draft(1, &whole())]));
    assert_eq!(next, Next::Done { release: 1, published: false });
}

/// The same thing goes wrong for ever.
fn exhausted(outcome: &Outcome, after: &[Asset]) -> (RefusalKind, String) {
    let goal = goal(Stage::Publish);
    let mut journal = Journal::default();
    for _ in 0..100 {
        let (next, _) = settle(&goal, &mut journal, &state(&[draft(1, after)]));
        match next {
            Next::Do(actions) => {
                let results = actions.into_iter().map(|action| match action {
                    Action::Upload { .. } => (action, outcome.clone()),
                    _ => (action, Outcome::Done(None)),
                });
                let next = step(&goal, &mut journal, Event::Did(results.collect()));
                assert!(matches!(next, Next::Wait(..) | Next::Read), "{next:?}");
                // The uploads that were wanted in between leave what they always leave.
                let gone = state(&[draft(1, &[])]);
                if !after.is_empty()
                    && let (Next::Do(actions), _) = settle(&goal, &mut journal, &gone)
                {
                    let results = actions.into_iter().map(|action| (action, outcome.clone()));
                    step(&goal, &mut journal, Event::Did(results.collect()));
                }
            }
            next => return refusal(next),
        }
    }
    panic!("it never gives up");
}

#[test]
fn for_ever_ends() {
    let (kind, why) = exhausted(&Outcome::Lost("HTTP 502".into()), &[]);
    assert_eq!(kind, RefusalKind::Forge);
    assert!(why.contains("a: not there") && why.contains("502"), "{why}");
    let (_, why) = exhausted(&Outcome::Done(None), &[asset(10, "a", 9), asset(11, "b", 2)]);
    assert!(why.contains("a (asset 10)") && why.contains("sha256"), "{why}");
}

/// Whoever sent it: it is sent again once, and then named.
#[test]
fn a_digest_that_never_comes() {
    let goal = goal(Stage::Publish);
    let mut journal = Journal::default();
    let mut null = asset(10, "a", 1);
    null.digest = None;
    let with = state(&[draft(1, &[null, asset(11, "b", 2)])]);
    let without = state(&[draft(1, &[asset(11, "b", 2)])]);
    let delete = Action::DeleteAsset { release: 1, asset: 10, name: "a".into() };
    let (next, reads) = settle(&goal, &mut journal, &with);
    assert_eq!(next, Next::Do(vec![delete.clone()]));
    assert!(reads > 5, "{reads}: it may come late");
    step(&goal, &mut journal, Event::Did(vec![(delete, Outcome::Done(None))]));
    assert_eq!(settle(&goal, &mut journal, &without).0, Next::Do(vec![upload("a")]));
    step(&goal, &mut journal, Event::Did(vec![(upload("a"), Outcome::Done(None))]));
    let (kind, why) = refusal(settle(&goal, &mut journal, &with).0);
    assert_eq!(kind, RefusalKind::Forge);
    assert!(why.contains("a (asset 10)") && why.contains("run again"), "{why}");
}

#[test]
fn a_hidden_name_costs_the_draft_when_everything_is_in_hand() {
    for whole in [true, false] {
        let goal = goal(Stage::Publish).whole(whole);
        let mut journal = Journal::default();
        let seen = state(&[draft(1, &[asset(11, "b", 2)])]);
        let mut last = (Next::Read, 0);
        for _ in 0..3 {
            last = settle(&goal, &mut journal, &seen);
            if last.0 == Next::Do(vec![upload("a")]) {
                step(&goal, &mut journal, Event::Did(vec![(upload("a"), Outcome::Taken)]));
            }
        }
        if whole {
            let drop = Action::DropDraft { release: 1, assets: vec![11] };
            assert_eq!(last, (Next::Do(vec![drop]), 4));
        } else {
            assert!(refusal(last.0).1.contains("the name is taken"));
        }
    }
}

#[test]
fn a_wait_is_kept_and_bounded() {
    let goal = goal(Stage::Publish);
    let mut journal = Journal::default();
    settle(&goal, &mut journal, &state(&[draft(1, &[])]));
    let asked =
        |seconds| Event::Did(vec![(upload("a"), Outcome::Throttled(Duration::from_secs(seconds)))]);
    let next = step(&goal, &mut journal, asked(60));
    assert!(matches!(next, Next::Wait(pause, _) if pause == Duration::from_secs(60)), "{next:?}");
    assert_eq!(refusal(step(&goal, &mut journal, asked(3601))).0, RefusalKind::Forge);
    let mut journal = Journal::default();
    let waits =
        (0..1000).take_while(|_| matches!(step(&goal, &mut journal, asked(300)), Next::Wait(..)));
    assert!(waits.count() <= 12, "an hour in all");
}

#[test]
fn a_deletion_that_is_lost_for_ever_ends() {
    let goal = goal(Stage::Publish);
    let mut journal = Journal::default();
    let wrong = state(&[draft(1, &[asset(10, "a", 9), asset(11, "b", 2)])]);
    for tries in 1..100 {
        let (next, _) = settle(&goal, &mut journal, &wrong);
        let Next::Do(actions) = next else { panic!("{next:?}") };
        let lost = |action| (action, Outcome::Lost("HTTP 502".into()));
        let next = step(&goal, &mut journal, Event::Did(actions.into_iter().map(lost).collect()));
        if let Next::Refuse(refusal) = next {
            assert_eq!((tries, refusal.kind), (goal.patience.attempts, RefusalKind::Forge));
            assert!(refusal.reasons[0].contains("a (asset 10): HTTP 502"), "{refusal:?}");
            return;
        }
    }
    panic!("it never gives up");
}

#[test]
fn a_plain_refusal_stops_at_once() {
    let goal = goal(Stage::Publish);
    let mut journal = Journal::default();
    let results = vec![(upload("a"), Outcome::Denied("HTTP 403: no".into()))];
    let (kind, why) = refusal(step(&goal, &mut journal, Event::Did(results)));
    assert_eq!(kind, RefusalKind::Forge);
    assert!(why.contains("HTTP 403: no") && why.contains('a'), "{why}");
}

#[test]
fn a_draft_is_not_made_again_on_two_reads() {
    let goal = goal(Stage::Draft);
    let mut journal = Journal::default();
    step(&goal, &mut journal, Event::Did(vec![(Action::Create, Outcome::Lost("reset".into()))]));
    let (next, reads) = settle(&goal, &mut journal, &state(&[]));
    assert_eq!((next, reads), (Next::Do(vec![Action::Create]), 4));
}

#[test]
fn of_twins_the_lowest_wins() {
    let goal = goal(Stage::Publish);
    let drop = |release, assets: &[u64]| Action::DropDraft { release, assets: assets.to_vec() };
    let next = wants(&goal, &state(&[draft(1, &[]), draft(2, &[])]));
    assert_eq!(next, Next::Do(vec![drop(2, &[])]));
    let theirs = draft(2, &[asset(20, "theirs", 7)]);
    let (kind, why) = refusal(wants(&goal, &state(&[draft(1, &[]), theirs])));
    assert_eq!(kind, RefusalKind::Gate);
    assert!(why.contains("1 and 2"), "{why}");
    let by_hand = Release { mark: None, ..draft(2, &[]) };
    assert!(refusal(wants(&goal, &state(&[draft(1, &[]), by_hand]))).1.contains('2'));
}

#[test]
fn what_travelled_goes_last_and_what_nobody_planned_stops() {
    let goal = goal(Stage::Publish).transient(["t".to_string()].into());
    let with = |name: &str| {
        let mut assets = whole().to_vec();
        assets.push(asset(12, name, 5));
        state(&[draft(1, &assets)])
    };
    let delete = Action::DeleteAsset { release: 1, asset: 12, name: "t".into() };
    assert_eq!(wants(&goal, &with("t")), Next::Do(vec![delete]));
    assert!(refusal(wants(&goal, &with("x"))).1.contains("x (asset 12)"));
    let next = wants(&goal, &state(&[draft(1, &whole())]));
    assert_eq!(next, Next::Do(vec![Action::Publish { release: 1 }]));
}

#[test]
fn a_published_release_is_compared_and_left_alone() {
    let published = |assets: &[Asset]| state(&[Release { draft: false, ..draft(1, assets) }]);
    for stage in [Stage::Draft, Stage::Upload, Stage::Publish] {
        let next = wants(&goal(stage), &published(&whole()));
        assert_eq!(next, Next::Done { release: 1, published: true });
    }
    let (kind, why) = refusal(wants(&goal(Stage::Publish), &published(&whole()[..1])));
    assert_eq!(kind, RefusalKind::Gate);
    assert!(why.contains("already published") && why.contains("b: missing"), "{why}");
}

#[test]
fn a_lost_publish_is_what_reads_show() {
    let goal = goal(Stage::Publish);
    for (shown_draft, next) in [
        (true, Next::Do(vec![Action::Publish { release: 1 }])),
        (false, Next::Done { release: 1, published: true }),
    ] {
        let mut journal = Journal::default();
        let lost = Outcome::Lost("reset".into());
        step(&goal, &mut journal, Event::Did(vec![(Action::Publish { release: 1 }, lost)]));
        let release = Release { draft: shown_draft, ..draft(1, &whole()) };
        assert_eq!(settle(&goal, &mut journal, &state(&[release])).0, next);
    }
}

#[test]
fn the_publish_rule_says_why_not() {
    let goal = goal(Stage::Publish);
    assert_eq!(publishable(&goal, &state(&[draft(1, &whole())])), Ok(1));
    let cases: Vec<(ReleaseState, &str)> = vec![
        (state(&[]), "0 releases"),
        (state(&[draft(1, &whole()), draft(2, &[])]), "2 releases"),
        (state(&[Release { mark: None, ..draft(1, &whole()) }]), "not a draft of this release"),
        (state(&[draft(1, &whole()[..1])]), "b: missing"),
        (state(&[draft(1, &[asset(10, "a", 1), asset(11, "b", 1)])]), "sha256"),
        (ReleaseState { tag: Tag::Missing, ..state(&[draft(1, &whole())]) }, "not on the forge"),
    ];
    for (state, why) in cases {
        let reasons = publishable(&goal, &state).unwrap_err();
        assert!(format!("{reasons:?}").contains(why), "{reasons:?}");
    }
}
