//! What the loopback GitHub holds, was asked, and does wrong when told to.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// What is asked, without ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    Ref,
    Tag,
    List,
    ByTag,
    Release,
    Assets,
    Download,
    Create,
    Upload,
    DeleteAsset,
    DeleteRelease,
    Patch,
}

impl Call {
    pub fn writes(self) -> bool {
        matches!(
            self,
            Self::Create | Self::Upload | Self::DeleteAsset | Self::DeleteRelease | Self::Patch
        )
    }
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends; nothing was done.
    ResetBefore,
    /// It was done; the connection ends.
    ResetAfter,
    /// Nothing was done; this status.
    Status(u16),
    /// Nothing was done; this status, with Retry-After in seconds.
    RetryAfter(u16, u64),
    /// 502, and a `starter` is left; hidden from lists or not.
    Starter { hidden: bool },
    /// 201 in state `starter`.
    CreatedAsStarter,
    /// Stored, with other bytes.
    WrongBytes,
    /// Stored, and the digest is null for this many reads.
    NullDigest(usize),
    /// Lists as they were before the last write.
    Stale,
    /// 403 whose text repeats the token.
    EchoToken,
    /// Nothing was done; 403, nothing of the hourly limit remains, which starts anew in so many seconds.
    LimitReset(u64),
    /// Never answered.
    Hang,
    /// 307 to a renamed repository, as GitHub answers a write.
    Moved,
    /// Somebody else creates a draft with the same body.
    Twin,
}

/// Which calls meet it: from the nth, so many times.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub call: Call,
    pub from: usize,
    pub times: usize,
    pub fault: Fault,
}

#[derive(Debug, Clone)]
pub struct Asset {
    pub id: u64,
    pub name: String,
    pub state: &'static str,
    pub hidden: bool,
    pub size: u64,
    pub sha256: String,
    pub null_reads: usize,
    /// A list has shown it complete, with a digest.
    pub seen_whole: bool,
    /// Shared, since releases are copied for stale lists.
    pub bytes: Arc<Vec<u8>>,
}

#[derive(Debug, Clone)]
pub struct Release {
    pub id: u64,
    pub tag: String,
    pub name: String,
    pub body: String,
    pub draft: bool,
    pub prerelease: bool,
    pub assets: Vec<Asset>,
}

#[derive(Debug, Default)]
pub struct State {
    /// Name to commit, and whether a tag object lies between.
    pub tags: BTreeMap<String, (String, bool)>,
    pub releases: Vec<Release>,
    pub before: Vec<Release>,
    next_id: u64,
    pub latest: Option<String>,
    pub rules: Vec<Rule>,
    seen: BTreeMap<u8, usize>,
    pub log: Vec<(Call, String)>,
    /// What was answered: the call, the status, the body.
    pub answers: Vec<(Call, u16, Vec<u8>)>,
    /// Requests that no honest client sends.
    pub unknown: Vec<String>,
    /// Assets that were deleted although a list had shown them complete, with a digest.
    pub deleted_whole: Vec<String>,
    /// Publishings that broke the publish rule.
    pub violations: Vec<String>,
    /// What was read since the last write.
    pub fresh: Vec<Call>,
    pub immutable: bool,
    /// Uploads that are under way, and the most at once.
    pub uploading: usize,
    pub most_uploading: usize,
    /// Names that the release must hold, for the publish rule.
    pub expected: Option<BTreeMap<String, String>>,
    /// At this request the client is killed first.
    pub kill_at: Option<usize>,
    /// 404 for everything: the token may not see the repository.
    pub forbidden: bool,
}

impl State {
    pub fn id(&mut self) -> u64 {
        self.next_id += 1;
        1000 + self.next_id
    }

    /// Forgets which calls there were.
    pub fn forget(&mut self) {
        self.seen.clear();
        self.log.clear();
    }

    /// From now on a stale list shows nothing.
    pub fn hide_all(&mut self) {
        self.before.clear();
    }

    pub fn writes(&self) -> usize {
        self.log.iter().filter(|(call, _)| call.writes()).count()
    }

    pub fn add_release(&mut self, tag: &str, body: &str, draft: bool) -> u64 {
        let id = self.id();
        self.releases.push(Release {
            id,
            tag: tag.to_owned(),
            name: tag.to_owned(),
            body: body.to_owned(),
            draft,
            prerelease: false,
            assets: Vec::new(),
        });
        id
    }

    pub fn add_asset(&mut self, release: u64, name: &str, bytes: &[u8]) -> u64 {
        let id = self.id();
        let asset = Asset {
            id,
            name: name.to_owned(),
            state: "uploaded",
            hidden: false,
            size: bytes.len() as u64,
            sha256: hex::encode(Sha256::digest(bytes)),
            null_reads: 0,
            seen_whole: false,
            bytes: Arc::new(bytes.to_owned()),
        };
        let held = self.releases.iter_mut().find(|r| r.id == release).unwrap();
        held.assets.push(asset);
        id
    }

    pub fn fault(&mut self, call: Call) -> Option<Fault> {
        let count = self.seen.entry(call as u8).or_default();
        let nth = *count;
        *count += 1;
        let rule = self
            .rules
            .iter()
            .find(|rule| rule.call == call && nth >= rule.from && nth - rule.from < rule.times);
        rule.map(|rule| rule.fault)
    }

    /// The publish rule, as the reference states it, over what the client read and what is there.
    pub fn judge_publish(&mut self, id: u64) {
        let mut wrong = Vec::new();
        for call in [Call::Ref, Call::List, Call::Release, Call::Assets] {
            if !self.fresh.contains(&call) {
                wrong.push(format!("{call:?} was not read after the last write"));
            }
        }
        let Some(release) = self.releases.iter().find(|r| r.id == id) else { return };
        if !self.tags.contains_key(&release.tag) {
            wrong.push("the tag is missing".to_owned());
        }
        if self.releases.iter().filter(|r| r.tag == release.tag).count() != 1 {
            wrong.push("more than one release bears the tag".to_owned());
        }
        if let Some(expected) = &self.expected {
            let held: BTreeMap<String, String> =
                release.assets.iter().map(|a| (a.name.clone(), a.sha256.clone())).collect();
            if *expected != held || release.assets.iter().any(|a| a.state != "uploaded") {
                wrong.push(format!("it holds {:?}", held.keys().collect::<Vec<_>>()));
            }
        }
        self.violations.extend(wrong);
    }
}
