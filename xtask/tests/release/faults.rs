//! One test for each row of the fault table, end to end.

use crate::state::{Call, Fault};
use crate::world::{TAG, World};

const EVER: usize = usize::MAX;

/// The fault heals: one run converges, and a rerun writes nothing.
fn heals(call: Call, from: usize, times: usize, fault: Fault) -> World {
    let world = World::new();
    world.fault(call, from, times, fault);
    world.finalize().expect(0);
    world.assert_published();
    world.assert_rerun_writes_nothing();
    world
}

/// The fault stays: nothing is published, the asset is named.
fn refuses(call: Call, fault: Fault, says: &[&str]) -> World {
    let world = World::new();
    world.fault(call, 0, EVER, fault);
    let ended = world.finalize();
    assert!(ended.code.is_some_and(|code| code != 0), "{}", ended.stderr);
    ended.says(says);
    world.assert_not_published();
    world
}

#[test]
fn a_healthy_release_is_published_and_stays() {
    let world = World::new();
    world.draft().expect(0);
    world.upload().expect(0);
    world.finalize().expect(0);
    world.assert_published();
    world.assert_rerun_writes_nothing();
    world.upload().expect(0);
    world.draft().expect(0);
    let state = world.server.state();
    assert_eq!(state.latest.as_deref(), Some(TAG));
    assert!(state.most_uploading <= 4, "{}", state.most_uploading);
}

#[test]
fn an_upload_fails_with_5xx_and_leaves_a_starter() {
    heals(Call::Upload, 1, 1, Fault::Starter { hidden: false });
    heals(Call::Upload, 0, 3, Fault::Starter { hidden: false });
}

#[test]
fn an_upload_is_reset() {
    heals(Call::Upload, 1, 2, Fault::ResetBefore);
}

#[test]
fn a_starter_that_no_list_shows() {
    let world = heals(Call::Upload, 1, 1, Fault::Starter { hidden: true });
    let state = world.server.state();
    assert!(
        state.log.iter().any(|(call, _)| *call == Call::DeleteRelease),
        "its draft was dropped"
    );
}

#[test]
fn uploads_fail_for_ever() {
    refuses(Call::Upload, Fault::Status(502), &["tool-linux-amd64", "HTTP 502"]);
}

#[test]
fn digests_are_wrong_for_ever() {
    refuses(Call::Upload, Fault::WrongBytes, &["tool-linux-amd64", "sha256"]);
}

#[test]
fn digests_are_null_for_ever() {
    let world = refuses(Call::Upload, Fault::NullDigest(EVER), &["tool-linux-amd64", "no digest"]);
    // What lies there without a digest stays so; what is sent when the forge is well again has one.
    world.server.state().rules.clear();
    world.finalize().expect(0);
    world.assert_published();
    world.assert_rerun_writes_nothing();
}

/// However late, also between the decision to delete the asset and the deletion: what has its digest stays.
#[test]
fn a_digest_that_comes_at_the_last_moment() {
    for reads in 2..14 {
        let world = heals(Call::Upload, 5, 1, Fault::NullDigest(reads));
        assert_eq!(world.server.state().deleted_whole, [""; 0], "{reads}");
    }
}

#[test]
fn a_digest_that_comes_late() {
    heals(Call::Upload, 0, 1, Fault::NullDigest(3));
}

#[test]
fn stored_but_the_answer_is_lost() {
    let world = heals(Call::Upload, 0, 1, Fault::ResetAfter);
    let uploads = world.server.state().log.iter().filter(|(c, _)| *c == Call::Upload).count();
    assert_eq!(uploads, crate::world::whole().len(), "nothing was sent twice");
}

#[test]
fn the_forge_asks_to_wait() {
    for status in [403, 429] {
        heals(Call::Upload, 1, 2, Fault::RetryAfter(status, 1));
        heals(Call::List, 0, 1, Fault::RetryAfter(status, 1));
    }
}

