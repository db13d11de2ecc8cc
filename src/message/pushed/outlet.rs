//! What a body that is pushed knows of the engine that sends it.
//!
//! Whoever sends a body reads it. A reader that has nothing yet, and finds an [`Outlet`] on its thread, keeps that, fails
//! with [`WouldBlock`](io::ErrorKind::WouldBlock), and tells the outlet once there is more. Where there is none, as in a
//! test without a server, it waits. So what a layer has wrapped in a reader of its own never blocks either.

use std::{cell::RefCell, io, sync::Arc, time::Duration};

/// How long a body that has nothing is left alone: it is read again then, and may have something to say for itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Over how long the ends of event streams are spread, once the listener is closed.
pub(crate) const SPREAD: Duration = Duration::from_secs(1);

/// How the reader of a body fails that is cut for its client's sake: nothing is wrong with the service.
pub(crate) const LAGGING: io::ErrorKind = io::ErrorKind::ConnectionAborted;

thread_local! {
    /// Of the body that this thread reads.
    static OUTLET: RefCell<Option<Arc<dyn Outlet>>> = const { RefCell::new(None) };
}

/// A response's place in its engine. Any thread may use it; nothing in it waits.
pub(crate) trait Outlet: Send + Sync {
    /// The body has to be read again: there is more of it, or its end.
    fn notify(&self);

    /// Whether the listener is closed, so that what has no end of its own should end.
    fn is_closing(&self) -> bool;

    /// Brings what `BUFFER_MEMORY` is charged for from `charged` to `holds` bytes. False, and all as it was, where that is
    /// more and there is no memory for it.
    fn charge(&self, charged: &mut usize, holds: usize) -> bool;
}

/// The outlet of the body that this thread reads.
pub(super) fn current() -> Option<Arc<dyn Outlet>> {
    OUTLET.with_borrow(Clone::clone)
}

/// Reads a body for its outlet. The reader must not panic.
pub(crate) fn read_for(
    outlet: &mut Option<Arc<dyn Outlet>>,
    read: impl FnOnce() -> io::Result<usize>,
) -> io::Result<usize> {
    let outer = OUTLET.replace(outlet.take());
    let result = read();
    *outlet = OUTLET.replace(outer);
    result
}
