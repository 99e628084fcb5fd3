//! The parent: starts children by the schedule, looks after them, and judges how they ended.

use crate::child::Task;
use crate::look::{self, Look, Seen};
use crate::record::State;
use crate::report::{Failure, Kind, Phase, Verdict};
use crate::schedule::{Due, Limits, Millis, Schedule};
use crate::sys::{Child, Ending, Parent, Sandbox, now};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How often running children are looked after.
const WATCH: Millis = 25;
/// How long a process that was killed is waited for before it is judged. Freeing gigabytes takes the
/// kernel seconds; the process runs no more code, and holds nothing of the caller's.
const GONE: Millis = 100;
/// How long all that was left behind is waited for once there is an answer.
const SWEEP: Millis = 200;

/// How to test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings<'a> {
    /// Time and number.
    pub limits: Limits,
    /// How much of the sandbox.
    pub sandbox: Sandbox,
    /// The directory that libraries must lie in.
    pub root: Option<&'a [u8]>,
    /// Whether to say on standard error what was applied.
    pub verbose: bool,
}

/// A child at work.
struct Running {
    index: usize,
    child: Child,
    /// Why and when it was killed, if it was.
    killed: Option<(Kind, Millis)>,
    /// When it is looked after next.
    watch: Millis,
    /// The look at what seems to hang, and then what was found.
    look: Option<Look>,
    found: Option<Failure>,
}

impl Running {
    /// The processes behind it.
    fn children(&self) -> impl Iterator<Item = &Child> {
        core::iter::once(&self.child).chain(self.look.iter().map(|look| &look.child))
    }

    fn children_mut(&mut self) -> impl Iterator<Item = &mut Child> {
        core::iter::once(&mut self.child).chain(self.look.iter_mut().map(|look| &mut look.child))
    }

    fn look_on(&mut self) {
        if let Some(Seen::Done(found)) = self.look.as_mut().map(Look::see) {
            self.look = None;
            self.found = found;
        }
    }
}

/// A library that crashed, while a second look is taken at it.
struct Crashed {
    index: usize,
    verdict: Verdict,
    look: Look,
}

/// The end of a run.
pub struct Tested {
    /// One for each library, in the order of the paths.
    pub verdicts: Vec<Verdict>,
    /// What the answer need not wait for.
    pub leftovers: Leftovers,
}

/// Processes that were killed and are not gone yet. Nothing is waited for before [`Leftovers::sweep`].
pub struct Leftovers {
    parent: Parent,
    swept: bool,
}

impl Leftovers {
    /// From now on a signal that asks to stop ends this process at once, also while it waits for the
    /// caller to read.
    pub fn heed_signals(&self) {
        self.parent.heed_signals();
    }

    /// Waits for them, not for ever. The caller has its answer by then, and waits for this program.
    pub fn sweep(self) {
        if !self.swept {
            sweep_all(&self.parent, now() + SWEEP);
        }
    }
}

