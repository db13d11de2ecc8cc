//! What the configuration asks of every connection, whichever engine drives it.

use super::{http1::Limits, memory::Memory};
use crate::config::table::Config;
use std::time::Duration;

/// What the connections of an engine have in common.
pub(crate) struct Rules {
    pub(crate) limits: Limits,
    pub(crate) head_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) keep_alive_timeout: Duration,
    /// Bytes a second; who is slower is the first to go where memory is short.
    pub(crate) min_body_rate: u32,
    pub(crate) memory: Memory,
}

impl Rules {
    pub(crate) fn of(config: &Config) -> Rules {
        Rules {
            limits: Limits {
                max_head_bytes: config.max_head_bytes,
                max_headers: config.max_headers,
                max_body_bytes: config.max_body_bytes as u64,
            },
            head_timeout: config.head_timeout,
            body_timeout: config.body_timeout,
            write_timeout: config.write_timeout,
            keep_alive_timeout: config.keep_alive_timeout,
            min_body_rate: config.min_body_rate,
            memory: Memory::new(config.buffer_memory),
        }
    }
}
