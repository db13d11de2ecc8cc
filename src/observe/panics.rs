//! Panics as values and as log records, never as lines on stderr.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::thread;
use std::time::Duration;

use super::logging;

#[cfg(test)]
mod tests;

/// How long a thread that ends in a panic waits for its record to be written: the process may be about to end.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

thread_local! {
    /// How many [`catch`]es this thread is inside of.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// Panics that the hook kept quiet about, for the [`catch`]es that will meet them.
    static SEEN: RefCell<Vec<Seen>> = const { RefCell::new(Vec::new()) };
    /// Whether there may be any. Every [`catch`] asks at its end, and this one is cheaper to ask than `SEEN`.
    static ANY_SEEN: Cell<bool> = const { Cell::new(false) };
}

/// What a caught panic said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Panicked {
    /// The panic's message.
    pub(crate) message: String,
    /// `file:line:column`; unknown without [`install_hook`], or where the panic was resumed.
    pub(crate) location: Option<String>,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.location {
            Some(location) => write!(f, " ({location})"),
            None => Ok(()),
        }
    }
}

/// A panic that the hook has seen and no [`catch`] has met yet.
struct Seen {
    /// The `DEPTH` it happened at.
    depth: usize,
    panicked: Panicked,
    reported: bool,
}

/// Runs `f`; a panic in it becomes an error.
///
/// The hook does not report that panic: the caller does, once, with what it knows, such as the route.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Panicked> {
    let inside = Inside::enter();
    // What a panic leaves half done is the caller's to judge, as it is with a thread that is joined.
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(|payload| inside.meet(payload))
}

/// From now on a panic outside [`catch`] is one error record instead of lines on stderr.
pub(crate) fn install_hook() {
    panic::set_hook(Box::new(on_panic));
}

/// Keeps a panic for the [`catch`] it happened in, or reports it where there is none.
fn on_panic(info: &PanicHookInfo<'_>) {
    let panicked = Panicked {
        message: message_of(info.payload()),
        location: info.location().map(ToString::to_string),
    };
    // A thread that is ending has lost its locals, and is inside of nothing.
    let depth = DEPTH.try_with(Cell::get).unwrap_or(0);
    if depth == 0 {
        return report(&panicked);
    }
    // Two panics and no `catch` in between: the second comes from a `Drop` during the first one's unwinding, which
    // ends the process. If it does not, having told both is no loss.
    let reported = match take_seen(depth) {
        Some(first) => {
            if !first.reported {
                report(&first.panicked);
            }
            report(&panicked);
            true
        }
        None => false,
    };
    let seen = Seen {
        depth,
        panicked,
        reported,
    };
    let _ = SEEN.try_with(|all| all.borrow_mut().push(seen));
    ANY_SEEN.set(true);
}

/// Logs a panic that nobody will catch, and sees to it that the record is written.
fn report(panicked: &Panicked) {
    let thread = thread::current();
    log::error!(
        panic = panicked.message.as_str(),
        location = panicked.location.as_deref(),
        thread = thread.name().unwrap_or("unnamed");
        "a thread panicked"
    );
    logging::flush(FLUSH_TIMEOUT);
}

/// What a payload says; `panic!` makes either of two types.
fn message_of(payload: &(dyn Any + Send)) -> String {
    let literal = payload.downcast_ref::<&str>().copied();
    let text = literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("(the panic's payload is not text)")
        .to_owned()
}

/// Takes what the hook has kept for the innermost [`catch`], the latest first.
fn take_seen(depth: usize) -> Option<Seen> {
    SEEN.try_with(|all| all.borrow_mut().pop_if(|seen| seen.depth >= depth))
        .ok()
        .flatten()
}

/// Being inside of one [`catch`], until dropped.
struct Inside {
    depth: usize,
}

impl Inside {
    fn enter() -> Self {
        let depth = DEPTH.get() + 1;
        DEPTH.set(depth);
        Self { depth }
    }

    /// Makes an error of what [`panic::catch_unwind`] caught.
    fn meet(&self, payload: Box<dyn Any + Send>) -> Panicked {
        let panicked = Panicked {
            message: message_of(&*payload),
            location: take_seen(self.depth).and_then(|seen| seen.panicked.location),
        };
        // A payload's `Drop` may panic as well, and that one's payload's too: the first is caught, the second leaked.
        if let Err(second) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(second);
        }
        panicked
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // Panics that `f` caught by itself, or that came of dropping a payload: nobody will ask for them.
        if ANY_SEEN.get() {
            while take_seen(self.depth).is_some() {}
            ANY_SEEN.set(self.depth > 1);
        }
        DEPTH.set(self.depth - 1);
    }
}
