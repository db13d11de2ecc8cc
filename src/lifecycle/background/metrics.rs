//! What background services and scheduled jobs tell whoever scrapes.

use super::Background;
use crate::{
    lifecycle::supervisor::Counts,
    observe::metrics::{
        Source,
        exposition::{Exposition, Kind},
    },
};
use std::sync::{Arc, atomic::Ordering::Relaxed};

/// One background service or scheduled job.
struct Counted {
    name: &'static str,
    is_scheduled: bool,
    counts: Arc<Counts>,
}

/// Those of one service, from before they are started until after they have ended.
pub(crate) struct BackgroundMetrics(Vec<Counted>);

impl BackgroundMetrics {
    pub(crate) fn of(all: &[Background]) -> BackgroundMetrics {
        let services = all.iter().filter_map(|background| match background {
            Background::Service(service) => Some(Counted {
                name: service.name,
                is_scheduled: service.is_scheduled(),
                counts: Arc::clone(&service.counts),
            }),
            Background::Hook(_) => None,
        });
        BackgroundMetrics(services.collect())
    }
}

impl Source for BackgroundMetrics {
    fn write(&self, out: &mut Exposition) {
        if self.0.is_empty() {
            return;
        }
        out.family(
            Kind::Gauge,
            "seaworthy_background_service_up",
            "1 where it runs, or waits for its next run; 0 before it begins, in the pause before a restart, and \
             after its end.",
        );
        for one in &self.0 {
            out.sample(&[("name", one.name)], one.counts.is_up.load(Relaxed));
        }
        out.family(
            Kind::Counter,
            "seaworthy_background_restarts",
            "How often its policy has had it run again.",
        );
        for one in &self.0 {
            out.sample(&[("name", one.name)], one.counts.restarts.load(Relaxed));
        }
        if self.0.iter().any(|one| one.is_scheduled) {
            out.family(
                Kind::Counter,
                "seaworthy_scheduled_runs_skipped",
                "Runs that were skipped, for the one before took longer than the interval.",
            );
        }
        for one in self.0.iter().filter(|one| one.is_scheduled) {
            out.sample(
                &[("name", one.name)],
                one.counts.skipped_beats.load(Relaxed),
            );
        }
    }
}
