//! What the checks tell whoever scrapes, in the kube-apiserver's shape
//! (<https://kubernetes.io/docs/reference/instrumentation/slis/>).

use super::{
    Health,
    state::{CheckKind, HealthStatus},
};
use crate::observe::metrics::exposition::{Exposition, Kind};

impl Health {
    /// Writes what every check says, and how often it has passed and failed. Never waits.
    pub(crate) fn write_metrics(&self, out: &mut Exposition) {
        out.family(
            Kind::Gauge,
            "healthcheck",
            "1 where a probe passes the check (a degraded one too), 0 where not.",
        );
        for check in self.states() {
            let labels = [("name", check.name), ("type", probe(check.kind))];
            out.sample(&labels, check.status != HealthStatus::Unhealthy);
        }
        out.family(
            Kind::Counter,
            "healthchecks",
            "How often a check has passed and failed.",
        );
        for check in &self.checks {
            let (passes, failures) = check.looks();
            for (status, count) in [("success", passes), ("error", failures)] {
                let labels = [
                    ("name", check.name()),
                    ("type", probe(check.kind())),
                    ("status", status),
                ];
                out.sample(&labels, count);
            }
        }
    }
}

fn probe(kind: CheckKind) -> &'static str {
    match kind {
        CheckKind::Liveness => "livez",
        CheckKind::Readiness => "readyz",
    }
}
