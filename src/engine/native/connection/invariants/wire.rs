//! A socket in memory.

use super::super::Stream;
use std::{
    cell::Cell,
    collections::VecDeque,
    io::{self, ErrorKind, IoSlice, Read, Write},
};

/// What is sent lands in `sent` as far as there is `room`.
#[derive(Default)]
pub(crate) struct Wire {
    pub(crate) incoming: VecDeque<u8>,
    pub(crate) end: Option<End>,
    /// The client sends without end: every read is full.
    pub(crate) is_flooded: bool,
    /// So many calls are interrupted by a signal first.
    pub(crate) interruptions: usize,
    /// How many bytes the client takes before writes would block.
    pub(crate) room: usize,
    /// So many more are taken, although that is too little room for poll(2) to tell of it.
    pub(crate) trickle: usize,
    pub(crate) sent: Vec<u8>,
    pub(crate) reads: usize,
    /// How many bytes were read.
    pub(super) received: usize,
    pub(crate) writes: usize,
    half_closed: Cell<bool>,
    aborts: Cell<bool>,
}

/// How the client has left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It has closed its side, and may still be reading.
    HalfClosed,
    /// It is gone: reads and writes fail.
    Reset,
}

impl Wire {
    /// A socket whose client takes everything.
    pub(super) fn wide() -> Wire {
        Wire {
            room: usize::MAX,
            ..Wire::default()
        }
    }

    fn interrupt(&mut self) -> io::Result<()> {
        if self.interruptions > 0 {
            self.interruptions -= 1;
            return Err(ErrorKind::Interrupted.into());
        }
        Ok(())
    }

    /// Whether the server has said that it sends no more.
    pub(crate) fn is_half_closed(&self) -> bool {
        self.half_closed.get()
    }

    /// Whether a close now would be one that the client can tell from the end of a response.
    pub(crate) fn aborts(&self) -> bool {
        self.aborts.get()
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        self.interrupt()?;
        match self.end {
            _ if self.is_flooded => {
                self.received += into.len();
                return Ok(into.len());
            }
            Some(End::Reset) => return Err(ErrorKind::ConnectionReset.into()),
            Some(End::HalfClosed) if self.incoming.is_empty() => return Ok(0),
            None if self.incoming.is_empty() => return Err(ErrorKind::WouldBlock.into()),
            _ => {}
        }
        let count = into.len().min(self.incoming.len());
        for (slot, byte) in into.iter_mut().zip(self.incoming.drain(..count)) {
            *slot = byte;
        }
        self.received += count;
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.writes += 1;
        assert!(
            !self.is_half_closed(),
            "writes after it has closed its side"
        );
        self.interrupt()?;
        if self.end == Some(End::Reset) {
            return Err(ErrorKind::BrokenPipe.into());
        }
        self.room += std::mem::take(&mut self.trickle);
        if self.room == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let before = self.sent.len();
        for slice in slices {
            let count = slice.len().min(self.room);
            self.sent.extend_from_slice(&slice[..count]);
            self.room -= count;
        }
        Ok(self.sent.len() - before)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Wire {
    fn close_sending(&self) {
        self.half_closed.set(true);
    }

    fn abort_on_close(&self, abort: bool) {
        self.aborts.set(abort);
    }

    fn has_room(&self) -> bool {
        self.room > 0
    }
}
