//! What a Rust package is made of: `cargo tree` says which crates, for each platform, with the features
//! that the build takes; Cargo.lock says where from.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use toml::de::{DeTable, DeValue};

use super::{Component, Graph, note_platforms, purl};

/// One line of `cargo tree --prefix depth --format "{p}\t{l}\t{r}"`.
struct Line<'a> {
    depth: usize,
    name: &'a str,
    version: &'a str,
    /// In brackets behind the version: a folder, a git address, a registry; empty for crates.io.
    place: &'a str,
    is_macro: bool,
    licence: &'a str,
    repository: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let line = line.strip_suffix(" (*)").unwrap_or(line);
        let digits = line.find(|c: char| !c.is_ascii_digit())?;
        let (depth, rest) = line.split_at(digits);
        let mut fields = rest.split('\t');
        let package = fields.next()?;
        let (name, rest) = package.split_once(" v")?;
        let (version, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let is_macro = rest.starts_with("(proc-macro)");
        let place = rest.strip_prefix("(proc-macro)").unwrap_or(rest).trim();
        Some(Self {
            depth: depth.parse().ok()?,
            name,
            version,
            place: place.trim_start_matches('(').trim_end_matches(')'),
            is_macro,
            licence: fields.next()?,
            repository: fields.next()?.trim_end(),
        })
    }
}

