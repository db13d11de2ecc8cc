//! Traces as other services and a collector see them: what is passed on, what arrives, and the ids in the log.

use std::io::Read;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use seaworthy::{Request, Response, Service, trace};
use serde_json::Value;

use crate::library::{end, serve};
use crate::support::{Client, Collector, Engine, Exit, Server, Setup, get};

both_engines! {
    a_clients_trace_goes_on_in_a_span_of_its_request,
    malformed_ids_are_replaced,
    every_record_of_a_request_carries_its_ids,
    without_a_collector_what_a_client_sent_is_kept_and_no_ids_are_made_up,
    a_parent_that_is_not_sampled_is_followed,
    a_sampler_that_is_always_off_exports_nothing,
    a_failure_of_the_server_is_an_error_with_its_cause_and_one_of_a_client_is_none,
    the_last_spans_are_exported_before_the_process_ends,
    a_collector_that_is_not_there_costs_spans_and_no_requests,
    a_collector_that_never_answers_holds_up_no_end,
    a_handler_and_its_threads_know_their_trace,
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn traced(engine: Engine, collector: &Collector) -> Setup {
    Setup::new(engine)
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .set("OTEL_BSP_SCHEDULE_DELAY", "10")
        .set("ACCESS_LOG", "all")
}

fn traceparent(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{PARENT}-{flags}\r\n")
}

/// Asks with these fields beside `Host`.
fn ask(server: &Server, path: &str, fields: &str, status: u16) {
    let mut client = server.client();
    client.send(format!(
        "GET {path} HTTP/1.1\r\nHost: shop:8080\r\n{fields}\r\n"
    ));
    client.response().expect(status);
}

/// The records with this message.
fn records<'e>(exit: &'e Exit, message: &str) -> Vec<&'e Value> {
    let all = exit.records.iter();
    all.filter(|record| record["msg"] == message).collect()
}

fn a_clients_trace_goes_on_in_a_span_of_its_request(engine: Engine) {
    let collector = Collector::start();
    let server = traced(engine, &collector).start().ready();
    let fields = format!(
        "{}tracestate: congo=t61rcWkgMzE\r\nTraceState: rojo=1\r\nUser-Agent: test/1\r\n",
        traceparent("01")
    );
    ask(&server, "/status/404?token=secret", &fields, 404);
    let span = collector.next();
    assert_eq!((&*span.trace_id, &*span.parent), (TRACE, PARENT));
    assert_eq!(span.state, "congo=t61rcWkgMzE,rojo=1");
    assert_eq!((&*span.name, span.kind), ("GET /status/{code}", 2));
    assert!(span.end >= span.start && span.start > 1_700_000_000_000_000_000);
    assert_eq!(span.error, None, "the client's fault is not the server's");
    let attribute = |name: &str| span.attributes.get(name).map(String::as_str);
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/status/{code}"),
        ("http.response.status_code", "404"),
        ("url.path", "/status/404"),
        ("url.scheme", "http"),
        ("server.address", "shop"),
        ("server.port", "8080"),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("user_agent.original", "test/1"),
    ] {
        assert_eq!(attribute(name), Some(value), "{name}: {span:?}");
    }
    assert!(!format!("{span:?}").contains("secret"));
    let exported = get(server.address, "/metrics").expect(200);
    assert!(
        exported
            .text()
            .contains("seaworthy_spans_dropped_total{reason=\"queue_full\"} 0\n")
    );
    let exit = server.stop().expect_clean();
    assert!(
        collector.rest().is_empty(),
        "probes and scrapes are no traces"
    );
    let record = records(&exit, "request")[0];
    assert_eq!(record["trace_id"], TRACE);
    assert_eq!(record["span_id"], *span.span_id);
    assert_eq!(record["trace_flags"], "01");
}

fn malformed_ids_are_replaced(engine: Engine) {
    let collector = Collector::start();
    let server = traced(engine, &collector).start().ready();
    let good = traceparent("01");
    for fields in [
        String::new(),
        "traceparent: 00-0-0-01\r\n".to_owned(),
        format!("traceparent: 00-{}-{PARENT}-01\r\n", "0".repeat(32)),
        format!("traceparent: 00-{}-{PARENT}-01\r\n", TRACE.to_uppercase()),
        format!("traceparent: ff-{TRACE}-{PARENT}-01\r\n"),
        format!("{good}{good}"),
    ] {
        ask(&server, "/", &format!("{fields}tracestate: a=1\r\n"), 200);
        let span = collector.next();
        assert_eq!((&*span.parent, &*span.state), ("", ""), "{fields}");
        assert_eq!((span.trace_id.len(), span.span_id.len()), (32, 16));
        assert_ne!(span.trace_id, TRACE, "{fields}");
    }
    ask(&server, "/", &format!("{good}tracestate: A=1\r\n"), 200);
    let span = collector.next();
    assert_eq!((&*span.trace_id, &*span.state), (TRACE, ""));
    server.stop().expect_clean();
}

