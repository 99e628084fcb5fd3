//! What a workflow of ours may use: subcommands and what they need, actions and their inputs.

/// A permission of the job's token: scope and access.
pub(super) type Permission = (&'static str, &'static str);

/// A subcommand that a job may run.
pub(super) struct Subcommand {
    pub(super) name: &'static str,
    /// What its token must be allowed, besides reading the repository.
    pub(super) needs: &'static [Permission],
    /// Whether it has `--strict`, which every workflow call then passes.
    pub(super) strict: bool,
    /// Whether it talks to the forge and so needs a token.
    pub(super) token: bool,
    /// What it writes to `$GITHUB_OUTPUT`.
    pub(super) outputs: &'static [&'static str],
}

const fn subcommand(name: &'static str, strict: bool) -> Subcommand {
    Subcommand { name, needs: &[], strict, token: false, outputs: &[] }
}

const fn forge(name: &'static str, needs: &'static [Permission], strict: bool) -> Subcommand {
    Subcommand { name, needs, strict, token: true, outputs: &["release_id"] }
}

const WRITE: &[Permission] = &[("contents", "write")];
/// GitHub's own registry goes by the job's token.
const PACKAGES: &[Permission] = &[("packages", "write")];

pub(super) const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand { outputs: &["matrix", "images"], ..subcommand("plan", false) },
    subcommand("ci", false),
    subcommand("dist", true),
    subcommand("build", true),
    subcommand("smoke", true),
    subcommand("audit", false),
    subcommand("audit-glibc", false),
    subcommand("checksum", false),
    subcommand("codesign", false),
    subcommand("docs", false),
    subcommand("doctor", false),
    subcommand("reproduce", false),
    subcommand("rehearse", false),
    subcommand("image", true),
    subcommand("sbom", false),
    subcommand("workflow", false),
    forge("draft", WRITE, false),
    forge("upload", WRITE, false),
    // A draft is visible only to a token that may write.
    Subcommand { outputs: &[], ..forge("status", WRITE, false) },
    forge("finalize", WRITE, true),
    Subcommand { outputs: &[], ..forge("verify", &[], true) },
    Subcommand { outputs: &[], ..forge("image-push", PACKAGES, false) },
];

/// An action that a job may use.
pub(super) struct Action {
    pub(super) name: &'static str,
    pub(super) needs: &'static [Permission],
    pub(super) inputs: &'static [&'static str],
    /// Inputs that must have this value.
    pub(super) demands: &'static [(&'static str, &'static str)],
}

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "actions/checkout",
        needs: &[],
        inputs: &["persist-credentials", "ref", "fetch-depth", "fetch-tags"],
        // Else every later step of the job can read the token from .git/config.
        demands: &[("persist-credentials", "false")],
    },
    Action {
        name: "actions/upload-artifact",
        needs: &[],
        inputs: &["name", "path", "if-no-files-found", "retention-days", "compression-level"],
        demands: &[("if-no-files-found", "error")],
    },
    Action {
        name: "actions/download-artifact",
        needs: &[],
        inputs: &["name", "path", "pattern", "merge-multiple"],
        demands: &[],
    },
    Action {
        name: "actions/attest",
        needs: &[("id-token", "write"), ("attestations", "write")],
        inputs: &[
            "subject-path",
            "subject-checksums",
            "predicate-type",
            "predicate-path",
            "sbom-path",
        ],
        demands: &[],
    },
    Action {
        // For packages of kind `prebuilt`. It builds; releasing is for `finalize`.
        name: "goreleaser/goreleaser-action",
        needs: &[],
        inputs: &["args", "distribution", "version", "workdir"],
        demands: &[("args", "build --clean")],
    },
    Action {
        // For `image-push`: skopeo reads what it leaves.
        name: "docker/login-action",
        needs: PACKAGES,
        inputs: &["registry", "username", "password"],
        demands: &[],
    },
    Action {
        name: "actions/setup-go",
        needs: &[],
        inputs: &["go-version", "go-version-file", "cache"],
        // A cache in a release is a way in for whoever can fill it.
        demands: &[("cache", "false")],
    },
];

/// Workflows of ours that a job may be, by file name: `build.yml` builds and attests.
pub(super) const CALLED: &[Action] = &[Action {
    name: "build.yml",
    needs: &[("id-token", "write"), ("attestations", "write")],
    inputs: &["ref"],
    demands: &[],
}];

/// Properties of the `github` context that expressions may read. Not `event`, `head_ref` and the
/// like: whoever opens a pull request chooses those.
pub(super) const GITHUB: &[&str] = &[
    "ref",
    "ref_name",
    "ref_type",
    "sha",
    "repository",
    "repository_owner",
    "token",
    "run_id",
    "run_attempt",
    "event_name",
    "workflow",
];
