//! `/threadz`: what every worker does now.

use super::{
    page::{Block, Page, Row, Table, Tone},
    subject::Subject,
    units,
};
use crate::pool::in_flight::ThreadState;

pub(super) fn page(subject: &Subject) -> Page {
    let now = units::to_nanos(subject.pool.age());
    let overview = subject.pool.overview();
    let mut threads = subject.pool.threads();
    // The oldest first, and those that wait last.
    threads.sort_by_key(|thread| {
        let since = thread
            .request
            .as_ref()
            .map_or(u64::MAX, |request| request.since);
        (since, thread.number)
    });
    let mut table = Table::new(
        format!(
            "{} of {} workers busy, {} of {} places in the queue taken",
            overview.running, overview.slots, overview.queued, overview.queue_capacity
        ),
        &["Thread", "Route", "Since", "Request id"],
        "no worker has begun",
    );
    table.rows = threads.iter().map(|thread| row(thread, now)).collect();
    Page {
        name: "threadz",
        about: "What every worker does now; the oldest request first. One thread more than may be busy reads sockets or waits.",
        blocks: vec![Block::Table(table)],
    }
}

fn row(thread: &ThreadState, now: u64) -> Row {
    let name = format!("worker-{}", thread.number);
    let (tone, route, since, id) = match &thread.request {
        None => (Tone::Plain, "–".to_owned(), String::new(), String::new()),
        Some(request) => (
            Tone::Good,
            request.route.clone(),
            units::nanos(now.saturating_sub(request.since)),
            request
                .id
                .as_ref()
                .map(|id| id.to_string())
                .unwrap_or_default(),
        ),
    };
    Row {
        tone,
        cells: vec![name, route, since, id],
    }
}
