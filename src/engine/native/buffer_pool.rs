//! Request buffers that nobody uses, kept so that most requests allocate nothing.

use crate::message::request::Request;

/// How many are kept at most.
const COUNT: usize = 64;

/// How much memory those that are kept hold together, in bytes. Uploads use them again and again: a buffer that goes
/// back to the system between two of them costs a page fault for each 4 KiB, which was a third of the CPU that an
/// upload of 64 KiB took.
const BYTES: usize = 256 * 1024;

/// The kept buffers, of which the last to come is the first to go, since its memory is in the caches.
#[derive(Default)]
pub(crate) struct BufferPool {
    #[expect(
        clippy::vec_box,
        reason = "the boxes move between here and connections"
    )]
    requests: Vec<Box<Request>>,
    held: usize,
}

impl BufferPool {
    pub(crate) fn take(&mut self) -> Box<Request> {
        let request = self.requests.pop().unwrap_or_default();
        self.held -= request.holds();
        request
    }

    /// Keeps one that is clear, where there is room.
    pub(crate) fn keep(&mut self, request: Box<Request>) {
        debug_assert!(request.is_clear());
        let held = self.held + request.holds();
        if self.requests.len() < COUNT && held <= BYTES {
            self.held = held;
            self.requests.push(request);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(bytes: usize) -> Box<Request> {
        let mut request = Box::<Request>::default();
        request.bytes = Vec::with_capacity(bytes);
        request
    }

    #[test]
    fn what_is_kept_is_bounded_in_number_and_in_bytes() {
        let mut pool = BufferPool::default();
        pool.keep(sized(BYTES / 2));
        pool.keep(sized(BYTES / 2 + 1));
        assert_eq!(pool.len(), 1, "both are more than is kept");
        for _ in 0..2 * COUNT {
            pool.keep(sized(1));
        }
        assert_eq!(pool.len(), COUNT);
        for _ in 0..COUNT {
            pool.take();
        }
        assert_eq!((pool.held, pool.take().holds()), (0, 0));
    }
}
