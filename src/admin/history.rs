//! The last ten minutes in numbers, for the charts: a sample every few seconds, in a ring of fixed size.

use super::{
    chart::{Chart, Series, Unit},
    units,
};
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

const MINUTES: u64 = 10;
const CAPACITY: usize = (MINUTES * 60 / SECONDS_BETWEEN) as usize;

/// What is known of the last minutes. Written on the tick, read by pages.
#[derive(Default)]
pub(crate) struct History(Mutex<VecDeque<Sample>>);

/// What happened between two looks, and what was so at the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sample {
    /// Thousandths of one a second.
    requests: u32,
    failed: u32,
    /// Microseconds; `None` without requests.
    median: Option<u32>,
    slowest_percent: Option<u32>,
    /// Thousandths of a CPU.
    cpu: u32,
    /// Thousandths of the time in which the cgroup was throttled, as if they were CPUs.
    throttled: u32,
    memory: u64,
    busy: u32,
    queued: u32,
}

/// What the lines should stay below.
pub(super) struct ChartLimits {
    pub(super) workers: u64,
    /// Thousandths of a CPU.
    pub(super) cpu: Option<u64>,
    pub(super) memory: Option<u64>,
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
            recent.forget(units::to_nanos(now.at.saturating_sub(KEPT_FOR)));
        }
        self.before = now;
    }

    fn now(&self) -> Look {
        let pool = self.pool.overview();
        Look {
            at: self.pool.age(),
            totals: self.pool.totals(),
            usage: usage::read(),
            busy: narrow(pool.running as u128),
            queued: narrow(pool.queued as u128),
        }
    }
}

impl Sample {
    fn between(before: &Look, now: &Look) -> Sample {
        let passed = units::to_nanos(now.at.saturating_sub(before.at)).max(1);
        let counted = now.totals.since(&before.totals);
        // In thousandths of one a second.
        let rate = |count: u64| narrow(u128::from(count) * 1_000_000_000_000 / u128::from(passed));
        let share = |now: u64, before: u64| {
            narrow(u128::from(now.saturating_sub(before)) * 1000 / u128::from(passed))
        };
        let micros = |nanos: u64| narrow(u128::from(nanos / 1000));
        Sample {
            requests: rate(counted.requests()),
            failed: rate(counted.failed),
            median: counted.quantile(500).map(micros),
            slowest_percent: counted.quantile(990).map(micros),
            cpu: share(now.usage.cpu, before.usage.cpu),
            throttled: share(now.usage.throttled, before.usage.throttled),
            memory: now.usage.memory,
            busy: now.busy,
            queued: now.queued,
        }
    }
}

fn narrow(value: u128) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn to_nanos(micros: Option<u32>) -> Option<u64> {
    micros.map(|micros| u64::from(micros) * 1000)
}

impl History {
    fn push(&self, sample: Sample) {
        let mut samples = self.lock();
        if samples.len() == CAPACITY {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// What they look like, beside these limits.
    pub(super) fn charts(&self, limits: &ChartLimits) -> Vec<Chart> {
        let samples = self.lock();
        let series = |name, value: fn(&Sample) -> Option<u64>| {
            let missing = CAPACITY - samples.len();
            let unknown = std::iter::repeat_n(None, missing);
            Series {
                name,
                points: unknown.chain(samples.iter().map(value)).collect(),
            }
        };
        let chart = |title, unit, series| Chart {
            title,
            unit,
            series,
            limit: None,
            seconds: MINUTES * 60,
        };
        let requests = series("answered", |sample| Some(sample.requests.into()));
        let failed = series("5xx", |sample| Some(sample.failed.into()));
        let median = series("median", |sample| to_nanos(sample.median));
        let slowest = series("99 %", |sample| to_nanos(sample.slowest_percent));
        let cpu = series("used", |sample| Some(sample.cpu.into()));
        let throttled = series("throttled", |sample| Some(sample.throttled.into()));
        let memory = series("used", |sample| Some(sample.memory));
        let busy = series("busy", |sample| Some(sample.busy.into()));
        let queued = series("queued", |sample| Some(sample.queued.into()));
        vec![
            chart("Requests", Unit::Rate, vec![requests]),
            chart("Latency", Unit::Nanos, vec![median, slowest]),
            chart("Errors", Unit::Rate, vec![failed]),
            Chart {
                limit: Some(("slots", limits.workers)),
                ..chart("Workers", Unit::Count, vec![busy, queued])
            },
            Chart {
                limit: limits.cpu.map(|limit| ("quota", limit)),
                ..chart("CPU", Unit::Cpus, vec![cpu, throttled])
            },
            Chart {
                limit: limits.memory.map(|limit| ("limit", limit)),
                ..chart("Memory", Unit::Bytes, vec![memory])
            },
        ]
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
