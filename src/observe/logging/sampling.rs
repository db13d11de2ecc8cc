//! Floods of one message: what fails fails often, and nobody reads the thousandth record of it, while those of other
//! messages would be lost behind it.
//!
//! Of the warnings and errors of one message the first hundred in a second are written and then every hundredth; how many
//! were not, a record says, at the latest two seconds later. What is merely told (`info` and below) and the access log are
//! never sampled: how many records there are of those is up to the program and to `ACCESS_LOG`.

use super::format::lock;
use crate::observe::access_log;
use log::{Level, Record};
use std::{
    borrow::Cow,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// So many of a message are written in each window, and then one in so many.
pub(super) const BURST: u64 = 100;
const WINDOW: Duration = Duration::from_secs(1);

/// So many messages are known at a time: more than any program has that fail at once.
const MOST_MESSAGES: usize = 64;

/// How many characters are kept of a message that is put together anew each time.
const EXCERPT: usize = 200;

#[derive(Default)]
pub(super) struct Sampling {
    messages: Mutex<Vec<Message>>,
    suppressed: AtomicU64,
}

/// What has been seen of one message.
struct Message {
    /// Where it is logged, for a message that is put together anew each time has nothing else to be known by.
    file: Option<&'static str>,
    line: Option<u32>,
    text: Cow<'static, str>,
    /// When its window began.
    since: Instant,
    seen: u64,
    suppressed: u64,
}

/// Records that were not written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Suppressed {
    /// What they said, or the first of them where they differ.
    pub(super) like: String,
    pub(super) count: u64,
}

impl Sampling {
    /// Whether the record is to be written, and what is to be said before it.
    pub(super) fn admit(&self, record: &Record<'_>, now: Instant) -> (bool, Option<Suppressed>) {
        if record.level() > Level::Warn || record.target() == access_log::TARGET {
            return (true, None);
        }
        let mut messages = lock(&self.messages);
        let place = (record.file_static(), record.line());
        let is_known = |known: &Message| match record.args().as_str() {
            Some(text) => *known.text == *text,
            None => (known.file, known.line) == place,
        };
        let Some(message) = messages.iter_mut().find(|known| is_known(known)) else {
            let message = Message {
                file: place.0,
                line: place.1,
                text: match record.args().as_str() {
                    Some(text) => Cow::Borrowed(text),
                    None => record.args().to_string().chars().take(EXCERPT).collect(),
                },
                since: now,
                seen: 1,
                suppressed: 0,
            };
            return (true, add(&mut messages, message));
        };
        let before = message.end_window(now);
        message.seen += 1;
        let is_written = message.seen <= BURST || message.seen.is_multiple_of(BURST);
        if !is_written {
            message.suppressed += 1;
            self.suppressed.fetch_add(1, Relaxed);
        }
        (is_written, before)
    }

    /// What has been suppressed in windows that are over by `now`.
    pub(super) fn overdue(&self, now: Instant) -> Vec<Suppressed> {
        let mut messages = lock(&self.messages);
        let over = messages.iter_mut();
        over.filter_map(|message| message.end_window(now)).collect()
    }

    /// What has been suppressed and not been said yet.
    pub(super) fn rest(&self) -> Vec<Suppressed> {
        let mut messages = lock(&self.messages);
        messages.iter_mut().filter_map(Message::told).collect()
    }

    /// How many records were suppressed so far.
    pub(super) fn suppressed(&self) -> u64 {
        self.suppressed.load(Relaxed)
    }
}

/// Where there is no room, the message whose window began first is forgotten, and what is to be said of it returned.
fn add(messages: &mut Vec<Message>, message: Message) -> Option<Suppressed> {
    if messages.len() < MOST_MESSAGES {
        messages.push(message);
        return None;
    }
    let oldest = messages.iter_mut().min_by_key(|known| known.since)?;
    std::mem::replace(oldest, message).told()
}

