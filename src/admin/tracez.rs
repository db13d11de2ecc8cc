//! `/tracez`: the slowest and the failed requests of the last minutes.

use super::{
    page::{Block, Page, Table, Tone},
    subject::Subject,
    units,
};
use crate::observe::recent::{BUCKET_ENDS, Ended, KEPT_FOR};

const COLUMNS: &[&str] = &[
    "Took",
    "Status",
    "Method",
    "Path",
    "Route",
    "Ago",
    "Request id",
];

/// Of those that failed, and of each bucket.
const MOST_SHOWN: usize = 20;

pub(super) fn page(subject: &Subject) -> Page {
    let now = units::to_nanos(subject.pool.age());
    let recent = subject.pool.dispatcher().recent.as_ref();
    let (slowest, failed) = recent.map(|recent| recent.list()).unwrap_or_default();
    let mut blocks = vec![table("Failed, the last first".to_owned(), &failed, now)];
    for (bucket, slowest) in slowest.iter().enumerate().rev() {
        if !slowest.is_empty() {
            blocks.push(table(title(bucket), slowest, now));
        }
    }
    Page {
        name: "tracez",
        about: "Requests of the last five minutes by what their handlers took: those that failed, and the slowest of each bucket.",
        blocks,
    }
}

fn title(bucket: usize) -> String {
    let start = bucket
        .checked_sub(1)
        .map(|below| units::nanos(BUCKET_ENDS[below]));
    let end = BUCKET_ENDS.get(bucket).map(|end| units::nanos(*end));
    match (start, end) {
        (Some(start), Some(end)) => format!("Slowest from {start} to {end}"),
        (None, Some(end)) => format!("Slowest below {end}"),
        (start, None) => format!("Slowest from {} on", start.unwrap_or_default()),
    }
}

fn table(title: String, requests: &[Ended], now: u64) -> Block {
    let mut table = Table::new(title, COLUMNS, "none");
    let oldest = now.saturating_sub(units::to_nanos(KEPT_FOR));
    let requests = requests.iter().filter(|ended| ended.at >= oldest);
    for ended in requests.take(MOST_SHOWN) {
        let tone = match ended.status.as_u16() {
            500.. => Tone::Bad,
            400..500 => Tone::Doubtful,
            _ => Tone::Plain,
        };
        let cells = vec![
            units::nanos(ended.took),
            ended.status.as_str().to_owned(),
            ended
                .method
                .as_ref()
                .map_or("_OTHER", |method| method.as_str())
                .to_owned(),
            ended.path.clone(),
            ended.route.to_owned(),
            units::nanos(now.saturating_sub(ended.at)),
            ended.id.clone().unwrap_or_default(),
        ];
        table.row(tone, cells);
    }
    Block::Table(table)
}
