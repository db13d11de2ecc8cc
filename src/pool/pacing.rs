//! Uploads under a CPU quota, which leave a part of it to whoever else is there.
//!
//! A process that has spent its quota stands still until the kernel's next period, of 100 ms as a rule, and every request
//! with it. A few clients that send as fast as they can bring that about in each period; and it is they who can wait,
//! since what they send stays in their sockets meanwhile. So where others have been answered lately, the next piece of
//! an upload is taken only while the process is below three quarters of its quota. One piece a [`WINDOW`] always is.

use crate::config::limits::Limits;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// How far the CPU time is looked back upon: a part of the kernel's period, so that what is left to others is spread over
/// it.
const WINDOW: Duration = Duration::from_millis(10);

/// So long after an answer there may be another request.
const LATELY: Duration = Duration::from_secs(1);

/// All times are in nanoseconds since the pool's birth.
#[derive(Default)]
pub(super) struct Pacing {
    /// The CPU time of a window from which on uploads rest, in nanoseconds; none where it is 0.
    share: AtomicU64,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    ends: u64,
    /// What the process had spent when it began, in nanoseconds.
    spent_before: u64,
    /// How many requests had been answered at the last look, and when that had last changed.
    answered: u64,
    last_answer: u64,
}

impl Pacing {
    pub(super) fn follow(&self, limits: &Limits) {
        let quota = limits.cpu_quota.unwrap_or(f64::INFINITY);
        let share = match quota < limits.cpus as f64 {
            true => (quota * 0.75 * WINDOW.as_nanos() as f64) as u64,
            false => 0,
        };
        self.share.store(share, Relaxed);
    }

    /// How long uploads rest from now on, when the process has spent so much in all and answered so many requests.
    pub(super) fn rest(
        &self,
        now: impl FnOnce() -> u64,
        spent: impl FnOnce() -> u64,
        answered: impl FnOnce() -> u64,
    ) -> Option<Duration> {
        let share = self.share.load(Relaxed);
        if share == 0 {
            return None;
        }
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, spent) = (now(), spent());
        if now >= window.ends {
            window.ends = now + WINDOW.as_nanos() as u64;
            window.spent_before = spent;
        }
        if spent - window.spent_before < share {
            return None;
        }
        let answered = answered();
        if window.answered != answered {
            window.answered = answered;
            window.last_answer = now;
        }
        let is_alone = now - window.last_answer > LATELY.as_nanos() as u64;
        (!is_alone).then(|| Duration::from_nanos(window.ends - now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;
    const WINDOW: u64 = 10 * MILLISECOND;

    fn pacing(cpu_quota: Option<f64>) -> Pacing {
        let pacing = Pacing::default();
        pacing.follow(&Limits {
            cpus: 2,
            cpu_quota,
            memory_limit: None,
            descriptor_limit: None,
        });
        pacing
    }

    #[test]
    fn uploads_rest_for_others_from_three_quarters_of_the_quota_on_until_the_window_ends() {
        let pacing = pacing(Some(0.5));
        let rest = |now: u64, spent: u64| pacing.rest(|| now, || spent, || 1);
        let (begun, before) = (1000 * MILLISECOND, 7 * MILLISECOND);
        let share = 3_750_000;
        assert_eq!(rest(begun, before), None);
        assert_eq!(rest(begun + MILLISECOND, before + share - 1), None);
        let over = rest(begun + 4 * MILLISECOND, before + share);
        assert_eq!(over, Some(Duration::from_millis(6)));
        assert_eq!(rest(begun + WINDOW, before + share), None, "a new window");
    }

    #[test]
    fn uploads_that_are_alone_take_all_there_is() {
        let pacing = pacing(Some(0.5));
        let (mut now, mut spent) = (10_000 * MILLISECOND, 0);
        let mut rests_when_answered = |answered| {
            now += WINDOW;
            assert_eq!(
                pacing.rest(|| now, || spent, || answered),
                None,
                "the first piece"
            );
            spent += 5 * MILLISECOND;
            pacing.rest(|| now, || spent, || answered).is_some()
        };
        assert!(rests_when_answered(1), "somebody has been answered");
        let rested = (0..1000).take_while(|_| rests_when_answered(1)).count();
        assert_eq!(rested, 100, "for a second");
        assert!(rests_when_answered(2), "somebody is back");
    }

    #[test]
    fn without_a_quota_below_the_cpus_nothing_is_asked() {
        for quota in [None, Some(2.0)] {
            let pacing = pacing(quota);
            let asked = || unreachable!("it costs a system call");
            assert_eq!(pacing.rest(asked, asked, asked), None);
        }
    }
}
