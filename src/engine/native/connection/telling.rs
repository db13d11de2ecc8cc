//! What a connection tells whoever counts it: its state, and in the end why it has ended.

use super::{Connection, State, Stream};
use crate::engine::occupancy::{Closed, Connections};

impl<S: Stream> Connection<S> {
    /// It ends for this; the first reason is the one that counts.
    pub(crate) fn ends_for(&mut self, why: Closed) {
        self.ending.get_or_insert(why);
    }

    /// In a drain, what is idle is closed as if its time were over.
    pub(crate) fn was_drained(&mut self) {
        if self.ending == Some(Closed::IdleTimeout) {
            self.ending = Some(Closed::Drain);
        }
    }

    pub(crate) fn count_in(&self, connections: &mut Connections) {
        let count = match self.state {
            State::Fresh(_) | State::Idle => &mut connections.idle,
            State::Head(_) => &mut connections.head,
            State::Body(_) | State::Chunked(..) | State::Flowing => &mut connections.body,
            State::Handling => &mut connections.handed_out,
            State::Sending => &mut connections.writing,
            State::Lingering(_) | State::Closed => &mut connections.closing,
        };
        *count += 1;
    }
}
