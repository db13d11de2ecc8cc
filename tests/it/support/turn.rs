//! Which tests run next to others, and which alone.

use std::cell::Cell;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// So many tests at most run next to each other. The harness has more threads than these: on the others wait the tests
/// that are to be alone, which so come one after the other once all else has run. Were they to run in between, the
/// machine would have to run dry of other tests each time.
const TOGETHER: usize = 24;

struct Turns {
    together: usize,
    is_alone: bool,
}

static TURNS: Mutex<Turns> = Mutex::new(Turns {
    together: 0,
    is_alone: false,
});
static CHANGED: Condvar = Condvar::new();

#[derive(Clone, Copy)]
enum Kind {
    Together,
    Alone,
}

thread_local! {
    /// The turn of the test on this thread.
    static HELD: Cell<Option<Kind>> = const { Cell::new(None) };
}

/// The right to run, next to others or alone, until dropped.
pub(crate) struct Turn(());

impl Turn {
    pub(crate) fn together() -> Turn {
        take(Kind::Together);
        Turn(())
    }

    pub(crate) fn alone() -> Turn {
        take(Kind::Alone);
        Turn(())
    }

    /// From here on this test only waits: nobody needs to wait for it.
    pub(crate) fn give_up() {
        give_back();
    }

    /// Waits for so long at least, in which others have this test's turn.
    pub(crate) fn rest(time: Duration) {
        let held = give_back();
        thread::sleep(time);
        if let Some(kind) = held {
            take(kind);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        give_back();
    }
}

fn take(kind: Kind) {
    match kind {
        Kind::Together => {
            let mut turns = wait_while(|turns| turns.is_alone || turns.together >= TOGETHER);
            turns.together += 1;
        }
        Kind::Alone => {
            let mut turns = wait_while(|turns| turns.is_alone || turns.together > 0);
            turns.is_alone = true;
        }
    }
    HELD.set(Some(kind));
}

fn give_back() -> Option<Kind> {
    let held = HELD.take();
    match held {
        Some(Kind::Together) => lock().together -= 1,
        Some(Kind::Alone) => lock().is_alone = false,
        None => {}
    }
    CHANGED.notify_all();
    held
}

fn lock() -> MutexGuard<'static, Turns> {
    TURNS.lock().unwrap_or_else(|failed| failed.into_inner())
}

fn wait_while(so: fn(&mut Turns) -> bool) -> MutexGuard<'static, Turns> {
    let turns = CHANGED.wait_while(lock(), so);
    turns.unwrap_or_else(|failed| failed.into_inner())
}
