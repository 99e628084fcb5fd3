//! Bad input: each is met by a message that names the thing, and nothing is written.

use std::fs;

use serde_json::Value;

use crate::common::git;
use crate::server::REPO;
use crate::state::{Call, Fault};
use crate::world::{ASSETS, TAG, World};

#[test]
fn tag_and_version_disagree() {
    let world = World::new();
    world.run(&["draft", "--tag", "v9.9.9", "--execute"]).expect(2).says(&["v9.9.9", "1.2.3"]);
    for bad in ["", "-v1", "v1 2", "../v1", "v1?x=1", "v1#x", "v1*"] {
        let tag = format!("--tag={bad}");
        let ended = world.run(&["draft", &tag, "--execute"]);
        assert_eq!(ended.code, Some(2), "{bad:?}: {}", ended.stderr);
    }
    assert_eq!(world.server.state().log.len(), 0);
}

#[test]
fn a_dirty_tree() {
    let world = World::new();
    world.folder.write("tool/src/main.rs", "fn main() { }\n");
    world.draft().expect(1).says(&["tool/src/main.rs"]);
    world.finalize().expect(1).says(&["tool/src/main.rs"]);
    assert_eq!(world.server.state().writes(), 0);
}

#[test]
fn a_detached_head_is_a_commit_like_any_other() {
    let world = World::new();
    git(world.folder.path(), &["checkout", "--quiet", "--detach"]);
    world.finalize().expect(0);
    world.assert_published();
}

#[test]
fn notes_come_from_the_changelog_or_the_tag() {
    let world = World::new();
    git(world.folder.path(), &["rm", "--quiet", "CHANGELOG.md"]);
    git(world.folder.path(), &["commit", "--quiet", "-m", "two"]);
    git(world.folder.path(), &["tag", "--force", TAG]);
    let commit = world.commit();
    world.server.state().tags.insert(TAG.to_owned(), (commit.clone(), false));
    world.draft().expect(2).says(&["no release notes", "CHANGELOG.md"]);
    git(
        world.folder.path(),
        &["tag", "--force", "--annotate", "-m", "Told by the tag\n\nAll of it.", TAG],
    );
    world.draft().expect(0);
    let body = world.server.state().releases[0].body.clone();
    assert!(body.starts_with("Told by the tag\n\nAll of it."), "{body}");
    assert!(body.contains(&commit), "{body}");
}

#[test]
fn a_shallow_clone() {
    let world = World::new();
    git(world.folder.path(), &["commit", "--quiet", "--allow-empty", "-m", "two"]);
    git(world.folder.path(), &["tag", "--force", TAG]);
    let commit = world.commit();
    world.server.state().tags.insert(TAG.to_owned(), (commit, false));
    let clone = world.folder.join("clone");
    let from = format!("file://{}", world.folder.path().display());
    git(world.folder.path(), &["clone", "--quiet", "--depth=1", &from, &clone.to_string_lossy()]);
    world.run(&["-C", &clone.to_string_lossy(), "draft", "--tag", TAG, "--execute"]).expect(0);
}

#[test]
fn without_rights_or_token() {
    let world = World::new();
    world.server.state().forbidden = true;
    world.draft().expect(3).says(&["404"]);
    let mut command = world.xtask(&["draft", "--tag", TAG, "--execute"]);
    command.env_remove("GH_TOKEN");
    crate::common::run(&mut command).expect(3).says(&["GH_TOKEN"]);
    let world = World::new();
    world.fault(Call::Ref, 0, usize::MAX, Fault::Status(401));
    world.draft().expect(3).says(&["401", "token"]);
}

#[test]
fn a_repository_that_we_may_read_and_not_push_to() {
    let world = World::new();
    world.fault(Call::Create, 0, usize::MAX, Fault::Status(404));
    world.finalize().expect(3).says(&["may not push to", REPO, "contents: write"]);
    assert!(world.server.state().releases.is_empty());
}

#[test]
fn a_version_that_nobody_tagged() {
    let world = World::new();
    git(world.folder.path(), &["tag", "--delete", TAG]);
    world.server.state().tags.clear();
    for command in ["draft", "finalize"] {
        let ended = world.run(&[command, "--tag", TAG, "--execute"]);
        ended.expect(1).says(&[TAG, "not on the forge", "git push origin"]);
    }
    assert_eq!(world.server.state().writes(), 0);
}

