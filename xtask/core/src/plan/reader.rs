//! `xtask.toml` as it is written: known keys of the right types, each with its line.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::schema::Need::{Default, Optional, Required};
use super::schema::Type::{Bool, List, Lists, OneOf, Table, Text};
use super::schema::{Key, ROOT, Section};

/// One thing wrong with `xtask.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub cure: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.line, self.message, self.cure)
    }
}

/// Problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, line: usize, message: impl Into<String>, cure: impl Into<String>) {
        self.0.push(Problem { line, message: message.into(), cure: cure.into() });
    }
}

/// A text and the line it stands on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct At {
    pub(super) text: String,
    pub(super) line: usize,
}

#[derive(Debug)]
enum Value {
    Text(At),
    Bool(bool),
    List(Vec<At>),
    Lists(Vec<(At, Vec<At>)>),
    Row(Row),
}

/// One table of the file, its keys and types checked. A value that was missing or of the wrong type
/// has been reported; reading it gives an empty one.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) line: usize,
    values: Vec<(&'static str, Value)>,
}

impl Row {
    fn get(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The text, or one that is empty at the row's own line.
    pub(super) fn text(&self, name: &str) -> At {
        self.optional(name).unwrap_or(At { text: String::new(), line: self.line })
    }

    pub(super) fn optional(&self, name: &str) -> Option<At> {
        match self.get(name) {
            Some(Value::Text(at)) => Some(at.clone()),
            _ => None,
        }
    }

    pub(super) fn bool(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Bool(true)))
    }

    pub(super) fn list(&self, name: &str) -> &[At] {
        match self.get(name) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }

    pub(super) fn lists(&self, name: &str) -> &[(At, Vec<At>)] {
        match self.get(name) {
            Some(Value::Lists(lists)) => lists,
            _ => &[],
        }
    }

    pub(super) fn row(&self, name: &str) -> Option<&Self> {
        match self.get(name) {
            Some(Value::Row(row)) => Some(row),
            _ => None,
        }
    }
}

/// The file as written: known keys of the right types.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) release: Row,
    pub(super) targets: Vec<Row>,
    pub(super) packages: Vec<Row>,
    pub(super) images: Vec<Row>,
}

