//! `BUFFER_MEMORY`: one budget for all request bodies and unsent responses together.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Requests and bodies of responses up to this size are served even where `BUFFER_MEMORY` is used up, so that probes
/// are.
pub(crate) const ALWAYS_SERVED: usize = 1024;

/// The budget, in bytes. Shared by all connections.
pub(crate) struct Memory {
    used: AtomicUsize,
    most: usize,
}

impl Memory {
    pub(crate) fn new(most: usize) -> Memory {
        Memory {
            used: AtomicUsize::new(0),
            most,
        }
    }

    /// Brings what a connection is charged for up or down to what it holds now. False where that takes the sum over
    /// the budget; the charge stands all the same, for the bytes are there until the connection lets go of them.
    pub(crate) fn settle(&self, charged: &mut usize, holds: usize) -> bool {
        let before = std::mem::replace(charged, holds);
        if holds <= before {
            if holds < before {
                self.used.fetch_sub(before - holds, Relaxed);
            }
            return true;
        }
        self.used.fetch_add(holds - before, Relaxed) + (holds - before) <= self.most
    }

    /// Whether there is room for so many bytes more.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.used.load(Relaxed).saturating_add(bytes) <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_connection_gives_back_another_can_have() {
        let memory = Memory::new(100);
        let (mut first, mut second) = (0, 0);
        assert!(memory.settle(&mut first, 80));
        assert!(!memory.settle(&mut second, 30), "over the budget");
        assert!(memory.settle(&mut first, 10));
        assert!(memory.has_room(60) && !memory.has_room(61));
        assert!(memory.settle(&mut second, 90));
    }
}
