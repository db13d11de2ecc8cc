//! Which tests run next to others, and which alone.

use std::cell::Cell;
use std::sync::{Condvar, Mutex, MutexGuard};

/// Once so many tests wait to be alone, they go one after the other, before anything else begins: the machine has to
/// run dry of other tests once for all of them, and no more of the harness's threads than these are idle meanwhile.
const BATCH: usize = 10;

struct Turns {
    together: usize,
    is_alone: bool,
    waiting: usize,
    /// Until none waits any more.
    is_batch: bool,
}

static TURNS: Mutex<Turns> = Mutex::new(Turns {
    together: 0,
    is_alone: false,
    waiting: 0,
    is_batch: false,
});
static CHANGED: Condvar = Condvar::new();

thread_local! {
    /// What gives back the turn of the test on this thread.
    static HELD: Cell<Option<fn(&mut Turns)>> = const { Cell::new(None) };
}

/// The right to run, next to others or alone, until dropped.
pub(crate) struct Turn(());

impl Turn {
    pub(crate) fn together() -> Turn {
        let mut turns = wait_while(lock(), |turns| turns.is_alone || turns.is_batch);
        turns.together += 1;
        HELD.set(Some(|turns| turns.together -= 1));
        Turn(())
    }

    pub(crate) fn alone() -> Turn {
        let mut turns = lock();
        turns.waiting += 1;
        turns.is_batch |= turns.waiting >= BATCH;
        let mut turns = wait_while(turns, |turns| turns.is_alone || turns.together > 0);
        turns.waiting -= 1;
        turns.is_batch &= turns.waiting > 0;
        turns.is_alone = true;
        HELD.set(Some(|turns| turns.is_alone = false));
        Turn(())
    }

    /// From here on this test only waits: nobody needs to wait for it.
    pub(crate) fn give_up() {
        if let Some(give_back) = HELD.take() {
            give_back(&mut lock());
            CHANGED.notify_all();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        Turn::give_up();
    }
}

fn lock() -> MutexGuard<'static, Turns> {
    TURNS.lock().unwrap_or_else(|failed| failed.into_inner())
}

fn wait_while(
    turns: MutexGuard<'static, Turns>,
    so: fn(&mut Turns) -> bool,
) -> MutexGuard<'static, Turns> {
    let turns = CHANGED.wait_while(turns, so);
    turns.unwrap_or_else(|failed| failed.into_inner())
}
