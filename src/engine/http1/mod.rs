//! HTTP/1.1 as pure functions: bytes to requests, and responses to bytes.
//!
//! Nothing here knows of sockets, threads or time, so every rule of RFC 9110 and RFC 9112 that this
//! crate keeps can be tested as bytes in, outcome out. Rules are strict wherever two readers of the
//! same bytes might disagree on where a request ends, since that is how requests are smuggled; a
//! [`Refusal`] therefore always ends the connection.
//!
//! The road of a request: [`read_head`] (`head.rs`, which asks `target.rs` what is requested and
//! `terms.rs` on which terms), then [`Chunks`] where the body is chunked; of a response:
//! [`framing`], [`write_head`] and, for a streamed body, [`write_chunk`].

mod bytes;
mod chunks;
mod head;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
mod target;
mod terms;
mod write;

pub(crate) use crate::message::refusal::Refusal;
pub(crate) use chunks::Chunks;
pub(crate) use head::{Limits, Progress, is_blank, read_head};
#[cfg(any(test, fuzzing, feature = "tiny_http"))]
pub(crate) use terms::validate;
pub(crate) use write::{CONTINUE, Framing, LAST_CHUNK, framing, is_ours, write_chunk, write_head};
#[cfg(feature = "tiny_http")]
pub(crate) use {target::read_target, terms::Terms};
