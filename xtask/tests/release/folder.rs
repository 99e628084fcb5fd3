//! A local folder as forge: the same machine, no network, no `gh`.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{Ended, run};
use crate::world::{ASSETS, TAG, World, whole};

fn on_folder(world: &World, words: &[&str]) -> Command {
    let mut args = words.to_vec();
    args.extend(["--tag", TAG, "--forge", "dir:releases here"]);
    let mut command = world.xtask(&args);
    // Nothing that leads to GitHub.
    command.env_remove("GH_TOKEN").env_remove("GH_CONFIG_DIR");
    command
}

fn step(world: &World, words: &[&str]) -> Ended {
    run(&mut on_folder(world, words))
}

fn published(world: &World) -> Vec<String> {
    let folder = world.folder.join("releases here/releases").join(TAG).join("assets");
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn draft_upload_finalize_and_again() {
    let world = World::new();
    step(&world, &["draft"]).expect(0);
    step(&world, &["upload", "--from", "dist"]).expect(0);
    assert_eq!(step(&world, &["status"]).code, Some(1), "the release's own files are missing");
    assert_eq!(published(&world), Vec::<String>::new());
    step(&world, &["finalize"]).expect(0);
    assert_eq!(published(&world), whole());
    step(&world, &["status", "--json"]).expect(0);
    let said = step(&world, &["finalize"]).expect(0).stdout;
    assert!(said.contains("nothing to write"), "{said}");
    let asset =
        world.folder.join("releases here/releases").join(TAG).join("assets").join(ASSETS[0]);
    fs::write(&asset, "other").unwrap();
    step(&world, &["finalize"]).expect(1).says(&["already published", ASSETS[0]]);
    assert_eq!(world.server.state().log.len(), 0);
}

#[test]
fn the_draft_alone_is_enough_to_finalize() {
    let world = World::new();
    step(&world, &["upload", "--from", "dist"]).expect(0);
    fs::remove_dir_all(world.folder.join("dist")).unwrap();
    step(&world, &["finalize"]).expect(0);
    assert_eq!(published(&world), whole());
}

#[test]
fn finalize_races_itself() {
    let world = World::new();
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = on_folder(&world, &["finalize"]);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        // One that others outran may refuse; it must not break anything.
        child.wait().unwrap();
    }
    step(&world, &["finalize"]).expect(0);
    assert_eq!(published(&world), whole());
    assert_eq!(fs::read_dir(world.folder.join("releases here/drafts")).unwrap().count(), 0);
}

#[test]
fn killed_at_any_time() {
    for millis in (5..200).step_by(15) {
        let world = World::new();
        let mut command = on_folder(&world, &["finalize"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(millis));
        child.kill().unwrap();
        child.wait().unwrap();
        world.folder.clear_temporary();
        let seen = published(&world);
        assert!(seen.is_empty() || seen == whole(), "{seen:?}");
        step(&world, &["finalize"]).expect(0);
        assert_eq!(published(&world), whole());
    }
}
