//! What HAPPENED, rendered: text and JSON.

pub mod audit;
pub mod checksums;
mod difference;
mod macho;
mod manifest;
mod pe;
mod platforms;
pub mod provenance;
pub mod sbom;
mod table;
mod time;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub use difference::differences;
pub use macho::slices;
pub use manifest::{
    BuiltIn, File, Glibc, Manifest, Material, Origin, Outcome, Place, Prebuilt, Record, SCHEMA,
    SmokeRow, finding, tried,
};
pub use platforms::platforms;
pub use table::Table;
pub use time::rfc3339;

use crate::audit::Finding;
use crate::audit::distros::is_major;
use crate::formats::Version;
use crate::plan::Plan;

/// The plan as a table.
pub fn plan(plan: &Plan) -> String {
    let dash = || String::from("-");
    let mut table =
        Table::new(&["ASSET", "PACKAGE", "PLATFORM", "TRIPLE", "BUILDER", "RUNNER", "FLOOR"]);
    for asset in &plan.assets {
        let target = asset.platform.as_deref().and_then(|platform| plan.config.target(platform));
        let floor = target.and_then(|target| match (target.glibc_floor, target.macos_min) {
            (Some(floor), _) => Some(format!("glibc {floor}")),
            (_, Some(min)) => Some(format!("macOS {min}")),
            _ => None,
        });
        table.row([
            asset.name.clone(),
            asset.package.clone().unwrap_or_else(dash),
            asset.platform.clone().unwrap_or_else(dash),
            target.map_or_else(dash, |target| target.triple.name.to_string()),
            target.map_or_else(dash, |target| target.builder.name().to_string()),
            target.map_or_else(dash, |target| target.runner.clone()),
            floor.unwrap_or_else(dash),
        ]);
    }
    let mut out = format!(
        "{} {} ({} assets)\n\n{}",
        plan.config.release.repository,
        plan.tag,
        plan.assets.len(),
        table.render()
    );
    if !plan.config.images.is_empty() {
        let mut images = Table::new(&["IMAGE", "REPOSITORY", "PLATFORMS", "TAGS", "BASE"]);
        for image in &plan.config.images {
            images.row([
                image.name.clone(),
                image.repository.clone(),
                image.targets.join(", "),
                image.tags.join(", "),
                image.base.clone(),
            ]);
        }
        out += &format!("\n{}", images.render());
    }
    out
}

/// A finding as one paragraph.
pub fn finding_text(finding: &Finding) -> String {
    format!(
        "{} [{}]: expected {}, found {}\n    cure: {}",
        finding.severity.name(),
        finding.rule,
        finding.expected,
        finding.found,
        finding.help
    )
}

/// Smoke rows, a line each.
pub fn smoke(rows: &[SmokeRow]) -> String {
    let mut out = String::new();
    let mut place = None;
    for row in rows {
        if place != Some(&row.place.system) {
            place = Some(&row.place.system);
            out += &format!("  on {}\n", row.place.system);
        }
        let how = row.how.as_deref().unwrap_or("-");
        out += &format!("  {:<8} {:<8} {:<9} {}\n", row.check, row.outcome.name(), how, row.detail);
    }
    out
}

/// The end of a `dist` run, for people: what was made, how it was judged, how long it took.
pub fn dist(manifest: &Manifest, seconds: &[(String, f64)], out: &str) -> String {
    let mut table =
        Table::new(&["ASSET", "SIZE", "SHA256", "FLOOR", "MEASURED", "SMOKE", "RUNS ON"]);
    for record in &manifest.assets {
        let dash = || String::from("-");
        let glibc = record.glibc.as_ref();
        let version =
            |version: Option<Version>| version.map_or_else(dash, |v| format!("glibc {v}"));
        table.row([
            record.name.clone(),
            format!("{}", record.size),
            record.sha256.get(..12).unwrap_or_default().to_string(),
            version(glibc.and_then(|glibc| glibc.promised)),
            version(glibc.and_then(|glibc| glibc.floor)),
            outcomes(&record.smoke),
            runs_on(&record.runs_on),
        ]);
    }
    let mut out =
        format!("\n{} {} in {out}\n\n{}\n", manifest.repository, manifest.tag, table.render());
    for record in &manifest.assets {
        for finding in &record.findings {
            out += &format!("{}: {}\n", record.name, finding_text(finding));
        }
        for row in record.smoke.iter().filter(|row| row.outcome == Outcome::NotRun) {
            out += &format!("{}: smoke {} was not run: {}\n", record.name, row.check, row.detail);
        }
    }
    let steps: Vec<_> =
        seconds.iter().map(|(name, seconds)| format!("{name} {seconds:.2} s")).collect();
    out += &format!("{}\n", steps.join(", "));
    out
}

/// The major distributions; the manifest names them all.
fn runs_on(names: &[String]) -> String {
    let major: Vec<_> = names.iter().filter(|name| is_major(name)).map(String::as_str).collect();
    if major.is_empty() { String::from("-") } else { major.join(", ") }
}

fn outcomes(rows: &[SmokeRow]) -> String {
    let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
    match (count(Outcome::Failed), count(Outcome::NotRun)) {
        (0, 0) => format!("{} passed", rows.len()),
        (0, not_run) => format!("{} passed, {not_run} not run", rows.len() - not_run),
        (failed, _) => format!("{failed} of {} failed", rows.len()),
    }
}
