//! Lines on their way from the threads that log to the one that writes.
//!
//! A bounded buffer of bytes rather than a channel of strings: it is memory that needs the bound, a line costs no
//! allocation, and what has gathered while one write was under way goes out in the next.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// Bytes that may wait; as many again may be in the write under way.
pub(super) const CAPACITY: usize = 512 * 1024;

/// How much longer than for a stdout that takes nothing a flush waits for a writer that has not begun.
const STARVED: u32 = 4;

/// See the module.
#[derive(Default)]
pub(super) struct Pipe {
    waiting: Mutex<Waiting>,
    /// Signalled when a line has arrived, and only where `writer_sleeps`.
    arrived: Condvar,
    /// Signalled when a write begins and when `settled` has grown, and only where someone is `flushing`.
    settled: Condvar,
}

/// What the threads share.
#[derive(Default)]
struct Waiting {
    /// Whole lines, each with the one newline that ends it.
    lines: Vec<u8>,
    /// Lines taken in so far, those already written included.
    accepted: u64,
    /// How many of `accepted` nobody needs to wait for any more: written, or lost in a failed write.
    settled: u64,
    /// Lines lost so far, for want of room or in a failed write.
    dropped: u64,
    /// How many of `dropped` the log itself has told of.
    reported: u64,
    writer_sleeps: bool,
    /// A write is under way.
    is_writing: bool,
    flushing: usize,
    /// The one thread whose lines are still taken in, at the end.
    last: Option<ThreadId>,
}

/// What goes out in one write.
#[derive(Default)]
pub(super) struct Batch {
    /// Whole lines; the last is the notice, if there is one.
    pub(super) lines: Vec<u8>,
    /// `accepted` when it was taken.
    upto: u64,
    /// How many lines the notice says are missing; 0 where there is none.
    missing: u64,
}

/// Makes the line which says that so many are missing.
pub(super) type Notice<'n> = &'n dyn Fn(u64) -> Vec<u8>;

impl Pipe {
    /// Queues a line, or counts it as dropped where there is no room. Never waits for the writer.
    pub(super) fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting
            .last
            .is_some_and(|last| last != thread::current().id())
        {
            return;
        }
        if waiting.lines.len() + line.len() > CAPACITY {
            waiting.dropped += 1;
            return;
        }
        waiting.lines.extend_from_slice(line);
        waiting.accepted += 1;
        // Waking is a system call: not for a writer that is awake.
        if mem::take(&mut waiting.writer_sleeps) {
            drop(waiting);
            self.arrived.notify_one();
        }
    }

    /// From now on, takes in nothing but what the calling thread has to say.
    pub(super) fn close_to_others(&self) {
        self.lock().last = Some(thread::current().id());
    }

    /// Counts a line that was never made.
    pub(super) fn count_dropped(&self) {
        self.lock().dropped += 1;
    }

    /// How many lines were lost so far.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Waits until all that was accepted so far is settled, for `timeout` at most; false where it is not. A writer that
    /// has had no processor to begin is waited for [`STARVED`] times as long: nothing says that stdout takes nothing.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let mut waiting = self.lock();
        let target = waiting.accepted;
        let is_due = |waiting: &mut Waiting| waiting.settled < target;
        waiting.flushing += 1;
        let waiting = self.wait_while(waiting, STARVED * timeout, |waiting| {
            !waiting.is_writing && is_due(waiting)
        });
        let mut waiting = self.wait_while(waiting, timeout, is_due);
        waiting.flushing -= 1;
        !is_due(&mut waiting)
    }

    fn wait_while<'w>(
        &self,
        waiting: MutexGuard<'w, Waiting>,
        timeout: Duration,
        condition: impl FnMut(&mut Waiting) -> bool,
    ) -> MutexGuard<'w, Waiting> {
        let waited = self.settled.wait_timeout_while(waiting, timeout, condition);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits for a line, then takes all there are into the empty `batch`. Where lines were dropped since the last
    /// notice, a new one goes behind them: that is where they are missing, for the buffer was full then.
    pub(super) fn wait_and_take(&self, batch: &mut Batch, notice: Notice<'_>) {
        let mut waiting = self.lock();
        while waiting.lines.is_empty() {
            waiting.writer_sleeps = true;
            waiting = self
                .arrived
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        waiting.move_into(batch);
        waiting.is_writing = true;
        self.tell_who_flushes(&waiting);
        drop(waiting);
        if batch.missing > 0 {
            batch.lines.append(&mut notice(batch.missing));
        }
    }

    /// As [`Pipe::wait_and_take`], with nothing to take where there is no line; false then.
    pub(super) fn take(&self, batch: &mut Batch, notice: Notice<'_>) -> bool {
        let there_are_some = !self.lock().lines.is_empty();
        if there_are_some {
            self.wait_and_take(batch, notice);
        }
        there_are_some
    }

    /// Says that `batch` went out but for its last `lost` lines, and wakes who waited for it.
    pub(super) fn settle(&self, batch: &Batch, lost: u64) {
        let mut waiting = self.lock();
        waiting.settled = batch.upto;
        waiting.is_writing = false;
        if lost > 0 {
            // The notice was the last line, so it is among the lost: not one to count, and its news is still to tell.
            let notices = u64::from(batch.missing > 0);
            waiting.dropped += lost - notices;
            waiting.reported -= batch.missing;
        }
        self.tell_who_flushes(&waiting);
    }

    fn tell_who_flushes(&self, waiting: &Waiting) {
        if waiting.flushing > 0 {
            self.settled.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn move_into(&mut self, batch: &mut Batch) {
        mem::swap(&mut self.lines, &mut batch.lines);
        batch.upto = self.accepted;
        batch.missing = self.dropped - self.reported;
        self.reported = self.dropped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_record_waits_longer_for_a_writer_without_a_processor_than_for_a_full_stdout() {
        const TIMEOUT: Duration = Duration::from_millis(400);
        let (pipe, mut batch) = (Pipe::default(), Batch::default());
        pipe.push(b"drained\n");
        thread::scope(|scope| {
            let flush = scope.spawn(|| pipe.flush(TIMEOUT));
            thread::sleep(TIMEOUT * 3 / 2);
            assert!(pipe.take(&mut batch, &|_| Vec::new()));
            pipe.settle(&batch, 0);
            assert!(flush.join().unwrap());
        });
        pipe.push(b"blocked\n");
        batch.lines.clear();
        assert!(pipe.take(&mut batch, &|_| Vec::new()));
        assert!(!pipe.flush(TIMEOUT / 8), "it is being written");
    }
}
