//! Threads that wait for clients, so that neither a worker nor the thread that pulls does: for the rest of a body, or
//! until an answer is taken.

use crate::{observe::panics, spawn};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::{io, time::Duration};

/// How long a thread with nothing to do is kept, as tiny_http keeps its own.
const KEPT: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce() + Send>;

/// As many threads as there is waiting to do, which is one for each connection at most.
pub(super) struct WaitingThreads {
    /// Without any room: only a thread that has nothing to do takes a job.
    jobs: (Sender<Job>, Receiver<Job>),
}

impl WaitingThreads {
    pub(super) fn new() -> WaitingThreads {
        WaitingThreads { jobs: bounded(0) }
    }

    /// Runs a job that may take long.
    ///
    /// # Errors
    /// Where no thread is to be had. The job is dropped then.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let job: Job = Box::new(job);
        let job = match self.jobs.0.try_send(job) {
            Ok(()) => return Ok(()),
            Err(refused) => refused.into_inner(),
        };
        let next = self.jobs.1.clone();
        spawn::named("tiny-http-wait", move || work(job, &next)).map(drop)
    }
}

fn work(job: Job, next: &Receiver<Job>) {
    let mut job = Some(job);
    while let Some(one) = job {
        if let Err(panicked) = panics::catch(one) {
            log::error!(panic:% = panicked; "a panic outside the handler cut a connection");
        }
        job = next.recv_timeout(KEPT).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;
    use std::{
        collections::HashSet,
        thread::{self, ThreadId},
    };

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn jobs_that_wait_keep_no_other_waiting_and_threads_are_used_again() {
        let threads = WaitingThreads::new();
        let (told, heard) = unbounded::<ThreadId>();
        let (go_on, wait) = unbounded::<()>();
        for _ in 0..3 {
            let (told, wait) = (told.clone(), wait.clone());
            let job = move || {
                told.send(thread::current().id()).unwrap();
                wait.recv().unwrap();
            };
            threads.run(job).unwrap();
        }
        let ids = (0..3).map(|_| heard.recv_timeout(LONG).unwrap());
        let ids: HashSet<ThreadId> = ids.collect();
        assert_eq!(ids.len(), 3, "each waits on its own");
        (0..3).for_each(|_| go_on.send(()).unwrap());
        let again = || {
            let told = told.clone();
            let job = move || told.send(thread::current().id()).unwrap();
            threads.run(job).unwrap();
            heard.recv_timeout(LONG).unwrap()
        };
        // A thread that has just been told to go on may not have come to rest yet.
        while !ids.contains(&again()) {}
    }

    #[test]
    fn a_job_that_panics_ends_no_thread() {
        let threads = WaitingThreads::new();
        let (told, heard) = unbounded::<()>();
        threads.run(|| panic!("a job's panic, on purpose")).unwrap();
        threads.run(move || told.send(()).unwrap()).unwrap();
        heard.recv_timeout(LONG).unwrap();
    }
}
