//! What is known of a check at one moment.

use std::time::Duration;

/// How a service, or one of its checks, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthStatus {
    /// All is well.
    Healthy,
    /// Something is wrong, and the service is still worth asking: probes pass, `?verbose` and the log tell.
    Degraded,
    /// Probes of the check's kind answer 503.
    Unhealthy,
}

impl HealthStatus {
    /// As the log calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            HealthStatus::Healthy => "healthy",
            HealthStatus::Degraded => "degraded",
            HealthStatus::Unhealthy => "unhealthy",
        }
    }
}

/// Which probe a check belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// `/livez` and `/healthz`: whether Kubernetes restarts the container.
    Liveness,
    /// `/readyz`: whether the pod gets traffic.
    Readiness,
}

/// A check as it is at one moment: what a probe would be told, and what is told to nobody outside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckState {
    /// The check's name.
    pub name: &'static str,
    /// Which probe it belongs to.
    pub kind: CheckKind,
    /// What it says now, with its thresholds applied.
    pub status: HealthStatus,
    /// How long ago the last look was completed; `None` before the first.
    pub age: Option<Duration>,
    /// Why it failed when it last did, be it that it passes again.
    pub last_error: Option<String>,
    /// Its tags.
    pub tags: Vec<&'static str>,
}
