//! What the formats have in common.

use log::Record;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What turns a record into a line.
pub(super) trait Format: Send + Sync {
    /// Appends the record as one line, its newline included, of at most [`escape::MAX_LINE`] bytes.
    fn append(&self, record: &Record<'_>, phase: &str, line: &mut Vec<u8>);
}

/// The target of records of our own; others' carry theirs as the key `target`.
pub(super) const OURS: &str = env!("CARGO_CRATE_NAME");

/// The record's target where it is not ours.
pub(super) fn foreign_target<'r>(record: &Record<'r>) -> Option<&'r str> {
    let target = record.target();
    let ours = target
        .strip_prefix(OURS)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    (!ours).then_some(target)
}

/// Locks it, whatever a panic has left in it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
