//! Ctrl-C, SIGTERM and readers that go: what runs is ended, what was begun is removed on the way out, and
//! we end by the same signal. A second one ends us on the spot.

use std::time::Duration;

use anyhow::bail;

/// How often whoever waits looks for the signal.
const LOOK: Duration = Duration::from_millis(20);

/// From here on signals are heard.
pub(crate) fn listen() {
    // Without handlers a signal ends us as before, only less tidily.
    if let Err(error) = system::listen() {
        eprintln!("warning: Ctrl-C will leave temporary folders behind: {error}");
    }
}

/// Whether we were asked to end.
pub(crate) fn asked() -> bool {
    system::signal().is_some()
}

/// An error, if we were asked to end.
pub(crate) fn check() -> anyhow::Result<()> {
    if asked() {
        bail!("interrupted");
    }
    Ok(())
}

/// Waits; an error as soon as we are asked to end.
pub(crate) fn sleep(time: Duration) -> anyhow::Result<()> {
    let mut left = time;
    while !left.is_zero() {
        check()?;
        let part = left.min(LOOK);
        std::thread::sleep(part);
        left -= part;
    }
    check()
}

/// Nobody reads any more what we print: heard as the signal that it would be, had Rust not switched it off.
pub(crate) fn unread() {
    system::unread();
}

/// Ends us by the signal that was heard, if one was: a shell must see that, not an exit code.
pub(crate) fn end() {
    system::end();
}

#[cfg(unix)]
mod system {
    use std::io;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Arc, OnceLock};

    use signal_hook::consts::{SIGINT, SIGPIPE, SIGTERM};
    use signal_hook::{flag, low_level};

    /// The signal's number; 0 before it.
    static HEARD: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

    pub(super) fn listen() -> io::Result<()> {
        let heard = Arc::clone(HEARD.get_or_init(Arc::default));
        let again = Arc::new(AtomicBool::new(false));
        for (signal, number) in [(SIGINT, SIGINT as usize), (SIGTERM, SIGTERM as usize)] {
            // In this order: the first signal must not find its own flag.
            flag::register_conditional_default(signal, Arc::clone(&again))?;
            flag::register(signal, Arc::clone(&again))?;
            flag::register_usize(signal, Arc::clone(&heard), number)?;
        }
        Ok(())
    }

    pub(super) fn signal() -> Option<i32> {
        let number = HEARD.get().map_or(0, |heard| heard.load(Ordering::Relaxed));
        i32::try_from(number).ok().filter(|number| *number != 0)
    }

    pub(super) fn unread() {
        HEARD.get_or_init(Arc::default).store(SIGPIPE as usize, Ordering::Relaxed);
    }

    pub(super) fn end() {
        if let Some(signal) = signal()
            && let Err(error) = low_level::emulate_default_handler(signal)
        {
            eprintln!("error: cannot end by signal {signal}: {error}");
        }
    }
}

/// Windows ends a console's programs all at once.
#[cfg(not(unix))]
mod system {
    pub(super) fn listen() -> std::io::Result<()> {
        Ok(())
    }

    pub(super) fn signal() -> Option<i32> {
        None
    }

    pub(super) fn unread() {}

    pub(super) fn end() {}
}
