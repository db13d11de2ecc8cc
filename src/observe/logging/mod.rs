//! Log records: formatted on the thread that logs, written to stdout by one thread of their own.
//!
//! Logging never blocks a request. A record becomes one line in a bounded [`Pipe`]; where that is full the record
//! is dropped and counted, and one record says how many were, at the place in the log where they are missing. A
//! stdout that is closed, full or blocked changes nothing but that count. Floods of one message are sampled: see
//! `sampling.rs`.
//!
//! Nothing here is global but [`LOGGER`]; tests make as many loggers as they like, each with a writer of its own.

mod escape;
mod format;
mod json;
mod pipe;
mod sampling;
mod text;
mod timestamp;
mod writer;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use log::kv::Value;
use log::{Level, LevelFilter, Log, Metadata, Record, SetLoggerError};
use simplelog::SharedLogger;

use crate::config::{live, table::LogFormat};
use crate::message::log_context::WithContext;
use crate::spawn;
use format::{Format, OURS, lock};
use pipe::Pipe;
use sampling::{Sampling, Suppressed};
use writer::Writer;

/// `time` as a record has it: RFC 3339 in UTC, with milliseconds.
pub(crate) fn show_time(time: SystemTime) -> String {
    let mut text = Vec::new();
    timestamp::append(time, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The logger that [`install`] gave to the `log` crate, for [`set_phase`], [`flush`] and [`dropped`].
static LOGGER: OnceLock<Arc<Logger>> = OnceLock::new();

/// The phase before anyone has named one.
const FIRST_PHASE: &str = "starting";

/// How deep log calls may nest on one thread: a value whose `Display` logs, and a panic in it that the hook reports,
/// get their records; one whose `Display` logs itself does not take the stack with it.
const MAX_NESTING: u8 = 3;

/// A formatted line's buffer that a thread keeps for its next record; a larger one is given back.
const KEPT_LINE_CAPACITY: usize = 4 * 1024;

thread_local! {
    /// How many log calls this thread is inside of.
    static NESTING: Cell<u8> = const { Cell::new(0) };
    /// The last line's buffer, so that a record costs no allocation.
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Makes this the process's logger, at `level` and in `format`. Its records wait for [`start_writer`], or [`flush`].
///
/// # Errors
/// Where the process has a logger already; that one stays.
pub(crate) fn install(level: LevelFilter, format: LogFormat) -> Result<(), SetLoggerError> {
    let logger = Logger::new(level, format);
    log::set_boxed_logger(Box::new(Handle(Arc::clone(&logger))).as_log())?;
    log::set_max_level(level);
    #[cfg(feature = "tracing")]
    super::tracing::install(log::logger());
    logger.write_to(stdout());
    // Nobody else fills it: `set_boxed_logger` succeeds once in a process.
    let _ = LOGGER.set(logger);
    Ok(())
}

/// Starts the thread that writes to stdout, once.
pub(crate) fn start_writer() {
    if let Some(logger) = LOGGER.get() {
        logger.start_writer();
    }
}

/// From now on records less important than `level` are left out, where this is the process's logger.
pub(crate) fn set_level(level: LevelFilter) {
    if let Some(logger) = LOGGER.get() {
        logger.level.set(level);
        log::set_max_level(level);
    }
}

/// From now on every record carries `phase`.
pub(crate) fn set_phase(phase: &'static str) {
    if let Some(logger) = LOGGER.get() {
        logger.set_phase(phase);
    }
}

/// From now on, only the calling thread's records are written: what it says last is the last record.
pub(crate) fn close_to_others() {
    if let Some(logger) = LOGGER.get() {
        logger.tell_suppressed(&logger.sampling.rest());
        logger.pipe.close_to_others();
    }
}

/// Says how many records were suppressed of floods that are over, or have gone on for a second.
pub(crate) fn tell_suppressed() {
    if let Some(logger) = LOGGER.get() {
        logger.tell_suppressed(&logger.sampling.overdue(Instant::now()));
    }
}

/// How many records of floods were suppressed so far.
pub(crate) fn suppressed() -> u64 {
    LOGGER
        .get()
        .map_or(0, |logger| logger.sampling.suppressed())
}

/// From now on, nothing is written of what `target` has to say (a crate's name, for its root module's records).
#[cfg(feature = "tiny_http")]
pub(crate) fn mute(target: &'static str) {
    if let Some(logger) = LOGGER.get() {
        // Only one ever asks for it, with the same word each time.
        let _ = logger.muted.set(target);
    }
}

/// Waits until every record queued so far is written (or lost to a failing stdout, and counted in [`dropped`]), for
/// `timeout` at most; false where some still wait. True where no logger is installed. Where the process could not get
/// a thread to write, this does the writing.
pub(crate) fn flush(timeout: Duration) -> bool {
    LOGGER.get().is_none_or(|logger| logger.flush(timeout))
}

/// How many records were lost so far, for want of room or because stdout failed.
pub(crate) fn dropped() -> u64 {
    LOGGER.get().map_or(0, |logger| logger.pipe.dropped())
}

/// Appends a record as a line of JSON, for `crate::internals` to measure.
#[cfg(feature = "__internals")]
pub(crate) fn append_json(record: &Record<'_>, line: &mut Vec<u8>) {
    json::Json.append(record, "running", line);
}

/// A format, and the pipe that its lines go through.
struct Logger {
    level: live::Cell<LevelFilter>,
    format: Box<dyn Format>,
    phase: RwLock<&'static str>,
    pipe: Pipe,
    sampling: Sampling,
    muted: OnceLock<&'static str>,
    /// Until there is a thread to write, and where none can be had, the one that flushes does.
    threadless: Mutex<Option<Writer>>,
}

impl Logger {
    /// A logger whose records wait until [`Logger::write_to`] says where to.
    fn new(level: LevelFilter, format: LogFormat) -> Arc<Self> {
        let format: Box<dyn Format> = match format {
            LogFormat::Json => Box::new(json::Json),
            LogFormat::Text => Box::new(text::Text::new()),
        };
        Arc::new(Self {
            level: live::Cell::new(level),
            format,
            phase: RwLock::new(FIRST_PHASE),
            pipe: Pipe::default(),
            sampling: Sampling::default(),
            muted: OnceLock::new(),
            threadless: Mutex::default(),
        })
    }

    fn write_to(&self, out: Box<dyn Write + Send>) {
        *lock(&self.threadless) = Some(Writer::new(out));
    }

    /// Starts the one thread that writes. Where the system refuses it one, [`Logger::flush`] writes, so that a process
    /// which cannot start still says why.
    fn start_writer(self: &Arc<Self>) {
        if lock(&self.threadless).is_none() {
            return;
        }
        let logger = Arc::clone(self);
        let _refused = spawn::named("log-writer", move || {
            // In a statement of its own, or the lock would be held for ever.
            let writer = lock(&logger.threadless).take();
            if let Some(mut writer) = writer {
                writer.run(&logger.pipe, &|count| logger.notice(count));
            }
        });
    }

    fn set_phase(&self, phase: &'static str) {
        *self.phase.write().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    fn flush(&self, timeout: Duration) -> bool {
        if let Some(writer) = lock(&self.threadless).as_mut() {
            writer.run_once(&self.pipe, &|count| self.notice(count));
        }
        self.pipe.flush(timeout)
    }

    /// Appends `record` as one line.
    fn append(&self, record: &Record<'_>, line: &mut Vec<u8>) {
        let phase = *self.phase.read().unwrap_or_else(PoisonError::into_inner);
        match WithContext::of(record.key_values()) {
            None => self.format.append(record, phase, line),
            Some(pairs) => {
                let mut builder = record.to_builder();
                let record = builder.key_values(&pairs).build();
                self.format.append(&record, phase, line);
            }
        }
    }

    /// The line that says that `count` others are missing where it stands.
    fn notice(&self, count: u64) -> Vec<u8> {
        let missing = [("dropped", Value::from(count))];
        let mut record = Record::builder();
        record.level(Level::Warn).target(OURS).key_values(&missing);
        let mut line = Vec::new();
        self.append(
            &record
                .args(format_args!("log records were dropped"))
                .build(),
            &mut line,
        );
        line
    }

    /// Hands the record to the pipe, unless it is one of a flood.
    fn send(&self, record: &Record<'_>) {
        let (is_written, before) = self.sampling.admit(record, Instant::now());
        self.tell_suppressed(before.as_slice());
        if is_written {
            self.write(record);
        }
    }

    fn tell_suppressed(&self, suppressed: &[Suppressed]) {
        for Suppressed { like, count } in suppressed {
            let told = [
                ("like", Value::from(like.as_str())),
                ("suppressed", Value::from(*count)),
            ];
            let mut record = Record::builder();
            record.level(Level::Warn).target(OURS).key_values(&told);
            let message = format_args!("log records of one message were suppressed");
            self.write(&record.args(message).build());
        }
    }

    /// Formats the record and hands it to the pipe.
    fn write(&self, record: &Record<'_>) {
        // A thread that is ending may have lost its buffer already; its record gets one of its own.
        let mut line = LINE.try_with(Cell::take).unwrap_or_default();
        line.clear();
        self.append(record, &mut line);
        self.pipe.push(&line);
        if line.capacity() <= KEPT_LINE_CAPACITY {
            let _ = LINE.try_with(|kept| kept.set(line));
        }
    }
}

/// The logger as the `log` crate and simplelog hold it.
struct Handle(Arc<Logger>);

impl Log for Handle {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.0.level.get() && self.0.muted.get() != Some(&metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match Nested::enter() {
            Some(_nested) => self.0.send(record),
            None => self.0.pipe.count_dropped(),
        }
    }

    /// With a bound, which the `log` crate's users do not expect: a blocked stdout must not block them for ever.
    fn flush(&self) {
        self.0.flush(Duration::from_secs(1));
    }
}

impl SharedLogger for Handle {
    fn level(&self) -> LevelFilter {
        self.0.level.get()
    }

    fn config(&self) -> Option<&simplelog::Config> {
        None
    }

    fn as_log(self: Box<Self>) -> Box<dyn Log> {
        self
    }
}

/// One level of [`MAX_NESTING`], given back when dropped, also by a panic.
struct Nested;

impl Nested {
    fn enter() -> Option<Self> {
        let depth = NESTING.get();
        (depth < MAX_NESTING).then(|| {
            NESTING.set(depth + 1);
            Nested
        })
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        NESTING.set(NESTING.get() - 1);
    }
}

/// Stdout without std's line buffer, which would keep the rest of a partial write to itself and hide a closed one.
#[cfg(unix)]
fn stdout() -> Box<dyn Write + Send> {
    use std::os::fd::AsFd;
    match io::stdout().as_fd().try_clone_to_owned() {
        Ok(descriptor) => Box::new(std::fs::File::from(descriptor)),
        Err(_) => Box::new(io::stdout()),
    }
}

/// Stdout.
#[cfg(not(unix))]
fn stdout() -> Box<dyn Write + Send> {
    Box::new(io::stdout())
}
