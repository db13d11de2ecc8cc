//! A check of the workers: whether every one of them is stuck.

use crate::{
    config::settings::{IntoDuration, show_duration},
    health::{
        check::{AtHand, Check, Verdict},
        workers::Workers,
    },
};
use std::{
    sync::{OnceLock, Weak},
    time::Duration,
};

struct Saturation {
    longer_than: Duration,
    /// Those of the service that the check belongs to, once it has started.
    workers: OnceLock<Weak<dyn Workers>>,
}

impl AtHand for Saturation {
    fn look(&self) -> Verdict {
        let workers = self.workers.get().and_then(Weak::upgrade);
        match workers.and_then(|workers| workers.all_busy_for(self.longer_than)) {
            None => Ok(()),
            Some(mut routes) => {
                // The same routes are the same reason, whichever worker is asked first.
                routes.sort();
                let routes: Vec<String> = routes
                    .iter()
                    .map(|(route, count)| format!("{route} ({count})"))
                    .collect();
                Err(format!(
                    "every worker is busy with one request for longer than {}: {}",
                    show_duration(self.longer_than),
                    routes.join(", ")
                ))
            }
        }
    }

    fn begin(&self, workers: &Weak<dyn Workers>) {
        let _ = self.workers.set(Weak::clone(workers));
    }
}

impl<S: 'static> Check<S> {
    /// A check named `saturation` that fails while every worker is busy with one request for longer than this: then
    /// nothing is served, and what arrives waits until it is turned away. The log names the routes. Needs no thread.
    ///
    /// `longer_than` has to be longer than any request may take that is not stuck. While the check fails the pod is
    /// [`unready`](Check::unready), and gets traffic again when a handler ends. Where nothing ends a stuck handler,
    /// [`not_alive`](Check::not_alive) has Kubernetes restart the container.
    ///
    /// ```
    /// # use seaworthy::{Check, Service};
    /// let service = Service::new("shop").check(Check::saturation("30s"));
    /// # let _ = service;
    /// ```
    ///
    /// # Panics
    /// Where it is zero, or a text is no duration such as `250ms`, `5s` or `1m`.
    #[must_use]
    #[track_caller]
    pub fn saturation(longer_than: impl IntoDuration) -> Check<S> {
        let longer_than = longer_than.into_duration();
        assert!(
            !longer_than.is_zero(),
            "workers may be busy for longer than 0: write 250ms, 5s or 1m"
        );
        let saturation = Saturation {
            longer_than,
            workers: OnceLock::new(),
        };
        Check::at_hand("saturation", saturation).unready()
    }
}
