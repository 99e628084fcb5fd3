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
    Plan::new(Config::parse(&read("xtask.toml")).unwrap(), &Facts { version: "1.2.3".into() })
}

fn today() -> runners::Day {
    runners::days(2026, 11, 21)
}

#[test]
fn our_own_workflows_pass() {
    for name in ["ci.yml", "release.yml"] {
        let problems =
            workflow::check(&read(&format!(".github/workflows/{name}")), &plan(), today());
        assert!(problems.is_empty(), "{}", workflow::render(name, &problems));
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
    ("name: release", "name: &a release", "anchors"),
    ("name: release", "name: release\nname: other", "comes twice"),
];

#[test]
fn every_alteration_is_caught() {
    let good = read(".github/workflows/release.yml");
    for (old, new, message) in ALTERED {
        assert!(good.contains(old), "{old}");
        let problems = workflow::check(&good.replacen(old, new, 1), &plan(), today());
        let found = problems.iter().any(|problem| problem.message.contains(message));
        assert!(found, "{new:?}: {}", workflow::render("release.yml", &problems));
    }
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
