//! Many processes, many assets, large assets.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::server::Call;
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

#[test]
fn a_large_asset_in_little_memory() {
    let world = World::new();
    world.draft().expect(0);
    let file = File::create(world.folder.join("dist").join(ASSETS[0])).unwrap();
    file.set_len(200 << 20).unwrap();
    let path = format!("dist/{}", ASSETS[0]);
    let mut child = start(&world, &["upload", "--tag", TAG, "--execute", &path]);
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(peak_memory(child.id()).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    let state = world.server.state();
    assert_eq!(state.releases[0].assets[0].size, 200 << 20);
    println!("peak memory {peak} KiB");
    assert!(peak > 0 && peak < 64 << 10, "{peak} KiB");
}
