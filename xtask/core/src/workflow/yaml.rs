//! YAML as a tree with lines. What a workflow has no use for (aliases, tags, several documents, a key
//! twice) is an error.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Deeper nesting is no workflow.
const DEPTH: usize = 32;

/// A value and the line it stands on, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Text as written, quotes removed. An empty plain one is a null.
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn entries(&self) -> &[(Node, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The texts of a scalar or of a list of scalars.
    pub(super) fn texts(&self) -> Vec<(&str, usize)> {
        let own = self.text().map(|text| (text, self.line));
        let items = self.items().iter().filter_map(|item| Some((item.text()?, item.line)));
        own.into_iter().chain(items).collect()
    }
}

/// Reads one document.
///
/// # Errors
/// The line and what is wrong there.
pub(super) fn parse(text: &str) -> Result<Node, (usize, String)> {
    let mut events = Parser::new_from_str(text);
    loop {
        match next(&mut events)? {
            (Event::StreamStart | Event::DocumentStart(_), _) => {}
            (Event::StreamEnd, line) => return Err((line, "the file is empty".to_owned())),
            (event, line) => {
                let node = node(event, line, &mut events, 0)?;
                return match (next(&mut events)?, next(&mut events)?) {
                    ((Event::DocumentEnd, _), (Event::StreamEnd, _)) => Ok(node),
                    (_, (_, line)) => Err((line, "a second document".to_owned())),
                };
            }
        }
    }
}

type Events<'a> = Parser<'a, saphyr_parser::StrInput<'a>>;

fn next<'a>(events: &mut Events<'a>) -> Result<(Event<'a>, usize), (usize, String)> {
    match events.next() {
        Some(Ok((event, span))) => Ok((event, span.start.line())),
        Some(Err(error)) => Err((error.marker().line(), error.info().to_string())),
        None => Ok((Event::StreamEnd, 1)),
    }
}

fn node<'a>(
    event: Event<'a>,
    line: usize,
    events: &mut Events<'a>,
    depth: usize,
) -> Result<Node, (usize, String)> {
    if depth > DEPTH {
        return Err((line, format!("nested more than {DEPTH} deep")));
    }
    let plain = |anchor: usize, tagged: bool| {
        if anchor != 0 || tagged {
            return Err((line, "anchors and tags are not understood".to_owned()));
        }
        Ok(())
    };
    let value = match event {
        Event::Scalar(text, style, anchor, tag) => {
            plain(anchor, tag.is_some())?;
            let null = style == ScalarStyle::Plain && matches!(&*text, "~" | "null");
            Value::Scalar(if null { String::new() } else { text.into_owned() })
        }
        Event::SequenceStart(anchor, tag) => {
            plain(anchor, tag.is_some())?;
            let mut items = Vec::new();
            loop {
                match next(events)? {
                    (Event::SequenceEnd, _) => break Value::List(items),
                    (event, line) => items.push(node(event, line, events, depth + 1)?),
                }
            }
        }
        Event::MappingStart(anchor, tag) => {
            plain(anchor, tag.is_some())?;
            let mut entries: Vec<(Node, Node)> = Vec::new();
            loop {
                let (event, line) = next(events)?;
                if matches!(event, Event::MappingEnd) {
                    break Value::Map(entries);
                }
                let key = node(event, line, events, depth + 1)?;
                let Some(name) = key.text().map(str::to_owned) else {
                    return Err((line, "a key that is no text".to_owned()));
                };
                if entries.iter().any(|(seen, _)| seen.text() == Some(&name)) {
                    return Err((line, format!("the key `{name}` comes twice")));
                }
                let (event, line) = next(events)?;
                entries.push((key, node(event, line, events, depth + 1)?));
            }
        }
        Event::Alias(_) => return Err((line, "aliases are not understood".to_owned())),
        _ => return Err((line, "a value is missing".to_owned())),
    };
    Ok(Node { line, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_values_are_kept() {
        let tree = parse("a:\n  - b\n  - 'c d'\ne: {}\n").unwrap();
        assert_eq!(tree.get("a").unwrap().texts(), [("b", 2), ("c d", 3)]);
        assert!(tree.get("e").unwrap().entries().is_empty());
    }

    #[test]
    fn what_a_workflow_has_no_use_for_is_refused() {
        for (text, line, why) in [
            ("", 1, "empty"),
            ("a: 1\na: 2\n", 2, "comes twice"),
            ("a: &x 1\nb: *x\n", 1, "anchors"),
            ("a: !!str 1\n", 1, "tags"),
            ("a: 1\n---\nb: 2\n", 2, "second document"),
            ("a: [\n", 2, ""),
        ] {
            let (at, message) = parse(text).unwrap_err();
            assert!(message.contains(why), "{text:?}: {message}");
            assert!(at >= line.min(1), "{text:?}: {at}");
        }
    }
}
