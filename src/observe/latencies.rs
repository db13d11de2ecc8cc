//! How long requests took and how many failed, counted by each thread for itself and added up by whoever asks.
//!
//! The buckets double, from a microsecond on, so that a quantile is right to within a factor of two at any scale, and
//! mostly far better. Those of OpenTelemetry's histogram begin with 5 ms, which is above all that a short handler takes.

use http::StatusCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The last one has no end; it begins at 18 minutes.
const BUCKETS: usize = 32;

/// The first bucket ends here, in nanoseconds.
const FIRST_END: u64 = 1 << FIRST_BITS;
const FIRST_BITS: u32 = 10;

/// Counted by one thread alone, in plain stores.
#[derive(Default)]
pub(crate) struct Latencies {
    counts: [AtomicU64; BUCKETS],
    failed: AtomicU64,
}

/// What several threads have counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    counts: [u64; BUCKETS],
    /// Answered with a 5xx that is the server's fault.
    pub(crate) failed: u64,
}

impl Latencies {
    /// Counts a request that has taken so many nanoseconds.
    #[inline]
    pub(crate) fn note(&self, status: StatusCode, took: u64) {
        let bits = u64::BITS - (took >> FIRST_BITS).leading_zeros();
        add_one(&self.counts[(bits as usize).min(BUCKETS - 1)]);
        if super::access_log::is_failure(status) {
            add_one(&self.failed);
        }
    }
}

fn add_one(count: &AtomicU64) {
    count.store(count.load(Relaxed) + 1, Relaxed);
}

impl Totals {
    /// Adds what a thread has counted.
    pub(crate) fn add(&mut self, thread: &Latencies) {
        for (sum, count) in self.counts.iter_mut().zip(&thread.counts) {
            *sum += count.load(Relaxed);
        }
        self.failed += thread.failed.load(Relaxed);
    }

    /// What was counted since these were `earlier`.
    pub(crate) fn since(&self, earlier: &Totals) -> Totals {
        let mut difference = self.clone();
        for (count, before) in difference.counts.iter_mut().zip(&earlier.counts) {
            *count = count.saturating_sub(*before);
        }
        difference.failed = self.failed.saturating_sub(earlier.failed);
        difference
    }

    /// How many requests there were.
    pub(crate) fn requests(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What so many of a thousand requests took at most, in nanoseconds, taken as spread evenly within their bucket; `None`
    /// without requests.
    pub(crate) fn quantile(&self, permille: u64) -> Option<u64> {
        let rank = (self.requests() * permille).div_ceil(1000).max(1);
        let mut below = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            if below + count >= rank {
                let end = FIRST_END << bucket;
                let start = if bucket == 0 { 0 } else { end / 2 };
                return Some(start + (end - start) / count * (rank - below));
            }
            below += count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(micros: impl IntoIterator<Item = u64>) -> Totals {
        let thread = Latencies::default();
        micros
            .into_iter()
            .for_each(|micros| thread.note(StatusCode::OK, micros * 1000));
        let mut totals = Totals::default();
        totals.add(&thread);
        totals
    }

    #[test]
    fn a_quantile_is_near_what_it_is_of_at_any_scale() {
        assert_eq!(Totals::default().quantile(500), None);
        for scale in [1, 30, 1000, 50_000, 2_000_000] {
            let totals = counted((1..=1000).map(|number| number * scale));
            assert_eq!(totals.requests(), 1000);
            for permille in [10, 500, 900, 990] {
                let found = totals.quantile(permille).unwrap() / 1000;
                let exact = permille * scale;
                assert!(
                    (exact / 2..=exact * 2 + 1).contains(&found),
                    "{permille} of 1000: {found} and not {exact} µs"
                );
            }
        }
    }

    #[test]
    fn no_duration_is_too_short_or_too_long_to_be_counted() {
        let totals = counted([0, u64::MAX / 1000]);
        assert_eq!(totals.requests(), 2);
        assert!(totals.quantile(1000).unwrap() >= FIRST_END << 30);
    }

    #[test]
    fn what_was_counted_before_is_taken_off() {
        let earlier = counted([5, 5]);
        let mut later = counted([5, 5, 5000]);
        later.failed = 1;
        let since = later.since(&earlier);
        assert_eq!((since.requests(), since.failed), (1, 1));
        assert!(since.quantile(500).unwrap() > 4_000_000);
    }
}
