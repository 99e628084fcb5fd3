//! Images: what the documents say, and that every departure from the plan is told.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::GOOD;
use serde_json::{Value, json};
use xtask_core::image::{
    Base, Blob, Found, Made, Recipe, Wanted, blobs, index, judge, layout_of, listed, members,
    named, tags,
};
use xtask_core::plan::{Config, Target};
use xtask_core::report::{Outcome, Place, SmokeRow};

/// An image, added to a plan without one.
const IMAGE: &str = r#"
[[image]]
name = "tool"
package = "tool"
repository = "registry.example/owner/tool"
base = "debian:12@sha256:1111111111111111111111111111111111111111111111111111111111111111"
targets = ["linux-amd64"]
args = ["serve"]
ports = ["80/tcp"]
description = "A tool"
licenses = "MIT"
tags = ["{version}", "{major}.{minor}", "latest"]
"#;

fn plan() -> String {
    format!("{GOOD}{IMAGE}")
}

/// (text of the plan, what it becomes, part of the message, part of the cure)
const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("package = \"tool\"", "package = \"tol\"", "names `tol`", "did you mean `tool`?"),
    (
        "registry.example/owner/tool",
        "owner/tool",
        "`repository` is `owner/tool`",
        "registry.example/owner/name",
    ),
    (
        "registry.example/owner/tool",
        "registry.example/Owner/tool",
        "`repository` is",
        "in lower case",
    ),
    (
        "registry.example/owner/tool",
        "registry.example/owner/tool:1",
        "`repository` is",
        "registry and path",
    ),
    (
        "debian:12@sha256:1111",
        "debian:12@sha256:11",
        "which names no digest",
        "64 hexadecimal digits",
    ),
    ("targets = [\"linux-amd64\"]", "targets = []", "has no targets", "at least one"),
    (
        "targets = [\"linux-amd64\"]",
        "targets = [\"linux-amd64\", \"darwin-arm64\"]",
        "an image for `darwin-arm64`",
        "Linux programs only",
    ),
    (
        "targets = [\"linux-amd64\"]",
        "targets = [\"linux-amd46\"]",
        "is not released for it",
        "did you mean",
    ),
    ("args =", "user = \"0:0\"\nargs =", "`user` is `0:0`", "not root's"),
    ("args =", "user = \"root\"\nargs =", "`user` is `root`", "write numbers"),
    ("args =", "user = \"1:2:3\"\nargs =", "`user` is `1:2:3`", "write numbers"),
    ("80/tcp", "80", "`ports` holds `80`", "3001/tcp"),
    ("80/tcp", "0/tcp", "`ports` holds `0/tcp`", "3001/tcp"),
    ("80/tcp", "70000/udp", "`ports` holds", "3001/tcp"),
    ("\"{version}\", ", "", "the first of `tags`", "{version}"),
    ("\"latest\"", "\"latest/x\"", "not a plain file name", "letters"),
    ("\"latest\"", "\"{patch}\"", "unknown placeholder", "`{major}`"),
    ("\"latest\"", "\"{version}\"", "a second tag", "name of its own"),
    ("description = \"A tool\"\n", "", "has no `description`", "One line for people"),
    ("args =", "entrypoint =", "unknown key `entrypoint`", "there is"),
];

#[test]
fn what_cannot_be_an_image_is_refused() {
    Config::parse(&plan()).unwrap();
    let plan = plan();
    let (before, image) = plan.split_once("[[image]]").unwrap();
    for (old, new, message, cure) in REFUSED {
        assert!(image.contains(old), "{old}");
        let text = format!("{before}[[image]]{}", image.replacen(old, new, 1));
        let problems = Config::parse(&text).expect_err(new);
        let told = problems.iter().any(|p| p.message.contains(message) && p.cure.contains(cure));
        assert!(told, "{new}: {problems:#?}");
    }
    let twice = format!("{plan}\n[[image]]{image}");
    let problems = Config::parse(&twice).expect_err("two of one name");
    assert!(problems.iter().any(|p| p.message == "a second image `tool`"), "{problems:?}");
}

fn base() -> Base {
    let digest = format!("sha256:{}", "2".repeat(64));
    Base {
        manifest: json!({ "layers": [{ "mediaType": "x", "digest": digest, "size": 1 }] }),
        config: json!({
            "architecture": "amd64", "os": "linux",
            "config": { "Env": ["PATH=/bin"], "Cmd": ["sh"], "Labels": { "title": "base" } },
            "rootfs": { "type": "layers", "diff_ids": [digest] },
            "history": [{ "created_by": "x" }],
        }),
    }
}

