//! `image`: made, judged, started; what is wrong; what a killed run left.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use sha2::Digest as _;

use crate::common::{self, commit, edit, run};
use crate::{IMAGE, build, json, project};

#[test]
fn an_image_holds_the_released_program_and_serves() {
    let (folder, registry) = project();
    let said = registry.xtask(&folder, IMAGE).expect(0).stdout;
    assert!(said.contains("ends by SIGTERM"), "{said}");
    let record = json(&folder.join("images/image-sayna-linux-amd64.json"));
    let layout = folder.join("images/sayna-linux-amd64");

    // Another program's reading of it.
    let inspect = |more: &[&str]| {
        let from = format!("oci:{}", layout.display());
        let said = run(Command::new("skopeo").arg("inspect").args(more).arg(from)).expect(0);
        serde_json::from_str::<Value>(&said.stdout).unwrap()
    };
    assert_eq!(inspect(&[])["Digest"], record["digest"]);
    let config = inspect(&["--config"]);
    let process = &config["config"];
    assert_eq!(process["User"], "65532:65532");
    assert_eq!(process["Entrypoint"], serde_json::json!(["/usr/local/bin/sayna"]));
    assert_eq!(process["Cmd"], serde_json::json!(["--listen", "0.0.0.0:3001"]));
    assert_eq!(process["ExposedPorts"], serde_json::json!({ "3001/tcp": {} }));
    let label = |name: &str| process["Labels"][format!("org.opencontainers.image.{name}")].clone();
    assert_eq!(label("version"), "0.2.0");
    assert_eq!(label("revision"), record["commit"]);
    assert_eq!(label("source"), "https://github.com/saynaai/sayna");
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);

    // The program is the archive's own, byte for byte.
    let stem = "sayna-0.2.0-x86_64-unknown-linux-gnu";
    let archive = folder.join(format!("dist/{stem}.tar.gz"));
    let out = folder.join("target/unpacked");
    fs::create_dir_all(&out).unwrap();
    run(Command::new("tar").arg("-xzf").arg(archive).current_dir(&out)).expect(0);
    let sum = run(Command::new("sha256sum").arg(out.join(stem).join("sayna"))).expect(0).stdout;
    assert!(sum.starts_with(record["program"]["sha256"].as_str().unwrap()), "{sum}");

    // Again, elsewhere: the same bytes. By the other engine: the same answer.
    let limits = "[containers]\ndefault_ulimits=[\"nofile=1024:1024\",\"nproc=4096:4096\"]\n[engine]\nruntime=\"runc\"\n";
    let limits = folder.write("target/containers.conf", limits);
    let mut again = common::xtask(folder.path(), IMAGE);
    again
        .args(["--out", "target/again"])
        .env("CONTAINERS_CONF", limits)
        .env("XTASK_ENGINE", "podman");
    let said = run(&mut again).expect(0).stdout;
    assert!(said.contains("in podman "), "{said}");
    let second = json(&folder.join("target/again/image-sayna-linux-amd64.json"));
    assert_eq!(second["digest"], record["digest"]);

    // Nothing of ours is left in the engine: other tests' containers bear the mark of other folders.
    let images = folder.join("images");
    let mark = hex::encode(sha2::Sha256::digest(images.as_os_str().as_encoded_bytes()));
    let filter = format!("label=xtask-image={}", &mark[..16]);
    let mut list = Command::new("docker");
    list.args(["ps", "--all", "--quiet", "--filter", &filter]).env("DOCKER_HOST", &registry.daemon);
    assert_eq!(run(&mut list).expect(0).stdout, "");
}