fn every_record_of_a_request_carries_its_ids(engine: Engine) {
    let collector = Collector::start();
    let server = traced(engine, &collector).start().ready();
    ask(&server, "/panic", "", 500);
    ask(&server, "/", &traceparent("01"), 200);
    let (panicked, greeted) = (collector.next(), collector.next());
    let exit = server.stop().expect_clean();
    for record in [
        records(&exit, "handler panicked")[0],
        records(&exit, "request")[0],
    ] {
        assert_eq!(record["trace_id"], *panicked.trace_id, "{record}");
        assert_eq!(record["span_id"], *panicked.span_id, "{record}");
        assert_eq!(record["trace_flags"], "01", "{record}");
    }
    let greeting = records(&exit, "request")[1];
    assert_eq!(greeting["trace_id"], TRACE);
    assert_eq!(greeting["span_id"], *greeted.span_id);
    let outside = records(&exit, "draining")[0];
    assert_eq!(outside["trace_id"], Value::Null, "{outside}");
}

fn without_a_collector_what_a_client_sent_is_kept_and_no_ids_are_made_up(engine: Engine) {
    let server = Setup::new(engine).set("ACCESS_LOG", "all").start().ready();
    // On one connection, where nothing of a request may be left for the next one.
    let mut client = server.client();
    for fields in [
        traceparent("01"),
        String::new(),
        "traceparent: 00-x\r\n".to_owned(),
    ] {
        client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
        client.response().expect(200);
    }
    let exit = server.stop().expect_clean();
    let records = records(&exit, "request");
    let ids = |record: &Value| {
        ["trace_id", "span_id", "trace_flags"].map(|key| record[key].as_str().map(str::to_owned))
    };
    assert_eq!(records.len(), 3, "{exit:?}");
    assert_eq!(
        ids(records[0]),
        [TRACE, PARENT, "01"].map(|id| Some(id.to_owned()))
    );
    assert_eq!(ids(records[1]), [None, None, None]);
    assert_eq!(ids(records[2]), [None, None, None]);
}

fn a_parent_that_is_not_sampled_is_followed(engine: Engine) {
    let collector = Collector::start();
    let server = traced(engine, &collector).start().ready();
    ask(&server, "/", &traceparent("00"), 200);
    ask(&server, "/status/204", &traceparent("01"), 204);
    let exit = server.stop().expect_clean();
    assert_eq!(collector.next().name, "GET /status/{code}");
    assert!(collector.rest().is_empty());
    let record = records(&exit, "request")[0];
    assert_eq!(
        (&record["trace_id"], &record["trace_flags"]),
        (&TRACE.into(), &"00".into())
    );
    assert_ne!(
        record["span_id"], PARENT,
        "it has one of its own all the same"
    );
}

fn a_sampler_that_is_always_off_exports_nothing(engine: Engine) {
    let collector = Collector::start();
    let server = traced(engine, &collector)
        .set("OTEL_TRACES_SAMPLER", "always_off")
        .start()
        .ready();
    ask(&server, "/", "", 200);
    ask(&server, "/", &traceparent("01"), 200);
    let exit = server.stop().expect_clean();
    assert!(collector.rest().is_empty());
    assert_eq!(records(&exit, "request")[1]["trace_flags"], "00");
}

fn a_failure_of_the_server_is_an_error_with_its_cause_and_one_of_a_client_is_none(engine: Engine) {
    let collector = Collector::start();
    let server = traced(engine, &collector).start().ready();
    for (path, status, name, error) in [
        ("/panic", 500, "GET /panic", Some("panicked: ")),
        ("/status/503", 503, "GET /status/{code}", Some("")),
        ("/nowhere", 404, "GET", None),
    ] {
        ask(&server, path, "", status);
        let span = collector.next();
        assert_eq!(span.name, name);
        assert_eq!(span.error.is_some(), error.is_some(), "{span:?}");
        let told = span.error.as_deref().unwrap_or_default();
        assert!(told.starts_with(error.unwrap_or_default()), "{span:?}");
        let kind = error.map(|_| status.to_string());
        assert_eq!(span.attributes.get("error.type"), kind.as_ref());
    }
    server.stop().expect_clean();
}

