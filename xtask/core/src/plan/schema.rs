//! The keys of `xtask.toml`: one table that parses the file, checks it and documents it.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// What a key holds.
#[derive(Debug)]
pub(super) enum Type {
    Text,
    Bool,
    OneOf(&'static [&'static str]),
    /// A list of texts.
    List,
    /// A table whose keys are the file's own and whose values are lists of texts.
    Lists,
    Table(&'static Section),
}

#[derive(Debug)]
pub(super) enum Need {
    Required,
    Optional,
    Default(&'static str),
}

#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) ty: Type,
    pub(super) need: Need,
    pub(super) doc: &'static str,
}

#[derive(Debug)]
pub(super) struct Section {
    /// As written in the file, brackets included.
    pub(super) header: &'static str,
    pub(super) many: bool,
    /// Whether the file must have it; of a table within another, its key says that.
    pub(super) needed: bool,
    pub(super) doc: &'static str,
    pub(super) keys: &'static [Key],
}

use Need::{Default, Optional, Required};
use Type::{Bool, List, Lists, OneOf, Table, Text};

const fn key(name: &'static str, ty: Type, need: Need, doc: &'static str) -> Key {
    Key { name, ty, need, doc }
}

pub(super) const RELEASE: Section = Section {
    header: "[release]",
    many: false,
    needed: true,
    doc: "What is released, and where.",
    keys: &[
        key("repository", Text, Required, "`owner/name` on the forge."),
        key("tag", Text, Default("v{version}"), "Template of the tag; holds `{version}` once."),
        key(
            "checksums",
            Text,
            Default("checksums.txt"),
            "Name of the checksum file (`sha256sum` format).",
        ),
        key("manifest", Text, Default("manifest.json"), "Name of the manifest."),
        key(
            "provenance",
            Text,
            Default("provenance.json"),
            "Name of the provenance statement (in-toto v1, SLSA v1).",
        ),
    ],
};

pub(super) const TARGET: Section = Section {
    header: "[[target]]",
    many: true,
    needed: true,
    doc: "One platform that is built for.",
    keys: &[
        key(
            "platform",
            Text,
            Required,
            "Name used in asset names and on the command line, such as `linux-amd64`.",
        ),
        key("triple", Text, Required, "The target triple, as rustc spells it."),
        key(
            "builder",
            OneOf(&["native", "zig", "container"]),
            Required,
            "`native`: plain cargo on the target's own runner. `zig`: cargo-zigbuild, which sets the glibc floor. \
             `container`: cargo in an image pinned by digest.",
        ),
        key(
            "runner",
            Text,
            Required,
            "Label of the CI runner that builds and tests this target natively.",
        ),
        key(
            "glibc-floor",
            Text,
            Optional,
            "The glibc release that the assets must still run on, such as `2.17`. Required for `-linux-gnu`, \
             refused elsewhere. An upper bound for what the audit measures.",
        ),
        key(
            "macos-min",
            Text,
            Optional,
            "Deployment target, such as `11.0`. Required for `-apple-darwin`, refused elsewhere.",
        ),
        key(
            "image",
            Text,
            Optional,
            "The image that `container` builds in, `name:tag@sha256:digest`, with cargo and rustc inside. Required for \
             `container`, refused elsewhere.",
        ),
        key(
            "userlands",
            List,
            Optional,
            "Images, by digest, of systems that the assets must run on: `cargo xtask smoke --userland` takes these \
             where none is named. Only for Linux.",
        ),
        key(
            "emulated",
            Bool,
            Default("false"),
            "Whether `finalize` accepts a smoke test that ran under qemu or wine, and `image-push` an image that was started \
             so. Without it, each asset must have run natively, and on musl in one of `userlands`.",
        ),
    ],
};

