//! Every run of the machine: two actors against a model of the forge, every fault and every pair of
//! faults at every effect, in every order. The machine under test is [`step`] itself.
//!
//! Healthy reads that settle a decision are one step. That loses no run: what is decided depends on the
//! last of them alone, since all that agree show the same; whatever another process does between them
//! either makes them disagree, and then they begin again, or comes to the same as if it happened before
//! the first. A read that meets a fault is a step of its own. So is each write, and each read of a run
//! that hopes for better times; a decision and its writes may lie any number of others' steps apart,
//! which is also what a stale second look amounts to.

mod actor;
mod forge;
mod key;
mod scenarios;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use core::hash::{Hash, Hasher};
use core::time::Duration;
use std::collections::HashMap;
use std::println;

use super::journal::{Action, Next};
use super::machine::{Goal, Patience, Stage};
use actor::Actor;
use forge::{COMMIT, Fault, Forge, MARK, TAG, manifest};
use scenarios::scenarios;

/// Bugs planted into the machine: each must be caught by an invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bug {
    BelieveOneRead,
    IgnoreTag,
    TouchPublished,
    AdoptForeign,
    IgnoreTwins,
    DropOthersWork,
    IgnoreHidden,
    CompareOnlyListed,
    TrustAnswers,
    IgnoreDigest,
    TrustNullDigest,
    IgnoreState,
    IgnoreExtra,
    ForgetAttempts,
    ResendBlindly,
}

const BUGS: &[Bug] = &[
    Bug::BelieveOneRead,
    Bug::IgnoreTag,
    Bug::TouchPublished,
    Bug::AdoptForeign,
    Bug::IgnoreTwins,
    Bug::DropOthersWork,
    Bug::IgnoreHidden,
    Bug::CompareOnlyListed,
    Bug::TrustAnswers,
    Bug::IgnoreDigest,
    Bug::TrustNullDigest,
    Bug::IgnoreState,
    Bug::IgnoreExtra,
    Bug::ForgetAttempts,
    Bug::ResendBlindly,
];

fn goal(stage: Stage, names: &[&str], bug: Option<Bug>) -> Goal {
    Goal {
        stage,
        tag: TAG.to_string(),
        commit: COMMIT.to_string(),
        mark: MARK.to_string(),
        assets: manifest(names),
        whole: stage == Stage::Publish,
        transient: BTreeSet::from(["t".to_string()]),
        patience: Patience { pause: Duration::ZERO, attempts: 4, ..Patience::default() },
        bug,
    }
}

/// One state of the whole.
#[derive(Debug, Clone, Hash)]
struct World {
    forge: Forge,
    actors: Vec<Actor>,
    met: Met,
}

/// What the faults met so far excuse at the end. Which they were does not matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Met {
    count: usize,
    lasting: bool,
    may_refuse: bool,
    blocks: bool,
    tires: bool,
}

impl Met {
    fn and(self, fault: Fault) -> Self {
        Self {
            count: self.count + 1,
            lasting: self.lasting || fault.lasts(),
            may_refuse: self.may_refuse || fault.may_refuse() || self.tires && fault.tires(),
            blocks: self.blocks || fault.blocks(),
            tires: self.tires || fault.tires(),
        }
    }
}

impl World {
    /// The state without what changes no decision: ids are ranked, counters far from their bounds and
    /// texts are dropped, and of two processes with one goal it does not matter which is which.
    fn key(&self, goals: &[Goal], faults: usize) -> u128 {
        let rank = key::ranks(&self.forge);
        let mut forge = key::forge(&self.forge, &rank);
        let spent = self.met.count >= faults;
        if spent {
            // No list will be stale any more.
            forge.before.clear();
        }
        let mut actors: Vec<(usize, u128)> = Vec::new();
        for (index, actor) in self.actors.iter().enumerate() {
            // Equal goals share a number.
            let class = goals.iter().position(|goal| {
                goals
                    .get(index)
                    .is_some_and(|own| own.stage == goal.stage && own.assets == goal.assets)
            });
            actors.push((
                class.unwrap_or(index),
                hash(&key::actor(actor, &self.forge, &rank, spent)),
            ));
        }
        actors.sort_unstable();
        let parts = goals.iter().any(|goal| goal.stage == Stage::Upload);
        let met = Met { blocks: self.met.blocks && parts, ..self.met };
        hash(&(forge, actors, met))
    }
}

/// Where the exploration starts, and what it explores.
struct Scenario {
    name: &'static str,
    goals: Vec<Goal>,
    forge: Forge,
    /// Faults at most.
    faults: usize,
    pairs: Pairs,
    /// The end that a last, healthy run of [`Stage::Publish`] must reach.
    publishes: bool,
}

