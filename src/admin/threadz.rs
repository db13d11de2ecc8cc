//! `/threadz`: what every worker does now.

use super::{
    document::{Document, Known, Tone},
    subject::Subject,
    units::{Nanos, to_nanos},
};
use crate::pool::in_flight::ThreadState;

pub(super) fn tell(subject: &Subject, page: &mut dyn Document) {
    let now = to_nanos(subject.pool.age());
    let pool = subject.pool.overview();
    page.table(
        format_args!(
            "{} of {} workers busy, {} of {} places in the queue taken, {} answers deferred",
            pool.running, pool.slots, pool.queued, pool.queue_capacity, pool.deferred
        ),
        &["Thread", "Route", "Since", "Request id", "Trace id"],
        "no worker has begun",
    );
    // The oldest first, and those that wait last.
    let key = |thread: &ThreadState| {
        let request = thread.request.as_ref();
        let since = request.map_or(u64::MAX, |request| request.since);
        (since, thread.number)
    };
    let mut threads: Vec<ThreadState> = Vec::new();
    for thread in subject.pool.threads() {
        let place = threads.partition_point(|known| key(known) <= key(&thread));
        threads.insert(place, thread);
    }
    for ThreadState { number, request } in &threads {
        let name = format_args!("worker-{number}");
        match request {
            None => page.row(Tone::Plain, &[&name, &"–", &"", &"", &""]),
            Some(request) => {
                let since = Nanos(now.saturating_sub(request.since));
                let (id, trace) = (Known(&request.ids.request), Known(&request.ids.trace));
                page.row(Tone::Good, &[&name, &request.route, &since, &id, &trace]);
            }
        }
    }
}
