//! From SIGTERM and SIGINT to the stopping state. The only file that names signal-hook.

use super::control::Control;
use crate::observe::logging;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
    low_level,
};
use std::{io, sync::Arc, thread, time::Duration};

/// How long a second signal may spend on the log's last words.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Hooks both signals and starts the thread that waits for them.
///
/// The first signal sets the stopping state and wakes the main thread. The second ends the process at once, from the
/// signal thread, with 128 plus its number, whatever the other threads are doing.
///
/// # Errors
/// Where the handlers or the thread cannot be set up.
pub(crate) fn hook(control: Arc<Control>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let wait = move || {
        for signal in signals.forever() {
            if control.state().is_stopping() {
                log::warn!(signal = name(signal); "second signal: exiting at once");
                logging::flush(LAST_WORDS);
                low_level::exit(128 + signal);
            }
            control.stop(name(signal));
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .map(drop)
}

fn name(signal: i32) -> &'static str {
    low_level::signal_name(signal).unwrap_or("signal")
}