/// Reads the whole file and reports everything that is wrong with its form.
pub(super) fn read(text: &str, problems: &mut Problems) -> Raw {
    let reader = Reader { text };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let line = error.span().map_or(1, |span| reader.line(&span));
        problems.add(
            line,
            error.message().replace('\n', ", "),
            "see https://toml.io for the syntax",
        );
    }
    let mut raw = Raw::default();
    for (name, value) in table.get_ref() {
        let line = reader.line(&name.span());
        let known = ROOT.iter().find(|(known, _)| *known == name.get_ref().as_ref());
        let Some((_, section)) = known else {
            let names: Vec<_> = ROOT.iter().map(|(name, _)| *name).collect();
            problems.add(
                line,
                format!("unknown table `{}`", name.get_ref()),
                suggest(name.get_ref(), &names),
            );
            continue;
        };
        let rows = reader.section(section, value, line, problems);
        match section.header {
            "[release]" => raw.release = rows.into_iter().next().unwrap_or_default(),
            "[[target]]" => raw.targets = rows,
            "[[image]]" => raw.images = rows,
            _ => raw.packages = rows,
        }
    }
    if errors.is_empty() {
        for (name, section) in ROOT.iter().filter(|(_, section)| section.needed) {
            if !table.get_ref().keys().any(|key| key.get_ref() == name) {
                problems.add(
                    1,
                    format!("{} is missing", section.header),
                    format!("add {}", section.header),
                );
            }
        }
    }
    raw
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    /// Line of a span, from 1.
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn section(
        &self,
        section: &'static Section,
        value: &Spanned<DeValue<'_>>,
        line: usize,
        problems: &mut Problems,
    ) -> Vec<Row> {
        match (section.many, value.get_ref()) {
            (false, DeValue::Table(table)) => [self.row(section, table, line, problems)].into(),
            (true, DeValue::Array(rows)) => rows
                .iter()
                .filter_map(|row| {
                    let line = self.line(&row.span());
                    match row.get_ref() {
                        DeValue::Table(table) => Some(self.row(section, table, line, problems)),
                        other => {
                            wrong(section.header, "a table", other, line, problems);
                            None
                        }
                    }
                })
                .collect(),
            (_, other) => {
                let cure = format!("write it as {}", section.header);
                problems.add(line, format!("{} is {}", section.header, article(other)), cure);
                Vec::new()
            }
        }
    }

    fn row(
        &self,
        section: &'static Section,
        table: &DeTable<'_>,
        line: usize,
        problems: &mut Problems,
    ) -> Row {
        let mut values = Vec::new();
        for (name, value) in table {
            let at = self.line(&name.span());
            match section.keys.iter().find(|key| key.name == name.get_ref().as_ref()) {
                Some(key) => {
                    if let Some(value) = self.value(section, key, value, at, problems) {
                        values.push((key.name, value));
                    }
                }
                None => {
                    let names: Vec<_> = section.keys.iter().map(|key| key.name).collect();
                    let message = format!("unknown key `{}` in {}", name.get_ref(), section.header);
                    problems.add(at, message, suggest(name.get_ref(), &names));
                }
            }
        }
        for key in section.keys {
            if table.keys().any(|name| name.get_ref().as_ref() == key.name) {
                continue;
            }
            match (&key.need, &key.ty) {
                (Required, _) => {
                    let doc = key.doc.split_inclusive('.').next().unwrap_or_default();
                    let message = format!("{} has no `{}`", section.header, key.name);
                    problems.add(line, message, format!("add `{} = …`: {doc}", key.name));
                }
                (Default(text), Bool) => values.push((key.name, Value::Bool(*text == "true"))),
                (Default(text), _) => {
                    values.push((key.name, Value::Text(At { text: (*text).to_owned(), line })));
                }
                // A table that is left out has its defaults all the same.
                (Optional, Table(inner)) => {
                    let row = self.row(inner, &DeTable::new(), line, problems);
                    values.push((key.name, Value::Row(row)));
                }
                (Optional, _) => {}
            }
        }
        Row { line, values }
    }

    fn value(
        &self,
        section: &Section,
        key: &Key,
        value: &Spanned<DeValue<'_>>,
        line: usize,
        problems: &mut Problems,
    ) -> Option<Value> {
        let place = format!("`{}` in {}", key.name, section.header);
        match (&key.ty, value.get_ref()) {
            (Text, DeValue::String(text)) => {
                if text.is_empty() {
                    problems.add(
                        line,
                        format!("{place} is empty"),
                        "write a value, or leave the key out",
                    );
                    return None;
                }
                Some(Value::Text(At { text: text.to_string(), line }))
            }
            (OneOf(choices), DeValue::String(text)) => {
                if !choices.contains(&text.as_ref()) {
                    problems.add(line, format!("{place} is `{text}`"), suggest(text, choices));
                    return None;
                }
                Some(Value::Text(At { text: text.to_string(), line }))
            }
            (Bool, DeValue::Boolean(value)) => Some(Value::Bool(*value)),
            (List, DeValue::Array(_)) => self.texts(&place, value, problems).map(Value::List),
            (Lists, DeValue::Table(table)) => {
                let lists = table.iter().filter_map(|(name, value)| {
                    let at = At { text: name.get_ref().to_string(), line: self.line(&name.span()) };
                    let place = format!("`{}` of {place}", at.text);
                    Some((at, self.texts(&place, value, problems)?))
                });
                Some(Value::Lists(lists.collect()))
            }
            (Table(inner), DeValue::Table(table)) => {
                Some(Value::Row(self.row(inner, table, line, problems)))
            }
            (ty, other) => {
                wrong(&place, ty.describe(), other, line, problems);
                None
            }
        }
    }

    fn texts(
        &self,
        place: &str,
        value: &Spanned<DeValue<'_>>,
        problems: &mut Problems,
    ) -> Option<Vec<At>> {
        let DeValue::Array(items) = value.get_ref() else {
            wrong(place, List.describe(), value.get_ref(), self.line(&value.span()), problems);
            return None;
        };
        let texts = items.iter().filter_map(|item| {
            let line = self.line(&item.span());
            match item.get_ref() {
                DeValue::String(text) => Some(At { text: text.to_string(), line }),
                other => {
                    wrong(&format!("an entry of {place}"), Text.describe(), other, line, problems);
                    None
                }
            }
        });
        Some(texts.collect())
    }
}

fn article(value: &DeValue<'_>) -> String {
    let name = value.type_str();
    let an = if name.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
    format!("{an} {name}")
}

fn wrong(place: &str, wanted: &str, value: &DeValue<'_>, line: usize, problems: &mut Problems) {
    problems.add(line, format!("{place} is {}", article(value)), format!("write {wanted}"));
}

/// "did you mean `x`?", or the list of what there is.
pub(super) fn suggest(word: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|name| (distance(word, name), name)).min();
    match nearest {
        Some((steps, name)) if steps <= 2 && steps < name.len() => {
            format!("did you mean `{name}`?")
        }
        _ => {
            let names: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("there is {}", names.join(", "))
        }
    }
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let best = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = best;
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_suggested() {
        assert_eq!(suggest("bulder", &["builder", "runner"]), "did you mean `builder`?");
        assert_eq!(suggest("colour", &["builder", "runner"]), "there is `builder`, `runner`");
    }
}
