//! Where the work that this thread does now belongs.

use super::TraceContext;
use std::{
    cell::{Cell, RefCell},
    marker::PhantomData,
};

thread_local! {
    static CURRENT: RefCell<Option<TraceContext>> = const { RefCell::new(None) };
    /// Whether there is one: asked for each request, and cheaper to ask than `CURRENT`.
    static HAS_CURRENT: Cell<bool> = const { Cell::new(false) };
}

/// The trace context of the work that this thread does: that of the innermost [`span`](crate::trace::span()), else of
/// the request. None outside of both, and where nobody traces the request.
///
/// To carry it to another thread, take it there and [`enter`](TraceContext::enter) it.
#[must_use]
pub fn current() -> Option<TraceContext> {
    // A thread that is ending may have lost it already.
    match HAS_CURRENT.get() {
        true => CURRENT.try_with(|current| current.borrow().clone()).ok()?,
        false => None,
    }
}

/// Whether this thread works for a trace.
pub(crate) fn is_any() -> bool {
    HAS_CURRENT.get()
}

/// Has this thread work for no trace.
#[inline]
pub(crate) fn leave() {
    if HAS_CURRENT.get() {
        replace(None);
    }
}

/// Makes it this thread's, and returns the one before.
pub(crate) fn replace(context: Option<TraceContext>) -> Option<TraceContext> {
    HAS_CURRENT.set(context.is_some());
    CURRENT
        .try_with(|current| current.replace(context))
        .ok()
        .flatten()
}

/// Whether it is the context of this thread's work.
pub(crate) fn is_current(context: &TraceContext) -> bool {
    let is_it = |known: &Option<TraceContext>| {
        known.as_ref().map(|known| known.span_id) == Some(context.span_id)
    };
    CURRENT
        .try_with(|current| is_it(&current.borrow()))
        .unwrap_or(false)
}

impl TraceContext {
    /// Has this thread work for the trace until the guard is dropped: its spans are children of this one, and its log
    /// records carry the ids.
    ///
    /// ```
    /// use seaworthy::{Request, trace};
    /// use std::thread;
    ///
    /// fn handler(_: &Request) {
    ///     let context = trace::current();
    ///     thread::spawn(move || {
    ///         let _entered = context.as_ref().map(|context| context.enter());
    ///         let _span = trace::span("mail");
    ///     });
    /// }
    /// ```
    ///
    /// [`LogContext::run`](crate::LogContext::run) does it too, beside what else log records carry.
    #[must_use = "it is left again as soon as the guard is dropped"]
    pub fn enter(&self) -> Entered {
        Entered {
            outer: replace(Some(self.clone())),
            of_this_thread: PhantomData,
        }
    }
}

/// The time in which a thread works for a trace; see [`TraceContext::enter`].
#[derive(Debug)]
pub struct Entered {
    outer: Option<TraceContext>,
    of_this_thread: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        replace(self.outer.take());
    }
}
