//! The last ten minutes in numbers, for the charts: a sample every few seconds, in a ring of fixed size.

use super::units::to_nanos;
use crate::{
    config::limits::usage::{self, Usage},
    observe::{latencies::Totals, recent::KEPT_FOR},
    pool::Pool,
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Looks between two samples: the tick looks every two seconds.
const LOOKS: u32 = 2;
const SECONDS_BETWEEN: u64 = LOOKS as u64 * crate::lifecycle::tick::INTERVAL.as_secs();

/// What is kept.
pub(super) const SECONDS: u64 = 10 * 60;
pub(super) const CAPACITY: usize = (SECONDS / SECONDS_BETWEEN) as usize;

/// What is known of the last minutes. Written on the tick, read by pages.
#[derive(Default)]
pub(crate) struct History(Mutex<VecDeque<Sample>>);

/// What happened between two looks, and what was so at the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// Thousandths of one a second.
    pub(super) requests: u32,
    /// The same of those that failed.
    pub(super) failed: u32,
    /// Nanoseconds; `None` without requests.
    pub(super) median: Option<u64>,
    pub(super) slowest_percent: Option<u64>,
    /// Thousandths of a CPU.
    pub(super) cpu: u32,
    /// Thousandths of the time in which the cgroup was throttled, as if they were CPUs.
    pub(super) throttled: u32,
    /// Bytes.
    pub(super) memory: u64,
    pub(super) busy: u32,
    pub(super) queued: u32,
}

/// Takes the samples.
pub(crate) struct Sampler {
    pool: Arc<Pool>,
    history: Arc<History>,
    before: Look,
    looks: u32,
}

#[derive(Clone, Default)]
struct Look {
    at: Duration,
    totals: Totals,
    usage: Usage,
    busy: u32,
    queued: u32,
}

impl Sampler {
    pub(crate) fn new(pool: &Arc<Pool>, history: &Arc<History>) -> Sampler {
        let mut sampler = Sampler {
            pool: Arc::clone(pool),
            history: Arc::clone(history),
            before: Look::default(),
            looks: 0,
        };
        sampler.before = sampler.now();
        sampler
    }

    /// Looks, every other time it is called, and has what is old forgotten; takes some file reads.
    pub(crate) fn look(&mut self) {
        self.looks += 1;
        if !self.looks.is_multiple_of(LOOKS) {
            return;
        }
        let now = self.now();
        self.history.push(Sample::between(&self.before, &now));
        if let Some(recent) = &self.pool.dispatcher().recent {
            recent.forget(to_nanos(now.at.saturating_sub(KEPT_FOR)));
        }
        self.before = now;
    }

    fn now(&self) -> Look {
        let pool = self.pool.overview();
        Look {
            at: self.pool.age(),
            totals: self.pool.totals(),
            usage: usage::read(),
            busy: narrow(pool.running as u64),
            queued: narrow(pool.queued as u64),
        }
    }
}

impl Sample {
    fn between(before: &Look, now: &Look) -> Sample {
        // In microseconds: nanoseconds by these are thousandths.
        let passed = (to_nanos(now.at.saturating_sub(before.at)) / 1000).max(1);
        let counted = now.totals.since(&before.totals);
        let rate = |count: u64| narrow(count.saturating_mul(1_000_000_000) / passed);
        let share = |now: u64, before: u64| narrow(now.saturating_sub(before) / passed);
        Sample {
            requests: rate(counted.requests()),
            failed: rate(counted.failed),
            median: counted.quantile(500),
            slowest_percent: counted.quantile(990),
            cpu: share(now.usage.cpu, before.usage.cpu),
            throttled: share(now.usage.throttled, before.usage.throttled),
            memory: now.usage.memory,
            busy: now.busy,
            queued: now.queued,
        }
    }
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl History {
    fn push(&self, sample: Sample) {
        let mut samples = self.lock();
        if samples.len() == CAPACITY {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// All that is known.
    pub(super) fn samples(&self) -> Vec<Sample> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::latencies::Latencies;
    use http::StatusCode;

    fn look(seconds: u64, cpu: u64, throttled: u64) -> Look {
        let memory = 7;
        Look {
            at: Duration::from_secs(seconds),
            usage: Usage {
                cpu,
                throttled,
                memory,
            },
            busy: 3,
            ..Look::default()
        }
    }

    #[test]
    fn a_sample_tells_of_the_time_that_has_passed_however_long_it_was() {
        let thread = Latencies::default();
        (0..100).for_each(|_| thread.note(StatusCode::OK, 5_000_000));
        thread.note(StatusCode::BAD_GATEWAY, 5_000_000);
        let mut now = look(50, 5_000_000_000, 20_000_000_000);
        now.totals.add(&thread);
        let sample = Sample::between(&look(10, 1_000_000_000, 0), &now);
        assert_eq!((sample.requests, sample.failed), (2_525, 25));
        assert_eq!((sample.cpu, sample.throttled), (100, 500));
        assert_eq!((sample.memory, sample.busy), (7, 3));
        let median = sample.median.unwrap();
        assert!((2_500_000..10_000_000).contains(&median), "{median}");
        let still = Sample::between(&now, &now);
        assert_eq!((still.requests, still.median, still.cpu), (0, None, 0));
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_last_of_it_is_new() {
        let history = History::default();
        for busy in 0..1000 {
            history.push(Sample {
                busy,
                ..Sample::default()
            });
        }
        let samples = history.samples();
        assert_eq!((samples.len(), samples[149].busy), (CAPACITY, 999));
        assert_eq!(CAPACITY as u64 * SECONDS_BETWEEN, 600);
    }
}
