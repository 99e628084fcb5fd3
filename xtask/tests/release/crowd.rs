//! Many processes, many assets, large assets.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::state::Call;
use crate::world::{ASSETS, TAG, World, peak_memory};

fn start(world: &World, args: &[&str]) -> Child {
    world.xtask(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn two_drafts_race() {
    for _ in 0..4 {
        let world = World::new();
        let args = ["draft", "--tag", TAG, "--execute"];
        let start =
            || world.xtask(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        for child in [start(), start()] {
            let ended = child.wait_with_output().unwrap();
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        }
        assert_eq!(world.server.state().releases.len(), 1);
        world.finalize().expect(0);
        world.assert_published();
    }
}

/// A plan of so many packages, each with one asset.
fn widen(world: &World, count: usize) -> Vec<String> {
    let mut config = fs::read_to_string(world.folder.join("xtask.toml")).unwrap();
    let mut names = Vec::new();
    for i in 0..count {
        config.push_str(&format!(
            "\n[[package]]\nname = \"p{i}\"\nkind = \"go\"\npath = \"p{i}\"\ntargets = [\"linux-amd64\"]\n"
        ));
        let name = format!("p{i}-linux-amd64");
        world.folder.write(&format!("dist/{name}"), &format!("asset {i}"));
        names.push(name);
    }
    world.folder.write("xtask.toml", &config);
    names
}

#[test]
fn ten_uploads_at_once() {
    let world = World::new();
    let names = widen(&world, 10);
    world.commit_and_draft();
    let children: Vec<Child> = names
        .iter()
        .map(|name| {
            let file = format!("dist/{name}");
            start(&world, &["upload", "--tag", TAG, "--execute", &file])
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let state = world.server.state();
    let [release] = state.releases.as_slice() else { panic!("{:?}", state.releases) };
    let mut held: Vec<&str> = release.assets.iter().map(|a| a.name.as_str()).collect();
    held.sort_unstable();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(held, names);
}

#[test]
fn a_thousand_assets_over_pages() {
    let world = World::new();
    let names = widen(&world, 990);
    world.commit_and_draft();
    {
        let mut state = world.server.state();
        let id = state.releases[0].id;
        for (i, name) in names.iter().enumerate().skip(10) {
            state.add_asset(id, name, format!("asset {i}").as_bytes());
        }
    }
    world.upload().expect(0);
    let state = world.server.state();
    // These and two programs and two manifests that travel.
    assert_eq!(state.releases[0].assets.len(), 990 + 4);
    let uploads = state.log.iter().filter(|(call, _)| *call == Call::Upload).count();
    assert_eq!(uploads, 10 + 4);
}

/// Runs it to a good end; the most memory that the xtask itself had resident, in KiB.
#[track_caller]
fn peak(world: &World, args: &[&str]) -> u64 {
    let mut child = start(world, args);
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(peak_memory(child.id()).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success(), "{args:?}");
    println!("{} had {peak} KiB resident", args[0]);
    peak
}

/// Uploaded; fetched, compared, audited, published.
#[test]
fn a_large_asset_in_little_memory() {
    const SIZE: usize = 200 << 20;
    let world = World::new();
    let file = |name: &str| world.folder.join("dist").join(name);
    let mut large = fs::read(file(ASSETS[0])).unwrap();
    large.resize(SIZE, b'x');
    fs::write(file(ASSETS[0]), &large).unwrap();
    let other = fs::read(file(ASSETS[1])).unwrap();
    world.write_manifest(&[world.record(ASSETS[0], &large), world.record(ASSETS[1], &other)]);
    drop(large);
    let upload = peak(&world, &["upload", "--tag", TAG, "--execute", "--from", "dist"]);
    fs::remove_dir_all(world.folder.join("dist")).unwrap();
    let finalize = peak(&world, &["finalize", "--tag", TAG, "--execute"]);
    world.assert_published();
    let state = world.server.state();
    assert!(state.releases[0].assets.iter().any(|asset| asset.size == SIZE as u64));
    for peak in [upload, finalize] {
        assert!(peak > 0 && peak < 64 << 10, "{peak} KiB");
    }
}