const SMOKE: Section = Section {
    header: "[package.smoke]",
    many: false,
    needed: true,
    doc: "How to see that an asset works, run on the staged copy from an empty folder.",
    keys: &[
        key(
            "version",
            Text,
            Default("{package} v{version}"),
            "What it prints about its version: `{package}`, `{binary}`, `{version}`.",
        ),
        key(
            "version-match",
            OneOf(&["whole", "start"]),
            Default("whole"),
            "`whole`: it prints `version` and nothing else. `start`: it begins so, and the version ends there; for \
             programs that say more, such as their features.",
        ),
        key(
            "version-args",
            List,
            Optional,
            "Arguments with which it prints its version; `--version` if absent.",
        ),
        key(
            "help",
            Bool,
            Default("true"),
            "Whether it must print something when it is asked for help, and succeed.",
        ),
        key("help-args", List, Optional, "Arguments that ask for help; `--help` if absent."),
        key(
            "dlopen",
            Bool,
            Default("false"),
            "Whether the program loads libraries: it is then given one that loads, one that is broken and one that \
             is missing, built on the spot for the target's libc.",
        ),
        key(
            "calls",
            List,
            Optional,
            "For a package with `pins`: arguments before the path of a library. With the programs it pins beside it, it \
             must succeed on a library that loads, without a word on stderr, and end with 1 on a broken one.",
        ),
    ],
};

const POLICY: Section = Section {
    header: "[package.policy]",
    many: false,
    needed: true,
    doc: "What the package's binaries may be. Judged from their bytes.",
    keys: &[
        key(
            "linkage",
            OneOf(&["dynamic", "static"]),
            Default("dynamic"),
            "`static` demands that interpreter and NEEDED are absent. A `prebuilt` program is then not asked to be \
             position-independent either, as Go's are not.",
        ),
        key(
            "needed",
            Lists,
            Optional,
            "The shared libraries allowed, a list per libc: `gnu`, `musl`, `darwin`, `msvc`, `mingw`. A libc that is \
             not named is not restricted.",
        ),
        key(
            "self-launching",
            List,
            Optional,
            "The libcs whose binaries have no PT_INTERP and start the loader themselves.",
        ),
    ],
};

pub(super) const PACKAGE: Section = Section {
    header: "[[package]]",
    many: true,
    needed: true,
    doc: "One program that is released.",
    keys: &[
        key("name", Text, Required, "Name of the package; for `rust`, the Cargo package."),
        key(
            "kind",
            OneOf(&["rust", "go", "prebuilt"]),
            Required,
            "The language, and so the way to build. `prebuilt`: another tool, such as goreleaser, built it; it is taken \
             from a folder, and judged, packed, tried and released like any other.",
        ),
        key(
            "path",
            Text,
            Required,
            "The package's folder, relative to this file. It may lie outside. For `prebuilt`: a template of the path of \
             the program itself, with `{platform}`, `{goos}`, `{goarch}`, `{package}`, `{version}`.",
        ),
        key(
            "origin",
            Text,
            Optional,
            "Who built it, for the manifest and the provenance. Required for `prebuilt`, refused elsewhere.",
        ),
        key("binary", Text, Optional, "Name of the program; the package's name if absent."),
        key(
            "binaries",
            List,
            Optional,
            "Only for `rust`, instead of `binary`: names of several programs, which its archives hold. The first is the \
             one that images hold, and that is given libraries to load.",
        ),
        key("profile", Text, Default("dist"), "Cargo profile. Only for `rust`."),
        key("features", List, Optional, "Only for `rust`: Cargo features to build with."),
        key(
            "default-features",
            Bool,
            Default("true"),
            "Only for `rust`: whether its default features are built too.",
        ),
        key(
            "crt",
            OneOf(&["dynamic", "static"]),
            Default("dynamic"),
            "How a `rust` package is linked with musl. A static program cannot load libraries; its interpreter and \
             NEEDED must then be absent.",
        ),
        key("build-tags", List, Optional, "Only for `go`: tags of build constraints that hold."),
        key(
            "ldflags",
            List,
            Optional,
            "Only for `go`: flags for its linker, besides `-s -w -buildid=`. Templates: `{version}`, `{commit}`, and \
             `{sha256:NAME}` for each name in `pins`.",
        ),
        key(
            "pins",
            List,
            Optional,
            "Only for `go`: packages that are built and sealed first for the same platform, and whose digest \
             `ldflags` may hold.",
        ),
        key(
            "archive",
            OneOf(&["none", "tar.gz", "tar.xz", "zip"]),
            Default("none"),
            "`none`: the asset is the program itself. Otherwise an archive of a folder named like it, with the program \
             and what `include` lists.",
        ),
        key(
            "archive-windows",
            OneOf(&["none", "tar.gz", "tar.xz", "zip"]),
            Optional,
            "The same for Windows, where it differs, such as `zip`.",
        ),
        key("include", List, Optional, "Files, relative to this one, packed beside the program."),
        key(
            "sha256",
            Bool,
            Default("false"),
            "Whether each asset also gets a `.sha256` file of its own.",
        ),
        key(
            "asset",
            Text,
            Default("{package}-{platform}"),
            "Template of the asset's name: `{package}`, `{platform}`, `{triple}`, `{version}`. `.exe` is added for Windows.",
        ),
        key("targets", List, Required, "Platforms this package is released for."),
        key(
            "version-env",
            Text,
            Optional,
            "Variable through which the build reads the version when `--version` overrides it.",
        ),
        key("smoke", Table(&SMOKE), Optional, "See `[package.smoke]`."),
        key("policy", Table(&POLICY), Optional, "See `[package.policy]`."),
        key(
            "system-packages",
            Lists,
            Optional,
            "Debian packages that building needs, a list per platform; the preflight looks for them.",
        ),
    ],
};

