//! When a scheduled job runs.

use crate::{
    config::settings::{IntoDuration, LONGEST_DURATION},
    phase::Stop,
};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

/// How often a job of [`Service::every`](crate::Service::every) runs. `"60s"` alone is `Schedule::every("60s")`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    interval: Duration,
    jitter: Duration,
    begins_at_once: bool,
}

impl Schedule {
    /// At a beat every so often, the first one an interval after the service has started.
    ///
    /// # Panics
    /// Where a text is no duration such as `250ms`, `5s` or `1m`, or the interval is 0.
    #[must_use]
    #[track_caller]
    pub fn every(interval: impl IntoDuration) -> Schedule {
        let interval = interval.into_duration();
        assert!(
            !interval.is_zero(),
            "a job that runs every 0 would never rest: write 250ms, 5s or 1m"
        );
        Schedule {
            interval,
            jitter: Duration::ZERO,
            begins_at_once: false,
        }
    }

    /// Each run waits behind its beat for a time of its own, from 0 to so long at random, so that replicas do not all
    /// ask the same database at once. None unless said otherwise.
    ///
    /// # Panics
    /// Where a text is no duration such as `250ms`, `5s` or `1m`.
    #[must_use]
    #[track_caller]
    pub fn jitter(self, jitter: impl IntoDuration) -> Schedule {
        Schedule {
            jitter: jitter.into_duration(),
            ..self
        }
    }

    /// The first run is at once, as soon as the service has started, and not an interval later. It waits for its jitter
    /// all the same.
    #[must_use]
    pub fn at_once(self) -> Schedule {
        Schedule {
            begins_at_once: true,
            ..self
        }
    }

    /// The beats from now on.
    pub(super) fn begin(&self) -> Beats {
        Beats {
            schedule: self.clone(),
            next: self.after(Instant::now()),
            is_first: self.begins_at_once,
        }
    }

    /// The beat after `now`. One that no clock can tell is a year ahead.
    fn after(&self, now: Instant) -> Instant {
        let next = now.checked_add(self.interval);
        next.unwrap_or_else(|| now + LONGEST_DURATION)
    }
}

impl From<&str> for Schedule {
    #[track_caller]
    fn from(interval: &str) -> Schedule {
        Schedule::every(interval)
    }
}

impl From<Duration> for Schedule {
    #[track_caller]
    fn from(interval: Duration) -> Schedule {
        Schedule::every(interval)
    }
}

/// The beats of a schedule that has begun.
pub(super) struct Beats {
    schedule: Schedule,
    /// One that comes while the job runs is used after it; a second one is none.
    next: Instant,
    is_first: bool,
}

impl Beats {
    /// Waits for the next beat and its jitter, and says how many have passed unused before this run; none where the job
    /// is told to stop, by `stop` and by `told`'s being disconnected.
    pub(super) fn wait(&mut self, stop: &Stop, told: &Receiver<Infallible>) -> Option<u64> {
        let skipped = match std::mem::take(&mut self.is_first) {
            true => 0,
            false => self.wait_for_beat(told)?,
        };
        let jitter = self.schedule.jitter.mul_f64(fastrand::f64());
        (!stop.wait(jitter)).then_some(skipped)
    }

    /// Returns how many more beats there have been since the one that is taken now.
    fn wait_for_beat(&mut self, told: &Receiver<Infallible>) -> Option<u64> {
        match told.recv_deadline(self.next) {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
        let now = Instant::now();
        let late = now.saturating_duration_since(self.next).as_nanos();
        self.next = self.schedule.after(now);
        let skipped = late / self.schedule.interval.as_nanos();
        Some(u64::try_from(skipped).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic = "would never rest"]
    fn a_job_that_would_run_without_a_pause_is_refused() {
        let _ = Schedule::every("0");
    }

    #[test]
    fn the_beats_of_a_run_that_was_too_long_are_skipped_but_one_and_counted() {
        let (stop, (_held, told)) = (Stop::default(), crossbeam_channel::bounded(0));
        let mut beats = Schedule::every("20ms").at_once().begin();
        assert_eq!(beats.wait(&stop, &told), Some(0));
        std::thread::sleep(Duration::from_millis(110));
        assert!(beats.wait(&stop, &told) >= Some(4));
        assert!(beats.wait(&stop, &told).is_some());
    }

    #[test]
    fn a_job_between_two_runs_is_told_to_stop_at_once() {
        let (stop, (held, told)) = (Stop::default(), crossbeam_channel::bounded(0));
        let mut beats = Schedule::every("1h").begin();
        drop(held);
        assert_eq!(beats.wait(&stop, &told), None);
        let (_held, told) = crossbeam_channel::bounded(0);
        stop.stop();
        let mut beats = Schedule::every("1h").jitter("1h").at_once().begin();
        assert_eq!(beats.wait(&stop, &told), None);
    }
}