/// A recipe, and the image that follows from it.
fn with<R>(work: impl FnOnce(&Wanted<'_>, &Found) -> R) -> R {
    let config = Config::parse(&plan()).unwrap();
    let (base, program, diff_id) = (base(), "a".repeat(64), "b".repeat(64));
    let recipe = Recipe {
        image: &config.images[0],
        package: &config.packages[0],
        target: &config.targets[0],
        source: "owner/name",
        version: "1.2.3",
        commit: "c0ffee",
        seconds: 0,
    };
    let blob = |byte: &str| Blob { sha256: byte.repeat(64), size: 7 };
    let found = Found {
        manifest: recipe.manifest(&base, &blob("d"), &blob("e")),
        config: recipe.config(&base, &diff_id),
        paths: vec!["usr/local/bin/tool".into()],
        program: Some(program.clone()),
        diff_id: diff_id.clone(),
    };
    work(&Wanted { recipe, base: &base, program: &program, diff_id: &diff_id }, &found)
}

#[test]
fn an_image_says_what_the_plan_says() {
    with(|wanted, found| {
        assert_eq!(judge(wanted, found), Vec::<String>::new());
        let process = &found.config["config"];
        assert_eq!(process["User"], "65532:65532");
        assert_eq!(process["Entrypoint"], json!(["/usr/local/bin/tool"]));
        assert_eq!(process["Cmd"], json!(["serve"]));
        assert_eq!(process["Env"], json!(["PATH=/bin"]), "the base's");
        assert!(process["Labels"].get("title").is_none(), "not the base's");
        let label =
            |name: &str| process["Labels"][format!("org.opencontainers.image.{name}")].clone();
        assert_eq!(label("base.name"), "debian:12");
        assert_eq!(label("created"), "1970-01-01T00:00:00Z");
        assert_eq!(found.config["history"].as_array().unwrap().len(), 2);
        assert_eq!(found.manifest["layers"].as_array().unwrap().len(), 2);
    });
}

type Change = fn(&mut Found);

/// (what is done to an image, what is said of it)
const ALTERED: &[(Change, &str)] = &[
    (|f| f.program = Some("0".repeat(64)), "is not the released program"),
    (|f| f.program = None, "holds no `usr/local/bin/tool`"),
    (|f| f.paths.push("etc/passwd".into()), "holds `etc/passwd`, which is not planned"),
    (|f| f.diff_id = "0".repeat(64), "not the tar of the program alone"),
    (|f| f.config["rootfs"]["diff_ids"][1] = "sha256:0".into(), "not the tar of the program alone"),
    (|f| f.config["rootfs"]["diff_ids"][0] = "sha256:0".into(), "the configuration's first layers"),
    (|f| f.manifest["layers"][0]["digest"] = "sha256:0".into(), "the manifest's first layers"),
    (|f| push(&mut f.manifest["layers"]), "the manifest has 3 layers"),
    (|f| push(&mut f.config["rootfs"]["diff_ids"]), "the configuration has 3 layers"),
    (|f| f.manifest = Value::Null, "the manifest has 0 layers"),
    (|f| f.config["architecture"] = "arm64".into(), "architecture is \"arm64\", and amd64"),
    (|f| f.config["os"] = "windows".into(), "os is \"windows\""),
    (|f| f.config["created"] = "now".into(), "created is \"now\""),
    (|f| f.config["config"]["User"] = "root".into(), "`User` is \"root\", and \"65532:65532\""),
    (|f| f.config["config"]["Entrypoint"][0] = "sh".into(), "`Entrypoint` is [\"sh\"]"),
    (|f| f.config["config"]["Cmd"] = json!([]), "`Cmd` is []"),
    (|f| f.config["config"]["Env"] = json!(["LD_PRELOAD=x"]), "`Env` is [\"LD_PRELOAD=x\"]"),
    (|f| f.config["config"]["Volumes"] = json!({ "/x": {} }), "`Volumes` is"),
    (|f| f.config["config"]["ExposedPorts"] = Value::Null, "`ExposedPorts` is null"),
    (
        |f| f.config["config"]["Labels"]["org.opencontainers.image.revision"] = "x".into(),
        "`Labels` is",
    ),
    (|f| f.manifest["annotations"] = Value::Null, "the manifest's annotations"),
    (|f| f.manifest["mediaType"] = Value::Null, "the manifest's `mediaType` is not"),
    (|f| f.manifest["layers"][1]["mediaType"] = "x".into(), "the manifest's `layers` is not"),
    (|f| f.manifest["layers"][0]["size"] = 2.into(), "the manifest's `layers` is not"),
    (|f| f.manifest["config"]["mediaType"] = "x".into(), "the manifest's `config` is not"),
    (|f| f.manifest["subject"] = json!({}), "the manifest's `subject` is not"),
    (|f| f.config["history"] = json!([]), "the configuration's `history` is not"),
    (|f| f.config["variant"] = "v8".into(), "the configuration's `variant` is not"),
];

fn push(list: &mut Value) {
    list.as_array_mut().unwrap().push(json!({ "digest": "sha256:0" }));
}

#[test]
fn every_alteration_is_told() {
    for (at, (change, message)) in ALTERED.iter().enumerate() {
        with(|wanted, found| {
            let mut found = found.clone();
            change(&mut found);
            let problems = judge(wanted, &found);
            assert!(problems.iter().any(|p| p.contains(message)), "{at} {message}: {problems:?}");
        });
    }
}

#[test]
fn a_base_for_another_processor_is_told() {
    with(|wanted, found| {
        let mut base = base();
        base.config["architecture"] = "arm64".into();
        let problems = judge(&Wanted { base: &base, ..*wanted }, found);
        assert_eq!(problems, ["the base is for \"arm64\", and amd64 is planned"]);
    });
}

/// One name for several architectures; a client picks by `platform` (OCI image specification 1.1, "Image Index").
#[test]
fn an_index_names_every_platform() {
    let blob = |byte: &str| Blob { sha256: byte.repeat(64), size: 7 };
    let index = index(&[("amd64", blob("1")), ("arm64", blob("2"))]);
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    let platforms: Vec<_> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["platform"].clone(), entry["digest"].clone(), entry["size"].clone()))
        .collect();
    let wanted = |arch: &str, byte: &str| {
        let platform = json!({ "architecture": arch, "os": "linux" });
        (platform, json!(format!("sha256:{}", byte.repeat(64))), json!(7))
    };
    assert_eq!(platforms, [wanted("amd64", "1"), wanted("arm64", "2")]);
    assert_eq!(layout_of(&blob("3"))["manifests"][0]["mediaType"], index["mediaType"]);
}

