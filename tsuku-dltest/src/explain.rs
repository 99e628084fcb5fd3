//! `--explain`: one library and what it needs, for people.

use crate::report::{Kind, Verdict};
use crate::search::Node;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The tree of dependencies and the verdict, with colours for a terminal if asked.
pub fn page(nodes: &[Node], verdict: &Verdict, colours: bool) -> String {
    let paint = |code: &str, text: &str| match colours {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => String::from(text),
    };
    let mut out = String::new();
    draw(&mut out, nodes, 0, "", &paint);
    match &verdict.failure {
        None => out += &format!("{}\n", paint("32", "loads")),
        Some(failure) => {
            let kind = failure.kind.word();
            out += &format!("{}: {}\n", paint("31", kind), printable(&failure.error));
            for place in &failure.searched {
                out += &format!("  searched {}\n", printable(place));
            }
        }
    }
    out
}

/// The node and, below it, those that it needed first.
fn draw(
    out: &mut String,
    nodes: &[Node],
    index: usize,
    indent: &str,
    paint: &impl Fn(&str, &str) -> String,
) {
    let Some(node) = nodes.get(index) else { return };
    let name = printable(&node.name);
    let place = match (&node.library, &node.path) {
        (Err(failure), _) if failure.kind == Kind::NotFound => paint("31", "not found"),
        // The reason names the file.
        (Err(failure), _) => paint("31", &printable(&failure.error)),
        (_, Some(path)) if *path != node.name => printable(path),
        _ => String::new(),
    };
    *out += &match place.is_empty() {
        true => format!("{name}\n"),
        false => format!("{name} => {place}\n"),
    };
    let children: Vec<usize> = nodes
        .iter()
        .enumerate()
        .filter(|(_, child)| child.parent == Some(index))
        .map(|(index, _)| index)
        .collect();
    for (at, child) in children.iter().enumerate() {
        let last = at + 1 == children.len();
        *out += indent;
        *out += if last { "└─ " } else { "├─ " };
        let deeper = format!("{indent}{}", if last { "   " } else { "│  " });
        draw(out, nodes, *child, &deeper, paint);
    }
}

/// Text without control characters.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::Library;
    use crate::report::{Failure, Phase};

    #[test]
    fn a_tree_is_drawn() {
        let node = |name: &str, parent, found: bool| Node {
            name: name.into(),
            path: found.then(|| format!("/l/{name}").into_bytes()),
            library: match found {
                true => Ok(Library::default()),
                false => Err(Failure::new(Kind::NotFound, Phase::Check, "no")),
            },
            parent,
            searched: Vec::new(),
        };
        let nodes = [
            node("a", None, true),
            node("b", Some(0), true),
            node("c", Some(0), false),
            node("d\x1b", Some(1), true),
        ];
        let verdict = Verdict { failure: None, ms: None, output: Vec::new() };
        assert_eq!(
            page(&nodes, &verdict, false),
            "a => /l/a\n├─ b => /l/b\n│  └─ d\u{fffd} => /l/d\u{1b}\n└─ c => not found\nloads\n"
                .replace('\u{1b}', "\u{fffd}")
        );
        assert!(page(&nodes, &verdict, true).contains("\x1b[31mnot found\x1b[0m"));
    }
}
