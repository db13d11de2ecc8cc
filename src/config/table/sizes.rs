//! The sizes that follow from what the process may use, as long as no setting says otherwise.

use super::derived::{
    affordable_connections, connections_within, default_buffer_memory, default_workers, queue_for,
};
use crate::config::{
    limits::Limits,
    settings::{Settings, show_size},
};
use std::path::PathBuf;

/// How much runs, waits and is held at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) workers: usize,
    pub(crate) queue_capacity: usize,
    pub(crate) max_connections: usize,
    pub(crate) buffer_memory: usize,
    pub(crate) max_body_bytes: usize,
}

impl Sizes {
    /// Each by the name of its setting, as `config` shows it.
    pub(crate) fn shown(&self) -> [(&'static str, String); 5] {
        [
            ("WORKERS", self.workers.to_string()),
            ("QUEUE_CAPACITY", self.queue_capacity.to_string()),
            ("MAX_CONNECTIONS", self.max_connections.to_string()),
            ("BUFFER_MEMORY", show_size(self.buffer_memory as u64)),
            ("MAX_BODY_BYTES", show_size(self.max_body_bytes as u64)),
        ]
    }
}

/// What was set, be it by a setting or by the program: none where the size follows the limits.
#[derive(Clone, Debug)]
pub(crate) struct Sizing {
    pub(crate) workers: Option<usize>,
    pub(crate) queue_capacity: Option<usize>,
    pub(crate) max_connections: Option<usize>,
    pub(crate) buffer_memory: Option<usize>,
    /// Where `BUFFER_MEMORY` has room for it.
    pub(crate) max_body_bytes: usize,
    /// As many as there were at the start, whatever the limits are now.
    pub(crate) reactors: usize,
    /// Below which the kernel's files are.
    pub(crate) root: PathBuf,
}

impl Sizing {
    /// What these settings, which were read and came to `sizes`, leave to the limits.
    pub(super) fn of(
        settings: &Settings,
        sizes: &Sizes,
        max_body_bytes: usize,
        reactors: usize,
    ) -> Sizing {
        let given = |name, size| settings.is_given(name).then_some(size);
        Sizing {
            workers: given("WORKERS", sizes.workers),
            queue_capacity: given("QUEUE_CAPACITY", sizes.queue_capacity),
            max_connections: given("MAX_CONNECTIONS", sizes.max_connections),
            buffer_memory: given("BUFFER_MEMORY", sizes.buffer_memory),
            max_body_bytes,
            reactors,
            root: PathBuf::from("/"),
        }
    }

    /// The sizes under these limits.
    pub(crate) fn under(&self, limits: &Limits) -> Sizes {
        let workers = self.workers.unwrap_or_else(|| default_workers(limits));
        let buffer_memory = self.buffer_memory_under(limits.memory_limit);
        let wanted = self.max_connections.map_or_else(
            || affordable_connections(limits.memory_limit),
            |wanted| wanted as u64,
        );
        Sizes {
            workers,
            queue_capacity: self.queue_capacity.unwrap_or_else(|| queue_for(workers)),
            max_connections: connections_within(wanted, limits.descriptor_limit, self.reactors)
                as usize,
            buffer_memory,
            max_body_bytes: self.max_body_bytes.min(buffer_memory / 2),
        }
    }

    /// `BUFFER_MEMORY` under this memory limit, in bytes.
    pub(crate) fn buffer_memory_under(&self, memory_limit: Option<u64>) -> usize {
        self.buffer_memory
            .unwrap_or_else(|| default_buffer_memory(memory_limit))
    }
}

#[cfg(test)]
mod tests;