#[test]
fn the_forge_asks_to_wait_too_long() {
    let world = refuses(Call::Upload, Fault::RetryAfter(403, 86_400), &["86400"]);
    let uploads = world.server.state().log.iter().filter(|(c, _)| *c == Call::Upload).count();
    assert!(uploads <= 4, "{uploads}");
}

#[test]
fn a_plain_403_and_another_422_stop_at_once() {
    for status in [403, 422] {
        let world = refuses(Call::Upload, Fault::Status(status), &["injected"]);
        let state = world.server.state();
        let uploads = state.log.iter().filter(|(call, _)| *call == Call::Upload).count();
        assert!(uploads <= 4, "{uploads}");
        assert!(state.log.last().is_some_and(|(call, _)| *call == Call::Upload), "it went on");
    }
}

#[test]
fn the_token_is_not_repeated() {
    let world = refuses(Call::Create, Fault::EchoToken, &["bad credentials", "***"]);
    drop(world);
}

#[test]
fn created_in_state_starter() {
    heals(Call::Upload, 0, 1, Fault::CreatedAsStarter);
}

#[test]
fn a_digest_is_wrong_once() {
    heals(Call::Upload, 2, 1, Fault::WrongBytes);
}

#[test]
fn lists_are_stale() {
    for from in 0..6 {
        heals(Call::List, from, 1, Fault::Stale);
        heals(Call::Assets, from, 1, Fault::Stale);
    }
}

#[test]
fn a_stale_list_and_a_lost_create() {
    let world = World::new();
    world.fault(Call::Create, 0, 1, Fault::ResetAfter).fault(Call::List, 2, 2, Fault::Stale);
    world.finalize().expect(0);
    world.assert_published();
    let creates = world.server.state().log.iter().filter(|(c, _)| *c == Call::Create).count();
    assert_eq!(creates, 1);
}

#[test]
fn a_twin_made_concurrently() {
    heals(Call::Create, 0, 1, Fault::Twin);
}

#[test]
fn a_twin_with_work_of_others() {
    let world = World::new();
    world.draft().expect(0);
    let ids = {
        let mut state = world.server.state();
        let (body, first) = (state.releases[0].body.clone(), state.releases[0].id);
        let twin = state.add_release(TAG, &body, true);
        state.add_asset(twin, "theirs", b"x");
        [first.to_string(), twin.to_string()]
    };
    world.finalize().expect(1).says(&[&ids[0], &ids[1]]);
    world.assert_not_published();
    assert_eq!(world.server.state().releases.len(), 2);
}

#[test]
fn create_or_publish_is_lost() {
    for fault in [Fault::ResetBefore, Fault::ResetAfter, Fault::Status(500)] {
        heals(Call::Create, 0, 1, fault);
        heals(Call::Patch, 0, 1, fault);
    }
}

#[test]
fn the_tag_is_missing_or_elsewhere() {
    let world = World::new();
    world.server.state().tags.clear();
    world.finalize().expect(1).says(&[TAG, "git push origin"]);
    assert_eq!(world.server.state().writes(), 0);
    world.server.state().tags.insert(TAG.to_owned(), ("f".repeat(40), false));
    world.draft().expect(1).says(&[TAG, "ffff"]);
    assert_eq!(world.server.state().writes(), 0);
}

#[test]
fn an_annotated_tag_is_peeled() {
    let world = World::new();
    let commit = world.commit();
    world.server.state().tags.insert(TAG.to_owned(), (commit, true));
    world.finalize().expect(0);
    world.assert_published();
}

#[test]
fn published_and_different() {
    let world = World::new();
    world.finalize().expect(0);
    let id = {
        let mut state = world.server.state();
        state.releases[0].assets.remove(0);
        state.releases[0].id
    };
    let writes = world.server.state().writes();
    world.finalize().expect(1).says(&["already published", "missing", &id.to_string()]);
    assert_eq!(world.server.state().writes(), writes);
}

#[test]
fn an_immutable_release_is_left_alone() {
    let world = World::new();
    world.server.state().immutable = true;
    world.finalize().expect(0);
    world.assert_published();
    world.assert_rerun_writes_nothing();
}

