//! Why a library did not load, beyond the loader's words: which library of the tree is at fault, and
//! who needs it.

use crate::cause::{self, Cause};
use crate::report::{Failure, Kind};
use crate::search::{self, Node};
use alloc::vec::Vec;

/// Adds to `failure`, in the words of a loader that `cause` was read from, what the tree of
/// dependencies tells: the chain to who needs what is missing or faulty, and the truth where the loader
/// does not say it (glibc calls a library for another machine a file that is not there).
pub fn refine(failure: Failure, cause: &Cause<'_>, nodes: &[Node]) -> Failure {
    let named = |name: &[u8]| {
        nodes.iter().position(|node| node.path.as_deref() == Some(name) || node.name == name)
    };
    if let (None, Some(user)) = (cause.missing, cause.needed_by) {
        let needed_by = named(user).map(|at| search::chain(nodes, at)).unwrap_or_default();
        return Failure { needed_by, ..failure };
    }
    let subject = cause::find(&failure.error, ": ").map(|end| &failure.error[..end]);
    let at = cause.missing.or(subject).and_then(named);
    let Some(at) = at.or_else(|| first_unfit(nodes).map(|(at, _)| at)).filter(|at| *at > 0) else {
        return failure;
    };
    let node = &nodes[at];
    let needed_by = users(nodes, at);
    let mut error = failure.error.clone();
    append_users(&mut error, &needed_by);
    let mut kind = failure.kind;
    if let Err(reason) = &node.library
        && reason.kind != Kind::NotFound
    {
        error.extend_from_slice(b"; in fact: ");
        error.extend_from_slice(&reason.error);
        kind = reason.kind;
    }
    let searched = cause.missing.map(|_| node.searched.clone()).unwrap_or_default();
    Failure { kind, error, needed_by, searched, ..failure }
}

/// The first library of a tree that is there but cannot be loaded, the root apart.
pub fn first_unfit(nodes: &[Node]) -> Option<(usize, &Failure)> {
    nodes.iter().enumerate().skip(1).find_map(|(index, node)| {
        let failure = node.library.as_ref().err()?;
        (failure.kind != Kind::NotFound).then_some((index, failure))
    })
}

/// The names from the root to the one that needs `nodes[at]`.
pub fn users(nodes: &[Node], at: usize) -> Vec<Vec<u8>> {
    let parent = nodes.get(at).and_then(|node| node.parent);
    parent.map(|parent| search::chain(nodes, parent)).unwrap_or_default()
}

/// Says who needs what is missing, unless that is the library tested: the client prints this text and
/// nothing else. musl names the last of them itself.
fn append_users(error: &mut Vec<u8>, needed_by: &[Vec<u8>]) {
    if needed_by.len() < 2 {
        return;
    }
    let mut words: &[u8] = b" (needed by ";
    for user in needed_by.iter().rev() {
        let said = [b" (needed by ".as_slice(), user, b")"].concat();
        if error.ends_with(&said) {
            error.pop();
        } else {
            error.extend_from_slice(words);
            error.extend_from_slice(user);
        }
        words = b", needed by ";
    }
    error.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::Library;
    use crate::report::Phase;

    /// `/a` needs `/b`, which needs `c`, which is as given.
    fn tree(c: Result<Library, Failure>) -> Vec<Node> {
        let found = c.as_ref().map_or_else(|it| it.kind != Kind::NotFound, |_| true);
        let node = |name: &str, path: Option<&str>, library, parent| Node {
            name: name.into(),
            path: path.map(Into::into),
            library,
            parent,
            searched: vec![b"/lib".to_vec()],
        };
        vec![
            node("/a", Some("/a"), Ok(Library::default()), None),
            node("b", Some("/b"), Ok(Library::default()), Some(0)),
            node("c", found.then_some("/c"), c, Some(1)),
        ]
    }

    fn refined(message: &str, c: Result<Library, Failure>) -> Failure {
        let cause = cause::of(message.as_bytes(), b"/a");
        refine(Failure::new(cause.kind, Phase::Load, message), &cause, &tree(c))
    }

    fn unfit(kind: Kind) -> Result<Library, Failure> {
        Err(Failure::new(kind, Phase::Check, "/c: why"))
    }

    #[test]
    fn who_is_at_fault_and_who_needs_it() {
        let chain = [b"/a".to_vec(), b"/b".to_vec()];
        let missing = "c: cannot open shared object file: No such file or directory";
        let users = " (needed by /b, needed by /a)";
        for (message, c, kind, error) in [
            (missing, unfit(Kind::NotFound), Kind::MissingDependency, format!("{missing}{users}")),
            (
                missing,
                unfit(Kind::WrongArch),
                Kind::WrongArch,
                format!("{missing}{users}; in fact: /c: why"),
            ),
            (
                "Error loading shared library c: No such file or directory (needed by /b)",
                unfit(Kind::NotFound),
                Kind::MissingDependency,
                format!("Error loading shared library c: No such file or directory{users}"),
            ),
            (
                "/c: cannot read file data: Is a directory",
                unfit(Kind::NotAFile),
                Kind::NotAFile,
                format!("/c: cannot read file data: Is a directory{users}; in fact: /c: why"),
            ),
            (
                "/c: cannot allocate memory in static TLS block",
                Ok(Library::default()),
                Kind::StaticTls,
                format!("/c: cannot allocate memory in static TLS block{users}"),
            ),
            (
                "/lib/libc.so: invalid ELF header",
                unfit(Kind::WrongLibc),
                Kind::WrongLibc,
                format!("/lib/libc.so: invalid ELF header{users}; in fact: /c: why"),
            ),
        ] {
            let failure = refined(message, c);
            assert_eq!(String::from_utf8_lossy(&failure.error), error);
            assert_eq!((failure.kind, failure.needed_by.as_slice()), (kind, chain.as_slice()));
        }
    }

    #[test]
    fn a_symbol_is_missed_by_a_library() {
        let failure = refined("/b: undefined symbol: f", Ok(Library::default()));
        assert_eq!((failure.kind, failure.needed_by.len()), (Kind::UndefinedSymbol, 2));
    }

    #[test]
    fn what_is_wrong_with_the_library_itself_needs_no_chain() {
        let message = "/a: cannot allocate memory in static TLS block";
        let failure = refined(message, Ok(Library::default()));
        assert_eq!(failure, Failure::new(Kind::StaticTls, Phase::Load, message));
    }
}
