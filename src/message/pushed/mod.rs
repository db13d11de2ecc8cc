//! Bodies that are pushed: bytes come from whoever has them, on any thread and at any time, and the engine sends them.

pub(crate) mod broadcast;
pub(crate) mod channel;
pub(crate) mod event;
mod events;
pub(crate) mod message;
pub(crate) mod outlet;
pub(crate) mod sender;
