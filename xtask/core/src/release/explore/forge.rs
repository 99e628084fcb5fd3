//! A model of the forge: every effect of a call, and every fault that a call can meet.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::journal::{Action, Outcome};
use super::super::manifest::{Digest, Expected, Manifest};
use super::super::state::{Asset, AssetState, Release, ReleaseState, Tag};

pub(super) const TAG: &str = "v1.0.0";
pub(super) const COMMIT: &str = "c0ffee";
pub(super) const MARK: &str = "release v1.0.0 of c0ffee";

pub(super) fn expected(name: &str) -> Expected {
    let byte = name.bytes().next().unwrap_or_default();
    Expected { size: u64::from(byte), digest: Digest([byte; 32]) }
}

pub(super) fn manifest(names: &[&str]) -> Manifest {
    names.iter().map(|name| (name.to_string(), expected(name))).collect()
}

/// What happens to one call instead of its plain effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Fault {
    /// Never reached the forge.
    LostBefore,
    /// Done, the answer lost.
    LostAfter,
    /// 403 or 429 with Retry-After.
    Throttled,
    /// 403 plain, or 422.
    Denied,
    /// The process dies before the call.
    DiesBefore,
    /// The process dies after the call.
    DiesAfter,
    /// The list of releases is as before the last write.
    StaleList,
    /// The lists of assets are as before the last write.
    StaleAssets,
    /// Somebody moves the tag.
    TagMoves,
    /// Somebody else makes a draft with our mark.
    Twin,
    /// Somebody makes a draft by hand.
    ForeignTwin,
    /// 5xx, a `starter` left.
    Starter,
    /// 5xx, a `starter` left that no list shows.
    HiddenStarter,
    /// 201, in state `starter`.
    DoneAsStarter,
    /// 201, with other bytes.
    WrongBytes,
    /// 201, the digest comes later.
    LateDigest,
    /// 201, the digest comes when nobody hopes for it any more: another process's look may be the first
    /// to show it, while the asset's deletion is under way.
    VeryLateDigest,
    /// 201, this asset's digest never comes; another upload's does.
    NoDigest,
    /// This and every further upload of the name fails.
    FailsForEver,
    /// This and every further upload of the name is stored with other bytes.
    WrongForEver,
    /// The digest of this name never comes.
    NullForEver,
    /// The process dies in the middle, a `starter` left.
    DiesAsStarter,
    /// The process dies in the middle, a hidden `starter` left.
    DiesAsHidden,
}

impl Fault {
    /// What a read can meet.
    pub(super) const READ: &[Self] = &[
        Self::LostBefore,
        Self::Throttled,
        Self::Denied,
        Self::DiesBefore,
        Self::StaleList,
        Self::StaleAssets,
        Self::TagMoves,
    ];

    /// What an action can meet.
    pub(super) fn of(action: &Action) -> Vec<Self> {
        let mut faults = vec![
            Self::LostBefore,
            Self::LostAfter,
            Self::Throttled,
            Self::Denied,
            Self::DiesBefore,
            Self::DiesAfter,
        ];
        match action {
            Action::Create => faults.extend([Self::Twin, Self::ForeignTwin]),
            Action::Upload { .. } => faults.extend([
                Self::Starter,
                Self::HiddenStarter,
                Self::DoneAsStarter,
                Self::WrongBytes,
                Self::LateDigest,
                Self::VeryLateDigest,
                Self::NoDigest,
                Self::FailsForEver,
                Self::WrongForEver,
                Self::NullForEver,
                Self::DiesAsStarter,
                Self::DiesAsHidden,
            ]),
            _ => {}
        }
        faults
    }

    /// After it a run may refuse, and a later run with a healthy forge reaches the end all the same.
    pub(super) fn may_refuse(self) -> bool {
        self == Self::Denied || self.lasts()
    }

    /// It stays: no later run can reach the end either.
    pub(super) fn lasts(self) -> bool {
        matches!(
            self,
            Self::TagMoves
                | Self::ForeignTwin
                | Self::FailsForEver
                | Self::WrongForEver
                | Self::NullForEver
        )
    }

    /// Every further upload of a name meets it.
    pub(super) fn is_for_ever(self) -> bool {
        matches!(self, Self::FailsForEver | Self::WrongForEver | Self::NullForEver)
    }