/// Tests the libraries at `paths`. `ended` is called for each as it ends, with its index, and now and
/// then with nothing. `started` is when the program was, from which the deadline counts. The error is a
/// line for people: there is no answer then.
pub fn run(
    paths: &[&[u8]],
    settings: &Settings<'_>,
    started: Millis,
    mut ended: impl FnMut(Option<(usize, &Verdict)>),
) -> Result<Tested, String> {
    let parent = Parent::prepare(settings.sandbox)?;
    if settings.verbose {
        crate::sys::write_stderr(&format!("tsuku-dltest: sandbox: {}\n", parent.sandbox()));
    }
    let clock = || now().saturating_sub(started);
    let deadline = started.saturating_add(settings.limits.deadline);
    let path = |index: usize| paths.get(index).copied().unwrap_or_default();
    let mut schedule = Schedule::new(settings.limits, paths.len());
    let mut verdicts: Vec<Option<Verdict>> = Vec::new();
    verdicts.resize(paths.len(), None);
    let mut running: Vec<Running> = Vec::new();
    let mut crashed: Vec<Crashed> = Vec::new();
    let mut finish = |end: Option<(usize, Verdict)>| {
        ended(end.as_ref().map(|(index, verdict)| (*index, verdict)));
        let Some((index, verdict)) = end else { return };
        if let Some(slot) = verdicts.get_mut(index) {
            *slot = Some(verdict);
        }
    };
    while !(schedule.is_done() && crashed.is_empty()) {
        finish(None);
        let mut trouble = None;
        while let Some(index) = schedule.start(clock()) {
            match parent.start(Task::Test { path: path(index), root: settings.root }) {
                Ok(child) => running.push(Running {
                    index,
                    child,
                    killed: None,
                    watch: clock() + WATCH,
                    look: None,
                    found: None,
                }),
                // Perhaps one of those that run has taken all processes that there may be.
                Err(error) => {
                    schedule.postpone(index);
                    trouble = Some(error);
                    break;
                }
            }
        }
        // What is overdue waits for those that were killed: not at the price of their processor.
        let time = clock();
        let until = schedule.next().clamp(time + 1, time + WATCH).saturating_add(started);
        let looks = crashed.iter_mut().map(|it| &mut it.look.child);
        let children = running.iter_mut().flat_map(Running::children_mut).chain(looks);
        if let Some(signal) = parent.wait(children, until) {
            running.iter().flat_map(Running::children).for_each(Child::kill);
            sweep_all(&parent, now() + SWEEP);
            parent.die_of(signal);
        }
        let overdue = limit(&parent, &mut schedule, &mut running, clock(), trouble.is_some());
        let mut at = 0;
        while let Some(it) = running.get_mut(at) {
            it.look_on();
            let Some(ending) = it.child.ended().or_else(|| given_up(it, now(), deadline)) else {
                at += 1;
                continue;
            };
            let it = running.swap_remove(at);
            if let Some(look) = &it.look {
                look.child.kill();
            }
            let ms = schedule.end(it.index, clock());
            if now() < deadline {
                let looks = crashed.iter().map(|it| &it.look.child);
                parent.sweep(running.iter().flat_map(Running::children).chain(looks));
            }
            let (index, verdict) = (it.index, judge(&it, ending, ms));
            let look = look::is_worth_while(&verdict)
                .then(|| Look::start(&parent, path(index), true, deadline))
                .flatten();
            match look {
                Some(look) => crashed.push(Crashed { index, verdict, look }),
                None => finish(Some((index, verdict))),
            }
        }
        let mut at = 0;
        while let Some(it) = crashed.get_mut(at) {
            let Seen::Done(found) = it.look.see() else {
                at += 1;
                continue;
            };
            let mut it = crashed.swap_remove(at);
            if let Some(found) = found {
                look::explain(&mut it.verdict, found);
            }
            finish(Some((it.index, it.verdict)));
        }
        for index in overdue {
            if let Some(it) = running.iter_mut().find(|it| it.index == index) {
                it.look = Look::start(&parent, path(index), false, deadline);
            }
        }
        for index in schedule.give_up(clock()) {
            let why = match trouble {
                None => String::from("not tested: the time for all libraries was used up"),
                Some(error) => format!("not tested: cannot start a process: {error}"),
            };
            finish(Some((index, Verdict::not_tested(why))));
        }
    }
    // Those that end early can wait until the last of many processes is gone.
    let swept = sweep_all(&parent, deadline);
    let verdicts = verdicts.into_iter();
    Ok(Tested {
        verdicts: verdicts
            .map(|verdict| verdict.unwrap_or_else(|| Verdict::not_tested("not tested")))
            .collect(),
        leftovers: Leftovers { parent, swept },
    })
}

