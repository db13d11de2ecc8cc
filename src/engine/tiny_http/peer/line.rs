//! Pipelined requests, which wait behind the one in flight.

use crate::engine::tiny_http::head::{reads_on_drop, size};
use std::{collections::VecDeque, mem};
use tiny_http::Request as Inner;

/// So many may wait, with heads of so many bytes together. A client that sends more is not read any further, and its
/// connection ends with the answer in flight.
const MOST_WAITING: usize = 32;
const MOST_BYTES: usize = 32 * 1024;

#[derive(Default)]
pub(super) struct Line {
    waiting: VecDeque<Inner>,
    bytes: usize,
}

impl Line {
    /// Puts a request at the end; gives it back where that is one too many.
    pub(super) fn push(&mut self, request: Inner) -> Option<Inner> {
        let bytes = self.bytes + size(&request);
        let is_full = match self.waiting.len() {
            0 => false,
            count => count == MOST_WAITING || bytes > MOST_BYTES,
        };
        // To drop one whose body is still to be read would be to shut the connection down before those before it are
        // answered; but tiny_http has to wait for it too, so there is one at most.
        if is_full && !reads_on_drop(&request) {
            return Some(request);
        }
        self.bytes = bytes;
        self.waiting.push_back(request);
        None
    }

    pub(super) fn next(&mut self) -> Option<Inner> {
        let next = self.waiting.pop_front();
        self.bytes -= next.as_ref().map_or(0, size);
        next
    }

    pub(super) fn take_all(&mut self) -> VecDeque<Inner> {
        mem::take(self).waiting
    }
}
