//! From a configuration to bound addresses.

use crate::{
    config::{
        limits::{Limits, show_cpus},
        settings::show_size,
        table::{Config, HttpEngine},
    },
    engine::{
        self, Engine,
        listen::{self, PeerTimeout},
    },
};
use std::io;

pub(super) fn open_engine(config: &Config, port: u16) -> io::Result<Box<dyn Engine>> {
    let listener = listen::bind(config.host, port, PeerTimeout::of(config))?;
    match config.http_engine {
        HttpEngine::Native => engine::native::start(listener, config),
        #[cfg(feature = "tiny_http")]
        HttpEngine::TinyHttp => engine::tiny_http::start(listener, config),
    }
}

/// The admin port is for a few probes, and takes little of what the limits leave.
pub(super) fn open_admin_engine(config: &Config, port: u16) -> io::Result<Box<dyn Engine>> {
    const MAX_CONNECTIONS: usize = 64;
    let max_connections = config.max_connections.min(MAX_CONNECTIONS);
    let config = Config {
        max_connections,
        ..config.clone()
    };
    open_engine(&config, port)
        .map_err(|error| io::Error::new(error.kind(), format!("ADMIN_PORT: {error}")))
}

pub(super) fn log_sizes(config: &Config, limits: &Limits) {
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
        workers = config.workers,
        queue_capacity = config.queue_capacity,
        max_connections = config.max_connections,
        buffer_memory = config.buffer_memory,
        max_body_bytes = config.max_body_bytes;
        "sized"
    );
}
