//! The ids of the request that a thread works on, to be read by other threads.

use super::{request_id::RequestId, trace_context::ids::TraceId};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

thread_local! {
    static OF_THIS_THREAD: CurrentIds = CurrentIds::default();
}

/// The ids of a request, as far as it has any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
    pub(crate) request: Option<RequestId>,
    pub(crate) trace: Option<TraceId>,
}

/// What one thread tells the others. It is written where a request has an id, so that the rest pays nothing for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CurrentIds(Arc<Mutex<Ids>>);

impl CurrentIds {
    /// The calling thread's, for whoever looks at it from outside.
    pub(crate) fn of_this_thread() -> CurrentIds {
        OF_THIS_THREAD.with(Clone::clone)
    }

    /// From now on the calling thread works on the request of this id.
    pub(crate) fn set_request(id: &RequestId) {
        OF_THIS_THREAD.with(|current| current.lock().request = Some(id.clone()));
    }

    /// From now on the calling thread works on a request of this trace.
    pub(crate) fn set_trace(id: TraceId) {
        OF_THIS_THREAD.with(|current| current.lock().trace = Some(id));
    }

    /// The calling thread's request is over.
    pub(crate) fn clear() {
        // A thread that is ending may have lost it already.
        let _ = OF_THIS_THREAD.try_with(|current| *current.lock() = Ids::default());
    }

    /// Those of now; none where the request has none, or there is no request.
    pub(crate) fn get(&self) -> Ids {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Ids> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
