//! The slowest and the failed requests of the last minutes, kept in little memory for whoever asks what was slow just
//! now, with no tracing backend.
//!
//! A request is kept where it failed, or where it is one of the slowest of its latency bucket. A fast one that is neither
//! costs two comparisons and no lock: each bucket has a floor, below which nobody is asked. The floors fall again when
//! what raised them has grown old, see [`Recent::forget`].

use crate::message::{
    current_ids::{CurrentIds, Ids},
    request::Request,
};
use http::StatusCode;
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// For how long a request is kept.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(5 * 60);

/// Where the buckets end, in nanoseconds; the last one has no end. A decade each, as OpenCensus had them.
pub(crate) const BUCKET_ENDS: [u64; 6] = [
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
];

/// How many buckets there are.
pub(crate) const BUCKETS: usize = BUCKET_ENDS.len() + 1;

/// Threads share these, so that they seldom meet, and the memory is bounded however many threads there are.
const SHARDS: usize = 4;

/// Of each bucket, in each shard.
const SLOWEST_KEPT: usize = 4;

/// In each shard.
const FAILED_KEPT: usize = 16;

/// What is kept of a method and a path, which may be 32 KiB long.
const LONGEST: usize = 120;

/// The requests of one service.
#[derive(Default)]
pub(crate) struct Recent {
    shards: [Shard; SHARDS],
}

#[derive(Default)]
#[repr(align(64))]
struct Shard {
    /// What a request has to be slower than to be kept in its bucket.
    floors: [AtomicU64; BUCKETS],
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// By bucket, in no order.
    slowest: [Vec<Ended>; BUCKETS],
    /// The oldest first.
    failed: Vec<Ended>,
}

/// A request that has been answered.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// Its method and its path without the query, cut where they are long.
    pub(crate) what: String,
    /// The template of its route; empty where it had none.
    pub(crate) route: &'static str,
    pub(crate) status: StatusCode,
    /// From when its handler began until it returned, in nanoseconds.
    pub(crate) took: u64,
    /// When it ended, in nanoseconds since the birth of whoever notes it.
    pub(crate) at: u64,
    pub(crate) ids: Ids,
}

/// The bucket of what has taken so many nanoseconds.
pub(crate) fn bucket(took: u64) -> usize {
    BUCKET_ENDS
        .iter()
        .position(|end| took < *end)
        .unwrap_or(BUCKETS - 1)
}

impl Recent {
    /// Notes a request that has ended at `at`, on the thread of this number that worked on it.
    #[inline]
    pub(crate) fn note(
        &self,
        thread: usize,
        request: &Request,
        status: StatusCode,
        took: u64,
        at: u64,
    ) {
        let shard = &self.shards[thread % SHARDS];
        let bucket = bucket(took);
        let has_failed = super::access_log::is_failure(status);
        if has_failed || took > shard.floors[bucket].load(Relaxed) {
            shard.keep(bucket, has_failed, Ended::of(request, status, took, at));
        }
    }

    /// Lets go of what ended before `moment`, so that what is as slow is kept again; once in a while, by anybody.
    pub(crate) fn forget(&self, moment: u64) {
        self.shards.iter().for_each(|shard| shard.forget(moment));
    }

    /// Those of a bucket, the slowest first.
    pub(crate) fn slowest(&self, bucket: usize) -> Vec<Ended> {
        self.gather(|kept| &kept.slowest[bucket], |ended| ended.took)
    }

    /// Those that failed, the last first.
    pub(crate) fn failed(&self) -> Vec<Ended> {
        self.gather(|kept| &kept.failed, |ended| ended.at)
    }

    /// What all shards have of it, by falling keys. There is little of it: to sort it takes more code than time.
    fn gather(&self, part: impl Fn(&Kept) -> &Vec<Ended>, key: fn(&Ended) -> u64) -> Vec<Ended> {
        let mut gathered: Vec<Ended> = Vec::new();
        for shard in &self.shards {
            for ended in part(&shard.lock()) {
                let place = gathered.partition_point(|known| key(known) >= key(ended));
                gathered.insert(place, ended.clone());
            }
        }
        gathered
    }
}

impl Shard {
    #[cold]
    fn keep(&self, bucket: usize, has_failed: bool, ended: Ended) {
        let mut kept = self.lock();
        if has_failed {
            if kept.failed.len() == FAILED_KEPT {
                kept.failed.remove(0);
            }
            kept.failed.push(ended);
            return;
        }
        let slowest = &mut kept.slowest[bucket];
        if slowest.len() < SLOWEST_KEPT {
            slowest.push(ended);
        } else if let Some(least) = slowest.iter_mut().min_by_key(|known| known.took)
            && least.took < ended.took
        {
            *least = ended;
        }
        self.set_floor(bucket, slowest);
    }

