//! GitHub, by release id.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::anyhow;
use serde_json::{Value, json};
use xtask_core::release::{
    Action, Asset, AssetState, Digest, Outcome, Release, ReleaseState, Tag, mark, names,
};

use super::gh::{self, Answer};
use super::{Order, Text};

/// Items of a page, the most that GitHub gives.
const PAGE: usize = 100;
/// More pages than any list of GitHub's has.
const PAGES: usize = 1000;
/// Tags of tags that are followed.
const DEPTH: usize = 8;

/// A repository on GitHub.
#[derive(Debug)]
pub(crate) struct GitHub {
    /// `repos/owner/name`.
    base: String,
}

impl GitHub {
    /// The repository `owner/name`.
    pub(crate) fn new(repository: &str) -> anyhow::Result<Self> {
        names::check_repository(repository).map_err(crate::exit::usage)?;
        Ok(Self { base: format!("repos/{repository}") })
    }

    pub(super) fn read(&self, tag: &str, known: &[u64]) -> Result<ReleaseState, Outcome> {
        let mut ids: BTreeSet<u64> = known.iter().copied().collect();
        for release in self.pages("releases")? {
            if release["tag_name"] == tag {
                ids.extend(release["id"].as_u64());
            }
        }
        let by_tag = match found(gh::call(
            "GET",
            &format!("{}/releases/tags/{}", self.base, escape(tag)),
        ))? {
            Some(answer) => answer.json()?["id"].as_u64(),
            None => None,
        };
        ids.extend(by_tag);
        let mut releases = Vec::new();
        for id in ids {
            releases.extend(self.release(tag, id)?);
        }
        // Last, so that the least time passes until a draft is published on it: GitHub makes a missing tag.
        let peeled = self.tag(tag)?;
        Ok(ReleaseState { tag: peeled, releases, by_tag })
    }

    /// The commit that the tag peels to.
    fn tag(&self, tag: &str) -> Result<Tag, Outcome> {
        let path = format!("{}/git/ref/tags/{}", self.base, escape(tag));
        let Some(answer) = found(gh::call("GET", &path))? else { return Ok(Tag::Missing) };
        let reference = answer.json()?;
        if reference["ref"] != format!("refs/tags/{tag}") {
            return Ok(Tag::Missing);
        }
        let mut object = reference["object"].clone();
        for _ in 0..DEPTH {
            let sha = text(&object, "sha")?;
            match object["type"].as_str() {
                Some("commit") => return Ok(Tag::At(sha)),
                Some("tag") => {
                    let path = format!("{}/git/tags/{sha}", self.base);
                    // The tag went elsewhere since the look at it: look again.
                    let answer = found(gh::call("GET", &path))?.ok_or_else(|| lacks("tag"))?;
                    object = answer.json()?["object"].clone();
                }
                other => {
                    let kind = other.unwrap_or("nothing").to_owned();
                    return Err(Outcome::Denied(format!(
                        "tag {tag} points at a {kind}, not at a commit"
                    )));
                }
            }
        }
        Err(Outcome::Denied(format!("tag {tag} is a tag of a tag, more than {DEPTH} deep")))
    }

    /// A release by its id, with every page of its assets; `None` when it is not there, goes while we
    /// look, or bears another tag.
    fn release(&self, tag: &str, id: u64) -> Result<Option<Release>, Outcome> {
        let path = format!("{}/releases/{id}", self.base);
        let Some(answer) = found(gh::call("GET", &path))? else { return Ok(None) };
        let release = answer.json()?;
        if release["tag_name"] != tag {
            return Ok(None);
        }
        let draft = release["draft"].as_bool().ok_or_else(|| lacks("draft"))?;
        let Some(assets) = found(self.assets(id))? else { return Ok(None) };
        let mark = release["body"].as_str().and_then(mark::read);
        Ok(Some(Release { id, draft, mark, assets }))
    }

    fn assets(&self, release: u64) -> Result<Vec<Asset>, Outcome> {
        self.pages(&format!("releases/{release}/assets"))?.iter().map(asset).collect()
    }

    /// Every item of a list. A list may grow while it is read: an item on two pages counts once.
    fn pages(&self, list: &str) -> Result<Vec<Value>, Outcome> {
        let mut items: Vec<Value> = Vec::new();
        let mut seen = BTreeSet::new();
        for page in 1..=PAGES {
            let path = format!("{}/{list}?per_page={PAGE}&page={page}", self.base);
            let answer = gh::call("GET", &path)?;
            let Value::Array(array) = answer.json()? else { return Err(lacks("a list")) };
            let full = array.len() >= PAGE;
            items.extend(array.into_iter().filter(|item| seen.insert(item["id"].as_u64())));
            if !full && !answer.more {
                return Ok(items);
            }
        }
        Err(Outcome::Denied(format!("{list} has more than {PAGES} pages")))
    }

    pub(super) fn act(&self, order: &Order, action: &Action) -> Outcome {
        self.send(order, action).unwrap_or_else(|outcome| outcome)
    }

