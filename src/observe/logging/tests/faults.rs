//! What a stdout, or a value, that misbehaves may do.

use std::cell::Cell;
use std::fmt;
use std::io::ErrorKind;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use log::Log;
use serde_json::json;

use super::super::MAX_NESTING;
use super::super::pipe::CAPACITY;
use super::outputs::{Does, Output};
use super::{Bench, LONG, ours};
use crate::config::table::LogFormat;

/// Has the writer hang in its first write.
fn blocked(format: LogFormat) -> (Output, Bench) {
    let out = Output::default();
    out.does(Does::Blocks);
    let bench = Bench::new(format, &out);
    bench.info("first");
    out.wait_for_writes(1);
    (out, bench)
}

#[test]
fn a_blocked_stdout_blocks_no_request_and_the_log_says_what_is_missing() {
    for format in [LogFormat::Json, LogFormat::Text] {
        let (out, bench) = blocked(format);
        let message = "x".repeat(1000);
        while bench.logger.pipe.dropped() < 3 {
            bench.info(&message);
        }
        out.does(Does::Takes);
        bench.flush();
        bench.info("after");
        bench.flush();
        let text = out.text();
        let lines: Vec<_> = text.lines().collect();
        let [.., notice, after] = lines[..] else {
            panic!("{text}")
        };
        assert!(notice.contains("log records were dropped"), "{notice}");
        assert!(notice.contains("WARN"), "{notice}");
        assert!(
            notice.replace(['"', ':'], "=").contains("dropped=3")
                || notice.contains("\"dropped\":3"),
            "{notice}"
        );
        assert!(after.contains("after"), "{after}");
        assert!(text.matches("were dropped").count() == 1);
        assert!(text.len() > CAPACITY / 10 * 9);
        assert_eq!(bench.logger.pipe.dropped(), 3);
    }
}

#[test]
fn flushing_to_a_blocked_stdout_ends_with_the_timeout() {
    let (out, bench) = blocked(LogFormat::Json);
    assert!(!bench.logger.flush(Duration::from_millis(1)));
    out.does(Does::Takes);
    bench.flush();
}

#[test]
fn flushing_waits_for_what_was_logged_before() {
    let out = Output::default();
    let bench = Bench::new(LogFormat::Json, &out);
    for number in 0..100 {
        bench.info(&number.to_string());
        bench.flush();
        assert_eq!(out.text().lines().count(), number + 1);
    }
}

#[test]
fn what_was_logged_during_a_write_goes_out_in_the_next_one() {
    let (out, bench) = blocked(LogFormat::Json);
    for number in 0..100 {
        bench.info(&number.to_string());
    }
    out.does(Does::Takes);
    bench.flush();
    assert_eq!(out.writes(), 2);
    assert_eq!(out.objects().len(), 101);
}

#[test]
fn a_failing_stdout_loses_records_and_says_so_when_it_works_again() {
    for kind in [ErrorKind::BrokenPipe, ErrorKind::StorageFull] {
        let out = Output::default();
        let bench = Bench::new(LogFormat::Json, &out);
        out.does(Does::Fails(kind));
        for number in 0..5 {
            bench.info(&number.to_string());
            bench.flush();
        }
        assert_eq!(bench.logger.pipe.dropped(), 5);
        out.does(Does::Takes);
        bench.info("again");
        bench.flush();
        let objects = out.objects();
        assert_eq!(objects.len(), 2);
        assert_eq!(objects[0]["msg"], json!("again"));
        assert_eq!(objects[1]["dropped"], json!(5));
        assert_eq!(bench.logger.pipe.dropped(), 5);
    }
}

#[test]
fn a_disk_that_fills_up_within_a_line_spoils_only_that_line() {
    let (out, bench) = blocked(LogFormat::Json);
    bench.info("second");
    let full = Does::Fails(ErrorKind::StorageFull);
    // The first line whole, then a part of the second, then nothing.
    out.does_first(&[Does::Takes, Does::TakesPart(30)], full);
    bench.flush();
    bench.info("third");
    bench.flush();
    out.does(Does::Takes);
    bench.info("fourth");
    bench.flush();
    let text = out.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].contains("first"));
    assert_eq!(lines[1].len(), 30);
    assert!(lines[2].contains("fourth"));
    assert!(lines[3].contains("\"dropped\":2"));
}

