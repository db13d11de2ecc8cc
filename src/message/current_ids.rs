//! The id of the request that a thread works on, to be read by other threads.

use super::request_id::RequestId;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

thread_local! {
    static OF_THIS_THREAD: CurrentId = CurrentId::default();
}

/// What one thread tells the others. It is written where a request has an id, so that the rest pays nothing for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CurrentId(Arc<Mutex<Option<RequestId>>>);

impl CurrentId {
    /// The calling thread's, for whoever looks at it from outside.
    pub(crate) fn of_this_thread() -> CurrentId {
        OF_THIS_THREAD.with(Clone::clone)
    }

    /// From now on the calling thread works on the request of this id.
    pub(crate) fn set(id: &RequestId) {
        OF_THIS_THREAD.with(|current| *current.lock() = Some(id.clone()));
    }

    /// The calling thread's request is over.
    pub(crate) fn clear() {
        // A thread that is ending may have lost it already.
        let _ = OF_THIS_THREAD.try_with(|current| current.lock().take());
    }

    /// The id now; none where the request has none, or there is no request.
    pub(crate) fn get(&self) -> Option<RequestId> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<RequestId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
