//! Answers of the program's that are given later, as its log and its collector tell of them.

use crate::{collector::Collector, serving::Serving};
use seaworthy::{Error, Response, http::StatusCode};
use std::{thread, time::Duration};

/// Answers from another thread, after a while.
pub(crate) fn later(how: &str) -> Response {
    let (responder, response) = Response::deferred("1s");
    let how = how.to_owned();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        let answered = match &*how {
            "fails" => responder.respond(Error::internal("the queue is gone")),
            "never" => {
                thread::sleep(Duration::from_secs(2));
                responder.respond("too late")
            }
            _ => responder.respond((StatusCode::CREATED, "done")),
        };
        log::info!(was_wanted = answered.is_ok(); "answered");
    });
    response
}

pub(crate) fn the_log_and_the_span_of_a_request_tell_of_the_answer_that_was_given_later() {
    let collector = Collector::start();
    let endpoint = collector.endpoint();
    let service = Serving::start(&[
        ("QUEUE", "queue"),
        ("ACCESS_LOG", "all"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
    ]);
    for (how, status) in [("done", 201), ("fails", 500), ("never", 503)] {
        let answer = service.get(&format!("/later/{how}"), "");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    let log = service.end();
    for (how, status, bytes) in [
        ("done", 201, Some(4)),
        ("fails", 500, None),
        ("never", 503, None),
    ] {
        let span = collector.next();
        assert_eq!(
            span.attributes["http.response.status_code"],
            status.to_string()
        );
        let path = format!("/later/{how}");
        assert_eq!(span.attributes["url.path"], path);
        assert!(span.end - span.start >= 50_000_000, "{span:?}");
        let mut of_request = log
            .iter()
            .filter(|record| record["msg"] == "request" && record["path"] == *path);
        let (Some(record), None) = (of_request.next(), of_request.next()) else {
            panic!("one record: {log:?}");
        };
        assert_eq!(
            (&record["status"], &record["route"]),
            (&status.into(), &"/later/{how}".into())
        );
        assert!(record["duration_us"].as_u64() >= Some(50_000), "{record}");
        assert_eq!(record["trace_id"], *span.trace_id);
        if let Some(bytes) = bytes {
            assert_eq!(record["bytes"], bytes);
        }
        if how == "fails" {
            assert_eq!(span.error.as_deref(), Some("the queue is gone"));
        }
    }
    assert_eq!(collector.rest().len(), 0);
    let failed = log
        .iter()
        .find(|record| record["cause"] == "the queue is gone");
    let failed = failed.expect("a record");
    assert_eq!(
        (&failed["level"], &failed["route"]),
        (&"ERROR".into(), &"/later/{how}".into())
    );
    let late = "a deferred answer was not given by its deadline";
    let late = log
        .iter()
        .find(|record| record["msg"] == late)
        .expect("a record");
    assert_eq!(
        (&late["level"], &late["route"]),
        (&"WARN".into(), &"/later/{how}".into())
    );
}
