//! What is in a line.

use std::fmt;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log::kv::Value;
use log::{Level, Log};
use serde_json::json;

use super::super::{escape, timestamp};
use super::outputs::Output;
use super::{Bench, ours};
use crate::config::table::LogFormat;

/// Logs one record with these key-values, and returns its line.
fn line(format: LogFormat, message: &str, pairs: &[(&str, Value<'_>)]) -> String {
    let out = Output::default();
    let bench = Bench::new(format, &out);
    let args = format_args!("{message}");
    bench.log.log(&ours().args(args).key_values(&pairs).build());
    bench.flush();
    out.text()
}

/// The same, as JSON.
fn object(message: &str, pairs: &[(&str, Value<'_>)]) -> serde_json::Value {
    let line = line(LogFormat::Json, message, pairs);
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn a_log_pipeline_made_for_slog_reads_every_record() {
    let line = line(LogFormat::Json, "listening", &[("port", Value::from(80))]);
    let (time, rest) = line.split_at(r#"{"time":"2026-11-22T13:28:00.042Z""#.len());
    assert!(time.ends_with("Z\""), "{line}");
    let expected = r#","level":"INFO","msg":"listening","phase":"starting","port":80}"#;
    assert_eq!(rest.trim_end(), expected);
}

#[test]
fn numbers_and_booleans_can_be_computed_with_in_a_query() {
    let duration = Duration::from_millis(5);
    let pairs = [
        ("int", Value::from(-3)),
        ("big", Value::from(u64::MAX)),
        ("bigger", Value::from(u128::MAX)),
        ("float", Value::from(0.25)),
        ("huge", Value::from(1e300)),
        ("tiny", Value::from(-1e-300)),
        ("nan", Value::from(f64::NAN)),
        ("yes", Value::from(true)),
        ("none", Value::null()),
        ("char", Value::from('"')),
        ("debug", Value::from_debug(&duration)),
    ];
    let object = object("m", &pairs);
    assert_eq!(object["int"], json!(-3));
    assert_eq!(object["big"], json!(u64::MAX));
    assert!(object["bigger"].is_number());
    assert_eq!(object["float"], json!(0.25));
    assert_eq!(object["huge"], json!(1e300));
    assert_eq!(object["tiny"], json!(-1e-300));
    assert_eq!(object["nan"], json!("NaN"));
    assert_eq!(object["yes"], json!(true));
    assert_eq!(object["none"], json!(null));
    assert_eq!(object["char"], json!("\""));
    assert_eq!(object["debug"], json!("5ms"));
}

#[test]
fn no_text_from_a_client_can_break_a_line_or_forge_a_record() {
    let hostile: String = (0..0x2100).filter_map(char::from_u32).collect();
    let key = "k\"\n\u{7}";
    let object = object(&hostile, &[(key, Value::from(hostile.as_str()))]);
    let kept = object["msg"].as_str().unwrap();
    assert!(kept.len() > 500);
    assert!(hostile.starts_with(kept.strip_suffix(escape::CUT).unwrap()));
    assert_eq!(object[key], object["msg"]);
}

#[test]
fn separators_and_terminal_escapes_are_written_as_escapes_in_both_formats() {
    let hostile = "a\u{2028}b\u{2029}c\u{1b}[2Jd\u{9b}e\u{7f}f\ng\u{202e}h\u{2066}";
    let escaped = r"a\u2028b\u2029c\u001b[2Jd\u009be\u007ff\ng\u202eh\u2066";
    assert_eq!(object(hostile, &[])["msg"], json!(hostile));
    for format in [LogFormat::Json, LogFormat::Text] {
        let line = line(format, hostile, &[("k", Value::from(hostile))]);
        assert_eq!(line.matches(escaped).count(), 2, "{line}");
    }
}

#[test]
fn text_tells_a_value_from_what_surrounds_it() {
    let pairs = [
        ("plain", Value::from("a/b:c")),
        ("spaced", Value::from("a b")),
        ("quoted", Value::from("a\"b")),
        ("assigned", Value::from("a=b")),
        ("empty", Value::from("")),
        ("number", Value::from(7)),
    ];
    let line = line(LogFormat::Text, "a \"message\" \\o/", &pairs);
    let (time, rest) = line.split_at("2026-11-22T13:28:00.042Z".len());
    assert!(time.ends_with('Z'), "{line}");
    let expected = concat!(
        r#" [INFO ] a "message" \o/ phase=starting plain=a/b:c spaced="a b""#,
        r#" quoted="a\"b" assigned="a=b" empty="" number=7"#,
        "\n",
    );
    assert_eq!(rest, expected);
}

#[test]
fn a_value_of_a_megabyte_is_visibly_cut_and_the_others_are_there() {
    let huge = "ä".repeat(1 << 20);
    let pairs = [("body", Value::from(&*huge)), ("route", Value::from("/x"))];
    let object = object(&huge, &pairs);
    for text in [&object["msg"], &object["body"]] {
        let text = text.as_str().unwrap();
        assert!(text.starts_with("ää") && text.ends_with("ä…[cut]"));
        assert!(text.len() <= escape::MAX_TEXT);
    }
    assert_eq!(object["route"], json!("/x"));
    assert!(line(LogFormat::Text, &huge, &pairs).ends_with("ä…[cut] route=/x\n"));
}

#[test]
fn what_escaping_makes_long_is_cut_between_escapes() {
    let object = object(&"\u{1}".repeat(10_000), &[]);
    let text = object["msg"].as_str().unwrap();
    assert!(text.ends_with("\u{1}…[cut]"));
}

/// A value that takes no error for an answer.
struct Stubborn;

impl fmt::Display for Stubborn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = f.write_str(&"€".repeat(escape::MAX_TEXT));
        let _ = f.write_str("more");
        Ok(())
    }
}

#[test]
fn a_value_that_ignores_that_it_is_cut_is_cut() {
    let object = object("m", &[("k", Value::from_display(&Stubborn))]);
    assert!(object["k"].as_str().unwrap().ends_with("€…[cut]"));
}

#[test]
fn a_record_with_too_many_key_values_says_so_and_fits_a_line() {
    let long = "x".repeat(escape::MAX_TEXT);
    let pairs: Vec<_> = (0..100).map(|_| ("key", Value::from(&*long))).collect();
    assert_eq!(object("m", &pairs)["cut"], json!(true));
    for (format, end) in [
        (LogFormat::Json, ",\"cut\":true}\n"),
        (LogFormat::Text, " cut=true\n"),
    ] {
        let line = line(format, &long, &pairs);
        assert!(line.len() <= escape::MAX_LINE, "{}", line.len());
        assert!(line.ends_with(end));
    }
}

#[test]
fn a_dependencys_record_is_told_from_ours() {
    for (target, expected) in [
        ("seaworthy", json!(null)),
        ("seaworthy::engine", json!(null)),
        ("seaworthyness", json!("seaworthyness")),
        ("mio::poll", json!("mio::poll")),
    ] {
        let out = Output::default();
        let bench = Bench::new(LogFormat::Json, &out);
        bench
            .log
            .log(&ours().target(target).level(Level::Debug).build());
        bench.flush();
        assert_eq!(out.objects()[0]["target"], expected, "{target}");
    }
}

#[test]
fn records_below_the_level_are_left_out() {
    let out = Output::default();
    let bench = Bench::new(LogFormat::Json, &out);
    for level in [Level::Trace, Level::Debug, Level::Error] {
        bench.log.log(&ours().level(level).build());
    }
    bench.flush();
    let levels: Vec<_> = out
        .objects()
        .iter()
        .map(|object| object["level"].clone())
        .collect();
    assert_eq!(levels, ["DEBUG", "ERROR"]);
}

#[test]
fn each_record_carries_the_phase_it_was_logged_in() {
    let out = Output::default();
    let bench = Bench::new(LogFormat::Json, &out);
    bench.info("a");
    bench.logger.set_phase("draining");
    bench.info("b");
    bench.flush();
    let phases: Vec<_> = out
        .objects()
        .iter()
        .map(|object| object["phase"].clone())
        .collect();
    assert_eq!(phases, ["starting", "draining"]);
}

#[test]
fn the_time_is_right_at_the_calendars_corners_and_before_1970() {
    let at = |seconds: u64, millis: u64| {
        UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis)
    };
    for (time, expected) in [
        (at(0, 0), "1970-01-01T00:00:00.000Z"),
        (at(951_782_400, 7), "2000-02-29T00:00:00.007Z"),
        (at(1_709_251_199, 999), "2024-02-29T23:59:59.999Z"),
        (at(1_735_689_599, 0), "2024-12-31T23:59:59.000Z"),
        (at(4_107_542_400, 0), "2100-03-01T00:00:00.000Z"),
        (at(253_402_300_799, 0), "9999-12-31T23:59:59.000Z"),
        (
            UNIX_EPOCH - Duration::from_millis(1),
            "1969-12-31T23:59:59.999Z",
        ),
        (
            UNIX_EPOCH - Duration::from_secs(2_208_988_800),
            "1900-01-01T00:00:00.000Z",
        ),
    ] {
        assert_eq!(timestamped(time), expected);
    }
}

#[test]
fn the_time_agrees_with_the_date_header_on_every_day_for_centuries() {
    for day in 0..150_000 {
        let time = UNIX_EPOCH + Duration::from_secs(day * 86_400 + day % 86_400);
        let http = httpdate::fmt_http_date(time);
        let rfc = timestamped(time);
        assert_eq!(
            (&rfc[..4], &rfc[8..10], &rfc[11..19]),
            (&http[12..16], &http[5..7], &http[17..25])
        );
        let month = rfc[5..7].parse::<usize>().unwrap() * 3;
        assert_eq!(
            &"JanFebMarAprMayJunJulAugSepOctNovDec"[month - 3..month],
            &http[8..11]
        );
    }
}

#[test]
fn a_clock_gone_wild_still_gives_a_time() {
    for seconds in [1 << 40, u64::MAX >> 2, u64::MAX >> 1, 1 << 63] {
        let wild = Duration::from_secs(seconds);
        for time in [UNIX_EPOCH.checked_add(wild), UNIX_EPOCH.checked_sub(wild)] {
            let text = timestamped(time.unwrap_or(UNIX_EPOCH));
            assert_eq!(text.len(), "1970-01-01T00:00:00.000Z".len(), "{text}");
        }
    }
}

fn timestamped(time: SystemTime) -> String {
    let mut line = Vec::new();
    timestamp::append(time, &mut line);
    String::from_utf8(line).unwrap()
}

#[test]
fn behind_the_last_record_other_threads_have_nothing_to_say() {
    let out = Output::default();
    let bench = Bench::new(LogFormat::Json, &out);
    bench.info("before");
    bench.logger.pipe.close_to_others();
    thread::scope(|threads| threads.spawn(|| bench.info("too late")).join()).unwrap();
    bench.info("the report");
    thread::scope(|threads| threads.spawn(|| bench.info("too late")).join()).unwrap();
    bench.flush();
    let messages: Vec<String> = out.text().lines().map(message).collect();
    assert_eq!(messages, ["before", "the report"]);
    assert_eq!(bench.logger.pipe.dropped(), 0, "nobody misses them");
}

#[test]
fn a_crate_that_is_muted_is_not_heard_and_the_others_are() {
    let out = Output::default();
    let bench = Bench::new(LogFormat::Json, &out);
    bench.logger.muted.set("noisy").unwrap();
    for target in ["noisy", "noisier", "other"] {
        let text = format_args!("{target}");
        let record = ours().target(target).args(text).build();
        bench.log.log(&record);
    }
    bench.flush();
    let messages: Vec<String> = out.text().lines().map(message).collect();
    assert_eq!(messages, ["noisier", "other"]);
}

fn message(line: &str) -> String {
    let record: serde_json::Value = serde_json::from_str(line).unwrap();
    record["msg"].as_str().unwrap().to_owned()
}
