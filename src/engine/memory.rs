//! `BUFFER_MEMORY`: what all connections hold of requests, and of responses that are not sent yet.
//!
//! Half of it is for the ones and half for the others, so that neither uploads that stall nor downloads that nobody
//! takes can stop the other way. Requests keep to their share, but for one that is alone. A response is the result of
//! work that was done, and is sent whatever the share says; so no handler begins while all of it is in use, and
//! responses hold at most their share and one response of each worker.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Both shares. All connections have them in common.
pub(crate) struct Memory {
    pub(crate) requests: Share,
    pub(crate) responses: Share,
}

impl Memory {
    /// Two halves of so many bytes.
    pub(crate) fn new(bytes: usize) -> Memory {
        Memory {
            requests: Share::new(bytes / 2),
            responses: Share::new(bytes / 2),
        }
    }
}

/// One budget, in bytes.
pub(crate) struct Share {
    used: AtomicUsize,
    most: usize,
}

impl Share {
    fn new(most: usize) -> Share {
        Share {
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

    /// Whether half of it is in use.
    pub(crate) fn is_half_used(&self) -> bool {
        self.used.load(Relaxed) >= self.most / 2
    }

    /// Whether nothing is left of it.
    pub(crate) fn is_used_up(&self) -> bool {
        self.used.load(Relaxed) >= self.most
    }

    /// Whether more is in use than there is.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.used.load(Relaxed) > self.most
    }

    /// Whether a connection that is charged for so much is the only one that holds any of it.
    pub(crate) fn is_all(&self, charged: usize) -> bool {
        self.used.load(Relaxed) == charged
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_connection_gives_back_another_can_have() {
        let Memory { requests, .. } = Memory::new(200);
        let (mut first, mut second) = (0, 0);
        assert!(requests.settle(&mut first, 80));
        assert!(!requests.settle(&mut second, 30), "over the budget");
        assert!(requests.is_exceeded());
        assert!(requests.settle(&mut first, 10));
        assert!(!requests.is_used_up());
        assert!(requests.settle(&mut second, 90));
        assert!(requests.is_used_up() && !requests.is_exceeded());
    }

    #[test]
    fn neither_way_can_take_what_is_the_others() {
        let memory = Memory::new(200);
        assert!(!memory.requests.settle(&mut 0, 1000));
        assert!(memory.responses.settle(&mut 0, 100));
        assert!(memory.responses.is_used_up() && !memory.responses.is_exceeded());
    }
}
