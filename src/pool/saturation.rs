//! Whether every worker is busy with one request for long.

use super::{Pool, nanos};
use crate::health::workers::Workers;
use std::time::Duration;

impl Workers for Pool {
    fn all_busy_for(&self, longer_than: Duration) -> Option<Vec<(String, usize)>> {
        let since = self.born.elapsed().checked_sub(longer_than)?;
        if self.in_flight.busy_since(nanos(since)) < self.slots() {
            return None;
        }
        Some(self.in_flight.running(|route| self.template(route)))
    }
}
