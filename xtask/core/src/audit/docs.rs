//! The documentation of the rules, made from their table: one page each, and an index.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Reads, Rule, rules};

/// A generated page: its path under `docs/`, and its text.
#[must_use]
pub fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<_> =
        rules().map(|rule| (format!("rules/{}.md", rule.id), page(rule))).collect();
    pages.push(("rules/README.md".into(), index()));
    pages
}

const GENERATED: &str =
    "<!-- Made from the table of rules by `cargo xtask docs`: edit the table, not this page. -->\n";

fn page(rule: &Rule) -> String {
    format!(
        "{GENERATED}# {id}\n\n{title}\n\n| judges | reads |\n|---|---|\n| {formats} | {reads} |\n\n\
         ## Why\n\n{why}\n\n## What to do\n\n{fix}\n\n## Incidents\n\n{incidents}",
        id = rule.id,
        title = sentence(rule.title),
        formats = formats(rule),
        reads = reads(rule),
        why = rule.why,
        fix = sentence(rule.fix),
        incidents = incidents(rule),
    )
}

fn incidents(rule: &Rule) -> String {
    match rule.incidents {
        [] => "No public thread is known to us.\n".into(),
        list => list.iter().map(|incident| format!("- {incident}\n")).collect(),
    }
}

fn index() -> String {
    let mut text = format!(
        "{GENERATED}# The rules of `cargo xtask audit`\n\n| rule | what | judges | reads |\n\
         |---|---|---|---|\n"
    );
    for rule in rules() {
        let (id, title) = (rule.id, rule.title);
        text.push_str(&format!(
            "| [{id}]({id}.md) | {title} | {} | {} |\n",
            formats(rule),
            reads(rule)
        ));
    }
    text
}

fn formats(rule: &Rule) -> String {
    let names: Vec<_> = rule.formats().iter().map(|format| format.name()).collect();
    names.join(", ")
}

fn reads(rule: &Rule) -> &'static str {
    match rule.reads {
        Reads::Headers => "headers",
        Reads::WholeFile => "the whole file",
    }
}

/// Capital first letter, full stop last: the table holds clauses, a page wants sentences.
fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let mut text: String = first.into_iter().chain(letters).collect();
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}
