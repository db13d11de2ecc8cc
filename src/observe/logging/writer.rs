//! The only one who touches stdout, where every failure is expected.

use std::io::{ErrorKind, Write};
use std::thread;
use std::time::Duration;

use super::pipe::{Batch, Notice, Pipe};

/// A buffer that a burst has grown beyond this is given back.
const KEPT_CAPACITY: usize = 64 * 1024;

/// Between two writes. The first record after a quiet moment goes out at once; those of a busy one share a write and a
/// wake-up by the millisecond, which together cost several times what making the record does.
const GATHERING: Duration = Duration::from_millis(1);

/// Between attempts at a stdout that someone has made non-blocking and that takes nothing just now.
const WOULD_BLOCK_PAUSE: Duration = Duration::from_millis(5);

/// Writes what is in a [`Pipe`], many lines in one write.
pub(super) struct Writer {
    out: Box<dyn Write + Send>,
    batch: Batch,
    /// A failed write ended inside a line, so the next one starts with a newline.
    torn: bool,
}

impl Writer {
    /// One that writes to `out`.
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self {
            out,
            batch: Batch::default(),
            torn: false,
        }
    }

    /// The life of the writing thread.
    pub(super) fn run(&mut self, pipe: &Pipe, notice: Notice<'_>) -> ! {
        loop {
            pipe.wait_and_take(&mut self.batch, notice);
            self.write_batch(pipe);
            thread::sleep(GATHERING);
        }
    }

    /// Writes what is there now, on the calling thread.
    pub(super) fn run_once(&mut self, pipe: &Pipe, notice: Notice<'_>) {
        if pipe.take(&mut self.batch, notice) {
            self.write_batch(pipe);
        }
    }

    fn write_batch(&mut self, pipe: &Pipe) {
        let unwritten = self.write_lines();
        let lost = &self.batch.lines[self.batch.lines.len() - unwritten..];
        pipe.settle(&self.batch, count_lines(lost));
        self.batch.lines.clear();
        if self.batch.lines.capacity() > KEPT_CAPACITY {
            self.batch.lines = Vec::new();
        }
    }

    /// Writes the batch, and says how many bytes of it are lost.
    fn write_lines(&mut self) -> usize {
        let lines = &self.batch.lines;
        if self.torn && write_all(&mut *self.out, b"\n") > 0 {
            return lines.len();
        }
        let unwritten = write_all(&mut *self.out, lines);
        let written = &lines[..lines.len() - unwritten];
        self.torn = !written.is_empty() && !written.ends_with(b"\n");
        unwritten
    }
}

/// Writes as much as `out` takes, and says how many bytes it did not: none unless it failed.
fn write_all(out: &mut dyn Write, mut bytes: &[u8]) -> usize {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => break,
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(WOULD_BLOCK_PAUSE),
            Err(_) => break,
        }
    }
    bytes.len()
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}
