//! The spans of the program's own, as a collector gets them.

use crate::{collector::Collector, serving::Serving};
use seaworthy::trace;
use serde_json::Value;
use std::thread;

/// A handler's work in parts, the last of which panics.
pub(crate) fn parts() {
    let mut outer = trace::span("outer");
    outer.set("rows", 3_usize);
    outer.set("rows", 4);
    outer.set("is_cached", false);
    let context = trace::current();
    thread::spawn(move || {
        let _outside = trace::span("of no request");
        let _entered = context.as_ref().map(|context| context.enter());
        let _span = trace::span("elsewhere");
    })
    .join()
    .expect("it does not panic");
    {
        let mut call = trace::span("GET").client();
        call.set("server.address", "orders");
        call.fail("it took too long");
        let sent = call
            .headers()
            .map(|(name, value)| format!("{name}={value}"));
        log::info!(sent = sent.collect::<Vec<_>>().join(" "); "calling");
    }
    drop(outer);
    let _last = trace::span("last");
    panic!("on purpose");
}

pub(crate) fn the_parts_of_a_request_are_one_tree_whatever_thread_they_are_on() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let sent = |flags: &str| {
        format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-{flags}\r\ntracestate: a=1\r\n")
    };
    let collector = Collector::start();
    let endpoint = collector.endpoint();
    let service = Serving::start(&[
        ("QUEUE", "queue"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
    ]);
    for flags in ["00", "01"] {
        let answer = service.get("/parts", &sent(flags));
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    }
    let log = service.end();
    let [elsewhere, call, outer, last, server] = [(); 5].map(|()| collector.next());
    assert_eq!(collector.rest().len(), 0, "one trace is not sampled");
    for (span, name, parent, kind) in [
        (&elsewhere, "elsewhere", &outer, 1),
        (&call, "GET", &outer, 3),
        (&outer, "outer", &server, 1),
        (&last, "last", &server, 1),
    ] {
        assert_eq!((&*span.name, span.kind), (name, kind));
        assert_eq!(span.parent, parent.span_id, "{span:?}");
        assert_eq!((&*span.trace_id, &*span.state), (TRACE, "a=1"));
        assert!(span.start <= span.end, "{span:?}");
    }
    assert_eq!((&*server.name, server.kind), ("GET /parts", 2));
    assert_eq!(outer.attributes["rows"], "4");
    assert_eq!(outer.attributes["is_cached"], "0");
    assert_eq!(outer.error, None);
    assert_eq!(call.attributes["server.address"], "orders");
    assert_eq!(call.error.as_deref(), Some("it took too long"));
    assert_eq!(last.error.as_deref(), Some("panicked"));
    let why = server.error.as_deref().expect("it has failed");
    assert!(
        why.starts_with("panicked: on purpose (tests/program/traces.rs:"),
        "{why}"
    );

    let of = |message: &str| -> Vec<&Value> {
        log.iter()
            .filter(|record| record["msg"] == message)
            .collect()
    };
    let [unsampled, sampled] = of("calling")[..] else {
        panic!("{log:?}");
    };
    let told =
        |id: &str, flags: &str| format!("traceparent=00-{TRACE}-{id}-{flags} tracestate=a=1");
    assert_eq!(sampled["sent"], told(&call.span_id, "01"));
    assert_eq!(sampled["span_id"], *call.span_id);
    let own = unsampled["span_id"].as_str().expect("it has one");
    assert_eq!(
        unsampled["sent"],
        told(own, "00"),
        "the next service decides alike"
    );
    let panicked = of("handler panicked")[1];
    assert_eq!(
        panicked["span_id"], *server.span_id,
        "what has panicked has ended"
    );
}
