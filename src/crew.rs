//! The pool's threads.

use crate::pool::Pool;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

/// The threads, for the main thread to join.
pub(crate) struct Crew {
    threads: Vec<JoinHandle<()>>,
    /// Disconnected once every thread has let go of its end.
    ended: Receiver<()>,
}

impl Crew {
    /// Starts one thread more than the pool has slots. Where the system gives fewer (a limit on processes), the pool
    /// has fewer slots, and the log says so.
    ///
    /// # Errors
    /// Where there are not even two threads.
    pub(crate) fn muster(pool: &Arc<Pool>) -> io::Result<Crew> {
        let (running, ended) = crossbeam_channel::bounded(0);
        let wanted = pool.slots() + 1;
        let mut threads = Vec::with_capacity(wanted);
        for number in 0..wanted {
            match spawn(pool, number, running.clone()) {
                Ok(thread) => threads.push(thread),
                Err(error) if number < 2 => return Err(error),
                Err(error) => {
                    pool.reduce_slots(number - 1);
                    log::warn!(workers = number - 1, wanted = wanted - 1, reason:% = error; "fewer workers than wanted");
                    break;
                }
            }
        }
        Ok(Crew { threads, ended })
    }

    /// Joins every thread, or gives up at the deadline: false then.
    pub(crate) fn join(&mut self, deadline: Instant) -> bool {
        let all_ended = self.ended.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected);
        if all_ended {
            for thread in self.threads.drain(..) {
                // A worker's panics are caught inside; a thread that died all the same has nothing more to say here.
                let _ = thread.join();
            }
        }
        all_ended
    }
}

fn spawn(pool: &Arc<Pool>, number: usize, running: Sender<()>) -> io::Result<JoinHandle<()>> {
    let pool = Arc::clone(pool);
    let work = move || {
        let _held_while_running = running;
        pool.work(number);
    };
    thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(work)
}
