//! The pool's threads: how they begin, how many there are, how they end.

use super::{Pool, TOO_MANY, roster::Member};
use crate::spawn;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::{
    io,
    sync::{Arc, atomic::Ordering::SeqCst},
    thread::JoinHandle,
    time::Instant,
};

/// The threads, for the main thread to join.
pub(crate) struct WorkerThreads {
    pool: Arc<Pool>,
    /// Disconnected once every thread has let go of its end.
    ended: Receiver<()>,
}

impl WorkerThreads {
    /// Starts the threads that probes are answered with: one to drive each reactor, and one to run handlers. The others are not on the way to the first answer:
    /// [`start_rest`](WorkerThreads::start_rest) starts them.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(crate) fn start(pool: &Arc<Pool>) -> io::Result<WorkerThreads> {
        let (running, ended) = crossbeam_channel::bounded(0);
        let mut members = pool.roster.lock();
        members.wanted = pool.lanes.len() + 1;
        for number in 0..members.wanted {
            let member = begin(pool, number, running.clone())?;
            members.threads.push(member);
        }
        members.running = Some(running);
        Ok(WorkerThreads {
            pool: Arc::clone(pool),
            ended,
        })
    }

    /// Starts the rest, up to one thread for each reactor more than the pool has slots. Where the system gives fewer (a limit on
    /// processes), the pool has fewer slots, and the log says so.
    pub(crate) fn start_rest(&self) {
        self.pool.resize_threads(self.pool.slots());
    }

    /// Joins every thread, or gives up at the deadline: false then.
    pub(crate) fn join(&self, deadline: Instant) -> bool {
        self.pool.roster.lock().running = None;
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
    /// From now on there are so many slots, and a thread more for each reactor. Threads that are too many end when they have nothing to
    /// do; none is interrupted.
    pub(super) fn resize_threads(self: &Arc<Self>, slots: usize) {
        let mut members = self.roster.lock();
        let Some(running) = members.running.clone() else {
            return;
        };
        members.forget_ended();
        let drivers = self.lanes.len();
        members.wanted = slots + drivers;
        while members.working() < members.wanted {
            let number = members.free_number();
            match begin(self, number, running.clone()) {
                Ok(member) => members.threads.push(member),
                Err(error) => {
                    members.wanted = members.working();
                    let workers = members.wanted - drivers;
                    log::warn!(workers = workers, wanted = slots, reason:% = error; "fewer workers than wanted");
                }
            }
        }
        // After there are threads for them, and before any thread leaves.
        let slots = members.wanted - drivers;
        self.lanes[0].running.resize(slots);
        let too_many = members.working() > members.wanted;
        match too_many {
            true => self.endings.fetch_or(TOO_MANY, SeqCst),
            false => self.endings.fetch_and(!TOO_MANY, SeqCst),
        };
        drop(members);
        if too_many {
            self.wake_all();
        }
    }

    /// Wakes all who rest, and who pulls: each wakes the next as it ends.
    fn wake_all(&self) {
        self.idle.wake_all();
        (0..self.lanes.len()).for_each(|lane| self.engine.wake(lane));
    }

    /// Whether the thread of this number, which has no work, is to end.
    #[cold]
    pub(super) fn ends(&self, number: usize) -> bool {
        if self.is_closed() {
            self.wake_all();
            return true;
        }
        let leaves = self.leaves(number);
        if leaves {
            // It may be the one that would have led.
            self.wake_one();
        }
        leaves
    }

    /// Takes a thread that is too many off the roster. There is always one left for each reactor that runs no handler: whoever comes
    /// out of a slot beyond the lowered number goes first, and takes no other.
    fn leaves(&self, number: usize) -> bool {
        let mut members = self.roster.lock();
        let working = members.working();
        let leaves = working > members.wanted && working > self.running() + self.lanes.len();
        if leaves {
            members.let_go(number);
        }
        if members.working() <= members.wanted {
            self.endings.fetch_and(!TOO_MANY, SeqCst);
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
