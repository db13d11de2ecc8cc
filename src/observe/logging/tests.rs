//! What an operator reads, and what a stdout that misbehaves may do to the service: nothing.

mod faults;
mod lines;
mod outputs;

use std::sync::Arc;
use std::time::Duration;

use log::{Level, LevelFilter, Log, Record};

use self::outputs::Output;
use super::{Handle, Logger};
use crate::config::table::LogFormat;

/// Longer than any test waits for what does happen.
const LONG: Duration = Duration::from_secs(20);

/// A logger of a test's own.
struct Bench {
    logger: Arc<Logger>,
    log: Handle,
}

impl Bench {
    /// One that writes to `out`.
    fn new(format: LogFormat, out: &Output) -> Self {
        let bench = Self::without_thread(format);
        bench.logger.write_to(Box::new(out.clone()));
        bench.logger.start_writer();
        bench
    }

    fn without_thread(format: LogFormat) -> Self {
        let logger = Logger::new(LevelFilter::Debug, format);
        Self {
            log: Handle(Arc::clone(&logger)),
            logger,
        }
    }

    /// Logs a message of ours at info.
    fn info(&self, message: &str) {
        self.log
            .log(&ours().args(format_args!("{message}")).build());
    }

    fn flush(&self) {
        assert!(self.logger.flush(LONG), "flushed in time");
    }
}

/// A record at info that is ours.
fn ours<'r>() -> log::RecordBuilder<'r> {
    let mut record = Record::builder();
    record.level(Level::Info).target(super::OURS);
    record
}
