//! Metrics that a program adds to seaworthy's.

use super::Service;
use prometheus_client::registry::Registry;

impl<S: Send + Sync + 'static> Service<S> {
    /// Registers metrics of the program's own, beside seaworthy's, to be scraped at `/metrics`: on `ADMIN_PORT` where
    /// that is set, on `PORT` where it is not. `register` runs at once. A collector in the registry runs at each scrape,
    /// on the thread `metrics`, one scrape at a time: one that blocks holds up other scrapes, and no probe.
    ///
    /// ```
    /// use seaworthy::{Request, Service, prometheus_client::metrics::counter::Counter};
    ///
    /// let orders = Counter::<u64>::default();
    /// let counted = orders.clone();
    /// let order = move |_: &Request| {
    ///     counted.inc();
    ///     "ordered"
    /// };
    /// let service = Service::new("shop")
    ///     .metrics(|registry| registry.register("shop_orders", "Orders taken", orders))
    ///     .post("/orders", order);
    /// ```
    ///
    /// # Panics
    /// [`run`](Service::run) and [`start`](Service::start) panic where a name is there twice or is one of seaworthy's. A
    /// `Family` without a member has no name to look at yet: where that turns out to be taken, a scrape logs it as an error.
    #[must_use]
    pub fn metrics(mut self, register: impl FnOnce(&mut Registry)) -> Service<S> {
        self.metrics.has_own = true;
        register(self.metrics.registry());
        self
    }

    /// Appends `text` to what `/metrics` answers, for what another crate counts and writes in Prometheus' classic text
    /// format. It is asked at each scrape, on the thread that collectors run on. That format is then the only one that is
    /// answered.
    ///
    /// # Panics
    /// As [`metrics`](Service::metrics).
    #[must_use]
    pub fn append_metrics(
        mut self,
        text: impl Fn() -> String + Send + Sync + 'static,
    ) -> Service<S> {
        self.metrics.has_own = true;
        self.metrics.appended.push(Box::new(text));
        self
    }
}