#[test]
fn reads_fail() {
    for call in [Call::Ref, Call::List, Call::ByTag, Call::Release, Call::Assets] {
        heals(call, 1, 2, Fault::Status(503));
        heals(call, 2, 1, Fault::ResetBefore);
    }
    refuses(Call::List, Fault::Status(500), &["cannot"]);
}

#[test]
fn a_draft_made_by_hand() {
    let world = World::new();
    let id = world.server.state().add_release(TAG, "By hand", true);
    world.draft().expect(1).says(&[&id.to_string(), "by hand"]);
    world.finalize().expect(1).says(&[&id.to_string()]);
    assert_eq!(world.server.state().writes(), 0);
}

#[test]
fn an_asset_that_nobody_planned() {
    let world = World::new();
    world.draft().expect(0);
    {
        let mut state = world.server.state();
        let id = state.releases[0].id;
        state.add_asset(id, "notes.pdf", b"x");
    }
    world.finalize().expect(1).says(&["notes.pdf", "not in the plan"]);
    world.assert_not_published();
}

/// The jobs uploaded; finalize has nothing in hand.
fn from_the_draft() -> World {
    let world = World::new();
    world.upload().expect(0);
    std::fs::remove_dir_all(world.folder.join("dist")).unwrap();
    // Rules count the calls from here.
    world.server.state().forget();
    world
}

#[test]
fn lists_are_stale_while_files_are_gathered() {
    for call in [Call::List, Call::Assets] {
        for times in 1..4 {
            let world = from_the_draft();
            // What the list showed before the draft was made, or before it was filled.
            world.server.state().hide_all();
            world.fault(call, 0, times, Fault::Stale);
            world.finalize().expect(0);
            world.assert_published();
            world.assert_rerun_writes_nothing();
        }
    }
}

#[test]
fn what_was_fetched_from_a_dropped_draft_is_not_lost() {
    let world = from_the_draft();
    world.fault(Call::Upload, 0, EVER, Fault::Starter { hidden: true });
    world.finalize().expect(3).says(&["the name is taken"]);
    world.assert_not_published();
    assert!(world.server.state().log.iter().any(|(call, _)| *call == Call::DeleteRelease));
    world.server.state().rules.clear();
    world.finalize().expect(0);
    world.assert_published();
    assert!(!world.folder.join("target/finalize").join(world.commit()).exists(), "left behind");
}

#[test]
fn it_died_when_a_part_of_what_travelled_was_removed() {
    let world = from_the_draft();
    world.fault(Call::DeleteAsset, 1, 1, Fault::Status(403));
    world.finalize().expect(3).says(&["injected"]);
    std::fs::remove_dir_all(world.folder.join("target")).unwrap();
    world.finalize().expect(0);
    world.assert_published();
    world.assert_rerun_writes_nothing();
}

#[test]
fn a_draft_that_goes_while_it_is_read() {
    heals(Call::Assets, 0, 1, Fault::Status(404));
    heals(Call::Release, 0, 1, Fault::Status(404));
}

#[test]
fn the_hourly_limit_is_used_up() {
    heals(Call::Create, 0, 1, Fault::LimitReset(1));
    heals(Call::List, 1, 1, Fault::LimitReset(1));
    refuses(Call::Upload, Fault::LimitReset(4000), &["uploading ", "asks to wait"]);
}

#[test]
fn the_forge_asks_to_wait_for_ever() {
    let world = refuses(Call::Upload, Fault::RetryAfter(429, 0), &["uploading ", "times in a row"]);
    let uploads = world.server.state().log.iter().filter(|(c, _)| *c == Call::Upload).count();
    assert!(uploads <= 4 * 11, "{uploads}");
}

#[test]
fn the_repository_was_renamed() {
    refuses(Call::Create, Fault::Moved, &["renamed", "[release] repository"]);
}

#[test]
fn a_digest_that_never_comes_may_come_with_another_upload() {
    let world = heals(Call::Upload, 1, 1, Fault::NullDigest(EVER));
    assert_eq!(world.server.state().log.iter().filter(|(c, _)| *c == Call::DeleteAsset).count(), 1);
}
