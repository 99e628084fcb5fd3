//! Accepts connections until it is asked to end, then waits for those under way.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::Settings;
use crate::{http, signals};

/// How often a signal, or the end of a request, is looked for.
const PAUSE: Duration = Duration::from_millis(20);

/// Serves until a signal; returns how many requests were cut off at the end.
///
/// # Errors
/// When the listener itself fails: not when a client does.
pub(crate) fn serve(listener: &TcpListener, settings: &Settings) -> io::Result<usize> {
    // No system wakes `accept` for a signal that was handled on another thread.
    listener.set_nonblocking(true)?;
    let open = Arc::new(AtomicUsize::new(0));
    while !signals::asked() {
        match listener.accept() {
            Ok((stream, _)) => start(stream, &open, settings.connections),
            Err(error) if transient(&error) => thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    let end = Instant::now() + settings.grace;
    while open.load(Ordering::Acquire) > 0 && Instant::now() < end {
        thread::sleep(PAUSE);
    }
    Ok(open.load(Ordering::Acquire))
}

/// Nothing to accept, or a client that went before it was accepted.
fn transient(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | Interrupted | ConnectionAborted | ConnectionReset)
}

/// Answers on a thread of its own. A client that misbehaves is not our failure.
fn start(stream: TcpStream, open: &Arc<AtomicUsize>, most: usize) {
    let slot = Slot::take(open);
    let busy = slot.number > most;
    if slot.number > 2 * most {
        // Not even a refusal is worth another thread: the connection is closed.
        return;
    }
    let work = move || {
        let _slot = slot;
        drop(http::answer(stream, busy));
    };
    if let Err(error) = thread::Builder::new().spawn(work) {
        eprintln!("sayna: a request was not answered: {error}");
    }
}

/// One request under way; counted until dropped.
struct Slot {
    open: Arc<AtomicUsize>,
    number: usize,
}

impl Slot {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        let number = open.fetch_add(1, Ordering::AcqRel) + 1;
        Self { open: Arc::clone(open), number }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }
}
