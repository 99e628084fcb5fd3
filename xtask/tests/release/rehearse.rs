//! `rehearse`: the whole release, by the same commands, on a folder and on the loopback GitHub.

use crate::common::{git, run};
use crate::world::{TAG, World};

/// A workspace whose program is built here, and says its version.
fn buildable() -> World {
    let world = World::new();
    world.folder.write(
        "tool/src/main.rs",
        "fn main() {\n    println!(\"tool v{}\", env!(\"CARGO_PKG_VERSION\"));\n}\n",
    );
    world.folder.write(
        "tool/Cargo.toml",
        "[package]\nname = \"tool\"\nversion = \"1.2.3\"\nedition = \"2024\"\n[workspace]\n[profile.dist]\ninherits = \"release\"\nstrip = true\n",
    );
    git(world.folder.path(), &["commit", "--quiet", "--all", "-m", "two"]);
    git(world.folder.path(), &["tag", "--force", TAG]);
    let commit = world.commit();
    world.server.state().tags.insert(TAG.to_owned(), (commit, false));
    world
}

#[test]
fn on_a_folder() {
    let world = buildable();
    let said = run(&mut world.xtask(&["rehearse"])).expect(0).stdout;
    assert!(said.contains("rehearsed v1.2.3 for linux-amd64"), "{said}");
    assert!(said.contains("not rehearsed:"), "{said}");
    assert_eq!(world.server.state().log.len(), 0, "nothing leaves the machine");
}

#[test]
fn on_the_loopback_github() {
    let world = buildable();
    let said = run(&mut world.xtask(&["rehearse", "--tag", TAG, "--forge", "github"])).expect(0);
    assert!(said.stdout.contains("verify: no --base-url"), "{}", said.stdout);
    world.assert_published();
}

#[test]
fn never_on_github_itself() {
    let world = World::new();
    let mut command = world.xtask(&["rehearse", "--forge", "github"]);
    command.env("GH_CONFIG_DIR", world.folder.join("no config"));
    run(&mut command).expect(2).says(&["http_unix_socket", "--forge dir"]);
    for args in [
        vec!["draft", "--tag", TAG, "--only", "linux-amd64"],
        vec!["finalize", "--tag", TAG, "--one-machine"],
    ] {
        let mut command = world.xtask(&args);
        command.env("GH_CONFIG_DIR", world.folder.join("no config"));
        run(&mut command).expect(2).says(&["for rehearsals only"]);
    }
}
