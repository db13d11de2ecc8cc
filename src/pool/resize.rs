//! A pod whose limits change while it runs: the pool and its engine follow.
//!
//! Kubernetes resizes a container in place by writing other limits into its cgroup, and tells the process nothing. So
//! they are read again every few seconds. What shrinks drops no request: what is above a new bound is not replaced.

use super::Pool;
use crate::config::{
    limits::{Limits, show_cpus},
    settings::show_size,
    table::{
        Config,
        sizes::{Sizes, Sizing},
    },
};
use std::sync::Arc;

/// Keeps one service's sizes to the limits, but for those that were set.
pub(crate) struct Resizer {
    pool: Arc<Pool>,
    sizing: Sizing,
    sizes: Sizes,
    /// At the last look.
    limits: Limits,
}

impl Resizer {
    /// For a pool, and an engine, that were made with this configuration, which was read under these limits.
    pub(crate) fn new(pool: &Arc<Pool>, config: &Config, limits: &Limits) -> Resizer {
        pool.pacing.follow(limits);
        Resizer {
            pool: Arc::clone(pool),
            sizing: config.sizing(),
            sizes: config.sizes(),
            limits: *limits,
        }
    }

    /// As they are now.
    pub(crate) fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Reads the limits and, where they have changed, has everything follow and logs it; returns the new sizes then.
    /// Takes a few file reads, and starts threads where the pool grows; for one thread, every few seconds.
    pub(crate) fn look(&mut self) -> Option<Sizes> {
        // Where they cannot be read now, they are what they were.
        let limits = Limits::reread(&self.sizing.root).ok()?;
        let sizes = self.sizing.under(&limits);
        if sizes == self.sizes && limits == self.limits {
            return None;
        }
        (self.sizes, self.limits) = (sizes, limits);
        self.pool.pacing.follow(&limits);
        self.pool.resize(&sizes, limits.whole_cpus());
        self.pool.dispatcher.metrics.events.note_resized();
        log_sizes("resized", &sizes, &limits);
        Some(sizes)
    }
}

impl Pool {
    /// Has everything follow these sizes and so many CPUs. What the engine refuses by itself follows there.
    fn resize(self: &Arc<Self>, sizes: &Sizes, cpus: usize) {
        self.lanes[0]
            .admitted
            .resize(sizes.workers + sizes.queue_capacity);
        self.engine
            .resize(sizes.max_connections, sizes.buffer_memory);
        self.computing.set_most(cpus);
        self.resize_threads(sizes.workers);
    }
}

/// Logs the sizes and the limits that they follow from.
pub(crate) fn log_sizes(event: &str, sizes: &Sizes, limits: &Limits) {
    let quota = limits
        .cpu_quota
        .map_or_else(|| "none".to_owned(), show_cpus);
    let memory = limits
        .memory_limit
        .map_or_else(|| "none".to_owned(), show_size);
    log::info!(
        cpus = limits.cpus,
        cpu_quota = quota.as_str(),
        memory_limit = memory.as_str(),
        workers = sizes.workers,
        queue_capacity = sizes.queue_capacity,
        max_connections = sizes.max_connections,
        buffer_memory = sizes.buffer_memory,
        max_body_bytes = sizes.max_body_bytes;
        "{event}"
    );
}