/// Applies what is due: limits of time, of memory, of processes. The latter are tighter when no more
/// could be started. Returns those that gave up their slots.
fn limit(
    parent: &Parent,
    schedule: &mut Schedule,
    running: &mut [Running],
    time: Millis,
    starved: bool,
) -> Vec<usize> {
    let mut slow = Vec::new();
    for due in schedule.due(time) {
        let (Due::Slot(index) | Due::Timeout(index)) = due;
        let Some(it) = running.iter_mut().find(|it| it.index == index) else { continue };
        if matches!(due, Due::Timeout(_)) || it.child.is_stopped() {
            kill(it, Kind::Timeout);
        } else {
            it.child.yield_processor();
            slow.push(index);
        }
    }
    let mut crowd = None;
    for it in running.iter_mut().filter(|it| it.killed.is_none() && time >= it.watch) {
        it.watch = time + WATCH;
        let crowd = crowd.get_or_insert_with(|| parent.crowd(starved));
        if let Some(kind) = parent.watch(&mut it.child, starved, crowd.as_ref()) {
            kill(it, kind);
        }
    }
    slow
}

/// How a child that was killed and is still not gone will end. From the deadline on none is waited for.
fn given_up(it: &Running, now: Millis, deadline: Millis) -> Option<Ending> {
    let (_, since) = it.killed?;
    (now > since + GONE || now >= deadline).then_some(Ending::Signaled(libc::SIGKILL))
}

fn kill(it: &mut Running, why: Kind) {
    it.killed = it.killed.or_else(|| Some((why, now())));
    it.child.kill();
}

/// Leaves nothing behind, if that can be done until then; returns whether it was.
fn sweep_all(parent: &Parent, until: Millis) -> bool {
    while now() < until {
        if !parent.sweep(core::iter::empty()) {
            return true;
        }
        parent.wait(core::iter::empty(), now() + 1);
    }
    false
}

/// The verdict on a child that ended after `ms` milliseconds.
fn judge(it: &Running, ending: Ending, ms: Millis) -> Verdict {
    let record = it.child.record();
    // What ended otherwise before the signal came did so by itself.
    let killed = it.killed.filter(|_| ending == Ending::Signaled(libc::SIGKILL));
    let killed = killed.map(|(kind, _)| kind);
    let failure = match (record.state(), ending, killed) {
        (State::Unloaded, Ending::Exited(0), _) | (State::Unloaded, _, Some(_)) => None,
        (State::Failed, ..) => Some(record.failure()),
        (state, ending, killed) => Some(failure(state, ending, killed, ms)),
    };
    let output = it.child.tail();
    let failure = failure.map(|failure| match (failure.kind, last_line(output)) {
        (Kind::Crashed | Kind::Exited | Kind::UnloadCrashed | Kind::NotTested, Some(line)) => {
            let error = [failure.error.as_slice(), b": ", line].concat();
            Failure { error, ..failure }
        }
        _ => failure,
    });
    let failure = failure.map(|failure| loader_gave_up(failure, output));
    let mut verdict = Verdict { failure, ms: Some(ms), output: output.to_vec() };
    if let Some(found) = it.found.clone() {
        look::explain(&mut verdict, found);
    }
    verdict
}

/// glibc's loader ends the process when it finds a library contradicting itself (elf/dl-minimal.c), or
/// asking for more thread-local storage than there is memory (elf/dl-tls.c).
fn loader_gave_up(failure: Failure, output: &[u8]) -> Failure {
    const REASONS: &[(&str, Kind)] = &[
        ("Inconsistency detected by ld.so", Kind::Corrupt),
        ("cannot allocate memory for thread-local data", Kind::OutOfMemory),
    ];
    let reason = REASONS.iter().find(|(words, _)| crate::cause::find(output, words).is_some());
    match (failure.kind, failure.exit_code, reason) {
        (Kind::Exited, Some(127), Some((_, kind))) => Failure { kind: *kind, ..failure },
        _ => failure,
    }
}

