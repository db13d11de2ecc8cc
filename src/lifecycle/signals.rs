//! From SIGTERM, SIGINT and SIGQUIT to the stopping state. The only file that names signal-hook.

use super::control::{Control, StopReason};
use crate::{observe::logging, spawn};
use nix::sys::signal::{SigSet, Signal};
use signal_hook::{
    consts::{SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
    low_level,
};
use std::{io, sync::Arc, time::Duration};

/// How long an exit at once may spend on the log's last words.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Signals that are hooked: one that comes waits for [`obey`](Hooked::obey).
pub(crate) struct Hooked(Signals);

/// Hooks the signals, and lets them through where whoever started this process had
/// blocked them: the mask is inherited, and a blocked SIGTERM is never seen.
///
/// # Errors
/// Where the handlers cannot be set up.
pub(crate) fn hook() -> io::Result<Hooked> {
    let signals = Signals::new([SIGTERM, SIGINT, SIGQUIT])?;
    // After the handlers are there, for a pending signal is delivered at once; and before there are other threads,
    // which inherit this one's mask, as does whatever they start.
    SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT]).thread_unblock()?;
    Ok(Hooked(signals))
}

impl Hooked {
    /// Starts the thread that does what they say.
    ///
    /// The first signal begins the drain, unless something else has; where nothing is bound yet, since the program still
    /// opens what it needs, it ends the process with 0. Then SIGTERM changes nothing, however often it
    /// comes, for container runtimes and supervisors repeat it. SIGINT and SIGQUIT end the process at once, from the
    /// signal thread, with 128 plus their number, whatever the other threads are doing.
    ///
    /// # Errors
    /// Where the thread cannot be had.
    pub(crate) fn obey(mut self, control: Arc<Control>) -> io::Result<()> {
        let wait = move || self.0.forever().for_each(|signal| obey(signal, &control));
        spawn::named("signals", wait).map(drop)
    }
}

fn obey(signal: i32, control: &Control) {
    let name = low_level::signal_name(signal).unwrap_or("signal");
    let begins_the_drain = control.stop(match signal {
        SIGINT => StopReason::Interrupt,
        _ => StopReason::Signal(name),
    });
    if control.end_opening() {
        log::info!(signal = name; "stopped before there was a service");
        logging::flush(LAST_WORDS);
        low_level::exit(0);
    }
    if begins_the_drain {
        return;
    }
    if signal != SIGTERM {
        log::warn!(signal = name; "exiting at once");
        logging::flush(LAST_WORDS);
        low_level::exit(128 + signal);
    }
    log::debug!(signal = name; "stopping already");
}