pub(super) const IMAGE: Section = Section {
    header: "[[image]]",
    many: true,
    needed: false,
    doc: "One container image: a base, and a package's program on it. See [images](images.md).",
    keys: &[
        key("name", Text, Required, "Name on the command line and of the files it is made in."),
        key("package", Text, Required, "The package whose program it holds, at `/usr/local/bin`."),
        key(
            "repository",
            Text,
            Required,
            "Registry and path, such as `registry.example/owner/name`.",
        ),
        key(
            "base",
            Text,
            Required,
            "The image below it, `name:tag@sha256:digest`, with the libc that the program needs.",
        ),
        key("targets", List, Required, "Platforms of the package that it is made for; only Linux."),
        key(
            "user",
            Text,
            Default("65532:65532"),
            "User, and group, that the program runs as: numbers, and never root's.",
        ),
        key("args", List, Optional, "Arguments that the program is started with."),
        key("ports", List, Optional, "Ports it listens on, such as `3001/tcp`."),
        key("description", Text, Required, "One line for people (a label)."),
        key("licenses", Text, Required, "SPDX expression of what it holds (a label)."),
        key(
            "tags",
            List,
            Required,
            "Templates of its tags: `{version}`, `{major}`, `{minor}`. The first holds `{version}`. Others move with \
             stable releases, and never to an older one.",
        ),
        key(
            "probe",
            List,
            Optional,
            "Arguments with which the program, run beside itself in the container, ends with 0 when the server is \
             well. With them the smoke test starts the server, waits for it, and ends it by SIGTERM.",
        ),
    ],
};

pub(super) const ROOT: &[(&str, &Section)] =
    &[("release", &RELEASE), ("target", &TARGET), ("package", &PACKAGE), ("image", &IMAGE)];

impl Type {
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Text | OneOf(_) => "a string",
            Bool => "true or false",
            List => "an array of strings",
            Lists => "a table of arrays of strings",
            Table(_) => "a table",
        }
    }
}

/// The reference page of `xtask.toml`, in Markdown.
pub fn reference() -> String {
    let mut out = String::from(
        "# `xtask.toml`\n\nThe release as data. Everything wrong with the file is reported at once, each with its line \
         and its cure.\n\nThis page is made from the table that parses the file: `cargo xtask docs`.\n",
    );
    for section in [&RELEASE, &TARGET, &PACKAGE, &SMOKE, &POLICY, &IMAGE] {
        let _ = write!(out, "\n## `{}`\n\n{}\n\n", section.header, section.doc);
        out.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
        for key in section.keys {
            let value = match &key.ty {
                OneOf(choices) => {
                    let quoted: Vec<_> =
                        choices.iter().map(|choice| format!("`{choice}`")).collect();
                    quoted.join(", ")
                }
                ty => ty.describe().to_owned(),
            };
            let default = match key.need {
                Required => "required".to_owned(),
                Optional => String::new(),
                Default(text) => format!("`{text}`"),
            };
            let _ = writeln!(out, "| `{}` | {value} | {default} | {} |", key.name, key.doc);
        }
    }
    out
}