fn made() -> Made {
    Made { manifest: Blob { sha256: "5".repeat(64), size: 7 }, program: "6".repeat(64) }
}

fn row(how: &str) -> SmokeRow {
    SmokeRow {
        check: "version".into(),
        outcome: Outcome::Passed,
        how: Some(how.into()),
        place: Place { system: "s".into(), machine: "m".into() },
        detail: "d".into(),
    }
}

/// A record of another image, or of one that was not tried well enough, is refused with all that is wrong.
#[test]
fn a_record_is_of_this_image_and_of_one_that_was_started() {
    type Change = fn(&mut Value);
    let refused: &[(Change, &str)] = &[
        (|r| r["image"] = "tol".into(), "image is \"tol\", and tool is wanted"),
        (|r| r["platform"] = "linux-arm64".into(), "platform is"),
        (|r| r["version"] = "1.2.4".into(), "version is \"1.2.4\", and 1.2.3 is wanted"),
        (|r| r["commit"] = Value::Null, "commit is null"),
        (|r| r["base"] = "debian:12".into(), "base is"),
        (|r| r["digest"] = "5".repeat(64).into(), "names no digest"),
        (|r| r["size"] = "7".into(), "names no digest, size"),
        (|r| r["program"] = Value::Null, "size or program"),
        (|r| r["tried"]["sha256"] = "4".repeat(64).into(), "sha256:4444"),
        (|r| r["tried"]["smoke"] = json!([]), "was not started, or failed"),
        (|r| r["tried"]["smoke"][0]["outcome"] = "not-run".into(), "was not started"),
        (|r| r["tried"] = Value::Null, "was not started"),
        (|r| *r = Value::Null, "was not started"),
        (|r| r["tried"]["smoke"][0]["how"] = "emulated".into(), "set `emulated = true` for linux"),
        (|r| r["tried"]["smoke"][0]["how"] = Value::Null, "emulated only"),
    ];
    with(|wanted, _| {
        let record = wanted.recipe.record(&made(), &[row("container")]);
        assert_eq!(wanted.recipe.recorded(&record), Ok(made()));
        for (change, message) in refused {
            let mut record = record.clone();
            change(&mut record);
            let problems = wanted.recipe.recorded(&record).expect_err(message);
            assert!(problems.iter().any(|p| p.contains(message)), "{message}: {problems:?}");
        }
        let target = Target { emulated: true, ..wanted.recipe.target.clone() };
        let recipe = Recipe { target: &target, ..wanted.recipe };
        assert_eq!(recipe.recorded(&recipe.record(&made(), &[row("emulated")])), Ok(made()));
    });
}