/// What is wrong is refused by name, and no image is left to be taken for a result.
#[test]
fn what_is_wrong_with_an_image_is_told() {
    let (folder, registry) = project();
    registry.xtask(&folder, IMAGE).expect(0);
    let refused = |code: i32, parts: &[&str]| {
        registry.xtask(&folder, IMAGE).expect(code).says(parts);
        assert!(!folder.join("images/image-sayna-linux-amd64.json").exists());
        assert!(!folder.join("images/sayna-linux-amd64").exists());
    };

    // An asset that is not the one that was judged.
    let archive = folder.join("dist/sayna-0.2.0-x86_64-unknown-linux-gnu.tar.gz");
    let good = fs::read(&archive).unwrap();
    fs::write(&archive, [&good[..], b"x"].concat()).unwrap();
    refused(1, &["is not the asset that was judged", "sayna-0.2.0"]);
    fs::write(&archive, good).unwrap();

    // A base for another processor.
    let plan = fs::read_to_string(folder.join("xtask.toml")).unwrap();
    let base = plan.split("base = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let foreign = registry.push_foreign(&folder);
    edit(&folder.join("xtask.toml"), &base, &foreign);
    refused(1, &["the base is for \"arm64\", and amd64 is planned"]);

    // A base that is not there.
    edit(
        &folder.join("xtask.toml"),
        &foreign,
        &format!("{}/nothing:1@sha256:{}", registry.host, "0".repeat(64)),
    );
    refused(3, &["cannot fetch the image", "/nothing:1@sha256:0000"]);
    fs::write(folder.join("xtask.toml"), &plan).unwrap();

    // A commit that the assets are not of.
    fs::write(folder.join("README.md"), "new\n").unwrap();
    commit(&folder);
    refused(1, &["is of commit", "build it again"]);

    // A server that does not start, and one that cannot be asked.
    edit(&folder.join("xtask.toml"), "\"--listen\", \"0.0.0.0:3001\"", "\"--frobnicate\"");
    build(&folder);
    refused(
        1,
        &["smoke serve failed", "the server ended by itself", "unknown argument `--frobnicate`"],
    );
    fs::write(folder.join("xtask.toml"), &plan).unwrap();

    // A server that, as the first process, does not hear SIGTERM; one that says another version.
    edit(
        &folder.join("src/signals.rs"),
        "unsafe { signal(number, remember) }",
        "unsafe { _ = signal as usize + number as usize + remember as *const () as usize }",
    );
    build(&folder);
    refused(1, &["smoke serve failed", "SIGTERM does not end it"]);
}

/// A run that is killed leaves a container and a temporary folder; the next one removes both.
#[test]
fn what_a_killed_run_left_goes_away() {
    let (folder, registry) = project();
    let mut list = Command::new("docker");
    let format = "{{.Names}} {{.Label \"xtask-image\"}}";
    list.args(["ps", "--all", "--filter", "label=xtask-image", "--format", format])
        .env("DOCKER_HOST", &registry.daemon);
    // A server that never becomes well is waited for.
    let plan = fs::read_to_string(folder.join("xtask.toml")).unwrap();
    edit(
        &folder.join("xtask.toml"),
        "\"--probe\", \"127.0.0.1:3001\"",
        "\"--probe\", \"127.0.0.1:1\"",
    );
    let mut killed = common::xtask(folder.path(), IMAGE);
    killed.env("DOCKER_HOST", &registry.daemon).stdout(Stdio::null()).stderr(Stdio::null());
    let mut killed = killed.spawn().unwrap();
    let second = format!("xtask-image-{}-1 ", killed.id());
    while !run(&mut list).expect(0).stdout.contains(&second) {
        assert!(killed.try_wait().unwrap().is_none(), "it ended by itself");
        sleep(Duration::from_millis(50));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    folder.clear_temporary();
    let left = run(&mut list).expect(0).stdout;
    let mark = left.lines().find_map(|line| line.strip_prefix(&second)).unwrap().to_owned();
    let images = folder.join("images");
    let own = hex::encode(sha2::Sha256::digest(images.as_os_str().as_encoded_bytes()));
    assert_eq!(mark, own[..16]);
    let temporary = || {
        let entries = fs::read_dir(folder.join("images")).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".tmp")).count()
    };
    assert_eq!(temporary(), 1);

    // Another folder's runs are none of its business.
    fs::write(folder.join("xtask.toml"), plan).unwrap();
    registry.xtask(&folder, &[IMAGE, &["--out", "target/other"]].concat()).expect(0);
    assert!(run(&mut list).expect(0).stdout.contains(&mark));
    registry.xtask(&folder, IMAGE).expect(0);
    assert_eq!(temporary(), 0);
    assert!(!run(&mut list).expect(0).stdout.contains(&mark));
}

/// Where it cannot be started, that is said; and refused under --strict.
#[test]
fn what_cannot_be_started_is_not_run() {
    let (folder, registry) = project();
    let mut image = common::xtask(folder.path(), &["image", "--target", "linux-amd64"]);
    image.env("DOCKER_HOST", "unix:///nowhere").env("XTASK_ENGINE", "docker");
    let said = run(&mut image).expect(0).stdout;
    assert!(said.contains("version  not-run"), "{said}");
    image.arg("--strict");
    run(&mut image).expect(1).says(&["smoke serve not-run", "docker"]);
    registry
        .xtask(&folder, &["image", "--target", "darwin-arm64"])
        .expect(2)
        .says(&["the plan makes no image for `darwin-arm64`"]);
    registry
        .xtask(&folder, &["image", "--target", "linux-arm64"])
        .expect(2)
        .says(&["aarch64-unknown-linux-gnu.tar.gz", "dist --target linux-arm64"]);
}
