//! Forges: where releases are held. The machine in `xtask_core::release` decides; here its decisions
//! meet the world.

mod attestation;
mod dir;
mod gh;
mod github;

use std::collections::{BTreeMap, VecDeque};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use xtask_core::release::{
    Action, Asset, Digest, Event, Expected, Goal, Journal, Next, Outcome, Patience, RefusalKind,
    ReleaseState, step,
};

use super::{files, interrupt};
use crate::exit::{refused, usage};

pub(crate) use attestation::{Attested, attested};
pub(crate) use dir::Dir;
pub(crate) use gh::{PASSED, is_loopback};
pub(crate) use github::GitHub;
use github::told;

/// Uploads that run at once.
const AT_ONCE: usize = 4;
/// GitHub's limit: an asset is smaller than this.
const LARGEST: u64 = 2 << 30;
/// GitHub's limit of assets in a release.
const MOST: usize = 1000;

/// `--forge`: which forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// The repository of the plan, on GitHub.
    GitHub,
    /// A local folder.
    Dir(PathBuf),
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("dir:") {
            Some("") => Err("`dir:` names no folder; write dir:PATH".to_owned()),
            Some(path) => Ok(Self::Dir(path.into())),
            None if text == "github" => Ok(Self::GitHub),
            None => Err(format!("`{text}` is no forge; write github or dir:PATH")),
        }
    }
}

/// What stands in a release beside its assets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    /// Its title.
    pub(crate) title: String,
    /// Its body, the mark included.
    pub(crate) body: String,
    /// Whether it is marked as a pre-release.
    pub(crate) prerelease: bool,
    /// Whether it becomes the latest.
    pub(crate) latest: bool,
}

/// What a run wants of a forge.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) goal: Goal,
    /// The goal's files, by asset name.
    pub(crate) files: BTreeMap<String, PathBuf>,
    pub(crate) text: Text,
}

/// A forge.
#[derive(Debug)]
pub(crate) enum Forge {
    Dir(Dir),
    GitHub(GitHub),
}

impl Forge {
    /// What [`Self::read`] shows, for who has no machine to wait for it.
    pub(crate) fn state(&self, tag: &str, known: Option<u64>) -> anyhow::Result<ReleaseState> {
        let known: Vec<u64> = known.into_iter().collect();
        self.patiently(&format!("read release {tag}"), || self.read(tag, &known))
    }

    /// What two reads in a row show, once it is `whole`, or time has not mended it: lists lag.
    pub(crate) fn settled(
        &self,
        tag: &str,
        known: Option<u64>,
        whole: impl Fn(&ReleaseState) -> bool,
    ) -> anyhow::Result<ReleaseState> {
        let patience = self.patience()?;
        let mut pause = patience.pause;
        let mut last = self.state(tag, known)?;
        for _ in 1..patience.attempts {
            thread::sleep(pause);
            pause *= 2;
            let state = self.state(tag, known)?;
            if state == last && whole(&state) {
                break;
            }
            last = state;
        }
        Ok(last)
    }

    /// Reads again after a failure that time may mend, as often as the machine would.
    fn patiently<T>(&self, what: &str, read: impl Fn() -> Result<T, Outcome>) -> anyhow::Result<T> {
        let patience = self.patience()?;
        let mut pause = patience.pause;
        for _ in 1..patience.attempts {
            let asked = match read() {
                Err(Outcome::Throttled(asked)) if asked <= patience.longest_wait => asked,
                Err(Outcome::Lost(_)) => pause,
                other => return other.map_err(|outcome| told(what, outcome)),
            };
            interrupt::sleep(asked.max(pause))?;
            pause *= 2;
        }
        read().map_err(|outcome| told(what, outcome))
    }

    /// Everything that bears the tag, and the releases in `known` whatever lists show.
    fn read(&self, tag: &str, known: &[u64]) -> Result<ReleaseState, Outcome> {
        match self {
            Self::Dir(dir) => dir.read(tag),
            Self::GitHub(github) => github.read(tag, known),
        }
    }

    fn act(&self, order: &Order, action: &Action) -> Outcome {
        match self {
            Self::Dir(dir) => dir.act(order, action),
            Self::GitHub(github) => github.act(order, action),
        }
    }

    /// Tags of published releases that are no pre-releases.
    pub(crate) fn published(&self) -> anyhow::Result<Vec<String>> {
        match self {
            Self::Dir(dir) => dir.published(),
            Self::GitHub(github) => self.patiently("list the releases", || github.published()),
        }
    }

    /// Fetches an asset of a draft or a release; under its final name only when its digest is right.
    pub(crate) fn fetch(&self, release: u64, asset: &Asset, to: &Path) -> anyhow::Result<()> {
        let patience = self.patience()?;
        let mut pause = patience.pause;
        for _ in 1..patience.attempts {
            match self.fetch_once(release, asset, to) {
                Err(error) => eprintln!("  {error:#}; trying again"),
                done => return done,
            }
            interrupt::sleep(pause)?;
            pause *= 2;
        }
        self.fetch_once(release, asset, to)
    }