/// The release's manifest says which index is its own, and the index which images: these, and no other.
#[test]
fn a_release_names_its_images() {
    let config = Config::parse(&plan()).unwrap();
    let (image, amd64) = (&config.images[0], &config.targets[0]);
    let entry = listed(image, &[(amd64, made())]);
    let own = index(&[("amd64", made().manifest)]);
    let digest = <sha2::Sha256 as sha2::Digest>::digest(own.to_string());
    let manifest = json!({ "images": [{ "name": "other" }, entry] });
    assert_eq!(named(&manifest, image), Some(hex::encode(digest)));
    for (key, value) in [("name", "x"), ("repository", "x"), ("base", "x"), ("digest", "sha256:1")]
    {
        let mut other = manifest.clone();
        other["images"][1][key] = value.into();
        assert_eq!(named(&other, image), None, "{key}");
    }
    assert_eq!(named(&Value::Null, image), None);

    assert_eq!(members(&own, &[amd64]), Ok(vec!["5".repeat(64)]));
    type Change = fn(&mut Value);
    let refused: &[(Change, &str)] = &[
        (|i| i["manifests"] = json!([]), "one image for linux/amd64"),
        (|i| i["manifests"][0]["platform"]["architecture"] = "arm64".into(), "one image for"),
        (|i| i["manifests"][0]["platform"]["variant"] = "v8".into(), "one image for"),
        (|i| i["manifests"][0]["digest"] = "sha256:../x".into(), "no descriptor of an image"),
        (|i| i["manifests"][0]["mediaType"] = i["mediaType"].clone(), "no descriptor of an image"),
        (|i| push(&mut i["manifests"]), "it names 2 images: 1 are planned"),
        (
            |i| {
                let again = i["manifests"][0].clone();
                i["manifests"].as_array_mut().unwrap().push(again);
            },
            "one image for",
        ),
        (|i| i["annotations"] = json!({}), "says more, or other"),
        (|i| i["manifests"][0]["urls"] = json!([]), "says more, or other"),
        (|i| i["mediaType"] = Value::Null, "says more, or other"),
    ];
    for (change, message) in refused {
        let mut other = own.clone();
        change(&mut other);
        let problem = members(&other, &[amd64]).expect_err(message);
        assert!(problem.contains(message), "{message}: {problem}");
    }
}

/// A manifest from elsewhere names what it likes.
#[test]
fn what_is_no_descriptor_is_told() {
    let good = json!({ "digest": format!("sha256:{}", "a".repeat(64)) });
    assert_eq!(blobs(&json!({ "config": good, "layers": [good] })).unwrap().len(), 2);
    for bad in [
        Value::Null,
        json!({ "digest": "sha256:../../x" }),
        json!({ "digest": format!("sha512:{}", "a".repeat(64)) }),
        json!({ "digest": format!("sha256:{}", "A".repeat(64)) }),
        json!({ "digest": 1 }),
    ] {
        assert!(blobs(&json!({ "config": good, "layers": [bad] })).is_err(), "{bad}");
        assert!(blobs(&json!({ "config": bad })).is_err(), "{bad}");
    }
}

/// `latest` goes to the highest stable release, a line's tag to the highest of its line, and neither back.
#[test]
fn tags_move_forward_only() {
    let config = Config::parse(&plan()).unwrap();
    let published = ["v1.2.4", "v1.10.0", "v2.0.0-rc.1", "nightly"].map(String::from);
    for (version, wanted) in [
        ("1.2.3", &["1.2.3"][..]),
        ("1.2.5", &["1.2.5", "1.2"]),
        ("1.10.0", &["1.10.0", "1.10", "latest"]),
        ("1.10.1", &["1.10.1", "1.10", "latest"]),
        ("2.0.0-rc.2", &["2.0.0-rc.2"]),
        ("2.0.0", &["2.0.0", "2.0", "latest"]),
        ("1.1.0", &["1.1.0", "1.1"]),
        ("3.0.0+build.5", &["3.0.0-build.5", "3.0", "latest"]),
    ] {
        let made = tags(&config.images[0], version, "v{version}", &published);
        assert_eq!(made, wanted, "{version}");
    }
}
