//! The ids of traces and spans.

use std::{
    cell::RefCell,
    fmt::{self, Display},
    hash::{BuildHasher, RandomState},
};

/// What all spans of a trace have in common: 16 bytes, not all zero, in lower-case hexadecimal where it is displayed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub(crate) [u8; 16]);

/// A span's id: 8 bytes, not all zero, in lower-case hexadecimal where it is displayed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub(crate) [u8; 8]);

impl TraceId {
    pub(crate) fn random() -> TraceId {
        TraceId(
            next(|ids| u128::from(ids.high.u64(..)) << 64 | u128::from(ids.low.u64(1..)))
                .to_be_bytes(),
        )
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl SpanId {
    pub(crate) fn random() -> SpanId {
        SpanId(next(|ids| ids.low.u64(1..)).to_be_bytes())
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

/// Two, since one has a state of 64 bits alone: all pods of a service together would soon be at the same place in it.
struct Generators {
    high: fastrand::Rng,
    low: fastrand::Rng,
}

thread_local! {
    static GENERATORS: RefCell<Generators> = RefCell::new(Generators { high: seeded(), low: seeded() });
}

/// Seeded by the system, as `HashMap` is: fastrand by itself takes the time, which pods that start together share.
fn seeded() -> fastrand::Rng {
    fastrand::Rng::with_seed(RandomState::new().hash_one(()))
}

fn next<T>(draw: impl FnOnce(&mut Generators) -> T) -> T {
    GENERATORS.with_borrow_mut(draw)
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanId({self})")
    }
}
