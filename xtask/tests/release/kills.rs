//! The xtask dies at every request; a rerun reaches the same end.

use std::process::Stdio;

use crate::state::{Call, Fault};
use crate::world::{TAG, World};

/// Kills the first run at request `nth`; `false` when it had fewer.
fn killed_at(nth: usize, fault: Option<Fault>) -> bool {
    let world = World::new();
    if let Some(fault) = fault {
        for call in [Call::Create, Call::Upload, Call::DeleteAsset, Call::Patch] {
            world.fault(call, 0, usize::MAX, fault);
        }
    }
    world.server.state().kill_at = Some(nth);
    let mut command = world.xtask(&["finalize", "--tag", TAG, "--execute"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let there = world.server.wait_for_kill(|| child.try_wait().unwrap().is_some());
    if there {
        child.kill().unwrap();
    }
    child.wait().unwrap();
    world.server.killed();
    world.folder.clear_temporary();
    world.server.state().rules.clear();
    if there {
        world.finalize().expect(0);
        world.assert_published();
        world.assert_rerun_writes_nothing();
    }
    there
}

/// Every request of one half of a run: two tests, so that two cores share the work.
fn every(start: usize) {
    let mut killed = 0;
    for nth in (start..).step_by(2) {
        if !killed_at(nth, None) {
            break;
        }
        killed += 1;
    }
    println!("killed at {killed} requests");
    assert!(killed > 15, "{killed}");
}

#[test]
fn killed_at_every_odd_request() {
    every(1);
}

#[test]
fn killed_at_every_even_request() {
    every(2);
}