    fn fetch_once(&self, release: u64, asset: &Asset, to: &Path) -> anyhow::Result<()> {
        let temporary = files::temporary(to);
        let fetched = match self {
            Self::Dir(dir) => dir.fetch(release, asset, &temporary),
            Self::GitHub(github) => github.fetch(asset, &temporary),
        };
        let settled = fetched.and_then(|()| {
            let got = expected(&temporary)?;
            if !asset.is(&got) {
                bail!("cannot fetch {}: {}", asset.name, asset.difference(&got));
            }
            Ok(std::fs::rename(&temporary, to)?)
        });
        settled.inspect_err(|_| drop(std::fs::remove_file(&temporary)))
    }

    /// Whether it is the network's, where a run shows what it would do unless told to do it.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self, Self::GitHub(_))
    }

    /// Whether nothing that happens there reaches a user.
    pub(crate) fn rehearses(&self) -> anyhow::Result<bool> {
        Ok(!self.is_remote() || is_loopback()?)
    }

    /// Patience that suits it. `XTASK_FORGE_PAUSE_MS` sets the unit of waiting.
    pub(crate) fn patience(&self) -> anyhow::Result<Patience> {
        let pause = match std::env::var("XTASK_FORGE_PAUSE_MS") {
            Ok(text) => Duration::from_millis(text.parse().map_err(|_| {
                usage(format!("XTASK_FORGE_PAUSE_MS is `{text}`; give a number of milliseconds"))
            })?),
            Err(_) if self.is_remote() => Duration::from_secs(1),
            // A folder shows at once what was written to it.
            Err(_) => Duration::from_millis(1),
        };
        Ok(Patience { pause, ..Patience::default() })
    }
}

/// Where a run ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The forge holds what it must.
    Done {
        /// Id of the release.
        release: u64,
        published: bool,
        /// Writes that this run made.
        writes: usize,
    },
    /// This comes next, and `--execute` was not given.
    Would(Vec<Action>),
}

/// Drives the machine to its end.
pub(crate) fn drive(
    forge: &Forge,
    order: &Order,
    known: Option<u64>,
    execute: bool,
) -> anyhow::Result<Reached> {
    check_files(order)?;
    let mut journal = Journal::knowing(known);
    let mut next = step(&order.goal, &mut journal, Event::Begin);
    let mut writes = 0;
    loop {
        let event = match next {
            Next::Read => {
                let known: Vec<u64> = journal.known().collect();
                match forge.read(&order.goal.tag, &known) {
                    Ok(state) => Event::Saw(state),
                    Err(outcome) => Event::ReadFailed(outcome),
                }
            }
            Next::Do(actions) if forge.is_remote() && !execute => {
                return Ok(Reached::Would(actions));
            }
            Next::Do(actions) => {
                writes += actions.len();
                Event::Did(perform(forge, order, actions))
            }
            Next::Wait(pause, why) => {
                if pause >= Duration::from_secs(2) {
                    eprintln!("  waiting {:.0} s {why}", pause.as_secs_f64());
                }
                interrupt::sleep(pause)?;
                Event::Waited
            }
            Next::Done { release, published } => {
                return Ok(Reached::Done { release, published, writes });
            }
            Next::Refuse(refusal) => {
                let text = refusal.reasons.join("\n  ");
                return Err(match refusal.kind {
                    RefusalKind::Gate => refused(text),
                    RefusalKind::Forge => anyhow!(text),
                });
            }
        };
        next = step(&order.goal, &mut journal, event);
    }
}

/// Does the actions, several at once. After a refusal no further one is begun.
fn perform(forge: &Forge, order: &Order, actions: Vec<Action>) -> Vec<(Action, Outcome)> {
    let count = actions.len();
    let queue = Mutex::new(VecDeque::from(actions));
    let results = Mutex::new(Vec::new());
    let stop = AtomicBool::new(false);
    let progress = Progress::new(count);
    thread::scope(|scope| {
        if progress.terminal {
            scope.spawn(|| progress.show());
        }
        for _ in 0..AT_ONCE.min(count) {
            scope.spawn(|| {
                loop {
                    let Some(action) = queue.lock().ok().and_then(|mut queue| queue.pop_front())
                    else {
                        return;
                    };
                    let outcome = if stop.load(Ordering::Relaxed) {
                        Outcome::Skipped
                    } else {
                        progress.start(&action);
                        forge.act(order, &action)
                    };
                    if matches!(outcome, Outcome::Denied(_) | Outcome::Throttled(_)) {
                        stop.store(true, Ordering::Relaxed);
                    }
                    progress.end(&action, || report(order, &action, &outcome));
                    if let Ok(mut results) = results.lock() {
                        results.push((action, outcome));
                    }
                }
            });
        }
    });
    results.into_inner().unwrap_or_default()
}

