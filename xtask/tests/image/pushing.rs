//! `image-push`, and what a release says of its images.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sha2::Digest as _;

use crate::common::{self, Ended, Folder, commit, edit, run, sayna};
use crate::registry::{Registry, reconfigure};
use crate::{BASE, BOOKWORM, IMAGE, build, json};

/// A release of the example on this registry, for some platforms, with what it takes to make it.
struct Server {
    folder: Folder,
    registry: Registry,
    repository: String,
    on: Vec<&'static str>,
}

impl Server {
    fn new(platforms: &[&'static str], base: impl Fn(&Registry, &Folder) -> String) -> Self {
        let folder = sayna();
        let registry = Registry::start(&folder);
        let plan = folder.join("xtask.toml");
        edit(&plan, BASE, &base(&registry, &folder));
        let repository = format!("{}/saynaai/sayna", registry.host);
        edit(&plan, "ghcr.io/saynaai/sayna", &repository);
        let mut on = vec!["--tag", "v0.2.0", "--forge", "dir:target/forge"];
        on.extend(platforms.iter().flat_map(|platform| ["--only", *platform]));
        Self { folder, registry, repository, on }
    }

    fn on_amd64() -> Self {
        let server = Self::new(&["linux-amd64"], |registry, _| registry.push(BOOKWORM, "base"));
        build(&server.folder);
        common::git(server.folder.path(), &["tag", "v0.2.0"]);
        server
    }

    fn xtask(&self, step: &str, more: &[&str]) -> Ended {
        self.registry.xtask(&self.folder, &[&[step], &self.on[..], more].concat())
    }

    fn push(&self, more: &[&str]) -> Ended {
        self.xtask("image-push", more)
    }

    /// The jobs' results in one folder, published; the images among them.
    fn publish(&self) -> Ended {
        for (name, more) in
            [("draft", &["--execute"][..]), ("upload", &["--execute", "--from", "dist"])]
        {
            self.xtask(name, more).expect(0);
        }
        let jobs = self.folder.join("target/jobs");
        drop(fs::remove_dir_all(&jobs));
        fs::create_dir_all(&jobs).unwrap();
        let from = ["dist", "images"].map(|name| self.folder.join(name));
        run(Command::new("cp").arg("-r").args(from).arg(&jobs)).expect(0);
        self.xtask("finalize", &["--execute", "--one-machine", "--from", "target/jobs"])
    }

    /// The document that the registry has under a tag or, behind an `@`, a digest.
    fn raw(&self, name: &str) -> Ended {
        let name = format!("docker://{}{name}", self.repository);
        run(Command::new("skopeo").args(["inspect", "--raw", "--tls-verify=false", &name]))
    }

    fn record(&self) -> std::path::PathBuf {
        self.folder.join("images/image-sayna-linux-amd64.json")
    }

    /// The image's manifest, on the disk.
    fn manifest(&self) -> std::path::PathBuf {
        let digest = json(&self.record())["digest"].as_str().unwrap().split_at(7).1.to_owned();
        self.folder.join("images/sayna-linux-amd64/blobs/sha256").join(digest)
    }

    fn has_no_tag(&self) {
        for tag in [":0.2.0", ":0.2", ":latest"] {
            assert_ne!(self.raw(tag).code, Some(0), "{tag}");
        }
    }
}

/// By digest first, read back; tags only once the release is published, and only what was tried.
#[test]
fn an_image_is_pushed_by_digest_and_tagged_after_the_release() {
    let server = Server::on_amd64();
    let Server { folder, registry, repository, on } = &server;
    let (push, raw) = (|more: &[&str]| server.push(more), |name: &str| server.raw(name));
    push(&[]).expect(2).says(&["holds no image `sayna-linux-amd64`"]);

    // Made, and not started anywhere.
    let mut image = common::xtask(folder.path(), &["image", "--target", "linux-amd64"]);
    run(image.env("DOCKER_HOST", "unix:///nowhere").env("XTASK_ENGINE", "docker")).expect(0);
    push(&["--execute"]).expect(1).says(&["the image was not started, or failed"]);

    registry.xtask(folder, IMAGE).expect(0);
    let said = push(&[]).expect(0).stdout;
    assert!(said.contains("would push") && said.contains("nothing was written"), "{said}");
    let digest = said.lines().next().unwrap().rsplit('@').next().unwrap().to_owned();
    assert_ne!(raw(&format!("@{digest}")).code, Some(0), "a dry run wrote");

    // Not yet published: nothing moves, nothing is written.
    push(&["--tags", "--execute"]).expect(1).says(&["v0.2.0 is not published"]);
    assert_ne!(raw(&format!("@{digest}")).code, Some(0));

    // The asset, which it is compared with, is in none of these folders and in no draft.
    push(&["--execute", "--from", "images"]).expect(2).says(&[
        "sayna-0.2.0-x86_64-unknown-linux-gnu.tar.gz is neither in `images` nor in the draft",
    ]);
    push(&["--execute"]).expect(0);
    let index: Value = serde_json::from_str(&raw(&format!("@{digest}")).expect(0).stdout).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(index["manifests"][0]["digest"], json(&server.record())["digest"]);
    assert_eq!(index["manifests"][0]["platform"]["architecture"], "amd64");
    server.has_no_tag();

    // What the registry has does not stay what was brought there: its own storage, in the layer of the program.
    let layer = json(&server.manifest())["layers"].as_array().unwrap().last().unwrap().clone();
    let layer = layer["digest"].as_str().unwrap().split_at(7).1.to_owned();
    let stored = folder.join("target/registry/docker/registry/v2/blobs/sha256");
    let stored = stored.join(&layer[..2]).join(&layer).join("data");
    let good = fs::read(&stored).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    fs::write(&stored, bad).unwrap();
    push(&["--execute"]).expect(3).says(&["cannot read", "back"]);
    fs::write(&stored, good).unwrap();

    server.publish().expect(0);
    // From the draft or the release, where no folder holds the asset.
    push(&["--execute", "--from", "images"]).expect(0);
    let would = push(&["--tags"]).expect(0).stdout;
    assert!(would.contains(&format!("would tag {repository}:latest")), "{would}");
    server.has_no_tag();
    let said = push(&["--tags", "--execute"]).expect(0).stdout;
    for tag in [":0.2.0", ":0.2", ":latest"] {
        assert!(said.contains(&format!("tagged {repository}{tag}\n")), "{said}");
        let found: Value = serde_json::from_str(&raw(tag).expect(0).stdout).unwrap();
        assert_eq!(found, index, "{tag}");
    }

    // The release names it: in its manifest, and as a subject of its provenance.
    let assets = folder.join("target/forge/releases/v0.2.0/assets");
    let listed = json(&assets.join("manifest.json"))["images"][0].clone();
    assert_eq!(listed["digest"], digest);
    assert_eq!(listed["platforms"][0]["digest"], index["manifests"][0]["digest"]);
    let subjects = json(&assets.join("provenance.json"))["subject"].clone();
    let own =
        serde_json::json!({ "name": repository, "digest": { "sha256": digest.split_at(7).1 } });
    assert_eq!(subjects.as_array().unwrap().last().unwrap(), &own);
    let row = "the image sayna is the manifest's, with the released programs";
    let said = server.xtask("verify", &[]).expect(0).stdout;
    assert!(said.contains(&format!("ok       {row}")), "{said}");

    // Somebody changes the release: an asset is not the one that the manifest describes.
    let asset = assets.join("sayna-0.2.0-x86_64-unknown-linux-gnu.tar.gz");
    let good = fs::read(&asset).unwrap();
    fs::write(&asset, [&good[..], b"x"].concat()).unwrap();
    push(&["--tags", "--execute"])
        .expect(1)
        .says(&["is not the one that its manifest.json describes", "sayna-0.2.0"]);
    fs::write(&asset, good).unwrap();

    // Somebody moves the tag of the version.
    let base = format!("docker://{}/base:1", registry.host);
    registry.copy_plain(&base, &format!("docker://{repository}:0.2.0"));
    server.xtask("verify", &[]).expect(1).says(&[":0.2.0` leads to sha256:", "image-push --tags"]);
    push(&["--tags", "--execute"]).expect(0);
    server.xtask("verify", &[]).expect(0);

    // A registry that has something else under the name: another program in front of the real one.
    let real = run(Command::new("sh").args(["-c", "command -v skopeo"])).expect(0).stdout;
    let fake = format!(
        "#!/bin/sh\ncase $* in *inspect*--raw*) echo other ;; *) exec {} \"$@\" ;; esac\n",
        real.trim()
    );
    let fake = folder.write("target/bin/skopeo", &fake);
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let bin = fake.parent().unwrap().display();
    let lied = [&["image-push", "--tags", "--execute"], &on[..]].concat();
    let mut lied = common::xtask(folder.path(), &lied);
    lied.env("PATH", format!("{bin}:{}", std::env::var("PATH").unwrap()));
    run(&mut lied).expect(1).says(&["leads to sha256:", "somebody else moved it"]);

    // What was made is not what is there any more.
    let record = server.record();
    let good = fs::read_to_string(&record).unwrap();
    let blob = server.manifest();
    let manifest = blob.file_name().unwrap().to_str().unwrap();
    fs::write(&record, good.replace(manifest, &"0".repeat(64))).unwrap();
    push(&["--execute"]).expect(1).says(&["digest is sha256:00", "make the image again"]);
    fs::write(&record, good.replace("\"size\": ", "\"size\": 1")).unwrap();
    push(&["--execute"]).expect(1).says(&["digest is sha256:", "bytes)", "make the image again"]);
    fs::write(&record, good).unwrap();
    fs::write(&blob, fs::read_to_string(&blob).unwrap() + " ").unwrap();
    push(&["--execute"]).expect(3).says(&["holds other bytes"]);
}

/// A rehearsal may go without images, and says so. No tag follows from it, and no image is looked at.
#[test]
fn a_release_without_images_moves_no_tag() {
    let server = Server::on_amd64();
    server.xtask("draft", &["--execute"]).expect(0);
    server.xtask("upload", &["--execute", "--from", "dist"]).expect(0);
    let finalize = ["--execute", "--one-machine", "--from", "dist"];
    server.xtask("finalize", &finalize).expect(0).says(&["no image is here"]);
    server.push(&["--tags", "--execute"]).expect(1).says(&[
        "manifest.json of v0.2.0 names no image `sayna`",
        "hand what `image` recorded to `finalize`",
    ]);
    server.has_no_tag();
    let said = server.xtask("verify", &["--strict"]).expect(0).stdout;
    assert!(said.contains("left out the image sayna"), "{said}");
}

/// An image whose record is in order, and whose bytes are not the release's, comes nowhere.
#[test]
fn an_image_of_another_program_is_refused_at_every_step() {
    let server = Server::on_amd64();
    let folder = &server.folder;
    let dist = folder.join("dist");
    let stem = "sayna-0.2.0-x86_64-unknown-linux-gnu";
    let names = [format!("{stem}.tar.gz"), "manifest.json".to_owned()];
    let good = names.clone().map(|name| fs::read(dist.join(name)).unwrap());

    // A program that says and does the same, in an asset of its own: of this version, commit and base.
    let unpacked = folder.join("target/unpacked");
    fs::create_dir_all(&unpacked).unwrap();
    let tar = |args: &[&str]| {
        let archive = dist.join(&names[0]);
        run(Command::new("tar").arg(args[0]).arg(archive).args(&args[1..]).current_dir(&unpacked))
            .expect(0)
    };
    tar(&["-xzf"]);
    let program = unpacked.join(stem).join("sayna");
    let released = hex::encode(sha2::Sha256::digest(fs::read(&program).unwrap()));
    let mut bytes = fs::read(&program).unwrap();
    bytes.extend(b"other");
    fs::write(&program, &bytes).unwrap();
    let other = hex::encode(sha2::Sha256::digest(&bytes));
    let was = hex::encode(sha2::Sha256::digest(&good[0]));
    let held = ["sayna", "LICENSE", "README.md", "sayna.example.conf"];
    let held = held.map(|name| format!("{stem}/{name}"));
    tar(&["-czf", &held[0], &held[1], &held[2], &held[3]]);
    let now = hex::encode(sha2::Sha256::digest(fs::read(dist.join(&names[0])).unwrap()));
    edit(&dist.join("manifest.json"), &was, &now);
    server.registry.xtask(folder, IMAGE).expect(0);
    let bad = names.clone().map(|name| fs::read(dist.join(name)).unwrap());
    let put = |files: &[Vec<u8>; 2]| {
        for (name, bytes) in names.iter().zip(files) {
            fs::write(dist.join(name), bytes).unwrap();
        }
    };

    // Compared with the asset that will be released, nothing is pushed.
    put(&good);
    let wrong = format!(
        "`usr/local/bin/sayna` is not the released program: sha256 {other} instead of {released}"
    );
    let said = server.push(&["--execute"]).expect(1);
    let said = said.says(&[&wrong, "linux/amd64", "nothing was pushed", "make the images again"]);
    assert_eq!(said.stdout, "");
    let catalog: Value = serde_json::from_slice(&server.registry.get("_catalog")).unwrap();
    assert_eq!(catalog["repositories"], serde_json::json!(["base"]));

    // It was pushed while the jobs' results were others. The release does not name it.
    put(&bad);
    server.push(&["--execute"]).expect(0);
    put(&good);
    server.publish().expect(1).says(&[
        "image-sayna-linux-amd64.json: the image holds another program than sayna-0.2.0",
        &other,
    ]);

    // Its record lies. The release names it, and no tag moves to it; nor does it pass for what users should pull.
    edit(&server.record(), &other, &released);
    server.publish().expect(0);
    server.push(&["--tags", "--execute"]).expect(1).says(&[&wrong, "no tag was moved"]);
    server.has_no_tag();
    server.xtask("verify", &[]).expect(1).says(&[&wrong, ":0.2.0`: "]);
}

/// Not the program alone: everything that users would notice is judged again from what is about to be pushed.
#[test]
fn an_image_with_other_settings_is_refused_whatever_its_record_says() {
    let server = Server::on_amd64();
    server.registry.xtask(&server.folder, IMAGE).expect(0);
    let layout = server.folder.join("images/sayna-linux-amd64");
    let keep = server.folder.join("target/keep");
    run(Command::new("cp").arg("-r").args([&layout, &keep])).expect(0);
    let good = fs::read_to_string(server.record()).unwrap();
    type Change = fn(&mut Value);
    let altered: &[(Change, &str)] = &[
        (
            |c| c["config"]["User"] = "0:0".into(),
            "`User` is \"0:0\", and \"65532:65532\" is planned",
        ),
        (|c| c["config"]["Entrypoint"][0] = "/bin/sh".into(), "`Entrypoint` is [\"/bin/sh\"]"),
        (|c| c["architecture"] = "arm64".into(), "architecture is \"arm64\", and amd64 is planned"),
        (
            |c| c["rootfs"]["diff_ids"][0] = format!("sha256:{}", "0".repeat(64)).into(),
            "not the base's",
        ),
        (
            |c| c["config"]["Labels"]["org.opencontainers.image.base.digest"] = "sha256:0".into(),
            "`Labels` is",
        ),
    ];
    for (change, message) in altered {
        fs::remove_dir_all(&layout).unwrap();
        run(Command::new("cp").arg("-r").args([&keep, &layout])).expect(0);
        let entry = reconfigure(&layout, change);
        let mut record: Value = serde_json::from_str(&good).unwrap();
        record["digest"] = entry["digest"].clone();
        record["size"] = entry["size"].clone();
        record["tried"]["sha256"] = entry["digest"].as_str().unwrap().split_at(7).1.into();
        fs::write(server.record(), record.to_string()).unwrap();
        server.push(&["--execute"]).expect(1).says(&[message, "nothing was pushed"]);
    }
}

/// Both images are made here, of one base for two processors, and pulled again as users do. The one for arm64 is
/// started under qemu, which the plan must allow.
#[test]
fn an_image_for_two_processors_is_pulled_as_either() {
    let platforms = ["linux-amd64", "linux-arm64"];
    let server = Server::new(&platforms, Registry::push_both);
    let Server { folder, registry, repository, .. } = &server;
    // The Rust that has a std for arm64 here is Debian's.
    fs::remove_file(folder.join("rust-toolchain.toml")).unwrap();
    commit(folder);
    common::git(folder.path(), &["tag", "v0.2.0"]);
    let targets = platforms.iter().flat_map(|platform| ["--target", *platform]);
    let of = |step: &'static str| [step].into_iter().chain(targets.clone()).collect::<Vec<_>>();
    let mut dist = common::xtask(folder.path(), &of("dist"));
    run(dist.env("PATH", common::path_with("aarch64-unknown-linux-gnu"))).expect(0);
    let mut image = of("image");
    image.push("--strict");
    registry.xtask(folder, &image).expect(0);
    let smoke = |platform: &str| {
        let record = json(&folder.join(format!("images/image-sayna-{platform}.json")));
        let rows = record["tried"]["smoke"].as_array().unwrap().clone();
        let row = |row: &Value| format!("{} {} {}", row["check"], row["how"], row["outcome"]);
        rows.iter().map(row).collect::<Vec<_>>().join(", ").replace('"', "")
    };
    assert_eq!(smoke("linux-amd64"), "version container passed, serve container passed");
    assert_eq!(smoke("linux-arm64"), "version emulated passed, serve emulated passed");

    // As with the assets: what ran emulated is enough where the plan says so.
    server.push(&["--execute"]).expect(1).says(&[
        "image-sayna-linux-arm64.json",
        "started emulated only",
        "`emulated = true` for linux-arm64",
    ]);
    let runner = "runner = \"ubuntu-24.04-arm\"";
    edit(&folder.join("xtask.toml"), runner, &format!("{runner}\nemulated = true"));
    commit(folder);
    common::git(folder.path(), &["tag", "--force", "v0.2.0"]);
    let mut dist = common::xtask(folder.path(), &of("dist"));
    run(dist.env("PATH", common::path_with("aarch64-unknown-linux-gnu"))).expect(0);
    registry.xtask(folder, &image).expect(0);
    let said = server.push(&["--execute"]).expect(0).stdout;
    let digest = said.lines().next().unwrap().rsplit('@').next().unwrap().to_owned();
    let record = folder.join("images/image-sayna-linux-arm64.json");
    let kept = fs::read(&record).unwrap();
    fs::remove_file(&record).unwrap();
    server.publish().expect(1).says(&["image-sayna-linux-arm64.json: not among the jobs' results"]);
    fs::write(&record, kept).unwrap();
    server.publish().expect(0);
    server.push(&["--tags", "--execute"]).expect(0);
    let said = server.xtask("verify", &[]).expect(0).stdout;
    assert!(said.contains("ok       the image sayna is the manifest's"), "{said}");

    // By the registry's own interface: the index, and in each image the asset's program for that processor.
    let path = repository.split_once('/').unwrap().1;
    let index = registry.get(&format!("{path}/manifests/latest"));
    assert_eq!(format!("sha256:{}", hex::encode(sha2::Sha256::digest(&index))), digest);
    let index: Value = serde_json::from_slice(&index).unwrap();
    let platforms: Vec<_> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["platform"].to_string())
        .collect();
    assert_eq!(
        platforms,
        ["amd64", "arm64"].map(|arch| format!("{{\"architecture\":\"{arch}\",\"os\":\"linux\"}}"))
    );
    for (at, (machine, triple)) in
        [("x86-64", "x86_64"), ("ARM aarch64", "aarch64")].into_iter().enumerate()
    {
        let named = |document: &Value| document["digest"].as_str().unwrap().to_owned();
        let image = registry.get(&format!("{path}/manifests/{}", named(&index["manifests"][at])));
        let image: Value = serde_json::from_slice(&image).unwrap();
        let layer = image["layers"].as_array().unwrap().last().unwrap().clone();
        let out = folder.join(format!("target/pulled-{triple}"));
        fs::create_dir_all(&out).unwrap();
        fs::write(out.join("layer"), registry.get(&format!("{path}/blobs/{}", named(&layer))))
            .unwrap();
        let stem = format!("sayna-0.2.0-{triple}-unknown-linux-gnu");
        let asset = folder.join(format!("dist/{stem}.tar.gz"));
        for archive in [Path::new("layer"), &asset] {
            run(Command::new("tar").arg("-xzf").arg(archive).current_dir(&out)).expect(0);
        }
        let pulled = out.join("usr/local/bin/sayna");
        assert_eq!(fs::read(&pulled).unwrap(), fs::read(out.join(stem).join("sayna")).unwrap());
        let told = run(Command::new("file").arg(&pulled)).expect(0).stdout;
        assert!(told.contains(machine), "{told}");
    }

    // By docker, as its users do.
    let docker = |args: &[&str]| {
        run(Command::new("docker").args(args).env("DOCKER_HOST", &registry.daemon)).expect(0).stdout
    };
    let emulator = "type=bind,source=/usr/bin/qemu-aarch64-static,target=/qemu,readonly";
    let emulated = ["--mount", emulator, "--entrypoint", "/qemu"];
    for (platform, before, after) in [
        ("linux/amd64", &[][..], &["--version"][..]),
        ("linux/arm64", &emulated, &["/usr/local/bin/sayna", "--version"]),
    ] {
        let name = format!("{repository}@{digest}");
        docker(&["pull", "--quiet", "--platform", platform, &name]);
        let arch = docker(&["image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", &name]);
        assert_eq!(arch.trim(), platform);
        let run = ["run", "--rm", "--network=none", "--platform", platform];
        assert_eq!(docker(&[&run, before, &[&name], after].concat()).trim(), "sayna 0.2.0");
        docker(&["image", "rm", "--force", &name]);
    }
}
