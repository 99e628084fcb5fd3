//! What HAPPENED, rendered: text and JSON.

mod table;

use alloc::format;
use alloc::string::{String, ToString};

pub use table::Table;

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
    format!(
        "{} {} ({} assets)\n\n{}",
        plan.config.release.repository,
        plan.tag,
        plan.assets.len(),
        table.render()
    )
}
