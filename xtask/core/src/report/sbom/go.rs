//! What a Go program is made of: the modules that its linker wrote into it, which are those of go.mod
//! and go.sum that something was linked from.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Component, Graph, note_platforms, purl};
use crate::formats::gobuild::{GoBuild, Module};

/// The graph of one package from its programs: platform, and what each says of itself. A program that
/// says nothing makes the whole of it incomplete.
pub fn from_go(programs: &[(String, Option<GoBuild>)]) -> Graph {
    let mut graph = Graph { complete: true, ..Graph::default() };
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (platform, build) in programs {
        let Some(build) = build else {
            graph.complete = false;
            continue;
        };
        let version = build.version.split(' ').next().unwrap_or_default();
        let version = version.strip_prefix("go").unwrap_or(version);
        let std =
            Module { path: "std".to_owned(), version: version.to_owned(), sum: String::new() };
        for module in build.modules.iter().chain([&std]) {
            let (id, component) = component(module);
            seen.entry(id.clone()).or_default().push(platform.clone());
            graph.direct.insert(id.clone());
            graph.components.insert(id, component);
        }
    }
    note_platforms(&mut graph.components, &seen, programs.len());
    graph
}

fn component(module: &Module) -> (String, Component) {
    // What replaced a module may be a folder of the repository.
    let in_folder = module.path.starts_with('.') || module.path.starts_with('/');
    let name = if in_folder {
        module.path.rsplit('/').next().unwrap_or_default().to_owned()
    } else {
        module.path.clone()
    };
    let purl = (!in_folder).then(|| purl::golang(&module.path, &module.version));
    let mut properties = Vec::new();
    if !module.sum.is_empty() {
        // A hash of hashes, and so of no one file.
        properties.push(("go:sum".to_owned(), module.sum.clone()));
    }
    let component = Component {
        version: module.version.clone(),
        purl: purl.clone(),
        properties,
        ..Component::default()
    };
    let id = purl.unwrap_or_else(|| format!("{name}@{}", module.version));
    (id, Component { name, ..component })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_of_all_platforms_and_std() {
        let module = |path: &str, version: &str, sum: &str| Module {
            path: path.to_owned(),
            version: version.to_owned(),
            sum: sum.to_owned(),
        };
        let sys = module("golang.org/x/sys", "v0.30.0", "h1:abc=");
        let own = module("./internal/own", "(devel)", "");
        let build = |modules: &[&Module]| GoBuild {
            version: "go1.27.3 X:none".to_owned(),
            modules: modules.iter().map(|module| (*module).clone()).collect(),
            ..GoBuild::default()
        };
        let linux = ("linux".to_owned(), Some(build(&[&sys, &own])));
        let mac = ("mac".to_owned(), Some(build(&[&sys])));
        let graph = from_go(&[linux.clone(), mac]);
        assert!(graph.complete && graph.edges.is_none());
        let ids: Vec<_> = graph.components.keys().map(String::as_str).collect();
        assert_eq!(
            ids,
            ["own@(devel)", "pkg:golang/golang.org/x/sys@v0.30.0", "pkg:golang/std@1.27.3"]
        );
        assert_eq!(graph.components["own@(devel)"].properties[0].1, "linux");
        assert_eq!(
            graph.components["pkg:golang/golang.org/x/sys@v0.30.0"].properties[0].1,
            "h1:abc="
        );
        assert!(!from_go(&[linux, ("mac".to_owned(), None)]).complete);
    }
}
