//! What the pages tell of.

use super::{history::History, own::OwnPages};
use crate::{config::settings::Secret, lifecycle::flags::Flags, pool::Pool};
use std::{sync::Arc, time::SystemTime};

pub(super) const STATUSZ: &str = "/statusz";
pub(super) const FLAGZ: &str = "/flagz";
pub(super) const THREADZ: &str = "/threadz";
pub(super) const TRACEZ: &str = "/tracez";
pub(super) const LOG_LEVEL: &str = "/loglevel";

/// The pages for people that every service has.
pub(super) const PAGES: [&str; 4] = [STATUSZ, FLAGZ, THREADZ, TRACEZ];

/// What else there is to be read.
const OTHERS: [&str; 7] = [
    "/healthz",
    "/livez",
    LOG_LEVEL,
    "/metrics",
    "/readyz",
    "/startupz",
    "/version",
];

/// The running service, as its pages see it.
pub(crate) struct Subject {
    pub(crate) pool: Arc<Pool>,
    pub(crate) flags: Arc<Flags>,
    pub(crate) history: Arc<History>,
    /// What whoever changes anything has to show.
    pub(crate) token: Option<Secret>,
    /// What the service has added.
    pub(crate) own: Option<Arc<OwnPages>>,
    pub(crate) started: SystemTime,
}

impl Subject {
    /// The pages for people.
    pub(super) fn pages(&self) -> Vec<&str> {
        let own = self.own.iter().flat_map(|own| &own.paths);
        PAGES.into_iter().chain(own.map(String::as_str)).collect()
    }

    /// All that can be read, in order.
    pub(super) fn paths(&self) -> Vec<&str> {
        let mut paths: Vec<&str> = Vec::new();
        for path in OTHERS.into_iter().chain(self.pages()) {
            let place = paths.partition_point(|known| *known <= path);
            paths.insert(place, path);
        }
        paths
    }
}