    /// It is met at most once in one run without a refusal: the file is sent again once.
    pub(super) fn tires(self) -> bool {
        matches!(self, Self::VeryLateDigest | Self::NoDigest)
    }

    /// It leaves a name taken by what is to be replaced.
    pub(super) fn blocks(self) -> bool {
        matches!(
            self,
            Self::Starter
                | Self::WrongBytes
                | Self::DoneAsStarter
                | Self::DiesAsStarter
                | Self::HiddenStarter
                | Self::DiesAsHidden
                | Self::NoDigest
        )
    }

    pub(super) fn kills(self) -> bool {
        matches!(
            self,
            Self::DiesBefore | Self::DiesAfter | Self::DiesAsStarter | Self::DiesAsHidden
        )
    }
}

/// No read shows the digest.
const NEVER: u8 = u8::MAX;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Stored {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) uploaded: bool,
    pub(super) hidden: bool,
    pub(super) right: bool,
    /// Reads until the digest is there; [`NEVER`].
    pub(super) late: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) id: u64,
    pub(super) draft: bool,
    pub(super) marked: bool,
    pub(super) assets: Vec<Stored>,
}

impl Held {
    pub(super) fn whole(&self, name: &str) -> bool {
        self.assets.iter().any(|a| a.name == name && a.uploaded && a.right && !a.hidden)
    }
}

/// The forge and all it holds of one tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Forge {
    pub(super) tag_moved: bool,
    pub(super) releases: Vec<Held>,
    /// As before the last write: what a stale list shows.
    pub(super) before: Vec<Held>,
    pub(super) next_id: u64,
    pub(super) lasting: Vec<(String, Fault)>,
    pub(super) writes: u8,
}

impl Forge {
    pub(super) fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn add(&mut self, marked: bool, assets: &[&str]) -> u64 {
        let id = self.id();
        let assets = assets.iter().map(|name| self.stored(name)).collect();
        self.releases.push(Held { id, draft: true, marked, assets });
        id
    }

    fn stored(&mut self, name: &str) -> Stored {
        let id = self.id();
        Stored { id, name: name.to_string(), uploaded: true, hidden: false, right: true, late: 0 }
    }

    /// What one read shows to a client that also looks up `known` by id.
    pub(super) fn read(&mut self, fault: Option<Fault>, known: &[u64]) -> ReleaseState {
        let stale_list = fault == Some(Fault::StaleList);
        let listed = if stale_list { &self.before } else { &self.releases };
        let mut ids: Vec<u64> = listed.iter().map(|r| r.id).collect();
        ids.extend(known);
        ids.sort_unstable();
        ids.dedup();
        let releases = ids
            .iter()
            .filter_map(|id| self.releases.iter().find(|r| r.id == *id))
            .map(|now| {
                let before = self.before.iter().find(|r| r.id == now.id);
                let shown = match before {
                    Some(before) if fault == Some(Fault::StaleAssets) => before,
                    _ => now,
                };
                self.shown(now, &shown.assets)
            })
            .collect();
        let by_tag = self.releases.iter().find(|r| !r.draft).map(|r| r.id);
        let held = self.releases.iter_mut().flat_map(|r| &mut r.assets);
        for asset in held.filter(|asset| asset.late != NEVER) {
            asset.late = asset.late.saturating_sub(1);
        }
        let commit = if self.tag_moved { "badc0de" } else { COMMIT };
        ReleaseState { tag: Tag::At(commit.to_string()), releases, by_tag }
    }

    fn shown(&self, release: &Held, assets: &[Stored]) -> Release {
        let assets = assets.iter().filter(|asset| !asset.hidden).map(|asset| {
            let Expected { size, digest } = expected(&asset.name);
            let digest = if asset.right { digest } else { Digest([0; 32]) };
            Asset {
                id: asset.id,
                name: asset.name.clone(),
                state: if asset.uploaded { AssetState::Uploaded } else { AssetState::Partial },
                size,
                digest: (asset.late == 0).then_some(digest),
            }
        });
        Release {
            id: release.id,
            draft: release.draft,
            mark: release.marked.then(|| MARK.to_string()),
            assets: assets.collect(),
        }
    }

    fn lasts(&self, name: &str, fault: Fault) -> bool {
        self.lasting.iter().any(|(n, f)| n == name && *f == fault)
    }

