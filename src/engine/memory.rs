//! `BUFFER_MEMORY`: what all connections hold of requests, and of responses that are not sent yet.
//!
//! Half of it is for the ones and half for the others, so that neither uploads that stall nor downloads that nobody
//! takes can stop the other way. Requests keep to their share, but for one that is alone. A response is the result of
//! work that was done, and is sent whatever the share says; so no handler begins while all of it is in use, and
//! responses hold at most their share and one response of each worker.
//!
//! Where it follows the memory limit, that is read again before either share grows by another [`STEP`].

use super::{budget::Budget, occupancy::Used};
use std::sync::Arc;

/// So much may be added to what a share holds before the memory limit is read again: 4 MiB in both. A pod may be given
/// less memory at any moment, and a burst of uploads fills what it had in less time than goes by between two ticks.
const STEP: usize = 2 * 1024 * 1024;

/// Tells how many bytes both shares may have under the memory limit as it is now; `None` where that cannot be told.
pub(crate) type CurrentLimit = Arc<dyn Fn() -> Option<usize> + Send + Sync>;

/// Both shares. All connections have them in common, those of each reactor through a part of its own.
pub(crate) struct Memory {
    pub(crate) requests: Share,
    pub(crate) responses: Share,
}

impl Memory {
    /// Two halves of so many bytes. They follow the memory limit where there is something that tells it.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn new(bytes: usize, limit: Option<CurrentLimit>) -> Memory {
        Memory::in_parts(bytes, limit, 1)
    }

    /// The same in so many parts. The first of them.
    pub(crate) fn in_parts(bytes: usize, limit: Option<CurrentLimit>, parts: usize) -> Memory {
        Memory {
            requests: Share::new(bytes / 2, limit.clone(), parts),
            responses: Share::new(bytes / 2, limit, parts),
        }
    }

    /// The part of this number, of the same memory.
    pub(crate) fn part(&self, number: usize) -> Memory {
        Memory {
            requests: self.requests.part(number),
            responses: self.responses.part(number),
        }
    }

    /// From now on there are so many bytes. What is held beyond them is held until its connections let go of it.
    pub(crate) fn resize(&self, bytes: usize) {
        self.requests.budget.resize(bytes / 2);
        self.responses.budget.resize(bytes / 2);
    }
}

/// One budget, in bytes.
pub(crate) struct Share {
    /// Within what it grants nothing has to be looked at: that is within the budget, and within a [`STEP`] of the least
    /// that was in use since the memory limit was last read.
    budget: Budget,
    limit: Option<CurrentLimit>,
}

impl Share {
    fn new(most: usize, limit: Option<CurrentLimit>, parts: usize) -> Share {
        let step = limit.as_ref().map_or(usize::MAX, |_| STEP);
        let budget = Budget::new(most, step, parts);
        Share { budget, limit }
    }

    fn part(&self, number: usize) -> Share {
        Share {
            budget: self.budget.part(number),
            limit: self.limit.clone(),
        }
    }

    /// The whole budget.
    pub(crate) fn most(&self) -> usize {
        self.budget.most()
    }

    /// Brings what a connection is charged for up or down to what it holds now. False where that takes the sum over
    /// the budget; the charge stands all the same, for the bytes are there until the connection lets go of them.
    #[inline]
    pub(crate) fn settle(&self, charged: &mut usize, holds: usize) -> bool {
        holds == *charged || self.settle_change(charged, holds)
    }

    /// The same, but where it is more than before and too much, it is not charged for: false then, and all is as it was.
    /// One that is alone may have more than there is.
    pub(crate) fn try_settle(&self, charged: &mut usize, holds: usize) -> bool {
        let before = *charged;
        let fits = self.settle(charged, holds) || holds <= before || self.is_all(holds);
        if !fits {
            self.settle(charged, before);
        }
        fits
    }

    fn settle_change(&self, charged: &mut usize, holds: usize) -> bool {
        let before = std::mem::replace(charged, holds);
        if holds <= before {
            self.budget.subtract(before - holds);
            return true;
        }
        self.budget.add(holds - before) || self.has_room()
    }