    fn forget(&self, moment: u64) {
        let mut kept = self.lock();
        kept.failed.retain(|ended| ended.at >= moment);
        for (bucket, slowest) in kept.slowest.iter_mut().enumerate() {
            slowest.retain(|ended| ended.at >= moment);
            self.set_floor(bucket, slowest);
        }
    }

    /// For whoever holds the lock.
    fn set_floor(&self, bucket: usize, slowest: &[Ended]) {
        let least = slowest.iter().map(|ended| ended.took).min();
        let is_full = slowest.len() == SLOWEST_KEPT;
        let floor = least.filter(|_| is_full).unwrap_or(0);
        self.floors[bucket].store(floor, Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ended {
    fn of(request: &Request, status: StatusCode, took: u64, at: u64) -> Ended {
        let mut what = format!("{} {}", request.method(), request.path());
        if what.len() > LONGEST {
            what.truncate(what.floor_char_boundary(LONGEST));
            what.push('…');
        }
        Ended {
            what,
            route: request.route.as_ref().map_or("", |route| route.logged_as),
            status,
            took,
            at,
            ids: CurrentIds::of_this_thread().get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(recent: &Recent, path: &str, status: u16, took: Duration, at: u64) {
        let status = StatusCode::from_u16(status).unwrap();
        recent.note(0, &Request::get(path), status, took.as_nanos() as u64, at);
    }

    fn paths(of: &[Ended]) -> Vec<&str> {
        of.iter()
            .map(|ended| ended.what.trim_start_matches("GET "))
            .collect()
    }

    #[test]
    fn the_slowest_of_each_bucket_stay_however_many_faster_ones_follow() {
        let recent = Recent::default();
        for millis in [40, 90, 20, 50] {
            noted(
                &recent,
                &format!("/{millis}"),
                200,
                Duration::from_millis(millis),
                0,
            );
        }
        for _ in 0..1000 {
            noted(&recent, "/fast", 200, Duration::from_millis(15), 1);
        }
        noted(&recent, "/late?token=1", 200, Duration::from_millis(60), 2);
        noted(&recent, "/other", 200, Duration::from_secs(2), 3);
        assert_eq!(
            paths(&recent.slowest(3)),
            ["/90", "/late", "/50", "/40"],
            "the query is nobody's business"
        );
        assert_eq!(paths(&recent.slowest(5)), ["/other"]);
        assert!(recent.failed().is_empty());
    }

    #[test]
    fn what_failed_is_kept_however_fast_and_however_many_succeed() {
        let recent = Recent::default();
        noted(&recent, "/failed", 500, Duration::from_micros(1), 1);
        noted(&recent, "/no-method", 501, Duration::from_micros(1), 2);
        for _ in 0..1000 {
            noted(&recent, "/", 200, Duration::from_millis(15), 3);
        }
        assert_eq!(paths(&recent.failed()), ["/failed"]);
        for number in 0..100 {
            noted(
                &recent,
                &format!("/{number}"),
                503,
                Duration::from_micros(1),
                4 + number,
            );
        }
        let failed = recent.failed();
        assert_eq!(
            (failed.len(), &*failed[0].what, &*failed[15].what),
            (FAILED_KEPT, "GET /99", "GET /84"),
            "the last ones, and no more"
        );
    }

    #[test]
    fn what_has_grown_old_makes_room_for_what_is_no_slower() {
        let recent = Recent::default();
        for _ in 0..SLOWEST_KEPT {
            noted(&recent, "/old", 200, Duration::from_millis(90), 10);
        }
        noted(&recent, "/new", 200, Duration::from_millis(20), 50);
        assert_eq!(paths(&recent.slowest(3)), ["/old"; 4]);
        recent.forget(11);
        noted(&recent, "/new", 200, Duration::from_millis(20), 50);
        assert_eq!(paths(&recent.slowest(3)), ["/new"]);
    }

    #[test]
    fn what_a_client_sends_takes_little_memory() {
        let recent = Recent::default();
        let long = format!("/{}", "x".repeat(30_000));
        noted(&recent, &long, 500, Duration::ZERO, 0);
        assert!(recent.failed()[0].what.len() < 130);
    }
}
