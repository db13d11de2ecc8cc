//! What the driving thread puts off: connections that have had their turn and have more to do, memory that takes a
//! while to free, and what is to be dropped by a worker.

use crate::engine::{
    Ready,
    native::discarded::{BodyReader, Discarded},
};
use std::collections::VecDeque;

/// So much memory is freed between two waits for events, which takes a tenth of a millisecond.
const FREED_AT_ONCE: usize = 4 << 20;

#[derive(Default)]
pub(super) struct Later {
    line: VecDeque<usize>,
    to_free: Vec<Vec<u8>>,
    readers: Vec<BodyReader>,
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

    pub(super) fn discard(&mut self, discarded: &mut Vec<Discarded>) {
        while let Some(one) = discarded.pop() {
            match one {
                Discarded::Memory(bytes) => self.to_free.push(bytes),
                Discarded::Reader(reader) => self.readers.push(reader),
            }
        }
    }

    /// Frees a piece of what is to be freed.
    pub(super) fn free_some(&mut self) {
        if let Some(bytes) = self.to_free.last_mut() {
            match bytes.capacity().checked_sub(FREED_AT_ONCE) {
                Some(rest) if rest > 0 => {
                    bytes.truncate(rest);
                    bytes.shrink_to(rest);
                }
                _ => drop(self.to_free.pop()),
            }
        }
    }

    /// Hands to the workers what only they may drop.
    pub(super) fn hand_over(&mut self, ready: &mut Vec<Ready>) {
        while let Some(reader) = self.readers.pop() {
            ready.push(Ready::Discarded(Box::new(reader)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gibibyte_is_freed_in_pieces_and_wholly() {
        let mut later = Later::default();
        later.discard(&mut vec![Discarded::Memory(Vec::with_capacity(1 << 30))]);
        for pieces in (0..256).rev() {
            assert!(later.has_work());
            later.free_some();
            let left: usize = later.to_free.iter().map(Vec::capacity).sum();
            assert_eq!(left, pieces * FREED_AT_ONCE);
        }
        assert!(!later.has_work());
    }
}
