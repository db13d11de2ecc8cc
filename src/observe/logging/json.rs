//! JSON, one object per line, with the keys and the words of Go's `slog`.

use std::fmt::Arguments;
use std::io::Write as _;

use log::Record;
use log::kv::{self, Key, Value, VisitSource, VisitValue};

use super::escape::{self, Place};
use super::format::{Format, foreign_target};
use super::timestamp;

/// The format that machines read.
pub(super) struct Json;

impl Format for Json {
    fn append(&self, record: &Record<'_>, phase: &str, line: &mut Vec<u8>) {
        line.extend_from_slice(b"{\"time\":\"");
        timestamp::append_now(line);
        line.extend_from_slice(b"\",\"level\":\"");
        line.extend_from_slice(record.level().as_str().as_bytes());
        line.push(b'"');
        append_key("msg", line);
        append_formatted(*record.args(), line);
        append_key("phase", line);
        append_string(phase, line);
        if let Some(target) = foreign_target(record) {
            append_key("target", line);
            append_string(target, line);
        }
        // Fails where there is no room; what does not fit is left out, and said to be.
        if record.key_values().visit(&mut Members { line }).is_err() {
            line.extend_from_slice(b",\"cut\":true");
        }
        line.extend_from_slice(b"}\n");
    }
}

fn append_key(key: &str, line: &mut Vec<u8>) {
    line.push(b',');
    append_string(key, line);
    line.push(b':');
}

fn append_string(text: &str, line: &mut Vec<u8>) {
    line.push(b'"');
    escape::append_str(text, Place::Quoted, line);
    line.push(b'"');
}

fn append_formatted(text: Arguments<'_>, line: &mut Vec<u8>) {
    line.push(b'"');
    escape::append(text, Place::Quoted, line);
    line.push(b'"');
}

/// Appends a record's key-values as members of its object.
struct Members<'l> {
    line: &'l mut Vec<u8>,
}

impl<'kvs> VisitSource<'kvs> for Members<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let fits = escape::append_if_it_fits(self.line, |line| {
            append_key(key.as_str(), line);
            // The visitor never fails.
            let _ = value.visit(JsonValue { line });
        });
        if fits {
            Ok(())
        } else {
            Err(kv::Error::msg("no room"))
        }
    }
}

/// Appends one value: numbers, booleans and null as such, everything else as a string.
struct JsonValue<'l> {
    line: &'l mut Vec<u8>,
}

impl JsonValue<'_> {
    /// Appends what cannot need an escape.
    fn bare(&mut self, value: Arguments<'_>) -> Result<(), kv::Error> {
        self.line.write_fmt(value).map_err(kv::Error::boxed)
    }
}

impl<'v> VisitValue<'v> for JsonValue<'_> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
        append_formatted(format_args!("{value}"), self.line);
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        append_string(value, self.line);
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.bare(format_args!("null"))
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.bare(format_args!("{value}"))
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.bare(format_args!("{value}"))
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.bare(format_args!("{value}"))
    }

    fn visit_u128(&mut self, value: u128) -> Result<(), kv::Error> {
        self.bare(format_args!("{value}"))
    }

    fn visit_i128(&mut self, value: i128) -> Result<(), kv::Error> {
        self.bare(format_args!("{value}"))
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        // JSON has no word for infinity or NaN.
        if value.is_finite() {
            self.bare(format_args!("{value}"))
        } else {
            self.visit_any(Value::from(value))
        }
    }
}
