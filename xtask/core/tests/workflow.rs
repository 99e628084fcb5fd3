//! The workflow checker: our own files pass, and every alteration of them is caught by line.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use xtask_core::plan::{Config, Facts, Plan};
use xtask_core::workflow::{self, runners};

fn read(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(name)).unwrap()
}

fn plan() -> Plan {
    plan_of("")
}

/// The plan of a folder: empty, or with a slash at its end.
fn plan_of(folder: &str) -> Plan {
    let text = read(&format!("{folder}xtask.toml"));
    Plan::new(Config::parse(&text).unwrap(), &Facts { version: "1.2.3".into() })
}

const EXAMPLE: &str = "examples/tsuku/";
const SERVER: &str = "examples/sayna/";

fn today() -> runners::Day {
    runners::days(2026, 11, 21)
}

#[test]
fn our_own_workflows_pass() {
    for (folder, name) in [
        ("", "ci.yml"),
        ("", "release.yml"),
        ("", "build.yml"),
        (EXAMPLE, "ci.yml"),
        (EXAMPLE, "release.yml"),
        (SERVER, "ci.yml"),
        (SERVER, "release.yml"),
    ] {
        let text = read(&format!("{folder}.github/workflows/{name}"));
        let problems = workflow::check(&text, &plan_of(folder), today());
        assert!(problems.is_empty(), "{folder}{}", workflow::render(name, &problems));
    }
}

/// release.yml with `build` and `attest` replaced by one call, as SECURITY.md shows it.
fn calling(call: &str) -> String {
    let text = read(".github/workflows/release.yml");
    let cut = |text: &str, from: &str, to: &str| {
        let (before, rest) = text.split_once(from).unwrap();
        let (_, after) = rest.split_once(to).unwrap();
        format!("{before}{call}{to}{after}", call = if from.contains("build") { call } else { "" })
    };
    let text = cut(
        &text,
        "  # Reads only: no dependency's build",
        "  # On a machine that did not build it",
    );
    let text = cut(&text, "  # Signed statements", "  finalize:");
    text.replace("needs: [draft, integration, attest]", "needs: [draft, integration]")
}

/// Whom a verifier must ask for, in each of the forms that SECURITY.md shows.
#[test]
fn the_signer_is_who_attests() {
    let signer = |text: &str| workflow::signer(text, "o/n");
    let own = read(".github/workflows/release.yml");
    assert_eq!(signer(&own).as_deref(), Some("o/n/.github/workflows/release.yml"));
    assert_eq!(signer(&calling(CALL)).as_deref(), Some("o/n/.github/workflows/build.yml"));
    let elsewhere = calling(CALL).replace("./.github", "o/builder/.github");
    let elsewhere =
        elsewhere.replace("build.yml", "build.yml@0123456789012345678901234567890123456789");
    assert_eq!(signer(&elsewhere).as_deref(), Some("o/builder/.github/workflows/build.yml"));
    assert_eq!(signer(&own.replace("actions/attest@", "actions/upload@")), None);
    assert_eq!(signer("no: [workflow"), None);
}

const CALL: &str = "  build:\n    needs: plan\n    uses: ./.github/workflows/build.yml\n    with:\n      ref: ${{ inputs.tag || github.ref }}\n    permissions:\n      contents: read\n      id-token: write\n      attestations: write\n\n";

#[test]
fn a_called_build_is_understood() {
    let foreign = CALL.replace(
        "./.github/workflows/build.yml",
        "owner/builder/.github/workflows/build.yml@3d3c42e5aac5ba805825da76410c181273ba90b1 # v1.0.0",
    );
    let unpinned =
        CALL.replace("./.github", "owner/builder/.github").replace("build.yml", "build.yml@v1");
    for (call, problem) in [
        (CALL, None),
        (&foreign, None),
        (
            &unpinned,
            Some("the workflow `owner/builder/.github/workflows/build.yml@v1` is not pinned"),
        ),
        (
            &CALL.replace("build.yml", "other.yml"),
            Some("`./.github/workflows/other.yml` is not understood"),
        ),
        (&CALL.replace("contents: read", "contents: write"), Some("does not need it")),
        (&CALL.replace("      id-token: write\n", ""), Some("may not `id-token: write`")),
        (
            &CALL.replace("    with:", "    secrets: inherit\n    with:"),
            Some("`secrets` in job `build`"),
        ),
        (&CALL.replace("      ref:", "      version:"), Some("`version` in `with` of build.yml")),
    ] {
        let problems = workflow::check(&calling(call), &plan(), today());
        let text = workflow::render("release.yml", &problems);
        match problem {
            None => assert!(problems.is_empty(), "{text}"),
            Some(part) => assert!(text.contains(part), "{part}: {text}"),
        }
    }
}