/// What is under way. On a terminal one line shows it until it is done; elsewhere there is one line for each
/// action when it ends.
struct Progress {
    terminal: bool,
    count: usize,
    /// Names and starts of what is under way, and how many have ended.
    state: Mutex<(Vec<(String, Instant)>, usize)>,
}

impl Progress {
    /// Between two looks of the terminal's line.
    const TICK: Duration = Duration::from_millis(250);
    /// Back to the start of the line, which is cleared (ECMA-48, CR and EL).
    const CLEAR: &str = "\r\x1b[K";

    fn new(count: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { terminal, count, state: Mutex::default() }
    }

    fn name(action: &Action) -> String {
        match action {
            Action::Upload { name, .. } | Action::DeleteAsset { name, .. } => name.clone(),
            Action::Create => "draft".to_owned(),
            Action::DropDraft { release, .. } | Action::Publish { release } => release.to_string(),
        }
    }

    fn start(&self, action: &Action) {
        if let Ok(mut state) = self.state.lock() {
            state.0.push((Self::name(action), Instant::now()));
        }
    }

    /// Ends it; `say` writes its line.
    fn end(&self, action: &Action, say: impl FnOnce()) {
        let Ok(mut state) = self.state.lock() else { return say() };
        let name = Self::name(action);
        state.0.retain(|(other, _)| *other != name);
        state.1 += 1;
        if self.terminal {
            eprint!("{}", Self::CLEAR);
        }
        say();
    }

    /// Shows the line until everything has ended.
    fn show(&self) {
        loop {
            let Ok(state) = self.state.lock() else { return };
            if state.1 == self.count {
                return;
            }
            let under_way: Vec<String> = state
                .0
                .iter()
                .map(|(name, since)| format!("{name} {} s", since.elapsed().as_secs()))
                .collect();
            let mut line = format!("  {} of {}: {}", state.1, self.count, under_way.join(", "));
            line.truncate(line.floor_char_boundary(79));
            eprint!("{}{line}", Self::CLEAR);
            drop(state);
            thread::sleep(Self::TICK);
        }
    }
}

/// One line per action.
fn report(order: &Order, action: &Action, outcome: &Outcome) {
    let what = describe(order, action);
    match outcome {
        Outcome::Done(_) => eprintln!("  {what}"),
        Outcome::Skipped => {}
        Outcome::Throttled(pause) => eprintln!("  {what}: asked to wait {} s", pause.as_secs()),
        Outcome::Taken => eprintln!("  {what}: the name is taken; looking again"),
        Outcome::Lost(why) | Outcome::Gone(why) => eprintln!("  {what}: {why}; looking again"),
        Outcome::Denied(why) => eprintln!("  {what}: {why}"),
    }
}

/// An action for people.
pub(crate) fn describe(order: &Order, action: &Action) -> String {
    match action {
        Action::Create => format!("make a draft for {}", order.goal.tag),
        Action::Upload { release, name } => {
            let size = order.goal.assets.get(name).map_or(0, |expected| expected.size);
            format!("upload {name} ({size} bytes) to draft {release}")
        }
        Action::DeleteAsset { release, asset, name } => {
            format!("delete asset {asset} ({name}) of draft {release}")
        }
        Action::DropDraft { release, .. } => format!("delete draft {release}"),
        Action::Publish { release } => format!("publish draft {release} as {}", order.goal.tag),
    }
}

/// What every forge refuses, before anything is written.
fn check_files(order: &Order) -> anyhow::Result<()> {
    let mut problems = Vec::new();
    for (name, expected) in &order.goal.assets {
        if expected.size == 0 {
            let path = order.files.get(name).map_or(Path::new(name), PathBuf::as_path);
            problems.push(format!(
                "`{}` is empty, and a release holds no empty asset: build it again",
                path.display()
            ));
        }
        if expected.size >= LARGEST {
            problems.push(format!(
                "{name} has {} bytes: an asset is smaller than 2 GiB",
                expected.size
            ));
        }
    }
    if order.goal.assets.len() > MOST {
        problems
            .push(format!("{} assets: a release holds at most {MOST}", order.goal.assets.len()));
    }
    if problems.is_empty() { Ok(()) } else { Err(usage(problems.join("\n  "))) }
}

/// Size and digest of a file.
pub(crate) fn expected(path: &Path) -> anyhow::Result<Expected> {
    let files::Digest { size, sha256 } = files::digest(path)?;
    let digest = Digest::parse(&sha256).ok_or_else(|| anyhow!("`{sha256}` is no sha256"))?;
    Ok(Expected { size, digest })
}
