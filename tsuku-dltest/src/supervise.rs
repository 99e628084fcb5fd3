//! The parent: starts children by the schedule, looks after them, and judges how they ended.

use crate::child::Task;
use crate::record::State;
use crate::report::{Failure, Kind, Phase, Verdict};
use crate::schedule::{Due, Limits, Millis, Schedule};
use crate::sys::{Child, Ending, Parent, Sandbox, now};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How often running children are looked after.
const WATCH: Millis = 25;
/// How long a process that was killed is waited for. Freeing gigabytes takes the kernel seconds; the
/// process runs no more code, and holds nothing of the caller's.
const SWEEP: Millis = 300;
/// How long after the deadline a second look is still taken at what failed: many that hang end at once
/// then, and on a busy system each look takes its time, which the caller does not have.
const LOOK: Millis = 100;

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
    started: Millis,
}

/// Tests the libraries at `paths`. `ended` is called for each as it ends, with its index. `started`
/// is when the program was, from which the deadline counts. The error is a line for people: there is
/// no answer then.
pub fn run(
    paths: &[&[u8]],
    settings: &Settings<'_>,
    started: Millis,
    mut ended: impl FnMut(usize, &Verdict),
) -> Result<Vec<Verdict>, String> {
    let parent = Parent::prepare(settings.sandbox)?;
    if settings.verbose {
        crate::sys::write_stderr(&format!("tsuku-dltest: sandbox: {}\n", parent.sandbox()));
    }
    let clock = || now().saturating_sub(started);
    let mut schedule = Schedule::new(settings.limits, paths.len());
    let mut verdicts: Vec<Option<Verdict>> = Vec::new();
    verdicts.resize(paths.len(), None);
    let mut running: Vec<Running> = Vec::new();
    let mut finish = |index: usize, verdict: Verdict| {
        ended(index, &verdict);
        if let Some(slot) = verdicts.get_mut(index) {
            *slot = Some(verdict);
        }
    };
    while !schedule.is_done() {
        let mut trouble = None;
        while let Some(index) = schedule.start(clock()) {
            let path = paths.get(index).copied().unwrap_or_default();
            match parent.start(Task::Test { path, root: settings.root }) {
                Ok(child) => {
                    running.push(Running { index, child, killed: None, started: clock() });
                }
                // Perhaps one of those that run has taken all processes that there may be.
                Err(error) => {
                    schedule.postpone(index);
                    trouble = Some(error);
                    break;
                }
            }
        }
        let until = schedule.next().min(clock().saturating_add(WATCH)).saturating_add(started);
        if let Some(signal) = parent.wait(running.iter_mut().map(|it| &mut it.child), until) {
            kill_all(&parent, running);
            parent.die_of(signal);
        }
        let mut index = 0;
        while let Some(it) = running.get_mut(index) {
            let Some(ending) = it.child.ended().or_else(|| given_up(it, clock())) else {
                index += 1;
                continue;
            };
            let it = running.swap_remove(index);
            let ms = schedule.end(it.index, clock());
            parent.sweep(running.iter().map(|it| &it.child));
            let mut verdict = judge(&it, ending, ms);
            let path = paths.get(it.index).copied().unwrap_or_default();
            if clock() < settings.limits.deadline.saturating_add(LOOK) {
                look_again(&parent, path, &mut verdict);
            }
            finish(it.index, verdict);
        }
        limit(&parent, &mut schedule, &mut running, clock(), trouble.is_some());
        for index in schedule.give_up(clock()) {
            let why = match trouble {
                None => String::from("not tested: the time for all libraries was used up"),
                Some(error) => format!("not tested: cannot start a process: {error}"),
            };
            finish(index, Verdict::not_tested(why));
        }
    }
    // Those that end early can wait until the last of many processes is gone.
    sweep_all(&parent, started.saturating_add(settings.limits.deadline));
    Ok(verdicts
        .into_iter()
        .map(|verdict| verdict.unwrap_or_else(|| Verdict::not_tested("not tested")))
        .collect())
}

/// Applies what is due: limits of time, of memory, of processes. The latter are tighter when no more
/// could be started.
fn limit(
    parent: &Parent,
    schedule: &mut Schedule,
    running: &mut [Running],
    time: Millis,
    starved: bool,
) {
    for due in schedule.due(time) {
        let (Due::Slot(index) | Due::Timeout(index)) = due;
        let Some(it) = running.iter_mut().find(|it| it.index == index) else { continue };
        if matches!(due, Due::Timeout(_)) || it.child.is_stopped() {
            kill(it, Kind::Timeout, time);
        } else {
            it.child.yield_processor();
        }
    }
    for it in running {
        if time >= it.started + WATCH
            && let Some(kind) = parent.watch(&mut it.child, starved)
        {
            kill(it, kind, time);
        }
    }
}

/// How a child that was killed and is still not gone will end.
fn given_up(it: &Running, time: Millis) -> Option<Ending> {
    let (_, since) = it.killed?;
    (time > since + SWEEP).then_some(Ending::Signaled(libc::SIGKILL))
}

fn kill(it: &mut Running, why: Kind, time: Millis) {
    it.killed = it.killed.or(Some((why, time)));
    it.child.kill();
}

/// Leaves nothing behind.
fn kill_all(parent: &Parent, running: Vec<Running>) {
    for mut it in running {
        it.child.kill();
        let end = now() + SWEEP;
        while it.child.ended().is_none() && now() < end {
            parent.wait(core::iter::once(&mut it.child), now() + 1);
        }
    }
    sweep_all(parent, 0);
}

fn sweep_all(parent: &Parent, until: Millis) {
    let end = until.max(now()) + SWEEP;
    while parent.sweep(core::iter::empty()) && now() < end {
        parent.wait(core::iter::empty(), now() + 1);
    }
}

/// The verdict on a child that ended after `ms` milliseconds.
fn judge(it: &Running, ending: Ending, ms: Millis) -> Verdict {
    let record = it.child.record();
    let killed = it.killed.map(|(kind, _)| kind);
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
    Verdict { failure, ms: Some(ms), output: output.to_vec() }
}

/// glibc's loader ends the process when it finds a library contradicting itself (elf/dl-minimal.c).
fn loader_gave_up(failure: Failure, output: &[u8]) -> Failure {
    let says = crate::cause::find(output, "Inconsistency detected by ld.so").is_some();
    match (failure.kind, failure.exit_code) {
        (Kind::Exited, Some(127)) if says => Failure { kind: Kind::Corrupt, ..failure },
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

/// Adds to the verdict on a crash or a hang what a second look can tell: a file that explains it, or
/// where it happened.
fn look_again(parent: &Parent, path: &[u8], verdict: &mut Verdict) {
    let Some(failure) = &mut verdict.failure else { return };
    let again = failure.kind == Kind::Crashed;
    if !again && (failure.kind, failure.phase) != (Kind::Timeout, Phase::Load) {
        return;
    }
    let Ok(mut child) = parent.start(Task::Examine { path, again }) else { return };
    let end = now() + SWEEP;
    while child.ended().is_none() {
        if now() >= end {
            child.kill();
        }
        parent.wait(core::iter::once(&mut child), end);
    }
    if child.record().state() == State::Failed {
        let found = child.record().failure();
        if found.kind == Kind::Crashed {
            failure.phase = found.phase;
            return;
        }
        failure.kind = found.kind;
        failure.error.extend_from_slice(b"; a library it needs is at fault: ");
        failure.error.extend_from_slice(&found.error);
        failure.needed_by = found.needed_by;
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