/// What to say of a child that did not come to its own end.
fn failure(state: State, ending: Ending, killed: Option<Kind>, ms: Millis) -> Failure {
    let (phase, doing) = match state {
        State::Ours | State::Failed => (Phase::Check, "checking"),
        State::Loading => (Phase::Load, "loading"),
        State::Loaded | State::Unloading | State::Unloaded => {
            (Phase::Destructor, "unloading (it had loaded)")
        }
    };
    if let Some(kind) = killed {
        let what = match kind {
            Kind::OutOfMemory => "took more than 1 GiB of memory".into(),
            Kind::ForkBomb => "started too many processes or threads".into(),
            _ => format!("did not finish within {}.{:03} s", ms / 1000, ms % 1000),
        };
        return Failure::new(kind, phase, format!("{what} while {doing}").into_bytes());
    }
    match ending {
        _ if state == State::Ours => Failure::new(
            Kind::NotTested,
            Phase::Check,
            "not tested: tsuku-dltest itself failed before loading",
        ),
        Ending::Exited(status) => {
            let error = format!("ended the process with status {status} while {doing}");
            Failure {
                exit_code: Some(status),
                ..Failure::new(Kind::Exited, phase, error.into_bytes())
            }
        }
        Ending::Signaled(signal) => {
            let kind = match phase {
                Phase::Destructor => Kind::UnloadCrashed,
                _ => Kind::Crashed,
            };
            let error = format!("crashed with {} while {doing}", signal_name(signal));
            Failure { signal: Some(signal), ..Failure::new(kind, phase, error.into_bytes()) }
        }
    }
}

/// The last line of what a library wrote, which often says why it gave up.
fn last_line(output: &[u8]) -> Option<&[u8]> {
    output.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).rfind(|line| !line.is_empty())
}

/// The name of a signal, by signal(7).
fn signal_name(signal: i32) -> String {
    const NAMES: &[(i32, &str)] = &[
        (libc::SIGHUP, "SIGHUP"),
        (libc::SIGINT, "SIGINT"),
        (libc::SIGQUIT, "SIGQUIT"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGTRAP, "SIGTRAP"),
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGFPE, "SIGFPE"),
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGUSR1, "SIGUSR1"),
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGUSR2, "SIGUSR2"),
        (libc::SIGPIPE, "SIGPIPE"),
        (libc::SIGALRM, "SIGALRM"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGXCPU, "SIGXCPU"),
        (libc::SIGXFSZ, "SIGXFSZ"),
        (libc::SIGVTALRM, "SIGVTALRM"),
        (libc::SIGPROF, "SIGPROF"),
        (libc::SIGSYS, "SIGSYS"),
    ];
    match NAMES.iter().find(|(number, _)| *number == signal) {
        Some((_, name)) => String::from(*name),
        None => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_verdict() {
        use Ending::{Exited, Signaled};
        for (state, ending, killed, kind, phase) in [
            (State::Ours, Signaled(6), None, Kind::NotTested, Phase::Check),
            (State::Ours, Signaled(9), Some(Kind::Timeout), Kind::Timeout, Phase::Check),
            (State::Loading, Exited(0), None, Kind::Exited, Phase::Load),
            (State::Loading, Signaled(11), None, Kind::Crashed, Phase::Load),
            (State::Loading, Signaled(9), Some(Kind::Timeout), Kind::Timeout, Phase::Load),
            (State::Unloading, Signaled(11), None, Kind::UnloadCrashed, Phase::Destructor),
            (State::Unloading, Exited(3), None, Kind::Exited, Phase::Destructor),
            (State::Unloaded, Signaled(11), None, Kind::UnloadCrashed, Phase::Destructor),
            (State::Loading, Signaled(9), Some(Kind::ForkBomb), Kind::ForkBomb, Phase::Load),
        ] {
            let failure = failure(state, ending, killed, 1);
            assert_eq!((failure.kind, failure.phase), (kind, phase), "{state:?} {ending:?}");
        }
    }

    #[test]
    fn the_reason_is_the_last_line_that_says_something() {
        assert_eq!(last_line(b"a\n  why \n\n"), Some(b"why".as_slice()));
        assert_eq!(last_line(b"\n"), None);
    }
}