/// A package of Cargo.lock.
struct Locked {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

fn locked(text: &str) -> Result<Vec<Locked>, String> {
    let table = DeTable::parse(text).map_err(|error| format!("Cargo.lock: {}", error.message()))?;
    let packages = match table.get_ref().get("package").map(|packages| packages.get_ref()) {
        Some(DeValue::Array(packages)) => packages.iter().collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    let packages = packages.into_iter().filter_map(|package| {
        let DeValue::Table(package) = package.get_ref() else { return None };
        let text = |key: &str| match package.get(key).map(|value| value.get_ref()) {
            Some(DeValue::String(text)) => Some(text.to_string()),
            _ => None,
        };
        Some(Locked {
            name: text("name")?,
            version: text("version")?,
            source: text("source"),
            checksum: text("checksum"),
        })
    });
    Ok(packages.collect())
}

/// The graph of one package, from its tree on each platform and its workspace's lock file.
///
/// # Errors
/// When a text is not what cargo writes, or a crate is not in the lock file.
pub fn from_cargo(trees: &[(String, String)], lock: &str) -> Result<Graph, String> {
    let locked = locked(lock)?;
    let mut graph = Graph { complete: true, ..Graph::default() };
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut in_program: BTreeSet<String> = BTreeSet::new();
    for (platform, text) in trees {
        // The crates from the root to the line before, and whether all of them are in the program.
        let mut path: Vec<(String, bool)> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let line = Line::parse(line)
                .ok_or_else(|| format!("`cargo tree` printed `{line}`, which is not understood"))?;
            path.truncate(line.depth);
            let Some((parent, linked)) = path.last().cloned() else {
                graph.licence = licence(line.licence);
                path.push((String::new(), true));
                continue;
            };
            let (id, component) = component(&line, &locked)?;
            if parent.is_empty() {
                graph.direct.insert(id.clone());
            } else {
                edges.entry(parent).or_default().insert(id.clone());
            }
            let linked = linked && !line.is_macro;
            if linked {
                in_program.insert(id.clone());
            }
            let platforms = seen.entry(id.clone()).or_default();
            if platforms.last() != Some(platform) {
                platforms.push(platform.clone());
            }
            graph.components.insert(id.clone(), component);
            path.push((id, linked));
        }
    }
    // A crate's own crates are shown once: whoever is needed by one in the program is in it too.
    let mut work: Vec<String> = in_program.iter().cloned().collect();
    while let Some(id) = work.pop() {
        for needed in edges.get(&id).into_iter().flatten() {
            let is_macro = graph.components.get(needed).is_some_and(|one| one.build_only);
            if !is_macro && in_program.insert(needed.clone()) {
                work.push(needed.clone());
            }
        }
    }
    for (id, component) in &mut graph.components {
        component.build_only = !in_program.contains(id);
    }
    note_platforms(&mut graph.components, &seen, trees.len());
    graph.edges = Some(edges);
    Ok(graph)
}

fn component(line: &Line<'_>, locked: &[Locked]) -> Result<(String, Component), String> {
    let from_git = line.place.contains('#') && line.place.contains("://");
    let in_folder = !line.place.is_empty() && !from_git && !line.place.starts_with("registry ");
    let fits = |entry: &&Locked| {
        entry.name == line.name
            && entry.version == line.version
            && match &entry.source {
                None => in_folder,
                Some(source) => !in_folder && source.starts_with("git+") == from_git,
            }
    };
    let entry = locked.iter().find(fits).ok_or_else(|| {
        format!("Cargo.lock has no {} {}: run `cargo check` and commit it", line.name, line.version)
    })?;
    let purl = entry.source.as_ref().map(|from| purl::cargo(line.name, line.version, from));
    let id = purl.clone().unwrap_or_else(|| format!("{}@{}", line.name, line.version));
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let component = Component {
        name: line.name.to_owned(),
        version: line.version.to_owned(),
        purl,
        licence: licence(line.licence),
        sha256: entry.checksum.clone(),
        repository: text(line.repository),
        build_only: line.is_macro,
        properties: Vec::new(),
    };
    Ok((id, component))
}

/// An SPDX expression. Cargo once wrote `/` for `OR` (The Cargo Book, "The license field").
fn licence(text: &str) -> Option<String> {
    let parts: Vec<_> = text.split('/').map(str::trim).collect();
    (!text.is_empty()).then(|| parts.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\
        [[package]]\nname = \"tool\"\nversion = \"1.0.0\"\n\
        [[package]]\nname = \"own\"\nversion = \"0.1.0\"\n\
        [[package]]\nname = \"libc\"\nversion = \"0.2.1\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"ab\"\n\
        [[package]]\nname = \"derive\"\nversion = \"1.0.0\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"cd\"\n\
        [[package]]\nname = \"syn\"\nversion = \"2.0.0\"\nsource = \"git+https://host/syn?branch=x#0123456789\"\n";

    fn trees(texts: &[&str]) -> Vec<(String, String)> {
        texts.iter().enumerate().map(|(i, text)| (format!("p{i}"), (*text).to_owned())).collect()
    }

    #[test]
    fn trees_are_merged_and_build_time_is_told_apart() {
        let linux = "0tool v1.0.0 (/home/me/tool)\tMIT\t\n1own v0.1.0 (/home/me/own)\tMIT/Apache-2.0\t\n\
            2libc v0.2.1\tMIT OR Apache-2.0\thttps://host/libc\n1derive v1.0.0 (proc-macro)\tMIT\t\n\
            2syn v2.0.0 (https://host/syn?branch=x#01234567)\tMIT\t\n1libc v0.2.1\tMIT OR Apache-2.0\thttps://host/libc (*)\n";
        let mac =
            "0tool v1.0.0 (/home/me/tool)\tMIT\t\n1own v0.1.0 (/home/me/own)\tMIT/Apache-2.0\t\n";
        let graph = from_cargo(&trees(&[linux, mac]), LOCK).unwrap();
        let names: Vec<_> =
            graph.components.values().map(|c| (c.name.as_str(), c.build_only)).collect();
        assert_eq!(names, [("own", false), ("derive", true), ("libc", false), ("syn", true)]);
        let own = &graph.components["own@0.1.0"];
        assert_eq!((own.purl.as_ref(), own.properties.len()), (None, 0));
        assert_eq!(own.licence.as_deref(), Some("MIT OR Apache-2.0"));
        let libc = &graph.components["pkg:cargo/libc@0.2.1"];
        assert_eq!(libc.sha256.as_deref(), Some("ab"));
        assert_eq!(libc.properties, [("xtask:platforms".to_owned(), "p0".to_owned())]);
        assert_eq!(graph.direct.len(), 3);
        let text = format!("{graph:?}");
        assert!(!text.contains("/home/me"), "a path of this machine is in it: {text}");
    }

    #[test]
    fn what_the_lock_file_lacks_is_named() {
        let text = "0tool v1.0.0 (/t)\tMIT\t\n1libc v0.2.2\tMIT\t\n";
        assert!(from_cargo(&trees(&[text]), LOCK).unwrap_err().contains("libc 0.2.2"));
        assert!(
            from_cargo(&trees(&["0tool v1.0.0 (/t)\n"]), LOCK)
                .unwrap_err()
                .contains("not understood")
        );
        assert!(from_cargo(&[], "= x").unwrap_err().contains("Cargo.lock"));
    }
}
