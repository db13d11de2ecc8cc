//! Text for people at a terminal: simplelog's lines, with the time in front and the key-values behind the message.

use std::fmt::Arguments;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex};

use log::kv::{self, Key, Value, VisitSource};
use log::{LevelFilter, Log, Record};
use simplelog::{ConfigBuilder, LevelPadding, WriteLogger};

use super::escape::{self, Place};
use super::format::{Format, foreign_target, lock};
use super::timestamp;

/// The format that people read.
pub(super) struct Text {
    /// Whose line simplelog writes to just now.
    turn: Mutex<()>,
    line: SharedLine,
    simplelog: Box<WriteLogger<SharedLine>>,
}

impl Text {
    /// Time, thread, target and place are not left to simplelog: it has seconds, numbers for names, and no key-values.
    pub(super) fn new() -> Self {
        let config = ConfigBuilder::new()
            .set_time_level(LevelFilter::Off)
            .set_thread_level(LevelFilter::Off)
            .set_target_level(LevelFilter::Off)
            .set_location_level(LevelFilter::Off)
            .set_level_padding(LevelPadding::Right)
            .build();
        let line = SharedLine::default();
        Self {
            turn: Mutex::default(),
            simplelog: WriteLogger::new(LevelFilter::Trace, config, line.clone()),
            line,
        }
    }
}

impl Format for Text {
    fn append(&self, record: &Record<'_>, phase: &str, line: &mut Vec<u8>) {
        // Before any lock is taken: a value may log, or panic, while it is formatted.
        let mut message = Vec::new();
        append_message(record, phase, &mut message);
        let message = String::from_utf8_lossy(&message);
        timestamp::append_now(line);
        line.push(b' ');
        let _turn = lock(&self.turn);
        mem::swap(&mut *lock(&self.line.0), line);
        let finished = format_args!("{message}");
        self.simplelog.log(
            &Record::builder()
                .level(record.level())
                .args(finished)
                .build(),
        );
        mem::swap(&mut *lock(&self.line.0), line);
    }
}

/// Appends the message and behind it `key=value`, for every key-value.
fn append_message(record: &Record<'_>, phase: &str, line: &mut Vec<u8>) {
    escape::append(*record.args(), Place::Bare, line);
    append_pair("phase", format_args!("{phase}"), line);
    if let Some(target) = foreign_target(record) {
        append_pair("target", format_args!("{target}"), line);
    }
    // Fails where there is no room; what does not fit is left out, and said to be.
    if record.key_values().visit(&mut Pairs { line }).is_err() {
        line.extend_from_slice(b" cut=true");
    }
}

/// Appends `key=value`, the value in quotes where it would not be told from what surrounds it.
fn append_pair(key: &str, value: Arguments<'_>, line: &mut Vec<u8>) {
    line.push(b' ');
    escape::append_str(key, Place::Bare, line);
    line.push(b'=');
    let mut quoted = Vec::new();
    escape::append(value, Place::Quoted, &mut quoted);
    let plain = !quoted.is_empty() && !quoted.iter().any(|byte| b" =\"\\".contains(byte));
    if plain {
        line.extend_from_slice(&quoted);
    } else {
        line.push(b'"');
        line.extend_from_slice(&quoted);
        line.push(b'"');
    }
}

/// Appends a record's key-values.
struct Pairs<'l> {
    line: &'l mut Vec<u8>,
}

impl<'kvs> VisitSource<'kvs> for Pairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let fits = escape::append_if_it_fits(self.line, |line| {
            append_pair(key.as_str(), format_args!("{value}"), line)
        });
        if fits {
            Ok(())
        } else {
            Err(kv::Error::msg("no room"))
        }
    }
}

/// Where simplelog writes.
#[derive(Clone, Default)]
struct SharedLine(Arc<Mutex<Vec<u8>>>);

impl Write for SharedLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
