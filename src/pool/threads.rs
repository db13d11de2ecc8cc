//! The pool's threads.

use super::Pool;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

/// The threads, for the main thread to join.
pub(crate) struct WorkerThreads {
    threads: Vec<JoinHandle<()>>,
    /// Each thread holds a clone.
    running: Option<Sender<()>>,
    /// Disconnected once every thread has let go of its end.
    ended: Receiver<()>,
}

/// One to drive the engine and one to run handlers.
const LEAST: usize = 2;

impl WorkerThreads {
    /// Starts the two threads that probes are answered with. The others are not on the way to the first answer:
    /// [`start_rest`](WorkerThreads::start_rest) starts them.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(crate) fn start(pool: &Arc<Pool>) -> io::Result<WorkerThreads> {
        let (running, ended) = crossbeam_channel::bounded(0);
        let threads = (0..LEAST)
            .map(|number| spawn(pool, number, running.clone()))
            .collect::<io::Result<_>>()?;
        Ok(WorkerThreads {
            threads,
            running: Some(running),
            ended,
        })
    }

    /// Starts the rest, up to one thread more than the pool has slots. Where the system gives fewer (a limit on
    /// processes), the pool has fewer slots, and the log says so.
    pub(crate) fn start_rest(&mut self, pool: &Arc<Pool>) {
        let Some(running) = self.running.take() else {
            return;
        };
        let wanted = pool.slots() + 1;
        for number in self.threads.len()..wanted {
            match spawn(pool, number, running.clone()) {
                Ok(thread) => self.threads.push(thread),
                Err(error) => {
                    pool.reduce_slots(number - 1);
                    log::warn!(workers = number - 1, wanted = wanted - 1, reason:% = error; "fewer workers than wanted");
                    return;
                }
            }
        }
    }

    /// Joins every thread, or gives up at the deadline: false then.
    pub(crate) fn join(&mut self, deadline: Instant) -> bool {
        self.running = None;
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
