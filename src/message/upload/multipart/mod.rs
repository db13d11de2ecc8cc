//! `multipart/form-data` (RFC 7578), parsed as it comes. The crates that are kept for it are asynchronous.

pub(super) mod boundary;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
pub(super) mod parser;
pub(super) mod part_head;
#[cfg(test)]
mod tests;
