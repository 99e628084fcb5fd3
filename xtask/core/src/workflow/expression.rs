//! `${{ … }}`: what an expression reads. Only what we use is understood; the rest is an error.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The expressions of a text: what stands between `${{` and `}}`.
pub(super) fn all(text: &str) -> Result<Vec<&str>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("${{") {
        let Some((inside, tail)) = after.split_once("}}") else {
            return Err("`${{` without `}}`".to_owned());
        };
        found.push(inside.trim());
        rest = tail;
    }
    Ok(found)
}

/// The paths that an expression reads, such as `needs.plan.outputs.matrix`.
///
/// Understood are paths, strings in single quotes, `true`, `false`, `==`, `!=`, `&&`, `||`, `!`,
/// parentheses, and the functions `fromJSON`, `startsWith`, `always`, `success`, `failure`.
pub(super) fn paths(expression: &str) -> Result<Vec<&str>, String> {
    let mut paths = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let len = match first {
            c if c.is_whitespace() => c.len_utf8(),
            '(' | ')' | ',' => 1,
            '\'' => match rest.get(1..).and_then(|tail| tail.find('\'')) {
                Some(end) => end + 2,
                None => return Err(format!("a string without an end in `{expression}`")),
            },
            '=' | '!' | '&' | '|' => {
                let operator =
                    ["==", "!=", "&&", "||", "!"].into_iter().find(|op| rest.starts_with(op));
                operator
                    .ok_or_else(|| format!("`{first}` is not understood in `{expression}`"))?
                    .len()
            }
            c if c.is_ascii_alphabetic() => {
                let len = rest.find(|c| !word(c)).unwrap_or(rest.len());
                let (name, tail) = rest.split_at(len);
                if tail.trim_start().starts_with('(') {
                    if !["fromJSON", "startsWith", "always", "success", "failure"].contains(&name) {
                        return Err(format!("the function `{name}` is not understood"));
                    }
                } else if !["true", "false"].contains(&name) {
                    paths.push(name);
                }
                len
            }
            c => return Err(format!("`{c}` is not understood in `{expression}`")),
        };
        rest = rest.get(len..).unwrap_or_default();
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_named() {
        for (text, expected) in [
            ("fromJSON(needs.plan.outputs.matrix)", &["needs.plan.outputs.matrix"][..]),
            ("github.ref_name == 'a.b (c)' && !inputs.tag", &["github.ref_name", "inputs.tag"]),
            ("always() || false", &[]),
        ] {
            assert_eq!(paths(text).unwrap(), expected, "{text}");
        }
        for bad in ["toJSON(github)", "a[0]", "'open", "a = b", "a * b"] {
            assert!(paths(bad).is_err(), "{bad}");
        }
        assert_eq!(all("x-${{ a }}-${{b}}").unwrap(), ["a", "b"]);
        assert!(all("${{ a").is_err());
    }
}