fn the_last_spans_are_exported_before_the_process_ends(engine: Engine) {
    let collector = Collector::start();
    let server = traced(engine, &collector)
        .set("OTEL_BSP_SCHEDULE_DELAY", "600000")
        .start()
        .ready();
    let mut client = server.client();
    for _ in 0..3 {
        client.get("/").expect(200);
    }
    let mut last = server.client();
    last.send("GET /delay/1 HTTP/1.1\r\nHost: test\r\n\r\n");
    thread::spawn(move || last.response().expect(200));
    server.stop().expect_clean();
    let names: Vec<String> = collector.rest().into_iter().map(|span| span.name).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names[3].starts_with("GET /delay/"), "{names:?}");
}

fn a_collector_that_is_not_there_costs_spans_and_no_requests(engine: Engine) {
    let server = Setup::new(engine)
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        .set("OTEL_BSP_SCHEDULE_DELAY", "10")
        .set("OTEL_EXPORTER_OTLP_TIMEOUT", "50")
        .start()
        .ready();
    let mut client = server.client();
    for _ in 0..3 {
        client.get("/").expect(200);
    }
    let lost = "seaworthy_spans_dropped_total{reason=\"export_failed\"} 3\n";
    crate::support::eventually("the loss is counted", || {
        client.get("/metrics").expect(200).text().contains(lost)
    });
    let exit = server.stop().expect_clean();
    let told = "spans are lost: the collector does not take them";
    assert!(!records(&exit, told).is_empty(), "{exit:?}");
}

fn a_collector_that_never_answers_holds_up_no_end(engine: Engine) {
    let silence = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = silence.local_addr().expect("it is bound");
    let server = Setup::new(engine)
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))
        .set("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")
        .set("OTEL_BSP_SCHEDULE_DELAY", "600000")
        .set("OTEL_BSP_MAX_QUEUE_SIZE", "60")
        .set("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
        .set("SHUTDOWN_TIMEOUT", "60s")
        .start()
        .ready();
    let mut client = server.client();
    for _ in 0..60 {
        client.get("/").expect(200);
    }
    let began = Instant::now();
    let exit = server.stop().expect_clean();
    // Each batch would take a second.
    assert!(began.elapsed() < Duration::from_secs(30), "{exit:?}");
    let told = "spans are left at the end: the collector has not taken them in time";
    assert_eq!(records(&exit, told).len(), 1, "{exit:?}");
}

fn a_handler_and_its_threads_know_their_trace(engine: Engine) {
    fn current() -> String {
        trace::current().map_or("none".to_owned(), |context| context.traceparent())
    }
    fn tell(request: &Request) -> String {
        let (context, carried) = (request.trace().clone(), request.context());
        let elsewhere = thread::scope(|scope| {
            let entered = scope.spawn(|| {
                let entered = context.enter();
                let within = current();
                drop(entered);
                [within, current()]
            });
            let run = scope.spawn(|| [carried.run(current), current()]);
            [entered.join().unwrap(), run.join().unwrap()].concat()
        });
        let state = context.tracestate().unwrap_or("none");
        [
            current(),
            context.traceparent(),
            state.to_owned(),
            elsewhere.join(" "),
        ]
        .join(" ")
    }
    struct Current(usize);
    impl Read for Current {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0 += 1;
            let told = current();
            let count = if self.0 <= 3 { told.len() } else { 0 };
            into[..count].copy_from_slice(&told.as_bytes()[..count]);
            Ok(count)
        }
    }
    let service = Service::new("test")
        .get("/", tell)
        .get("/stream", |_: &Request| Response::stream(Current(0)));
    let (running, address) = serve(service, engine);
    let sent = format!("00-{TRACE}-{PARENT}-01");
    let mut client = Client::connect(address);
    let mut told = |path: &str, fields: &str| {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
        client.response().expect(200).text().to_owned()
    };
    let fields = format!("{}tracestate: a=1\r\n", traceparent("01"));
    assert_eq!(
        told("/", &fields),
        format!("{sent} {sent} a=1 {sent} none {sent} none")
    );
    assert_eq!(told("/stream", &fields), sent.repeat(3));
    let untraced = told("/", "tracestate: a=1\r\n");
    let words: Vec<&str> = untraced.split(' ').collect();
    let [current, own, state, entered, after, run, last] = words[..] else {
        panic!("{untraced}");
    };
    assert_eq!([current, state, after, run, last], ["none"; 5]);
    assert_eq!(own, entered);
    assert!(
        own.starts_with("00-") && own.ends_with("-00") && own.len() == 55,
        "{own}"
    );
    assert_eq!(told("/stream", ""), "none".repeat(3));
    end(running);
}