    /// The same for what may be too much, or has grown by so much that the memory limit is to be read again.
    #[cold]
    fn has_room(&self) -> bool {
        if let Some(limit) = &self.limit
            && !self.is_exceeded()
            && let Some(bytes) = limit()
        {
            self.budget.resize(bytes / 2);
        }
        self.budget.is_kept()
    }

    /// Whether half of it is in use, and some of that here.
    #[inline]
    pub(crate) fn is_half_used(&self) -> bool {
        self.budget.is_used_here() && self.budget.used() >= self.most() / 2
    }

    /// Whether nothing is left of it.
    pub(crate) fn is_used_up(&self) -> bool {
        !self.budget.has_left()
    }

    /// Whether more is in use than there is.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.budget.is_exceeded()
    }

    /// Whether a connection that is charged for so much is the only one that holds any of it.
    pub(crate) fn is_all(&self, charged: usize) -> bool {
        self.budget.used() == charged
    }

    /// For who scrapes.
    pub(crate) fn usage(&self) -> Used {
        Used {
            used: self.budget.used(),
            most: self.most(),
        }
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn used(&self) -> usize {
        self.budget.used()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    #[test]
    fn what_one_connection_gives_back_another_can_have() {
        let Memory { requests, .. } = Memory::new(200, None);
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
        let memory = Memory::new(200, None);
        assert!(!memory.requests.settle(&mut 0, 1000));
        assert!(memory.responses.settle(&mut 0, 100));
        assert!(memory.responses.is_used_up() && !memory.responses.is_exceeded());
    }

    /// Shares of a memory whose limit can be changed, and how many times it was read.
    fn limited(bytes: usize) -> (Memory, Arc<AtomicUsize>, Arc<AtomicUsize>) {
        let (limit, readings) = (Arc::new(AtomicUsize::new(bytes)), Arc::default());
        let current: CurrentLimit = {
            let (limit, readings) = (Arc::clone(&limit), Arc::clone(&readings));
            Arc::new(move || {
                AtomicUsize::fetch_add(&readings, 1, Relaxed);
                Some(limit.load(Relaxed))
            })
        };
        (Memory::new(bytes, Some(current)), limit, readings)
    }

    #[test]
    fn a_burst_that_begins_after_the_memory_limit_was_lowered_does_not_fill_what_there_was() {
        let (Memory { requests, .. }, limit, _) = limited(50 * STEP);
        // What was held before says nothing of what may be held now.
        let mut before = 0;
        assert!(requests.settle(&mut before, 24 * STEP));
        requests.settle(&mut before, 0);
        limit.store(4 * STEP, Relaxed);
        let mut held = 0;
        let fits = (1..).find(|step| !requests.settle(&mut held, step * STEP / 4));
        assert_eq!(fits, Some(9), "two steps of four quarters, and one more");
        assert!(requests.is_exceeded() && requests.most() == 2 * STEP);
    }

    #[test]
    fn the_limit_is_read_once_a_step_and_not_for_what_comes_and_goes_within_one() {
        let (Memory { requests, .. }, _, readings) = limited(50 * STEP);
        let mut held = 0;
        for _ in 0..1000 {
            assert!(requests.settle(&mut held, STEP - 1));
            requests.settle(&mut held, 0);
        }
        assert_eq!(readings.load(Relaxed), 0);
        for step in 1..=100 {
            assert!(requests.settle(&mut held, step * STEP / 10));
        }
        assert!((8..=10).contains(&readings.load(Relaxed)), "{readings:?}");
    }

    #[test]
    fn what_is_held_beyond_a_lowered_bound_is_in_nobody_elses_way_once_it_is_given_back() {
        let memory = Memory::new(200, None);
        let (mut held, mut other) = (0, 0);
        assert!(memory.requests.settle(&mut held, 100));
        memory.resize(100);
        assert!(memory.requests.is_exceeded() && !memory.requests.settle(&mut other, 1));
        memory.requests.settle(&mut held, 0);
        assert!(memory.requests.settle(&mut other, 50));
        memory.resize(400);
        assert!(memory.requests.settle(&mut other, 200));
    }
}