#[test]
fn names_in_the_plan_that_no_forge_takes() {
    let world = World::new();
    let path = world.folder.join("xtask.toml");
    let plan = fs::read_to_string(&path).unwrap();
    for (old, new) in [
        ("name = \"tool\"", "name = \"to ol\""),
        ("name = \"tool\"", "name = \"../tool\""),
        ("name = \"tool\"", "name = \"..\""),
        ("[release]\n", "[release]\nmanifest = \"../manifest.json\"\n"),
        ("[release]\n", "[release]\nchecksums = \"check sums.txt\"\n"),
        ("[release]\n", "[release]\ntag = \"../{version}\"\n"),
        (REPO, "owner/.."),
        (REPO, "owner/to ol"),
        (REPO, "owner"),
    ] {
        assert!(plan.contains(old));
        fs::write(&path, plan.replace(old, new)).unwrap();
        let ended = world.draft().expect(2);
        let bad = new.split('"').nth(1).unwrap_or(new);
        // A template is shown with a version in it.
        ended.says(&["xtask.toml", bad.trim_end_matches("{version}")]);
    }
    assert_eq!(world.server.state().log.len(), 0);
}

#[test]
fn results_of_which_two_bear_one_name_or_one_is_empty() {
    let world = World::new();
    let dist = world.folder.join("dist");
    fs::create_dir(dist.join("job")).unwrap();
    // The same bytes twice are one asset.
    fs::copy(dist.join(ASSETS[0]), dist.join("job").join(ASSETS[0])).unwrap();
    world.run(&["finalize", "--tag", TAG]).expect(0);
    world.folder.write("dist/job/tool-linux-amd64", "other");
    world.finalize().expect(2).says(&["two different files", "dist/job/tool-linux-amd64"]);
    fs::remove_dir_all(dist.join("job")).unwrap();
    world.folder.write("dist/tool-linux-amd64", "");
    world.finalize().expect(1).says(&["dist/tool-linux-amd64", "is empty", "build it again"]);
    assert_eq!(world.server.state().writes(), 0);
}

#[test]
fn a_published_release_takes_nothing_more() {
    for immutable in [false, true] {
        let world = World::new();
        world.server.state().immutable = immutable;
        world.finalize().expect(0);
        let writes = world.server.state().writes();
        world.draft().expect(0);
        world.upload().expect(0);
        world.folder.write("other/tool-linux-amd64", "other");
        let ended =
            world.run(&["upload", "--tag", TAG, "--execute", "other/tool-linux-amd64"]).expect(1);
        ended.says(&["already published", ASSETS[0], "release a new version"]);
        assert_eq!(world.server.state().writes(), writes);
        world.assert_published();
    }
}

#[test]
fn a_release_that_was_published_by_hand() {
    let world = World::new();
    let id = world.server.state().add_release(TAG, "By hand", false);
    for command in ["draft", "finalize"] {
        let ended = world.run(&[command, "--tag", TAG, "--execute"]);
        ended.expect(1).says(&["already published", &id.to_string(), "release a new version"]);
    }
    assert_eq!(world.server.state().writes(), 0);
}

#[test]
fn files_that_no_release_holds() {
    let world = World::new();
    world.draft().expect(0);
    let writes = world.server.state().writes();
    let upload = |files: &[&str]| {
        let mut args = vec!["upload", "--tag", TAG, "--execute"];
        args.extend(files);
        world.run(&args)
    };
    world.folder.write("other/tool-linux-amd64", "x");
    world.folder.write("empty/tool-linux-amd64", "");
    world.folder.write("a b", "x");
    world.folder.write("unplanned", "x");
    upload(&["dist/tool-linux-amd64", "other/tool-linux-amd64"]).expect(2).says(&["two files"]);
    upload(&["empty/tool-linux-amd64"]).expect(2).says(&["empty/tool-linux-amd64", "is empty"]);
    upload(&["a b"]).expect(2).says(&["`a b`"]);
    upload(&["unplanned"]).expect(2).says(&["`unplanned` is no asset of the plan"]);
    upload(&["missing"]).expect(2).says(&["`missing` is no file"]);
    upload(&["dist/.."]).expect(2);
    assert_eq!(world.server.state().writes(), writes);
}

#[test]
fn a_folder_whose_name_gh_would_read_as_a_pattern() {
    let world = World::new();
    let strange = world.folder.join("a[b]*?#");
    fs::create_dir(&strange).unwrap();
    fs::copy(world.folder.join("dist").join(ASSETS[0]), strange.join(ASSETS[0])).unwrap();
    let file = strange.join(ASSETS[0]);
    world.run(&["upload", "--tag", TAG, "--execute", &file.to_string_lossy()]).expect(0);
    assert_eq!(world.server.state().releases[0].assets.len(), 1);
}