/// Which faults may meet in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pairs {
    Any,
    /// But for an upload that fails for ever, beside which there is no other.
    WithoutForEver,
    /// One of the two is an upload that fails for ever. The tries of such a file are counted only to give
    /// up in the end, and every count of both processes makes states of its own: here the second try stands
    /// for all that follow.
    ForEver,
}

struct Explorer<'a> {
    scenario: &'a Scenario,
    finisher: Goal,
    /// By the state's hash: whether it is on the path.
    seen: HashMap<u128, bool>,
    ends: HashMap<u128, ()>,
    covered: BTreeMap<(&'static str, Fault), u64>,
    path: Vec<String>,
}

fn hash(value: &impl Hash) -> u128 {
    let mut lanes = Lanes(0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f);
    value.hash(&mut lanes);
    u128::from(lanes.0) << 64 | u128::from(lanes.1)
}

/// Two lanes of multiply and rotate: 128 bits, and ten times as fast as SipHash twice.
struct Lanes(u64, u64);

impl Hasher for Lanes {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.write_u64(u64::from_le_bytes(word) ^ (chunk.len() as u64) << 56);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29);
        self.1 = (self.1.rotate_left(23) ^ word).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        self.1 ^= self.1 >> 33;
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(n.into());
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }

    fn write_isize(&mut self, n: isize) {
        self.write_u64(n as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What the invariants say of one run that breaks them.
type Violation = Box<(String, Vec<String>)>;

impl<'a> Explorer<'a> {
    fn run(scenario: &'a Scenario, bug: Option<Bug>) -> Result<Self, Violation> {
        let mut explorer = Self {
            scenario,
            finisher: goal(Stage::Publish, &["a", "b", "c"], bug),
            seen: HashMap::new(),
            ends: HashMap::new(),
            covered: BTreeMap::new(),
            path: Vec::new(),
        };
        let actors = scenario.goals.iter().map(Actor::start).collect();
        let world = World { forge: scenario.forge.clone(), actors, met: Met::default() };
        explorer.visit(world)?;
        Ok(explorer)
    }

    fn violation(&self, what: impl Into<String>) -> Violation {
        Box::new((what.into(), self.path.clone()))
    }

    fn visit(&mut self, world: World) -> Result<(), Violation> {
        let key = world.key(&self.scenario.goals, self.scenario.faults);
        match self.seen.get(&key) {
            Some(true) => return Err(self.violation("a run goes round for ever")),
            Some(false) => return Ok(()),
            None => {}
        }
        if self.path.len() > 400 {
            return Err(self.violation("a run does not end"));
        }
        self.seen.insert(key, true);
        let mut over = true;
        for index in 0..world.actors.len() {
            let Some(actor) = world.actors.get(index).filter(|actor| !actor.over()) else {
                continue;
            };
            over = false;
            let mut faults = vec![None];
            if world.met.count < self.scenario.faults {
                let first = world.met.count == 0;
                let lasting = !world.forge.lasting.is_empty();
                let may_come = |fault: &Fault| match self.scenario.pairs {
                    Pairs::Any => true,
                    Pairs::WithoutForEver => !lasting && (first || !fault.is_for_ever()),
                    Pairs::ForEver => first || lasting || fault.is_for_ever(),
                };
                faults.extend(actor.faults().into_iter().filter(may_come).map(Some));
            }
            for fault in faults {
                self.call(&world, index, fault)?;
            }
        }
        if over {
            self.end(&world)?;
        }
        self.seen.insert(key, false);
        Ok(())
    }

    fn call(&mut self, world: &World, index: usize, fault: Option<Fault>) -> Result<(), Violation> {
        let mut after = world.clone();
        let (Some(actor), Some(goal)) =
            (after.actors.get_mut(index), self.scenario.goals.get(index))
        else {
            return Ok(());
        };
        let call = match &actor.next {
            Next::Do(actions) => actions.first().cloned(),
            _ => None,
        };
        if let Some(fault) = fault {
            after.met = after.met.and(fault);
            *self.covered.entry((kind(call.as_ref()), fault)).or_default() += 1;
        }
        let shown = call.as_ref().map_or_else(|| "read".to_string(), |a| format!("{a:?}"));
        self.path.push(format!("{index}: {shown} {fault:?}"));
        actor.go(goal, &mut after.forge, fault);
        if self.scenario.pairs == Pairs::ForEver {
            actor.tire(goal, &after.forge);
        }
        self.check(world, &after, goal, call.as_ref())?;
        // Two stale lists in a row deceive two reads: that twin is dropped later.
        let alone = world.actors.len() == 1 && world.met.count < 2;
        if alone && call == Some(Action::Create) && fault != Some(Fault::Twin) {
            let ours = after.forge.releases.iter().filter(|r| r.draft && r.marked).count();
            if ours > 1 {
                return Err(self.violation("a draft was made although there is one"));
            }
        }
        self.visit(after)?;
        self.path.pop();
        Ok(())
    }

    /// What must hold after every call.
    fn check(
        &self,
        before: &World,
        after: &World,
        goal: &Goal,
        call: Option<&Action>,
    ) -> Result<(), Violation> {
        for release in after.forge.releases.iter().filter(|release| !release.draft) {
            let exact =
                release.assets.len() == 3 && ["a", "b", "c"].iter().all(|n| release.whole(n));
            let was_so = before.forge.releases.contains(release);
            let left_alone = was_so && !self.scenario.publishes;
            if !exact && !left_alone {
                return Err(self.violation("a published release is not exactly the plan"));
            }
            if !release.marked && !was_so {
                return Err(self.violation("a release that is not ours was published"));
            }
        }
        let published = |forge: &Forge| forge.releases.iter().filter(|r| !r.draft).count();
        if published(&after.forge) > 1 {
            return Err(self.violation("two releases of one tag are published"));
        }
        if published(&after.forge) < published(&before.forge) {
            return Err(self.violation("a published release was deleted"));
        }
        let publishes = matches!(call, Some(Action::Publish { .. }));
        if publishes
            && published(&after.forge) > published(&before.forge)
            && after.forge.releases.len() > 1
            && before.actors.len() == 1
        {
            return Err(self.violation("published although another release bears the tag"));
        }
        let moved_before = before.forge.tag_moved && before.actors.len() == 1;
        if call.is_some() && moved_before && self.scenario.faults == 0 {
            return Err(self.violation("a write although the tag is elsewhere"));
        }
        self.nothing_lost(before, after, goal)
    }

    /// A complete asset may only go when a process at work holds it and will see that it is gone, or
    /// when it only travelled. Who is over already said "done" of it.
    fn nothing_lost(&self, before: &World, after: &World, goal: &Goal) -> Result<(), Violation> {
        for old in before.forge.releases.iter().flat_map(|r| r.assets.iter().map(move |a| (r, a))) {
            let (release, asset) = old;
            let there =
                after.forge.releases.iter().any(|r| r.assets.iter().any(|a| a.id == asset.id));
            let at_work = before.actors.iter().zip(&self.scenario.goals).filter(|(a, _)| !a.over());
            let held = at_work.map(|(_, goal)| goal).chain([goal]);
            let replaceable = held.into_iter().any(|goal| goal.assets.contains_key(&asset.name))
                || goal.stage == Stage::Publish && asset.name == "t"
                || !asset.uploaded;
            if !there && (!replaceable || !release.marked) {
                return Err(
                    self.violation(format!("{} of release {} is lost", asset.name, release.id))
                );
            }
        }
        Ok(())
    }

    /// What must hold when every actor is over, and after one more run of finalize.
    fn end(&mut self, world: &World) -> Result<(), Violation> {
        let lasting = world.met.lasting;
        // Who holds a part of the files must not drop a draft with the rest, even to get past an asset
        // that no list shows or that another process sends too: a run that holds them all does.
        let parts = self.scenario.goals.iter().any(|goal| goal.stage == Stage::Upload);
        let may_refuse =
            !self.scenario.publishes || world.met.may_refuse || parts && world.met.blocks;
        let all_done = world.actors.iter().all(|actor| matches!(actor.next, Next::Done { .. }));
        for (actor, goal) in world.actors.iter().zip(&self.scenario.goals) {
            match &actor.next {
                Next::Refuse(refusal) if !may_refuse => {
                    return Err(
                        self.violation(format!("refused without need: {:?}", refusal.reasons))
                    );
                }
                // Who dropped a draft and was then denied still owes the files of the others.
                Next::Done { .. } if all_done || goal.stage == Stage::Publish => {
                    self.done_is_true(world, goal)?;
                }
                _ => {}
            }
        }
        let key = hash(&(key::forge(&world.forge, &key::ranks(&world.forge)), lasting));
        if self.ends.insert(key, ()).is_some() {
            return Ok(());
        }
        let mut forge = world.forge.clone();
        let first = self.alone(&mut forge)?;
        match first {
            Next::Refuse(_) if lasting || !self.scenario.publishes => {}
            Next::Refuse(refusal) => {
                return Err(
                    self.violation(format!("a rerun does not converge: {:?}", refusal.reasons))
                );
            }
            _ if !forge.releases.iter().any(|r| !r.draft) => {
                return Err(self.violation("a rerun ended well and nothing is published"));
            }
            _ if !lasting && forge.releases.len() > 1 => {
                return Err(self.violation("a rerun left a twin"));
            }
            _ => {}
        }
        let writes = forge.writes;
        let second = self.alone(&mut forge)?;
        if matches!(second, Next::Done { .. }) && forge.writes != writes {
            return Err(self.violation("a rerun of a finished release wrote"));
        }
        Ok(())
    }

    /// One healthy run of finalize.
    fn alone(&self, forge: &mut Forge) -> Result<Next, Violation> {
        let mut actor = Actor::start(&self.finisher);
        for _ in 0..300 {
            if actor.over() {
                return Ok(actor.next);
            }
            let before = World { forge: forge.clone(), actors: Vec::new(), met: Met::default() };
            actor.go(&self.finisher, forge, None);
            let after = World { forge: forge.clone(), actors: Vec::new(), met: Met::default() };
            self.check(&before, &after, &self.finisher, None)?;
        }
        Err(self.violation("a rerun does not end"))
    }

    /// Who says "done" must be right.
    fn done_is_true(&self, world: &World, goal: &Goal) -> Result<(), Violation> {
        let lowest = |draft: bool| {
            world.forge.releases.iter().filter(|r| r.draft == draft).min_by_key(|r| r.id)
        };
        let published = lowest(false);
        let held = published.or_else(|| lowest(true));
        let whole = goal.assets.keys().all(|name| held.is_some_and(|release| release.whole(name)));
        if held.is_none() || !whole {
            return Err(
                self.violation(format!("{:?} said done and its assets are not there", goal.stage))
            );
        }
        if goal.stage == Stage::Publish && published.is_none() {
            return Err(self.violation("said done and nothing is published"));
        }
        Ok(())
    }
}

fn kind(call: Option<&Action>) -> &'static str {
    match call {
        None => "read",
        Some(Action::Create) => "create",
        Some(Action::Upload { .. }) => "upload",
        Some(Action::DeleteAsset { .. }) => "delete",
        Some(Action::DropDraft { .. }) => "drop",
        Some(Action::Publish { .. }) => "publish",
    }
}

/// Explores the scenarios of these names, and prints what was covered.
fn explore(names: &[&str]) {
    let mut total = 0;
    let mut covered = BTreeMap::<(&str, Fault), u64>::new();
    for scenario in scenarios(None).iter().filter(|scenario| names.contains(&scenario.name)) {
        let start = std::time::Instant::now();
        let explorer = match Explorer::run(scenario, None) {
            Ok(explorer) => explorer,
            Err(violation) => {
                let (what, path) = *violation;
                panic!("{}: {what}\n  {}", scenario.name, path.join("\n  "))
            }
        };
        let (states, ends) = (explorer.seen.len(), explorer.ends.len());
        let seconds = start.elapsed().as_secs_f64();
        println!("{:<28} {states:>9} states {ends:>6} ends {seconds:>6.1} s", scenario.name);
        total += states;
        for (key, count) in explorer.covered {
            *covered.entry(key).or_default() += count;
        }
    }
    println!("{total} states; faults injected at each kind of call:");
    for ((call, fault), count) in &covered {
        println!("  {call:<8} {fault:<14} {count:>9}", fault = format!("{fault:?}"));
    }
    assert!(total > 0);
}

/// Small enough to be explored once for each planted bug.
const SMALL: &[&str] = &[
    "tag elsewhere",
    "draft made by hand",
    "asset that nobody planned",
    "twin with others' work",
    "published and different",
    "published and equal",
    "finalize alone",
    "finalize with a traveller",
    "two drafts",
];

#[test]
fn no_fault_and_no_pair_of_faults_breaks_a_release() {
    explore(SMALL);
}

#[test]
fn two_uploads_at_once_under_every_pair_of_faults() {
    explore(&["two uploads"]);
}

#[test]
fn finalize_beside_another_process_under_every_fault() {
    explore(&["upload and finalize", "two finalize"]);
}

#[test]
fn upload_and_finalize_under_every_pair_of_faults() {
    explore(&["upload and finalize, pairs"]);
}

/// But for the pairs of an upload that fails for ever with another fault, which are the next test's.
#[test]
fn two_finalize_under_pairs_of_faults() {
    explore(&["two finalize, pairs"]);
}

#[test]
fn two_finalize_under_an_upload_that_fails_for_ever_and_another_fault() {
    explore(&["two finalize, for ever and another"]);
}

#[test]
fn every_planted_bug_is_caught() {
    for bug in BUGS {
        let scenarios = scenarios(Some(*bug));
        let small = scenarios.iter().filter(|scenario| SMALL.contains(&scenario.name));
        let caught = small.filter_map(|scenario| Explorer::run(scenario, Some(*bug)).err()).next();
        let Some(violation) = caught else { panic!("{bug:?} went unnoticed") };
        println!("{bug:?}: {} (after {} calls)", violation.0, violation.1.len());
    }
}