#[test]
fn a_stdout_that_takes_a_byte_at_a_time_gets_every_line_whole() {
    let out = Output::default();
    out.does(Does::TakesPart(1));
    let bench = Bench::new(LogFormat::Json, &out);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|number| bench.info(&number.to_string())));
        }
    });
    bench.flush();
    assert_eq!(out.objects().len(), 200);
}

#[test]
fn a_stdout_that_is_interrupted_or_not_ready_loses_nothing() {
    for kind in [ErrorKind::Interrupted, ErrorKind::WouldBlock] {
        let out = Output::default();
        out.does_first(&[Does::Fails(kind); 3], Does::Takes);
        let bench = Bench::new(LogFormat::Json, &out);
        bench.info("kept");
        bench.flush();
        assert_eq!(out.objects().len(), 1);
        assert_eq!(out.writes(), 4);
    }
}

#[test]
fn where_no_thread_can_be_had_the_flush_at_exit_still_says_why() {
    let out = Output::default();
    let bench = Bench::without_thread(LogFormat::Json);
    bench.logger.write_to(Box::new(out.clone()));
    bench.info("no threads");
    bench.flush();
    bench.flush();
    assert_eq!(out.objects()[0]["msg"], json!("no threads"));
}

/// A value that logs another of its kind when it is formatted, `depth` times.
struct Chatty<'b> {
    bench: &'b Bench,
    depth: u32,
}

impl fmt::Display for Chatty<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(depth) = self.depth.checked_sub(1) {
            self.bench.log_chatty(depth);
        }
        f.write_str("said")
    }
}

impl Bench {
    fn log_chatty(&self, depth: u32) {
        let chatty = Chatty { bench: self, depth };
        self.log.log(&ours().args(format_args!("{chatty}")).build());
    }
}

#[test]
fn a_value_that_logs_when_it_is_logged_neither_recurses_nor_deadlocks() {
    for format in [LogFormat::Json, LogFormat::Text] {
        let out = Output::default();
        let bench = Bench::new(format, &out);
        bench.log_chatty(1);
        bench.flush();
        assert_eq!(out.text().matches("said").count(), 2);
        bench.log_chatty(1_000_000);
        assert_eq!(bench.logger.pipe.dropped(), 1);
        bench.info("still here");
        bench.flush();
        let said = 2 + usize::from(MAX_NESTING);
        assert_eq!(out.text().matches("said").count(), said);
        assert!(out.text().contains("still here"));
    }
}

/// A value that cannot be formatted.
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic::resume_unwind(Box::new("broken"))
    }
}

#[test]
fn a_value_that_panics_when_it_is_logged_silences_no_later_record() {
    for format in [LogFormat::Json, LogFormat::Text] {
        let out = Output::default();
        let bench = Bench::new(format, &out);
        for _ in 0..10 {
            let logging = || {
                bench
                    .log
                    .log(&ours().args(format_args!("{Broken}")).build())
            };
            assert!(panic::catch_unwind(AssertUnwindSafe(logging)).is_err());
        }
        bench.info("still here");
        bench.flush();
        assert_eq!(out.text().lines().count(), 1);
        assert_eq!(bench.logger.pipe.dropped(), 0);
    }
}

/// Logs when its thread ends.
struct LastWords(Arc<Bench>);

impl Drop for LastWords {
    fn drop(&mut self) {
        self.0.info("last words");
    }
}

thread_local! {
    static LAST_WORDS: Cell<Option<LastWords>> = const { Cell::new(None) };
}

#[test]
fn a_thread_that_logs_while_it_ends_is_heard() {
    for format in [LogFormat::Json, LogFormat::Text] {
        let out = Output::default();
        let bench = Arc::new(Bench::new(format, &out));
        let its_bench = Arc::clone(&bench);
        let thread = thread::spawn(move || {
            LAST_WORDS.set(Some(LastWords(Arc::clone(&its_bench))));
            // Of a thread's locals the one used first ends last: the logger's are gone when `LAST_WORDS` ends.
            its_bench.info("alive");
        });
        thread.join().unwrap();
        bench.flush();
        assert_eq!(out.text().matches("last words").count(), 1);
    }
}

#[test]
fn many_threads_lose_nothing_that_fits() {
    let out = Output::default();
    let bench = Arc::new(Bench::new(LogFormat::Text, &out));
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| (0..10).for_each(|number| bench.info(&format!("number {number}."))));
        }
    });
    assert!(bench.logger.flush(LONG));
    let text = out.text();
    assert_eq!(text.lines().count(), 1000);
    assert!(text.lines().all(|line| line.ends_with(". phase=starting")));
}
