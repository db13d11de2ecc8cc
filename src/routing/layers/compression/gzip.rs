//! The gzip format (RFC 1952) around the deflate of `miniz_oxide`.

use super::crc32::Crc32;
use miniz_oxide::{
    MZError, MZFlush, MZStatus,
    deflate::{
        core::{CompressorOxide, create_comp_flags_from_zip_params},
        stream::deflate,
    },
};
use std::{
    io::{self, ErrorKind, Read},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

/// Deflate, no flags, no time, nothing on effort or system (section 2.3.1), so that equal bytes stay equal.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Room for the output grows by this much.
const STEP: usize = 16 * 1024;

/// How much of a stream is read and compressed at a time. Readers with a buffer in them, as the standard library's, fill
/// so much at once.
const PIECE: usize = 8 * 1024;

/// Compressors that are kept for the next answer. One takes 300 KiB, and making one takes 80 µs, five times what it
/// takes to compress 4 KiB with one that is there (measured with musl's allocator).
const MOST_IDLE: usize = 4;

/// Negative: raw deflate, without zlib's own frame.
const RAW: i32 = -15;

/// The compressors of a layer.
pub(super) struct Compressors {
    pub(super) level: u8,
    pub(super) most_streams: usize,
    streams: AtomicUsize,
    idle: Mutex<Vec<Box<CompressorOxide>>>,
}

impl Compressors {
    pub(super) fn new(level: u8, most_streams: usize) -> Compressors {
        Compressors {
            level,
            most_streams,
            streams: AtomicUsize::new(0),
            idle: Mutex::default(),
        }
    }

    /// All of it at once.
    pub(super) fn whole(&self, bytes: &[u8]) -> Vec<u8> {
        let mut gzip = self.take();
        let mut out = HEAD.to_vec();
        gzip.add(bytes, MZFlush::Finish, &mut out);
        gzip.end(&mut out);
        self.take_back(gzip);
        out
    }

    /// Compressed as it is read; the reader itself where so many are already that it has to go as it is.
    pub(super) fn stream<R: Read>(self: &Arc<Self>, reader: R) -> Result<GzipReader<R>, R> {
        let free = |streams| (streams < self.most_streams).then_some(streams + 1);
        if self.streams.fetch_update(SeqCst, SeqCst, free).is_err() {
            return Err(reader);
        }
        Ok(GzipReader {
            reader,
            gzip: Some(self.take()),
            home: Arc::clone(self),
            piece: Box::new([0; PIECE]),
            is_headless: true,
            out: Vec::new(),
            taken: 0,
        })
    }

    fn take(&self) -> Gzip {
        let idle = self.idle().pop();
        let flags = || create_comp_flags_from_zip_params(i32::from(self.level), RAW, 0);
        Gzip {
            compressor: idle.unwrap_or_else(|| Box::new(CompressorOxide::new(flags()))),
            checksum: Crc32::default(),
            length: 0,
        }
    }

    fn take_back(&self, gzip: Gzip) {
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            let mut compressor = gzip.compressor;
            compressor.reset();
            idle.push(compressor);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Box<CompressorOxide>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One gzip member in the making.
struct Gzip {
    compressor: Box<CompressorOxide>,
    checksum: Crc32,
    /// Modulo 2^32, as its end has it.
    length: u32,
}

impl Gzip {
    fn add(&mut self, mut bytes: &[u8], flush: MZFlush, out: &mut Vec<u8>) {
        self.checksum.add(bytes);
        self.length = self.length.wrapping_add(bytes.len() as u32);
        loop {
            let filled = out.len();
            out.resize(filled + STEP, 0);
            let did = deflate(&mut self.compressor, bytes, &mut out[filled..], flush);
            out.truncate(filled + did.bytes_written);
            bytes = &bytes[did.bytes_consumed..];
            let had_no_room = did.bytes_written == STEP;
            match did.status {
                Ok(MZStatus::Ok) if had_no_room => {}
                Ok(_) | Err(MZError::Buf) => return,
                Err(error) => unreachable!("deflate takes any bytes: {error:?}"),
            }
        }
    }

    fn end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.checksum.value().to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
    }
}

/// A stream that is compressed as it is read. What its reader has given is passed on at once unless more can be had at
/// once, which a reader shows by filling all the room it has: so events arrive when they happen, and a file is
/// compressed in one go.
pub(super) struct GzipReader<R> {
    reader: R,
    home: Arc<Compressors>,
    /// None once it has ended.
    gzip: Option<Gzip>,
    piece: Box<[u8; PIECE]>,
    is_headless: bool,
    out: Vec<u8>,
    /// How much of `out` has been read.
    taken: usize,
}

impl<R> GzipReader<R> {
    /// Gives its compressor and its place among the streams back.
    fn let_go(&mut self) {
        if let Some(gzip) = self.gzip.take() {
            self.home.take_back(gzip);
            self.home.streams.fetch_sub(1, SeqCst);
        }
    }
}

impl<R: Read> GzipReader<R> {
    /// Reads once and puts into `out` what comes of it, which may be nothing yet.
    fn fill(&mut self) -> io::Result<()> {
        let Some(gzip) = &mut self.gzip else {
            return Ok(());
        };
        let count = loop {
            match self.reader.read(&mut self.piece[..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                count => break count?,
            }
        };
        let flush = match count {
            0 => MZFlush::Finish,
            PIECE => MZFlush::None,
            _ => MZFlush::Sync,
        };
        gzip.add(&self.piece[..count], flush, &mut self.out);
        if count == 0 {
            gzip.end(&mut self.out);
            self.let_go();
        }
        if self.is_headless && !self.out.is_empty() {
            self.out.splice(..0, HEAD);
            self.is_headless = false;
        }
        Ok(())
    }
}

impl<R: Read> Read for GzipReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.out.len() {
            self.out.clear();
            self.taken = 0;
        }
        while self.out.is_empty() && self.gzip.is_some() {
            self.fill()?;
        }
        let left = &self.out[self.taken..];
        let count = left.len().min(into.len());
        into[..count].copy_from_slice(&left[..count]);
        self.taken += count;
        Ok(count)
    }
}

impl<R> Drop for GzipReader<R> {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[cfg(test)]
mod tests;
