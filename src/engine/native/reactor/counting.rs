//! The native engine's connections, counted by their state.

use super::Reactor;
use crate::engine::{
    native::{lease::Returned, table::Place},
    occupancy::Connections,
};

impl Reactor {
    pub(in crate::engine::native) fn count(&self, connections: &mut Connections) {
        for place in &self.table.places {
            match place {
                Place::Held(lease) => lease.connection.count_in(connections),
                Place::Leased { .. } => connections.handed_out += 1,
                Place::Free => {}
            }
        }
        let mut take_in = |returned: &Returned| {
            connections.handed_out = connections.handed_out.saturating_sub(1);
            if let Returned::Connection(lease) = returned {
                lease.connection.count_in(connections);
            }
        };
        self.returned.iter().for_each(&mut take_in);
        self.shared.for_each_returned(take_in);
    }
}
