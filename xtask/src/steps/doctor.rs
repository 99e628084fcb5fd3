//! `doctor`: every tool, the version found, the version wanted, what needs it, how to get it.

use std::path::Path;

use clap::Args;
use serde_json::json;
use xtask_core::plan::{Builder, Kind, Os};
use xtask_core::report::Table;

use super::workspace::Workspace;
use crate::exit::Exit;
use crate::ops::container::Engine;
use crate::ops::tools::{self, Tool};
use crate::ops::{cargo, files, probe};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

struct Row {
    tool: String,
    found: Option<String>,
    wanted: String,
    needed_by: String,
    cure: String,
    /// Whether the host's own `dist` cannot do without it.
    required: bool,
}

/// `cargo xtask doctor`: exit 1 when something that the host's own `dist` needs is missing.
pub(crate) fn run(root: Option<&Path>, args: &DoctorArgs) -> anyhow::Result<Exit> {
    let workspace = Workspace::open(root)?;
    let rows = rows(&workspace);
    if args.json {
        let tools = rows.iter().map(|row| {
            json!({
                "tool": row.tool, "found": row.found, "wanted": row.wanted, "needed_by": row.needed_by,
                "cure": row.cure, "required": row.required,
            })
        });
        println!("{:#}", json!({ "schema": 1, "tools": tools.collect::<Vec<_>>() }));
    } else {
        let mut table = Table::new(&["", "TOOL", "FOUND", "WANTED", "NEEDED BY", "HOW TO GET IT"]);
        for row in &rows {
            let mark = match (&row.found, row.required) {
                (Some(_), _) => "ok",
                (None, true) => "MISSING",
                (None, false) => "-",
            };
            let cure = if row.found.is_some() { "" } else { &row.cure };
            let found = row.found.clone().unwrap_or_else(|| "not found".to_owned());
            table.row([
                mark.to_owned(),
                row.tool.clone(),
                found,
                row.wanted.clone(),
                row.needed_by.clone(),
                cure.to_owned(),
            ]);
        }
        print!("{}", table.render());
    }
    let missing = rows.iter().any(|row| row.required && row.found.is_none());
    Ok(if missing { Exit::Findings } else { Exit::Done })
}

fn rows(workspace: &Workspace) -> Vec<Row> {
    let rustc = cargo::rustc(&workspace.root).ok();
    let host = rustc.as_ref().map(|rustc| rustc.host.as_str()).unwrap_or_default();
    let own: Vec<_> =
        workspace.config.targets.iter().filter(|target| target.triple.name == host).collect();
    let own_uses = |builder| own.iter().any(|target| target.builder == builder);
    let plan_uses =
        |builder| workspace.config.targets.iter().any(|target| target.builder == builder);
    let first_line =
        |argv: &[&str]| probe::said(argv).and_then(|text| text.lines().next().map(str::to_owned));
    let row = |tool: &str, found, wanted: &str, needed_by: &str, cure: &str, required| Row {
        tool: tool.to_owned(),
        found,
        wanted: wanted.to_owned(),
        needed_by: needed_by.to_owned(),
        cure: cure.to_owned(),
        required,
    };

    let mut rows = vec![row(
        "rustc",
        rustc.as_ref().map(|rustc| rustc.version.clone()),
        &toolchain(workspace).unwrap_or_else(|| "any".to_owned()),
        "every Rust package",
        "install rustup; it reads rust-toolchain.toml",
        true,
    )];
    for target in &workspace.config.targets {
        // A container's image brings its own.
        let packages = &workspace.config.packages;
        let wanted =
            packages.iter().any(|p| p.kind == Kind::Rust && p.targets.contains(&target.platform));
        if !wanted || target.builder == Builder::Container {
            continue;
        }
        let triple = target.triple.name;
        let found = cargo::has_std(&workspace.root, triple)
            .unwrap_or(false)
            .then(|| "installed".to_owned());
        let cure = format!("rustup target add {triple}");
        rows.push(row(
            &format!("std {triple}"),
            found,
            "same as rustc",
            &target.platform,
            &cure,
            triple == host,
        ));
    }
    if plan_uses(Builder::Zig) {
        for tool in [&tools::ZIG, &tools::ZIGBUILD] {
            rows.push(tool_row(tool, "zig builder", own_uses(Builder::Zig)));
        }
        let pip = tools::pip_version().ok();
        // Only to download: with the tools in place it is not needed.
        let provisioned = [&tools::ZIG, &tools::ZIGBUILD]
            .iter()
            .all(|tool| matches!(tool.installed(), Ok(Some(_))));
        let required = own_uses(Builder::Zig) && !provisioned;
        rows.push(row(
            "python3 + pip",
            pip,
            "any",
            "downloading pinned tools",
            "apt-get install python3-pip",
            required,
        ));
    }
    rows.push(row(
        "cc",
        first_line(&["cc", "--version"]),
        "any",
        "the xtask itself; native builder",
        "apt-get install gcc",
        true,
    ));
    rows.push(row(
        "git",
        first_line(&["git", "--version"]),
        "any",
        "commit and dirtiness in the manifest",
        "apt-get install git",
        false,
    ));
    if workspace.config.packages.iter().any(|package| package.kind == Kind::Go) {
        match first_line(&["go", "version"]) {
            Some(found) => rows.push(row("go", Some(found), "any", "Go packages", "", false)),
            None => rows.push(tool_row(&tools::GO, "Go packages", false)),
        }
    }
    let images = !workspace.config.images.is_empty();
    if images {
        rows.push(row(
            "skopeo",
            first_line(&["skopeo", "--version"]),
            "any",
            "images",
            "apt-get install skopeo",
            false,
        ));
    }
    if plan_uses(Builder::Container) || images {
        let engine = Engine::detect();
        let cure = engine.as_ref().err().map(|error| format!("{error:#}")).unwrap_or_default();
        rows.push(row(
            "docker or podman",
            engine.ok().map(|engine| format!("{} {}", engine.program, engine.version)),
            "any",
            "container builder, trying images",
            &cure.replace("\n ", ";"),
            own_uses(Builder::Container),
        ));
    }
    if own.iter().any(|target| target.triple.os == Os::Darwin) {
        let found = first_line(&["xcode-select", "--version"]);
        rows.push(row("codesign", found, "any", "signing", "xcode-select --install", true));
    }
    rows
}

fn tool_row(tool: &Tool, needed_by: &str, required: bool) -> Row {
    let (found, cure) = match tool.installed() {
        Ok(Some(_)) => (Some(format!("{} (verified)", tool.version)), String::new()),
        // dist provisions it on first use: absent is not a fault.
        Ok(None) => (Some("on first use".to_owned()), String::new()),
        Err(error) => (None, format!("{error:#}")),
    };
    Row {
        tool: tool.name.to_owned(),
        found,
        wanted: tool.version.to_owned(),
        needed_by: needed_by.to_owned(),
        cure,
        required,
    }
}

/// The channel of the workspace's `rust-toolchain.toml`.
fn toolchain(workspace: &Workspace) -> Option<String> {
    let text = files::read_text(&workspace.root.join("rust-toolchain.toml")).ok()?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("channel"))?;
    Some(line.trim_start_matches([' ', '=']).trim_matches('"').to_owned())
}