impl Message {
    /// Begins a window anew where one is over.
    fn end_window(&mut self, now: Instant) -> Option<Suppressed> {
        if now.saturating_duration_since(self.since) < WINDOW {
            return None;
        }
        (self.since, self.seen) = (now, 0);
        self.told()
    }

    fn told(&mut self) -> Option<Suppressed> {
        let count = std::mem::take(&mut self.suppressed);
        (count > 0).then(|| Suppressed {
            like: self.text.clone().into_owned(),
            count,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logs it so often at a moment, and returns how many are written, and what is said.
    fn logged(
        sampling: &Sampling,
        text: &'static str,
        times: u64,
        now: Instant,
    ) -> (u64, Vec<(String, u64)>) {
        let (mut written, mut said) = (0, Vec::new());
        for _ in 0..times {
            let mut record = Record::builder();
            record.level(Level::Error).target("seaworthy");
            let (is_written, before) = match text {
                "request failed" => {
                    sampling.admit(&record.args(format_args!("request failed")).build(), now)
                }
                _ => {
                    let record = record.file_static(Some("shop.rs")).line(Some(7));
                    sampling.admit(&record.args(format_args!("{text}")).build(), now)
                }
            };
            written += u64::from(is_written);
            said.extend(before.map(|before| (before.like, before.count)));
        }
        (written, said)
    }

    #[test]
    fn of_a_flood_a_hundred_a_second_are_written_and_each_hundredth_and_the_rest_is_counted() {
        for text in ["request failed", "no row 7"] {
            let (sampling, now) = (Sampling::default(), Instant::now());
            assert_eq!(logged(&sampling, text, 100, now), (100, vec![]));
            assert_eq!(logged(&sampling, text, 200, now), (2, vec![]));
            assert_eq!(sampling.overdue(now), []);
            let later = now + WINDOW;
            assert_eq!(
                logged(&sampling, text, 100, later),
                (100, vec![(text.to_owned(), 198)])
            );
            assert_eq!(logged(&sampling, text, 1, later), (0, vec![]));
            let overdue = sampling.overdue(later + WINDOW);
            assert_eq!(overdue.len(), 1);
            assert_eq!((&*overdue[0].like, overdue[0].count), (text, 1));
            assert_eq!(sampling.suppressed(), 199);
        }
    }

    #[test]
    fn a_flood_of_one_message_costs_no_other_message_a_record() {
        let (sampling, now) = (Sampling::default(), Instant::now());
        logged(&sampling, "request failed", 10_000, now);
        assert_eq!(logged(&sampling, "no row 7", 100, now).0, 100);
    }

    #[test]
    fn however_many_messages_there_are_little_is_remembered_and_nothing_uncounted() {
        let (sampling, now) = (Sampling::default(), Instant::now());
        logged(&sampling, "request failed", 150, now);
        let mut said = Vec::new();
        for line in 0..1000 {
            let mut record = Record::builder();
            record.level(Level::Warn).file_static(Some("shop.rs"));
            let now = now + Duration::from_micros(1);
            let (is_written, before) = sampling.admit(
                &record.line(Some(line)).args(format_args!("{line}")).build(),
                now,
            );
            assert!(is_written);
            said.extend(before.map(|before| (before.like, before.count)));
        }
        assert_eq!(lock(&sampling.messages).len(), MOST_MESSAGES);
        assert_eq!(said, [("request failed".to_owned(), 50)]);
    }

    #[test]
    fn what_is_no_failure_and_the_access_log_are_written_however_often() {
        let (sampling, now) = (Sampling::default(), Instant::now());
        for (level, target) in [(Level::Info, "shop"), (Level::Warn, access_log::TARGET)] {
            for _ in 0..1000 {
                let mut record = Record::builder();
                record.level(level).target(target);
                let record = record.args(format_args!("request")).build();
                assert!(sampling.admit(&record, now).0);
            }
        }
    }
}