    /// The effect of one action under one fault, and what the client is told.
    pub(super) fn act(
        &mut self,
        goal: &Manifest,
        action: &Action,
        fault: Option<Fault>,
    ) -> Outcome {
        use Fault::*;
        match fault {
            Some(LostBefore | DiesBefore) => return Outcome::Lost("reset".to_string()),
            Some(Throttled) => return Outcome::Throttled(Duration::ZERO),
            Some(Denied) => return Outcome::Denied("403".to_string()),
            _ => {}
        }
        let before = self.releases.clone();
        let outcome = self.apply(goal, action, fault);
        if self.releases != before {
            self.before = before;
            self.writes = self.writes.saturating_add(1);
        }
        match fault {
            Some(LostAfter) => Outcome::Lost("reset".to_string()),
            _ => outcome,
        }
    }

    fn apply(&mut self, goal: &Manifest, action: &Action, fault: Option<Fault>) -> Outcome {
        match action {
            Action::Create => {
                if let Some(Fault::Twin | Fault::ForeignTwin) = fault {
                    self.add(fault == Some(Fault::Twin), &[]);
                }
                Outcome::Done(Some(self.add(true, &[])))
            }
            Action::Upload { release, name } => self.upload(*release, name, fault),
            Action::DeleteAsset { release, asset, name } => {
                // The driver's last look: still a draft, and still not what it must be.
                let draft = self.releases.iter().position(|r| r.id == *release && r.draft);
                let Some(held) = draft.and_then(|index| self.releases.get(index)) else {
                    return Outcome::Gone("404".to_string());
                };
                let now =
                    self.shown(held, &held.assets).assets.into_iter().find(|a| a.id == *asset);
                let good = now.as_ref().zip(goal.get(name)).is_some_and(|(now, e)| now.is(e));
                if now.is_none() || good {
                    return Outcome::Gone("404".to_string());
                }
                let draft = draft.and_then(|index| self.releases.get_mut(index));
                draft.into_iter().for_each(|draft| draft.assets.retain(|a| a.id != *asset));
                Outcome::Done(None)
            }
            Action::DropDraft { release, assets } => {
                let as_seen = |r: &Held| {
                    let shown: Vec<u64> =
                        r.assets.iter().filter(|a| !a.hidden).map(|a| a.id).collect();
                    r.id == *release && r.draft && shown == *assets
                };
                let Some(index) = self.releases.iter().position(as_seen) else {
                    return Outcome::Gone("404".to_string());
                };
                self.releases.remove(index);
                Outcome::Done(None)
            }
            Action::Publish { release } => {
                match self.releases.iter_mut().find(|r| r.id == *release) {
                    Some(release) => release.draft = false,
                    None => return Outcome::Gone("404".to_string()),
                }
                Outcome::Done(None)
            }
        }
    }

    fn upload(&mut self, release: u64, name: &str, fault: Option<Fault>) -> Outcome {
        use Fault::*;
        if let Some(f @ (FailsForEver | WrongForEver | NullForEver)) = fault
            && !self.lasts(name, f)
        {
            self.lasting.push((name.to_string(), f));
        }
        let fails = self.lasts(name, FailsForEver);
        let wrong = fault == Some(WrongBytes) || self.lasts(name, WrongForEver);
        let null = self.lasts(name, NullForEver);
        let mut stored = self.stored(name);
        let Some(held) = self.releases.iter_mut().find(|r| r.id == release) else {
            return Outcome::Gone("404".to_string());
        };
        if held.assets.iter().any(|asset| asset.name == name) {
            return Outcome::Taken;
        }
        if fails {
            return Outcome::Lost("reset".to_string());
        }
        stored.right = !wrong;
        stored.late = match fault {
            _ if null => NEVER,
            Some(LateDigest) => 2,
            Some(VeryLateDigest) => 7,
            Some(NoDigest) => NEVER,
            _ => 0,
        };
        stored.hidden = matches!(fault, Some(HiddenStarter | DiesAsHidden));
        stored.uploaded = !matches!(
            fault,
            Some(Starter | HiddenStarter | DoneAsStarter | DiesAsStarter | DiesAsHidden)
        );
        // In the order of names: which was first does not matter to anybody.
        let place = held.assets.partition_point(|asset| asset.name < stored.name);
        held.assets.insert(place, stored);
        match fault {
            Some(Starter | HiddenStarter) => Outcome::Lost("reset".to_string()),
            _ => Outcome::Done(None),
        }
    }
}
