//! A check that a loop keeps alive.

use crate::{
    config::settings::IntoDuration,
    health::{
        check::{AtHand, Check, Verdict},
        workers::Workers,
    },
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

/// What the loop of a [`Check::heartbeat`] holds. Any thread may use it; clones beat for the same check.
#[derive(Clone, Default)]
pub struct Heartbeat(Arc<Mutex<Option<Instant>>>);

impl Heartbeat {
    /// The loop still turns. Costs tens of nanoseconds.
    pub fn beat(&self) {
        *self.last() = Some(Instant::now());
    }

    fn last(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Beating {
    heartbeat: Heartbeat,
    within: Duration,
}

impl AtHand for Beating {
    fn look(&self) -> Verdict {
        match *self.heartbeat.last() {
            Some(last) if last.elapsed() > self.within => {
                Err(format!("no heartbeat within {:?}", self.within))
            }
            _ => Ok(()),
        }
    }

    fn begin(&self, _: &Weak<dyn Workers>) {
        self.heartbeat.last().get_or_insert_with(Instant::now);
    }
}

impl<S: 'static> Check<S> {
    /// A check that fails where its [`Heartbeat`] has not beaten for longer than `within`: for a loop that must not get
    /// stuck, such as a consumer. The time to the first beat runs from the end of start-up. Needs no thread.
    ///
    /// While it fails the service is [`degraded`](Check::degraded), unless the check is made
    /// [`unready`](Check::unready), or [`not_alive`](Check::not_alive) where a restart would free the loop.
    ///
    /// ```
    /// use seaworthy::{Check, Service, Stop};
    /// use std::time::Duration;
    ///
    /// let (check, heartbeat) = Check::heartbeat("consumer", "30s");
    /// let service = Service::new("shop")
    ///     .check(check.not_alive())
    ///     .background("consumer", move |stop: &Stop| {
    ///         while !stop.wait(Duration::from_secs(1)) {
    ///             heartbeat.beat();
    ///         }
    ///     });
    /// # let _ = service;
    /// ```
    ///
    /// # Panics
    /// Where `within` is zero, or a text is no duration such as `250ms`, `5s` or `1m`.
    #[must_use]
    #[track_caller]
    pub fn heartbeat(name: &'static str, within: impl IntoDuration) -> (Check<S>, Heartbeat) {
        let within = within.into_duration();
        assert!(
            !within.is_zero(),
            "a heartbeat must have longer than 0: write 250ms, 5s or 1m"
        );
        let heartbeat = Heartbeat::default();
        let beating = Beating {
            heartbeat: heartbeat.clone(),
            within,
        };
        (Check::at_hand(name, beating), heartbeat)
    }
}
