//! The images of a release: `finalize` names them in the manifest, `verify` looks at what users pull.

use std::path::Path;

use serde_json::Value;
use xtask_core::image::{listed, named, tags};

use super::Release;
use super::verify::{Checklist, Files};
use crate::ops::{files, skopeo};
use crate::steps::image::judge::{self, Whole};
use crate::steps::image::tags::leads_elsewhere;

/// What `image` recorded, for the manifest. The inner error: what is wrong with it, or absent. A rehearsal may
/// go without, and says so.
pub(super) fn list(
    release: &Release,
    records: &[Value],
    assets: &Files,
) -> anyhow::Result<Result<Value, Vec<String>>> {
    let images = &release.plan.config.images;
    if !images.is_empty() && records.is_empty() && release.forge.rehearses()? {
        eprintln!("no image is here: this rehearsal goes without, and its manifest names none");
        return Ok(Ok(Value::Array(Vec::new())));
    }
    let mut problems = Vec::new();
    let mut all = Vec::new();
    for image in images {
        let mut made = Vec::new();
        for target in judge::targets(&release.plan, image) {
            let recipe = judge::recipe(release, image, target)?;
            let name = xtask_core::image::record_name(image, target);
            let mut own = records.iter().filter(|record| {
                record["image"] == image.name && record["platform"] == target.platform
            });
            let Some(record) = own.next() else {
                problems.push(format!(
                    "{name}: not among the jobs' results: `cargo xtask image` leaves it"
                ));
                continue;
            };
            if own.any(|other| other != record) {
                problems.push(format!("{name}: there are two, and they differ"));
            }
            let one = match recipe.recorded(record) {
                Ok(one) => one,
                Err(found) => {
                    problems.extend(found.iter().map(|problem| format!("{name}: {problem}")));
                    continue;
                }
            };
            let asset = recipe.package.asset_name(target, &release.plan.version);
            // That an asset is absent is told elsewhere.
            if let Some(path) = assets.get(&asset) {
                let program = judge::program(release, recipe.package, target, path)?;
                let released = judge::sha256(&program);
                if one.program != released {
                    problems.push(format!(
                        "{name}: the image holds another program than {asset}: sha256 {} instead of {released}; make it again",
                        one.program
                    ));
                }
            }
            made.push((target, one));
        }
        all.push(listed(image, &made));
    }
    Ok(if problems.is_empty() { Ok(Value::Array(all)) } else { Err(problems) })
}

/// Whether what users pull are the images that the manifest names, with the released programs. There is no row
/// where the plan makes none.
pub(super) fn check(
    release: &Release,
    files: &Files,
    work: &Path,
    list: &mut Checklist,
) -> anyhow::Result<()> {
    let settings = &release.plan.config.release;
    let manifest: Value = match files.get(&settings.manifest) {
        Some(path) => serde_json::from_str(&files::read_text(path)?).unwrap_or_default(),
        None => Value::Null,
    };
    for image in &release.plan.config.images {
        let what =
            format!("the image {} is the manifest's, with the released programs", image.name);
        if manifest["images"].as_array().is_some_and(Vec::is_empty) && release.forge.rehearses()? {
            list.left_out(&what, "it was rehearsed without images");
            continue;
        }
        // Labels, time and base are those of the commit: another commit's cannot be known from this one's.
        if manifest["commit"] != release.head.commit {
            list.not_run(
                &what,
                &format!("check out {}: what is here is another commit", release.plan.tag),
            );
            continue;
        }
        let Some(index) = named(&manifest, image) else {
            let problem =
                format!("{}: names no image `{}` of the plan's", settings.manifest, image.name);
            list.check(&what, vec![problem]);
            continue;
        };
        if let Err(error) = skopeo::version() {
            list.not_run(&what, &format!("{error:#}"));
            continue;
        }
        let mut problems = match Whole::new(release, image, files, work)
            .and_then(|whole| whole.judge_held(&index, work))
        {
            Ok(problems) => problems,
            // A user who cannot pull it has no image.
            Err(error) => vec![format!("{error:#}")],
        };
        // Which release the moving tags are with depends on what came after.
        let mut fixed = image.clone();
        fixed.tags.retain(|tag| tag.contains("{version}"));
        for tag in tags(&fixed, &release.plan.version, &settings.tag, &[]) {
            let name = format!("{}:{tag}", image.repository);
            match leads_elsewhere(&name, &index) {
                Ok(None) => {}
                Ok(Some(found)) => problems.push(format!(
                    "`{name}` leads to sha256:{found}, and the release's image is sha256:{index}: \
                     `cargo xtask image-push --tags` moves it back"
                )),
                Err(error) => problems.push(format!("`{name}`: {error:#}")),
            }
        }
        list.check(&what, problems);
    }
    Ok(())
}
