//! What the driving thread puts off: connections that have had their turn and have more to do, memory that takes a
//! while to free, and what is to be dropped by a worker.

use crate::engine::{
    Ready,
    discarded::{Discarded, LargeBuffer},
};
use std::collections::VecDeque;

#[derive(Default)]
pub(super) struct Later {
    line: VecDeque<usize>,
    to_free: Vec<LargeBuffer>,
    handlers_own: Vec<Box<dyn Send>>,
}

impl Later {
    /// Whether there is something to do without any event.
    pub(super) fn has_work(&self) -> bool {
        !self.line.is_empty() || !self.to_free.is_empty()
    }

    /// The connection at this place is to have another turn after those that are in line already.
    pub(super) fn stand_in_line(&mut self, place: usize) {
        self.line.push_back(place);
    }

    pub(super) fn in_line(&self) -> usize {
        self.line.len()
    }

    pub(super) fn next_in_line(&mut self) -> Option<usize> {
        self.line.pop_front()
    }

    #[inline]
    pub(super) fn discard(&mut self, discarded: &mut Vec<Discarded>) {
        if !discarded.is_empty() {
            self.put_off(discarded);
        }
    }

    fn put_off(&mut self, discarded: &mut Vec<Discarded>) {
        while let Some(one) = discarded.pop() {
            match one {
                Discarded::Memory(buffer) => self.to_free.push(buffer),
                Discarded::Reader(reader) => self.leave_to_workers(Box::new(reader)),
                Discarded::Upload(upload) => self.leave_to_workers(upload),
            }
        }
    }

    /// Has a worker drop it.
    pub(super) fn leave_to_workers(&mut self, handlers_own: Box<dyn Send>) {
        self.handlers_own.push(handlers_own);
    }

    /// Frees a piece of what is to be freed.
    #[inline]
    pub(super) fn free_some(&mut self) {
        if let Some(buffer) = self.to_free.last_mut()
            && !buffer.free_some()
        {
            self.to_free.pop();
        }
    }

    /// Hands to the workers what only they may drop.
    #[inline]
    pub(super) fn hand_over(&mut self, ready: &mut Vec<Ready>) {
        while let Some(one) = self.handlers_own.pop() {
            ready.push(Ready::Discarded(one));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gibibyte_is_freed_in_pieces_and_wholly() {
        let mut gibibyte = Vec::with_capacity(1 << 30);
        let mut later = Later::default();
        later.discard(&mut Discarded::if_much(&mut gibibyte).into_iter().collect());
        let mut pieces = 0;
        while later.has_work() {
            later.free_some();
            pieces += 1;
        }
        assert_eq!(pieces, 256);
    }
}
