//! Whether a client keeps up with `MIN_BODY_RATE`, in sending what it has begun to send or in taking what it is sent.

use std::time::{Duration, Instant};

/// A client may be so far behind the least rate: the grace period of Kestrel's `MinRequestBodyDataRate` and
/// `MinResponseDataRate` (<https://learn.microsoft.com/aspnet/core/fundamentals/servers/kestrel/options>).
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// The time up to which what has moved so far would suffice at the least rate; never in the future, so that a client
/// that was fast and has stopped is noticed as soon as one that has not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace(Instant);

impl Pace {
    pub(super) fn begin(now: Instant) -> Pace {
        Pace(now)
    }

    /// Takes note of bytes that have moved. `least` is a rate, in bytes a second.
    pub(super) fn note(&mut self, bytes: usize, now: Instant, least: u32) {
        let nanos = (bytes as u64).saturating_mul(1_000_000_000) / u64::from(least.max(1));
        self.0 = now.min(self.0 + Duration::from_nanos(nanos));
    }

    /// Leaves out a time that was not the client's.
    pub(super) fn shift(&mut self, time: Duration) {
        self.0 += time;
    }

    /// From when on the client is behind by more than it may, if nothing moves until then.
    pub(super) fn behind_at(&self) -> Instant {
        self.0 + GRACE
    }

    /// Since when the client is behind, where it is by more than it may.
    pub(super) fn behind_since(&self, now: Instant) -> Option<Instant> {
        (now > self.0 + GRACE).then_some(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many seconds someone is too slow who sends so much at the beginning, and then so much a second.
    fn seconds(first: usize, each: usize) -> Option<usize> {
        let begun = Instant::now();
        let mut pace = Pace::begin(begun);
        pace.note(first, begun, 240);
        (1..100).find(|seconds| {
            let now = begun + Duration::from_secs(*seconds as u64);
            pace.note(each, now, 240);
            pace.behind_since(now).is_some()
        })
    }

    #[test]
    fn who_is_slower_than_the_least_rate_is_noticed_the_sooner_the_slower_it_is() {
        let rates = [0, 20, 120, 180, 240, 1000];
        let noticed = [Some(6), Some(6), Some(11), Some(21), None, None];
        assert_eq!(rates.map(|rate| seconds(0, rate)), noticed);
        assert_eq!(
            rates.map(|rate| seconds(1 << 30, rate)),
            noticed,
            "that it was fast once is no merit"
        );
    }

    #[test]
    fn the_one_that_is_furthest_behind_comes_first() {
        let now = Instant::now();
        let begun = now - Duration::from_secs(20);
        let behind = |bytes| {
            let mut pace = Pace::begin(begun);
            pace.note(bytes, now, 240);
            pace.behind_since(now)
        };
        assert!(behind(0) < behind(1000) && behind(1000).is_some());
        assert_eq!(behind(15 * 240), None);
    }
}
