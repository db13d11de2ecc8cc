//! `/tracez`: the slowest and the failed requests of the last minutes.

use super::{
    document::{Document, Known, Tone},
    subject::Subject,
    units::{Nanos, to_nanos},
};
use crate::observe::recent::{BUCKET_ENDS, BUCKETS, Ended, KEPT_FOR};

const COLUMNS: &[&str] = &[
    "Took",
    "Status",
    "Request",
    "Route",
    "Ago",
    "Request id",
    "Trace id",
];

/// Of those that failed, and of each bucket.
const MOST_SHOWN: usize = 20;

pub(super) fn tell(subject: &Subject, page: &mut dyn Document) {
    let Some(recent) = &subject.pool.dispatcher().recent else {
        return;
    };
    let now = to_nanos(subject.pool.age());
    page.table(format_args!("Failed, the last first"), COLUMNS, "none");
    rows(&recent.failed(), now, page);
    for bucket in (0..BUCKETS).rev() {
        let slowest = recent.slowest(bucket);
        if slowest.is_empty() {
            continue;
        }
        let start = bucket.checked_sub(1).map(|below| Nanos(BUCKET_ENDS[below]));
        let end = BUCKET_ENDS.get(bucket).map(|end| Nanos(*end));
        match (start, end) {
            (Some(start), Some(end)) => {
                page.table(format_args!("Slowest from {start} to {end}"), COLUMNS, "");
            }
            (Some(start), None) => {
                page.table(format_args!("Slowest from {start} on"), COLUMNS, "");
            }
            (None, end) => {
                let end = end.unwrap_or(Nanos(u64::MAX));
                page.table(format_args!("Slowest below {end}"), COLUMNS, "");
            }
        }
        rows(&slowest, now, page);
    }
}

fn rows(requests: &[Ended], now: u64, page: &mut dyn Document) {
    let oldest = now.saturating_sub(to_nanos(KEPT_FOR));
    let requests = requests.iter().filter(|ended| ended.at >= oldest);
    for ended in requests.take(MOST_SHOWN) {
        let tone = match ended.status.as_u16() {
            500.. => Tone::Bad,
            400..500 => Tone::Doubtful,
            _ => Tone::Plain,
        };
        page.row(
            tone,
            &[
                &Nanos(ended.took),
                &ended.status.as_str(),
                &ended.what,
                &ended.route,
                &Nanos(now.saturating_sub(ended.at)),
                &Known(&ended.ids.request),
                &Known(&ended.ids.trace),
            ],
        );
    }
}
