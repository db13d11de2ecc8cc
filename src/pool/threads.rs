//! The pool's threads: how they begin, how many there are, how they end.
//!
//! Most pods never run as many handlers at once as they may, and each thread takes memory and, at the start, time before
//! the first answer. So threads begin when work waits for them.

use super::{
    Pool, TOO_MANY,
    queue::nanos,
    roster::{Member, Members},
};
use crate::spawn;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::{
    io,
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// The threads, for the main thread to join.
pub(crate) struct WorkerThreads {
    pool: Arc<Pool>,
    /// Disconnected once every thread has let go of its end.
    ended: Receiver<()>,
}

/// Where the system has given no thread, it is not asked again for so long.
const REFUSED_FOR: Duration = Duration::from_secs(1);

impl WorkerThreads {
    /// Starts the threads that answer probes: one for each reactor.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(crate) fn start(pool: &Arc<Pool>) -> io::Result<WorkerThreads> {
        let (running, ended) = crossbeam_channel::bounded(0);
        let mut members = pool.roster.lock();
        let drivers = pool.lanes.len();
        members.wanted = pool.slots() + drivers;
        for number in 0..drivers {
            let member = begin(pool, number, running.clone())?;
            members.threads.push(member);
        }
        members.running = Some(running);
        pool.open_slots_for(&members);
        drop(members);
        Ok(WorkerThreads {
            pool: Arc::clone(pool),
            ended,
        })
    }

    /// Starts another, without which no handler runs.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(crate) fn start_another(&self) -> io::Result<()> {
        let mut members = self.pool.roster.lock();
        // A request may have come before.
        match members.working() > self.pool.lanes.len() {
            true => Ok(()),
            false => self.pool.begin_another(&mut members),
        }
    }

    /// Joins every thread, or gives up at the deadline: false then.
    pub(crate) fn join(&self, deadline: Instant) -> bool {
        let all_ended = self.ended.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected);
        if all_ended {
            let threads = std::mem::take(&mut self.pool.roster.lock().threads);
            for member in threads {
                // A worker's panics are caught inside; a thread that died all the same has nothing more to say here.
                let _ = member.thread.join();
            }
        }
        all_ended
    }
}

impl Pool {
    /// Begins one more thread where there may be one, and says whether there is a slot more for it. For who finds that
    /// work waits and every slot is taken.
    #[cold]
    pub(super) fn grow(self: &Arc<Self>) -> bool {
        let now = || nanos(self.born.elapsed());
        if !self.roster.may_grow(now) {
            return false;
        }
        let mut members = self.roster.lock();
        if self.running() < self.lanes[0].running.most() {
            // Another thread was begun meanwhile, or a handler has ended.
            return true;
        }
        let is_ending = members.running.is_none();
        if is_ending || self.queued() == 0 || members.working() >= members.wanted {
            return false;
        }
        match self.begin_another(&mut members) {
            Ok(()) => true,
            Err(error) => {
                let drivers = self.lanes.len();
                let (workers, wanted) = (members.working() - drivers, members.wanted - drivers);
                self.slots.store(workers, Relaxed);
                self.roster.grow_from(now() + nanos(REFUSED_FOR));
                log::warn!(workers = workers, wanted = wanted, reason:% = error; "fewer workers than wanted");
                false
            }
        }
    }

    fn begin_another(self: &Arc<Self>, members: &mut Members) -> io::Result<()> {
        // None begins once they end.
        let Some(running) = members.running.clone() else {
            return Ok(());
        };
        members.forget_ended();
        let number = members.free_number();
        members.threads.push(begin(self, number, running)?);
        self.slots.store(members.wanted - self.lanes.len(), Relaxed);
        self.open_slots_for(members);
        Ok(())
    }

    /// As many slots are open as there are threads for, but one for each reactor: those answer probes whatever the others
    /// run.
    fn open_slots_for(&self, members: &Members) {
        let working = members.working();
        let open = working.min(members.wanted) - self.lanes.len();
        self.lanes[0].running.resize(open);
        self.roster.note_growth(working < members.wanted);
    }

    /// From now on there are so many slots, and up to a thread more for each reactor. Threads that are too many end when
    /// they have nothing to do; none is interrupted.
    pub(super) fn resize_threads(&self, slots: usize) {
        let mut members = self.roster.lock();
        members.wanted = slots + self.lanes.len();
        self.slots.store(slots, Relaxed);
        self.open_slots_for(&members);
        let too_many = members.working() > members.wanted;
        match too_many {
            true => self.flags.fetch_or(TOO_MANY, SeqCst),
            false => self.flags.fetch_and(!TOO_MANY, SeqCst),
        };
        drop(members);
        if too_many {
            self.wake_all();
        } else if self.queued() > 0 {
            // For what waits, there may be a thread more now.
            self.wake_one();
        }
    }

    /// Wakes all who rest, and who pulls: each wakes the next as it ends.
    fn wake_all(&self) {
        self.idle.wake_all();
        (0..self.lanes.len()).for_each(|lane| self.engine.wake(lane));
    }

    /// Whether the thread of this number, which has no work and takes from this lane next, is to end.
    #[cold]
    pub(super) fn ends(&self, number: usize, lane: usize) -> bool {
        self.see_to_uploads(lane);
        if self.is_closed() {
            self.roster.lock().running = None;
            self.wake_all();
            return true;
        }
        let leaves = self.flags.load(SeqCst) & TOO_MANY != 0 && self.leaves(number);
        if leaves {
            // It may be the one that would have led.
            self.wake_one();
        }
        leaves
    }

    /// Takes a thread that is too many off the roster. There is always one left for each reactor that runs no handler:
    /// whoever comes out of a slot beyond the lowered number goes first, and takes no other.
    fn leaves(&self, number: usize) -> bool {
        let mut members = self.roster.lock();
        let working = members.working();
        let leaves = working > members.wanted && working > self.running() + self.lanes.len();
        if leaves {
            members.let_go(number);
        }
        if members.working() <= members.wanted {
            self.flags.fetch_and(!TOO_MANY, SeqCst);
        }
        leaves
    }
}

fn begin(pool: &Arc<Pool>, number: usize, running: Sender<()>) -> io::Result<Member> {
    spawn(pool, number, running).map(|thread| Member {
        number,
        thread,
        is_working: true,
    })
}

fn spawn(pool: &Arc<Pool>, number: usize, running: Sender<()>) -> io::Result<JoinHandle<()>> {
    let pool = Arc::clone(pool);
    let work = move || {
        let _held_while_running = running;
        pool.work(number);
    };
    spawn::named(format!("worker-{number}"), work)
}

#[cfg(test)]
impl Pool {
    /// How many threads there are that have not left.
    pub(crate) fn threads_working(&self) -> usize {
        self.roster.lock().working()
    }

    /// How many reactors there are.
    pub(crate) fn reactors(&self) -> usize {
        self.lanes.len()
    }

    /// How many run and wait.
    pub(crate) fn admitted_now(&self) -> usize {
        self.lanes[0].admitted.used()
    }

    /// How many handlers run.
    pub(crate) fn running_now(&self) -> usize {
        self.running()
    }
}
