//! The connections of tiny_http that are known, counted by their state.

use super::Peers;
use crate::engine::occupancy::{Closed, ClosedCounts, Connections};

impl Peers {
    pub(in crate::engine::tiny_http) fn count(&self) -> Connections {
        let mut connections = Connections::default();
        for peer in self.known.values() {
            peer.count_in(&mut connections);
        }
        connections
    }

    /// All that are there still are cut off.
    pub(in crate::engine::tiny_http) fn count_cut(&mut self, closed: &ClosedCounts) {
        for peer in self.known.values_mut() {
            peer.count_end(Closed::Cut, closed);
        }
    }
}
