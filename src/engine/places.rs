//! How many connections there may be: `MAX_CONNECTIONS`, or fewer where uploads take descriptors beside those of their
//! connections. Nobody counts anything but where an upload begins or ends.

use crate::config::limits::{self, descriptors_for_connections};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

pub(crate) struct Places {
    counted: Mutex<Counted>,
    /// How many descriptors there are for connections and uploads together.
    descriptors: usize,
    /// What follows from all of these.
    connections: AtomicUsize,
}

struct Counted {
    max_connections: usize,
    uploads: usize,
}

impl Places {
    /// Places for so many connections, and for no more than the descriptor limit allows beside so many reactors.
    pub(crate) fn new(max_connections: usize, reactors: usize) -> Arc<Places> {
        let descriptors = descriptors_for_connections(limits::descriptor_limit(), reactors);
        let descriptors = descriptors.and_then(|descriptors| usize::try_from(descriptors).ok());
        Places::within(max_connections, descriptors.unwrap_or(usize::MAX))
    }

    fn within(max_connections: usize, descriptors: usize) -> Arc<Places> {
        Arc::new(Places {
            counted: Mutex::new(Counted {
                max_connections,
                uploads: 0,
            }),
            descriptors,
            connections: AtomicUsize::new(max_connections),
        })
    }

    /// How many connections may be open.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    pub(crate) fn resize(&self, max_connections: usize) {
        self.change(|counted| counted.max_connections = max_connections);
    }

    /// An upload begins, whose body goes to a file or to another connection. It ends where this is dropped.
    pub(crate) fn begin_upload(self: &Arc<Self>) -> UploadPlace {
        self.change(|counted| counted.uploads += 1);
        UploadPlace(Arc::clone(self))
    }

    fn change(&self, change: impl FnOnce(&mut Counted)) {
        let mut counted = self.counted();
        change(&mut counted);
        let left = self.descriptors.saturating_sub(counted.uploads).max(1);
        let connections = counted.max_connections.min(left);
        self.connections.store(connections, Relaxed);
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The second descriptor of a connection, until dropped.
pub(crate) struct UploadPlace(Arc<Places>);

impl Drop for UploadPlace {
    fn drop(&mut self) {
        self.0.change(|counted| counted.uploads -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_leave_room_for_fewer_connections_only_where_descriptors_are_short() {
        let places = Places::within(10, 12);
        let uploads: Vec<_> = (0..5).map(|_| places.begin_upload()).collect();
        assert_eq!(places.connections(), 7);
        places.resize(6);
        assert_eq!(places.connections(), 6);
        places.resize(10);
        drop(uploads);
        assert_eq!(places.connections(), 10, "as it was configured");
        let _uploads: Vec<_> = (0..100).map(|_| places.begin_upload()).collect();
        assert_eq!(places.connections(), 1, "never none");
    }
}