    fn send(&self, order: &Order, action: &Action) -> Result<Outcome, Outcome> {
        let base = &self.base;
        let tag = &order.goal.tag;
        match action {
            Action::Create => {
                // No target: the tag is there, and naming one would ask for rights on workflows.
                let Text { title, body, prerelease, .. } = &order.text;
                let json = json!({
                    "tag_name": tag, "name": title, "body": body, "draft": true, "prerelease": prerelease,
                });
                let answer = gh::call_with("POST", &format!("{base}/releases"), &json);
                // GitHub hides what the token may not do.
                let answer = answer.map_err(|outcome| match outcome {
                    Outcome::Gone(text) => Outcome::Denied(format!(
                        "{text}; the token may not push to {}: give it `contents: write`, or set [release] repository in xtask.toml",
                        base.trim_start_matches("repos/")
                    )),
                    other => other,
                })?;
                Ok(Outcome::Done(answer.json().ok().and_then(|json| json["id"].as_u64())))
            }
            Action::Upload { release, name } => {
                let (Some(file), Some(expected)) =
                    (order.files.get(name), order.goal.assets.get(name))
                else {
                    return Err(Outcome::Denied(format!("{name}: no such file")));
                };
                let url = format!(
                    "https://uploads.github.com/{base}/releases/{release}/assets?name={name}"
                );
                gh::upload(&url, file, expected.size).map(done)
            }
            Action::DeleteAsset { release, asset, name } => {
                let draft = self.still_draft(tag, *release)?;
                let expected = order.goal.assets.get(name);
                let now = draft.assets.iter().find(|now| now.id == *asset);
                if now.zip(expected).is_some_and(|(now, expected)| now.is(expected)) {
                    return Err(Outcome::Gone(format!("{name} is by now what it must be")));
                }
                gh::call("DELETE", &format!("{base}/releases/assets/{asset}")).map(done)
            }
            Action::DropDraft { release, assets } => {
                let draft = self.still_draft(tag, *release)?;
                if draft.assets.iter().map(|asset| asset.id).ne(assets.iter().copied()) {
                    return Err(gone(*release));
                }
                gh::call("DELETE", &format!("{base}/releases/{release}")).map(done)
            }
            Action::Publish { release } => {
                let Text { prerelease, latest, .. } = &order.text;
                // Without the tag's name it is dropped; `make_latest` is a string, "true" by default.
                let json = json!({
                    "draft": false,
                    "tag_name": tag,
                    "prerelease": prerelease,
                    "make_latest": if *latest { "true" } else { "false" },
                });
                gh::call_with("PATCH", &format!("{base}/releases/{release}"), &json).map(done)
            }
        }
    }

    /// A last look before a deletion: GitHub would delete a published release's assets all the same.
    fn still_draft(&self, tag: &str, id: u64) -> Result<Release, Outcome> {
        self.release(tag, id)?.filter(|release| release.draft).ok_or_else(|| gone(id))
    }

    pub(super) fn published(&self) -> Result<Vec<String>, Outcome> {
        let releases = self.pages("releases")?;
        let stable = releases.iter().filter(|r| r["draft"] == false && r["prerelease"] == false);
        Ok(stable.filter_map(|r| r["tag_name"].as_str().map(str::to_owned)).collect())
    }

    pub(super) fn fetch(&self, asset: &Asset, to: &Path) -> anyhow::Result<()> {
        gh::download(&format!("{}/releases/assets/{}", self.base, asset.id), to, asset.size)
    }
}

fn gone(release: u64) -> Outcome {
    Outcome::Gone(format!("release {release} is not what it was"))
}

fn done(_: Answer) -> Outcome {
    Outcome::Done(None)
}

/// `None` for 404.
fn found<T>(answer: Result<T, Outcome>) -> Result<Option<T>, Outcome> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Outcome::Gone(_)) => Ok(None),
        Err(outcome) => Err(outcome),
    }
}

fn asset(json: &Value) -> Result<Asset, Outcome> {
    Ok(Asset {
        id: json["id"].as_u64().ok_or_else(|| lacks("id"))?,
        name: text(json, "name")?,
        state: match json["state"].as_str() {
            Some("uploaded") => AssetState::Uploaded,
            _ => AssetState::Partial,
        },
        size: json["size"].as_u64().ok_or_else(|| lacks("size"))?,
        digest: json["digest"].as_str().and_then(Digest::parse),
    })
}

fn text(json: &Value, key: &str) -> Result<String, Outcome> {
    json[key].as_str().map(str::to_owned).ok_or_else(|| lacks(key))
}

fn lacks(what: &str) -> Outcome {
    Outcome::Lost(format!("an answer without `{what}`"))
}

/// A failed read outside the machine, as an error.
pub(super) fn told(what: &str, outcome: Outcome) -> anyhow::Error {
    match outcome {
        Outcome::Throttled(pause) => {
            anyhow!("cannot {what}: the forge asks to wait {} s", pause.as_secs())
        }
        Outcome::Lost(why) | Outcome::Gone(why) | Outcome::Denied(why) => {
            anyhow!("cannot {what}: {why}")
        }
        Outcome::Done(_) | Outcome::Taken | Outcome::Skipped => anyhow!("cannot {what}"),
    }
}

/// A checked tag in a path: only `+` needs escaping.
fn escape(tag: &str) -> String {
    tag.replace('+', "%2B")
}
