//! What health has to know of the workers, for which it knows nobody by name.

use std::time::Duration;

/// Who knows what the workers do.
pub(crate) trait Workers: Send + Sync {
    /// The routes that they run, with how many run each, where every worker has been busy with one request for longer
    /// than this.
    fn all_busy_for(&self, longer_than: Duration) -> Option<Vec<(String, usize)>>;
}
