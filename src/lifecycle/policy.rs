//! What becomes of a background service that fails, or returns before it was told to.

use crate::config::settings::IntoDuration;
use std::time::Duration;

/// What is done when a background service or a run of a scheduled job fails, or when a background service returns
/// before it was told to stop; see [`Service::on_failure`](crate::Service::on_failure) and
/// [`Service::on_return`](crate::Service::on_return).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// The whole service stops: it drains, then exits with code 1.
    StopService,
    /// It is run again after a pause.
    Restart(Restart),
    /// The service goes on without it, and is not ready: `/readyz` has a check of its name, which fails. A scheduled
    /// job runs again at its next beat, and the check passes when a run succeeds.
    Unready,
    /// The service goes on without it. A scheduled job runs again at its next beat.
    GoOn,
}

impl From<Restart> for Policy {
    fn from(restart: Restart) -> Policy {
        Policy::Restart(restart)
    }
}

/// When to run a background service again, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    first: Duration,
    longest: Duration,
    limit: Option<u32>,
    pub(super) is_unready_meanwhile: bool,
}

impl Restart {
    /// After a pause of `first`, then of twice as long each time, of `longest` at most; each is shortened by up to a fifth
    /// at random, so that replicas do not all come back at once. A run that lasted for `longest` or more was a good one:
    /// after it the pauses begin anew. There is no limit unless [`limit`](Restart::limit) sets one.
    ///
    /// # Panics
    /// Where a text is no duration such as `250ms`, `5s` or `1m`, `first` is 0, or `longest` is shorter.
    #[must_use]
    #[track_caller]
    pub fn backoff(first: impl IntoDuration, longest: impl IntoDuration) -> Restart {
        let (first, longest) = (first.into_duration(), longest.into_duration());
        assert!(
            !first.is_zero(),
            "a restart without a pause would never rest: begin with 100ms or more"
        );
        assert!(
            first <= longest,
            "the longest pause, {longest:?}, is shorter than the first, {first:?}"
        );
        Restart {
            first,
            longest,
            limit: None,
            is_unready_meanwhile: false,
        }
    }

    /// So many restarts in a row at most; one failure more is [`Policy::StopService`].
    #[must_use]
    pub fn limit(self, limit: u32) -> Restart {
        Restart {
            limit: Some(limit),
            ..self
        }
    }

    /// While it does not run, the service is not ready: `/readyz` has a check of its name.
    #[must_use]
    pub fn unready_meanwhile(self) -> Restart {
        Restart {
            is_unready_meanwhile: true,
            ..self
        }
    }

    /// Whether a run was long enough for the failures before it to be forgotten.
    pub(super) fn was_good(&self, ran_for: Duration) -> bool {
        ran_for >= self.longest
    }

    /// How long to pause before the next restart, after so many in a row; none where that was the last. `chance` is from 0
    /// to 1.
    pub(super) fn pause(&self, restarts: u32, chance: f64) -> Option<Duration> {
        if self.limit.is_some_and(|limit| restarts >= limit) {
            return None;
        }
        let doubled = 2_u32
            .checked_pow(restarts)
            .and_then(|factor| self.first.checked_mul(factor));
        let pause = doubled.map_or(self.longest, |pause| pause.min(self.longest));
        Some(pause.mul_f64(1.0 - chance / 5.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(restart: &Restart, count: u32) -> Vec<u64> {
        let pauses = (0..count).filter_map(|restarts| restart.pause(restarts, 0.0));
        pauses.map(|pause| pause.as_secs()).collect()
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_end_at_the_limit() {
        let restart = Restart::backoff("1s", "1m");
        assert_eq!(pauses(&restart, 8), [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(restart.pause(u32::MAX, 0.0), Some(Duration::from_secs(60)));
        assert_eq!(pauses(&restart.limit(2), 8), [1, 2]);
    }

    #[test]
    fn replicas_do_not_come_back_all_at_once() {
        let restart = Restart::backoff("10s", "10s");
        assert_eq!(restart.pause(0, 1.0), Some(Duration::from_secs(8)));
    }

    #[test]
    #[should_panic = "would never rest"]
    fn a_restart_without_a_pause_is_refused() {
        let _ = Restart::backoff("0", "1m");
    }
}
