//! Responses that have more to send than they had: whoever pushes it has told so.

use super::Reactor;
use crate::engine::native::table::Place;

impl Reactor {
    /// Has each that awaits more take a turn, after those that are in line already.
    pub(super) fn take_in_news(&mut self) {
        for place in self.shared.take_news() {
            match self.table.places.get_mut(place) {
                Some(Place::Held(lease)) if lease.connection.awaits_more() => {
                    lease.connection.note_more();
                    lease.is_in_line = true;
                    self.later.stand_in_line(place);
                }
                Some(Place::Leased { has_more, .. }) => *has_more = true,
                Some(Place::Held(_) | Place::Free) | None => {}
            }
        }
    }
}