/// Changes one record of the manifest; finalize must refuse and say so.
fn manifest_refused(change: impl Fn(&mut Value), says: &[&str]) {
    let world = World::new();
    let text = fs::read_to_string(world.folder.join("dist/manifest.json")).unwrap();
    let mut manifest: Value = serde_json::from_str(&text).unwrap();
    change(&mut manifest);
    world.folder.write("dist/manifest.json", &manifest.to_string());
    world.finalize().expect(1).says(says);
    assert_eq!(world.server.state().writes(), 0);
}

#[test]
fn manifests_that_disagree_with_the_plan() {
    let old = "0123456789012345678901234567890123456789";
    manifest_refused(|m| m["commit"] = old.into(), &["commit", old]);
    manifest_refused(|m| m["dirty"] = true.into(), &["dirty"]);
    manifest_refused(
        |m| m["assets"][1]["version"] = "1.2.2".into(),
        &[ASSETS[1], "version", "1.2.2"],
    );
    manifest_refused(
        |m| m["assets"][0]["toolchain"] = "rustc 1.94.0 (x)".into(),
        &[ASSETS[0], "1.94.0"],
    );
    manifest_refused(|m| m["assets"][0]["builder"]["kind"] = "zig".into(), &[ASSETS[0], "builder"]);
    manifest_refused(
        |m| m["assets"][0]["glibc"]["promised"] = "2.17".into(),
        &[ASSETS[0], "floor"],
    );
    manifest_refused(|m| m["assets"][0]["sha256"] = "0".repeat(64).into(), &[ASSETS[0], "sha256"]);
    manifest_refused(
        |m| drop(m["assets"].as_array_mut().unwrap().pop()),
        &[ASSETS[1], "no manifest"],
    );
    manifest_refused(
        |m| m["assets"][0]["smoke"][0]["where"]["machine"] = "builder".into(),
        &[ASSETS[0], "other than its builder"],
    );
    manifest_refused(
        |m| m["assets"][0]["smoke"][0]["how"] = "emulated".into(),
        &[ASSETS[0], "natively"],
    );
    manifest_refused(
        |m| m["assets"][0]["smoke"][0]["outcome"] = "failed".into(),
        &[ASSETS[0], "failed"],
    );
}

#[test]
fn a_binary_that_the_audit_refuses() {
    let world = World::new();
    let bytes = b"#!/bin/sh\nexit 0\n";
    world.folder.write("dist/tool-linux-amd64", "#!/bin/sh\nexit 0\n");
    let other = fs::read(world.folder.join("dist").join(ASSETS[1])).unwrap();
    world.write_manifest(&[world.record(ASSETS[0], bytes), world.record(ASSETS[1], &other)]);
    world.finalize().expect(1).says(&[ASSETS[0], "not auditable"]);
    assert_eq!(world.server.state().writes(), 0);
}

#[test]
fn without_execute_nothing_is_written() {
    let world = World::new();
    let said = world.run(&["draft", "--tag", TAG]).expect(0).stdout;
    assert!(said.contains("make a draft") && said.contains("--execute"), "{said}");
    let said = world.run(&["finalize", "--tag", TAG]).expect(0).stdout;
    assert!(said.contains("make a draft"), "{said}");
    assert_eq!(world.server.state().writes(), 0);
}

#[test]
fn the_id_is_handed_on() {
    let world = World::new();
    let output = world.folder.join("output");
    let mut command = world.xtask(&["draft", "--tag", TAG, "--execute"]);
    crate::common::run(command.env("GITHUB_OUTPUT", &output)).expect(0);
    let id = world.server.state().releases[0].id;
    assert_eq!(fs::read_to_string(&output).unwrap(), format!("release_id={id}\n"));
    // Lists never show the draft to the later job.
    world.server.state().releases[0].assets.clear();
    world.fault(Call::List, 0, usize::MAX, Fault::Stale);
    let id = id.to_string();
    world
        .run(&["upload", "--tag", TAG, "--execute", "--release-id", &id, "--from", "dist"])
        .expect(0);
    assert_eq!(world.server.state().releases.len(), 1);
}

#[test]
fn latest_and_prerelease() {
    let world = World::new();
    let id = world.server.state().add_release("v2.0.0", "", false);
    assert!(id > 0);
    world.finalize().expect(0);
    assert_eq!(world.server.state().latest, None, "an older version is not the latest");
}
