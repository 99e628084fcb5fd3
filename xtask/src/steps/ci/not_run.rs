//! Checks that a kind of host can never run: listed in the repository, each with a probe.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use toml::de::{DeTable, DeValue};
use xtask_core::plan::Invocation;

use crate::ops::files;
use crate::ops::proc::{self, Output};
use crate::ops::tools::text;

/// The list, beside the CI's entry point.
const FILE: &str = ".ci/not-run.toml";

/// A check that this run did not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotRun {
    pub(super) id: String,
    pub(super) why: String,
}

/// A check that a kind of host cannot do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    id: String,
    /// `OS` as std spells it.
    host: String,
    /// A command that succeeds where the check could run after all.
    probe: Vec<String>,
}

/// Reads the list; a repository without the file lists nothing.
pub(super) fn read(root: &Path) -> anyhow::Result<Vec<Listed>> {
    let path = root.join(FILE);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    parse(&files::read_text(&path)?).with_context(|| format!("cannot use `{}`", path.display()))
}

fn parse(text: &str) -> anyhow::Result<Vec<Listed>> {
    let table = DeTable::parse(text).map_err(|error| anyhow!("{error}"))?;
    let mut listed = Vec::new();
    for (key, value) in table.get_ref() {
        let (DeValue::Array(checks), "check") = (value.get_ref(), key.get_ref().as_ref()) else {
            bail!("it holds `{}`: only [[check]] is known", key.get_ref());
        };
        for check in checks {
            let DeValue::Table(check) = check.get_ref() else { bail!("[[check]] must be a table") };
            listed.push(entry(check)?);
        }
    }
    Ok(listed)
}

fn entry(check: &DeTable<'_>) -> anyhow::Result<Listed> {
    if let Some((key, _)) =
        check.iter().find(|(key, _)| !["id", "host", "why", "probe"].contains(&&**key.get_ref()))
    {
        bail!(
            "unknown key `{}` in [[check]]: there is `id`, `host`, `why`, `probe`",
            key.get_ref()
        );
    }
    let text = |name: &str| {
        let value = check.get(name).and_then(|value| value.get_ref().as_str());
        value
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .with_context(|| format!("[[check]] has no `{name}`"))
    };
    let probe = check
        .get("probe")
        .and_then(|probe| probe.get_ref().as_array())
        .context("[[check]] has no `probe`")?;
    let probe: Vec<_> =
        probe.iter().filter_map(|word| word.get_ref().as_str().map(str::to_owned)).collect();
    if probe.is_empty() {
        bail!("`probe` in [[check]] is no command: write an array of strings");
    }
    text("why")?;
    Ok(Listed { id: text("id")?, host: text("host")?, probe })
}

/// What is wrong between what was not run and what may be: a check that is not listed for this host, a
/// listed one that was not run although its probe says that it can, and one that is none of `checks`.
pub(super) fn judge(
    not_run: &[NotRun],
    listed: &[Listed],
    checks: &[String],
    root: &Path,
) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    let here = |listed: &&Listed| listed.host == std::env::consts::OS;
    for row in not_run {
        if !listed.iter().filter(here).any(|listed| listed.id == row.id) {
            problems.push(format!(
                "{} was not run ({}), and {FILE} does not list it for {}",
                row.id,
                row.why,
                std::env::consts::OS
            ));
        }
    }
    for check in listed.iter().filter(here) {
        let known = not_run.iter().any(|row| row.id == check.id);
        if probe(check, root)? && known {
            problems.push(format!(
                "{} was not run, and its probe in {FILE} succeeds: it can run here; mend the check or the list",
                check.id
            ));
        }
    }
    for check in listed.iter().filter(|listed| !checks.contains(&listed.id)) {
        problems.push(format!(
            "{FILE} lists `{}`, which is no check: remove it; there is {}",
            check.id,
            checks.join(", ")
        ));
    }
    Ok(problems)
}

fn probe(check: &Listed, root: &Path) -> anyhow::Result<bool> {
    let Some((program, args)) = check.probe.split_first() else { return Ok(false) };
    if proc::find(program).is_none() {
        return Ok(false);
    }
    let run =
        Invocation::new(program).args(args).cwd(text(root)?).deadline(Duration::from_secs(60));
    Ok(proc::run(&run, Output::Capture)?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(id: &str, probe: &str) -> Listed {
        Listed { id: id.into(), host: std::env::consts::OS.into(), probe: vec![probe.into()] }
    }

    fn not_run(id: &str) -> NotRun {
        NotRun { id: id.into(), why: "because".into() }
    }

    #[test]
    fn what_is_not_run_must_be_listed_and_impossible() {
        let root = Path::new(".");
        let judge = |not_run: &[NotRun], listed: &[Listed]| {
            let checks = ["advisories", "dist:a"].map(str::to_owned);
            judge(not_run, listed, &checks, root).unwrap().join("\n")
        };
        assert_eq!(judge(&[], &[]), "");
        assert_eq!(judge(&[not_run("dist:a")], &[listed("dist:a", "false")]), "");
        // It ran: that its probe succeeds is as it should be.
        assert_eq!(judge(&[], &[listed("dist:a", "true")]), "");
        assert!(judge(&[not_run("dist:a")], &[]).contains("does not list it"));
        assert!(judge(&[not_run("dist:a")], &[listed("dist:a", "true")]).contains("probe"));
        // Neither an unknown check nor a platform that the plan does not have.
        for id in ["bogus", "dist:b"] {
            assert!(judge(&[], &[listed(id, "false")]).contains("which is no check"));
        }
        let other = Listed { host: "plan9".into(), ..listed("dist:a", "false") };
        assert!(judge(&[not_run("dist:a")], &[other]).contains("does not list it"));
    }

    #[test]
    fn the_list_is_read_strictly() {
        let good =
            "[[check]]\nid = \"dist:a\"\nhost = \"linux\"\nwhy = \"w\"\nprobe = [\"false\"]\n";
        assert_eq!(parse(good).unwrap().len(), 1);
        for (old, new) in [
            ("id =", "ids ="),
            ("[\"false\"]", "[]"),
            ("why = \"w\"\n", ""),
            ("[[check]]", "[check]"),
        ] {
            assert!(parse(&good.replace(old, new)).is_err(), "{new}");
        }
    }
}