const PIN: &str = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1";

/// (text in release.yml, replaced by once, part of the message)
const ALTERED: &[(&str, &str, &str)] = &[
    ("permissions: {}", "permissions: write-all", "are not `{}`"),
    ("permissions: {}\n", "", "no `permissions` at the top"),
    ("name: release", "name: release\ndefaults: {}", "`defaults` in a workflow is not understood"),
    (
        "runs-on: ubuntu-24.04",
        "runs-on: ubuntu-24.04\n    container: debian:12",
        "not pinned by digest",
    ),
    ("runs-on: ubuntu-24.04", "runs-on: ubuntu-20.04", "no label of GitHub's"),
    ("runs-on: ubuntu-24.04", "runs-on: macos-14", "ended on 2026-11-02"),
    ("runs-on: ubuntu-24.04", "runs-on: macos-15-xlarge", "is paid"),
    ("runs-on: ubuntu-24.04", "runs-on: [self-hosted, linux]", "not one label"),
    (
        "run: cargo xtask plan --matrix",
        "run: cargo build && cargo xtask plan --matrix",
        "more than one `cargo xtask` call",
    ),
    (
        "run: cargo xtask plan --matrix",
        "run: |\n          echo a\n          cargo xtask plan --matrix",
        "more than one `cargo xtask` call",
    ),
    ("run: cargo xtask plan --matrix", "run: make release", "`run` is `make release`"),
    ("run: cargo xtask plan --matrix", "run: cargo xtask frobnicate", "no step of a workflow"),
    ("run: cargo xtask plan --matrix", "run: cargo xtask plan", "does not come from the plan"),
    (
        "dist --strict --target \"$PLATFORM\"",
        "dist --strict --target \"${{ matrix.platform }}\"",
        "an expression inside `run`",
    ),
    ("dist --strict --target \"$PLATFORM\"", "dist --target \"$PLATFORM\"", "without `--strict`"),
    (
        "dist --strict --target \"$PLATFORM\"",
        "dist --strict --target linux-amd46",
        "no target of the plan",
    ),
    (PIN, "actions/checkout@v7", "not pinned by commit"),
    (PIN, "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "not pinned by commit"),
    (
        PIN,
        "dtolnay/rust-toolchain@3d3c42e5aac5ba805825da76410c181273ba90b1 # v1",
        "`dtolnay/rust-toolchain` is not understood",
    ),
    (
        "persist-credentials: false",
        "persist-credentials: true",
        "without `persist-credentials: false`",
    ),
    (
        "persist-credentials: false",
        "persist-credentials: false\n          lfs: true",
        "`lfs` in `with` of actions/checkout",
    ),
    ("      contents: read", "      contents: write", "does not need it"),
    (
        "      contents: read",
        "      contents: read\n      packages: write",
        "`packages: write` and does not need it",
    ),
    ("contents: write # the draft", "contents: read", "may not `contents: write`"),
    ("      id-token: write", "      id-token: none", "may not `id-token: write`"),
    (
        "--from dist --strict --execute",
        "--from dist --execute",
        "`cargo xtask finalize` without `--strict`",
    ),
    ("RELEASE_ID: ${{ needs.draft", "RELEASE_ID: ${{ needs.build", "the job does not need `build`"),
    ("    permissions:\n      contents: read\n", "", "has no `permissions`"),
    (
        "matrix: ${{ fromJSON(needs.plan.outputs.matrix) }}",
        "matrix:\n        include:\n          - platform: linux-amd64",
        "differs from the plan",
    ),
    (
        "matrix: ${{ fromJSON(needs.plan.outputs.matrix) }}",
        "matrix: ${{ fromJSON(needs.plan.outputs.other) }}",
        "has no output `other`",
    ),
    (
        "PLATFORM: ${{ matrix.platform }}",
        "PLATFORM: ${{ matrix.os }}",
        "the plan's matrix has no `os`",
    ),
    (
        "PLATFORM: ${{ matrix.platform }}",
        "PLATFORM: ${{ github.event.issue.title }}",
        "is not understood",
    ),
    (
        "PLATFORM: ${{ matrix.platform }}",
        "PLATFORM: ${{ toJSON(github) }}",
        "the function `toJSON` is not understood",
    ),
    (
        "PLATFORM: ${{ matrix.platform }}",
        "PLATFORM: ${{ matrix.platform }}\n          GH_TOKEN: ${{ github.token }}",
        "holds a token and does not need one",
    ),
    ("          GH_TOKEN: ${{ github.token }}\n", "          A: b\n", "without a token"),
    ("path: dist", "path: dist/tsuku-dltest-linux-amd46", "none of the plan"),
    ("needs: plan", "needs: plans", "which is no job"),
    ("cancel-in-progress: false", "cancel-in-progress: true", "cancels a release"),
    ("on:\n", "on:\n  pull_request_target:\n", "a stranger's change"),
    (
        "${{ steps.plan.outputs.matrix }}",
        "${{ steps.plans.outputs.matrix }}",
        "no step has the id `plans`",
    ),
    ("          if-no-files-found: error\n", "", "without `if-no-files-found: error`"),
    (
        "    timeout-minutes: 15\n",
        "    timeout-minutes: 15\n    continue-on-error: true\n",
        "`continue-on-error` in job `plan`",
    ),
    (
        "inputs.tag || github.ref_name",
        "inputs.version || github.ref_name",
        "no input has that name",
    ),
    ("runs-on: ${{ matrix.runner }}", "runs-on: ubuntu-24.04", "runs every target of its matrix"),
    ("runs-on: ${{ matrix.runner }}", "runs-on: ${{ matrix.triple }}", "`runs-on` of job `build`"),
    (
        "PLATFORM: ${{ matrix.platform }}",
        "PLATFROM: ${{ matrix.platform }}",
        "`$PLATFORM` in `run` is set nowhere",
    ),
    (
        "PLATFORM: ${{ matrix.platform }}",
        "PLATFORM: ${{ matrix.triple }}",
        "not for the target of the matrix",
    ),
    (" --target \"$PLATFORM\"", "", "not for the target of the matrix"),
    (
        "steps.draft.outputs.release_id",
        "steps.draft.outputs.release-id",
        "writes no output `release-id`",
    ),
    (
        "needs: [draft, integration, attest]",
        "needs: [draft, integration]",
        "does not wait for `attest`",
    ),
    (
        "needs: [draft, integration, attest]",
        "needs: [draft, attest]\n    if: always()",
        "even after a failure",
    ),
    ("cargo xtask smoke --strict", "cargo xtask audit", "no job runs the smoke test"),
    ("tags: [\"v*\"]", "tags: [\"*\"]", "are not those of the plan, `v*`"),
    ("tags: [\"v*\"]", "branches: [main]", "are not those of the plan, `v*`"),
    ("release-${{ inputs.tag || github.ref_name }}", "release", "the same for every tag"),
    (
        "name: dist-${{ matrix.platform }}\n          path: dist\n          if-no",
        "name: dist\n          path: dist\n          if-no",
        "every target of the matrix uploads",
    ),
    ("pattern: dist-*", "pattern: built-*", "leaves an artifact `built-*`"),
    ("needs: [plan, build]", "needs: plan", "no job before `integration` leaves"),
    ("          subject-path: dist/*/", "          subject-path: dist/*/no-", "is not attested"),
    (
        "subject-path: dist/*/",
        "subject-checksums: dist/sums-",
        "is not the checksum file of the plan",
    ),
    ("name: release", "name: &a release", "anchors"),
    ("name: release", "name: release\nname: other", "comes twice"),
];

/// Each is made to the workflow of this repository and to the example's.
#[test]
fn every_alteration_is_caught() {
    for folder in ["", EXAMPLE] {
        let plan = plan_of(folder);
        let good = read(&format!("{folder}.github/workflows/release.yml"));
        for (old, new, message) in ALTERED {
            assert!(good.contains(old), "{folder}{old}");
            let problems = workflow::check(&good.replacen(old, new, 1), &plan, today());
            let found = problems.iter().any(|problem| problem.message.contains(message));
            assert!(found, "{folder} {new:?}: {}", workflow::render("release.yml", &problems));
        }
    }
}

/// Images of the plan are made before anything is published, on the machines that can start them.
#[test]
fn images_are_made_for_their_own_targets() {
    let plan = plan_of(SERVER);
    let good = read(&format!("{SERVER}.github/workflows/release.yml"));
    for (old, new, message) in [
        (
            "cargo xtask image --strict",
            "cargo xtask smoke --strict",
            "no job makes the plan's images",
        ),
        (
            "cargo xtask image --strict",
            "cargo xtask image",
            "`cargo xtask image` without `--strict`",
        ),
        ("needs.plan.outputs.images", "needs.plan.outputs.matrix", "the matrix of other targets"),
        ("needs.plan.outputs.matrix", "needs.plan.outputs.images", "the matrix of other targets"),
        ("integration, push, attest]", "integration, attest]", "does not wait for `push`"),
        (
            "    needs: finalize\n",
            "    needs: push\n",
            "moves tags and does not wait for `finalize`",
        ),
        ("      packages: write", "      packages: read", "may not `packages: write`"),
        (
            "          registry: ghcr.io\n",
            "          logout: no\n",
            "`logout` in `with` of docker/login-action",
        ),
        (
            "run: cargo xtask image-push --forge github --tag \"$TAG\" --from dist --execute",
            "run: cargo xtask upload --forge github --tag \"$TAG\" --from dist --execute",
            "no job pushes the plan's images",
        ),
        ("--target \"$PLATFORM\"\n", "--target linux-amd46\n", "no target of the plan"),
        (
            "          path: dist\n      - uses: docker",
            "          pattern: image-*\n          path: dist\n      - uses: docker",
            "`push` pushes images and takes no assets to compare them with",
        ),
    ] {
        assert!(good.contains(old), "{old}");
        let problems = workflow::check(&good.replacen(old, new, 1), &plan, today());
        let found = problems.iter().any(|problem| problem.message.contains(message));
        assert!(found, "{new:?}: {}", workflow::render("release.yml", &problems));
    }
}

/// As docs/moving-in.md has it: goreleaser builds in a job of its own.
#[test]
fn goreleaser_may_build_and_not_release() {
    let good = read(".github/workflows/release.yml");
    let page = read("docs/moving-in.md");
    let (_, rest) = page.split_once("   prebuild:\n").unwrap();
    let (job, _) = rest.split_once("   ```").unwrap();
    let job: String = format!("   prebuild:\n{job}")
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect();
    let job = job.replace("<commit>", "3d3c42e5aac5ba805825da76410c181273ba90b1");
    let take = "      - uses: actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1\n        with:\n          name: prebuilt\n          path: prebuilt\n      - run: cargo xtask dist";
    let text = good
        .replacen("  # Reads only", &format!("{job}  # Reads only"), 1)
        .replacen("  build:\n    needs: plan\n", "  build:\n    needs: [plan, prebuild]\n", 1)
        .replacen("      - run: cargo xtask dist", take, 1);
    let problems = workflow::check(&text, &plan(), today());
    assert!(problems.is_empty(), "{}\n{text}", workflow::render("release.yml", &problems));
    let text = text.replace("args: build --clean", "args: release --clean");
    let problems = workflow::render("release.yml", &workflow::check(&text, &plan(), today()));
    assert!(problems.contains("goreleaser-action without `args: build --clean`"), "{problems}");
}

#[test]
fn a_release_by_tags_alone_is_refused() {
    let good = read(".github/workflows/release.yml");
    let (before, rest) = good.split_once("  workflow_dispatch:").unwrap();
    let (_, after) = rest.split_once("\n\npermissions").unwrap();
    let text = format!("{before}\n\npermissions{after}").replace("inputs.tag || ", "");
    let problems = workflow::check(&text, &plan(), today());
    let text = workflow::render("release.yml", &problems);
    assert!(text.contains("taken up again by hand"), "{text}");
}

#[test]
fn a_runner_of_the_plan_that_ends_soon_is_told() {
    let good = read(".github/workflows/release.yml");
    let problems = workflow::check(&good, &plan(), runners::days(2027, 6, 1));
    let text = workflow::render("release.yml", &problems);
    assert!(text.contains("`macos-15-intel` ends on 2027-08-01"), "{text}");
}

#[test]
fn no_text_makes_it_panic() {
    let good = read(".github/workflows/release.yml");
    for end in (0..good.len()).step_by(5).filter(|end| good.is_char_boundary(*end)) {
        workflow::check(&good[..end], &plan(), today());
    }
}
