use super::*;
use crate::{
    http_client::target::Target,
    observe::{
        metrics::exposition::Format,
        trace::{environment::Headers, span::Status},
    },
};
use std::{
    borrow::Cow,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

const TAKEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Long beside anything that is waited for.
const LONG: Duration = Duration::from_secs(30);

fn span() -> SpanData {
    SpanData {
        trace_id: [1; 16],
        span_id: [2; 8],
        parent: [0; 8],
        parent_is_remote: false,
        trace_state: String::new(),
        name: Cow::Borrowed("GET /"),
        kind: crate::observe::trace::span::Kind::Server,
        start: 1,
        end: 2,
        attributes: Vec::new(),
        status: Status::Unset,
    }
}

/// What a collector was sent: when, on which connection, the head, and how many spans.
struct Received {
    at: Instant,
    connection: usize,
    head: String,
    spans: usize,
}

/// A collector that answers its requests with these texts in turn, the last one again and again; with an empty one it
/// hangs up.
struct Collector {
    url: String,
    received: mpsc::Receiver<Received>,
}

impl Collector {
    fn new(answers: &'static [&'static str]) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let (sender, received) = mpsc::channel();
        thread::spawn(move || {
            let mut answers = answers
                .iter()
                .chain(std::iter::repeat(answers.last().unwrap()));
            for (connection, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                while let Some((head, body)) = request(&mut stream) {
                    let _ = sender.send(Received {
                        at: Instant::now(),
                        connection,
                        head,
                        spans: body.windows(5).filter(|five| *five == b"GET /").count(),
                    });
                    let answer = answers.next().unwrap();
                    let answered = stream.write_all(answer.as_bytes());
                    if answer.is_empty() || answer.contains("close") || answered.is_err() {
                        break;
                    }
                }
            }
        });
        Collector { url, received }
    }

    fn next(&self) -> Received {
        self.received.recv_timeout(LONG).expect("a request")
    }
}

fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let (_, length) = head.rsplit_once("Content-Length: ").unwrap();
            if bytes.len() == end + 4 + length.parse::<usize>().unwrap() {
                return Some((head, bytes.split_off(end + 4)));
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
        }
    }
}

/// Sends at once, and waits long for an answer.
fn settings(url: &str) -> Exporting {
    Exporting {
        target: Target::parse(url).unwrap(),
        headers: Headers(vec![("api-key".to_owned(), "x y".to_owned())]),
        timeout: LONG,
        export_timeout: LONG,
        schedule_delay: Duration::ZERO,
        max_queue_size: 100,
        max_batch_size: 10,
        resource: Vec::new(),
    }
}

fn start(settings: &Exporting) -> Arc<Exporter> {
    Exporter::start(settings, "shop", "1.0").unwrap()
}

fn submit(exporter: &Exporter, count: usize) {
    (0..count).for_each(|_| exporter.submit(&span()));
}

fn soon() -> Instant {
    Instant::now() + LONG
}

/// Waits until all that was submitted is sent or given up.
fn settle(exporter: &Exporter) {
    let until = soon();
    while exporter.flush(until) > 0 {
        assert!(Instant::now() < until, "spans are left");
    }
}

/// A collector that takes connections, and never says a word.
fn silence() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    (listener, url)
}

fn failed(export_failed: u64) -> Dropped {
    Dropped {
        queue_full: 0,
        export_failed,
    }
}

#[test]
fn a_batch_is_sent_when_it_is_full_however_long_the_delay() {
    let collector = Collector::new(&[TAKEN]);
    let exporter = start(&Exporting {
        schedule_delay: 10 * LONG,
        ..settings(&collector.url)
    });
    submit(&exporter, 25);
    assert_eq!(collector.next().spans, 10);
    assert_eq!(collector.next().spans, 10);
    settle(&exporter);
    assert_eq!(collector.next().spans, 5, "what is left, by a flush");
    assert_eq!(exporter.counts(), (25, Dropped::default()));
}

#[test]
fn spans_of_one_delay_are_one_request_with_the_fields_that_otlp_asks_for() {
    let collector = Collector::new(&[TAKEN]);
    let exporter = start(&Exporting {
        schedule_delay: Duration::from_millis(500),
        ..settings(&collector.url)
    });
    submit(&exporter, 3);
    let received = collector.next();
    assert_eq!(received.spans, 3);
    let host = collector.url.split('/').nth(2).unwrap();
    let expected = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: {host}\r\nUser-Agent: seaworthy-OTLP/{}\r\nContent-Type: application/x-protobuf\r\napi-key: x y\r\nContent-Length: ",
        env!("CARGO_PKG_VERSION")
    );
    assert!(received.head.starts_with(&expected), "{}", received.head);
}

#[test]
fn a_connection_is_kept_and_one_that_has_ended_costs_no_span() {
    const LAST: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let collector = Collector::new(&[TAKEN, TAKEN, "", LAST, TAKEN]);
    let exporter = start(&settings(&collector.url));
    let mut connections = Vec::new();
    for _ in 0..4 {
        submit(&exporter, 1);
        settle(&exporter);
        let received = collector.received.try_iter();
        connections.extend(received.map(|received| received.connection));
    }
    // The third was hung up on where the second had been answered, and was sent again at once.
    assert_eq!(connections, [0, 0, 0, 1, 2]);
    assert_eq!(exporter.counts(), (4, Dropped::default()));
}

#[test]
fn a_collector_that_asks_for_a_pause_gets_it_and_then_the_spans() {
    const BUSY: &str = "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    let collector = Collector::new(&[BUSY, TAKEN]);
    let exporter = start(&settings(&collector.url));
    submit(&exporter, 1);
    let (first, second) = (collector.next(), collector.next());
    assert!(second.at - first.at >= Duration::from_millis(990));
    settle(&exporter);
    assert_eq!(exporter.counts(), (1, Dropped::default()));
}

#[test]
fn what_passes_is_tried_again() {
    const PASSING: [&str; 5] = [
        "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\n\r\n",
        "",
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nRetry-After: 0\r\n\r\n",
        "HTTP/1.1 504 Gateway Timeout\r\nRetry-After: 0\r\nConnection: close\r\n\r\n",
        TAKEN,
    ];
    let collector = Collector::new(&PASSING);
    let exporter = start(&settings(&collector.url));
    submit(&exporter, 1);
    settle(&exporter);
    assert_eq!(collector.received.try_iter().count(), 5);
    assert_eq!(exporter.counts(), (1, Dropped::default()));
}

#[test]
fn a_pause_beyond_the_timeout_costs_the_batch_and_is_kept_to_by_the_next() {
    const GONE: &str = "HTTP/1.1 503 Busy\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n";
    let collector = Collector::new(&[GONE, TAKEN]);
    let exporter = start(&settings(&collector.url));
    submit(&exporter, 1);
    settle(&exporter);
    submit(&exporter, 1);
    settle(&exporter);
    assert_eq!(collector.received.try_iter().count(), 1);
    assert_eq!(exporter.counts(), (0, failed(2)));
}

#[test]
fn what_a_collector_will_never_take_is_lost_once_and_counted() {
    const BAD: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno";
    const PARTIAL: &str =
        "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\n\u{6}\u{8}\u{2}\u{12}\u{2}no";
    let collector = Collector::new(&[BAD, PARTIAL, TAKEN]);
    let exporter = start(&settings(&collector.url));
    for expected in [(0, failed(3)), (1, failed(5)), (4, failed(5))] {
        let mut queue = exporter.queue();
        (0..3).for_each(|_| queue.push(&encode::span(&span()), 100));
        drop(queue);
        settle(&exporter);
        assert_eq!(exporter.counts(), expected);
    }
    assert_eq!(collector.received.try_iter().count(), 3);
}

#[test]
fn a_queue_that_is_full_loses_spans_and_never_holds_who_submits() {
    let (listener, url) = silence();
    let exporter = start(&settings(&url));
    submit(&exporter, 1);
    let stuck = listener.accept().unwrap();
    let began = Instant::now();
    submit(&exporter, 150);
    assert!(began.elapsed() < LONG / 2, "{:?}", began.elapsed());
    let dropped = Dropped {
        queue_full: 50,
        export_failed: 0,
    };
    assert_eq!(exporter.counts(), (0, dropped));
    let until = Instant::now() + Duration::from_millis(100);
    assert_eq!(exporter.flush(until), 101, "the collector hangs");
    assert!(until.elapsed() < LONG / 2, "a flush ends at its deadline");
    drop(stuck);
}

#[test]
fn a_collector_that_is_not_there_costs_the_spans_and_nothing_else() {
    let (listener, url) = silence();
    drop(listener);
    let exporter = start(&Exporting {
        timeout: Duration::from_millis(100),
        ..settings(&url)
    });
    submit(&exporter, 1);
    settle(&exporter);
    assert_eq!(exporter.counts(), (0, failed(1)));
    submit(&exporter, 1);
    settle(&exporter);
    assert_eq!(exporter.counts(), (0, failed(2)));
}

#[test]
fn a_process_that_ends_waits_for_no_batch_after_the_first_that_a_collector_does_not_take_in_time() {
    let (_listener, url) = silence();
    let exporter = start(&Exporting {
        timeout: Duration::from_secs(1),
        max_batch_size: 1,
        ..settings(&url)
    });
    submit(&exporter, 60);
    let began = Instant::now();
    assert!(exporter.flush(soon()) > 0, "nobody takes them");
    assert!(began.elapsed() < LONG / 2, "{:?}", began.elapsed());
}

#[test]
fn a_process_that_ends_waits_a_second_for_a_collector_that_has_not_taken_the_batch_before() {
    let (_listener, url) = silence();
    let exporter = start(&settings(&url));
    exporter.settle(0, true);
    submit(&exporter, 1);
    let began = Instant::now();
    assert_eq!(exporter.flush(soon()), 1);
    assert!(began.elapsed() >= LAST_CHANCE, "it may be back");
    assert!(began.elapsed() < LONG / 2, "{:?}", began.elapsed());
}

#[test]
fn a_process_that_ends_waits_no_longer_than_the_export_timeout() {
    let (_listener, url) = silence();
    let exporter = start(&Exporting {
        export_timeout: Duration::from_millis(100),
        ..settings(&url)
    });
    submit(&exporter, 1);
    let began = Instant::now();
    assert_eq!(exporter.flush(soon()), 1);
    assert!(began.elapsed() < LONG / 2, "{:?}", began.elapsed());
}

#[test]
fn a_batch_that_is_refused_does_not_keep_the_next_from_being_sent_at_the_end() {
    const BAD: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let collector = Collector::new(&[BAD, TAKEN]);
    let exporter = start(&Exporting {
        max_batch_size: 1,
        ..settings(&collector.url)
    });
    submit(&exporter, 3);
    assert_eq!(exporter.flush(soon()), 0);
    assert_eq!(exporter.counts(), (2, failed(1)));
}

#[test]
fn a_process_without_a_collector_exports_nothing_and_one_with_it_has_one() {
    super::submit(span());
    assert_eq!(super::flush(Instant::now()), 0);
    assert_eq!((exported(), dropped()), (0, Dropped::default()));
    let collector = Collector::new(&[TAKEN]);
    let settings = settings(&collector.url);
    super::start(&settings, "shop", "1.0").unwrap();
    super::submit(span());
    assert_eq!(super::flush(soon()), 0);
    assert!(exported() >= 1, "this process may have others");
    let mut scraped = Exposition::new(Format::Classic);
    super::write(&mut scraped);
    let lost = "seaworthy_spans_dropped_total{reason=\"export_failed\"} 0\n";
    assert!(scraped.text.contains(lost), "{}", scraped.text);
    let second = super::start(&settings, "shop", "1.0").unwrap_err();
    assert_eq!(second.to_string(), "spans are exported already");
}

#[test]
fn the_resource_is_what_the_environment_says_and_else_the_service() {
    let mut settings = settings("http://collector/");
    let own = [
        ("telemetry.sdk.name", "seaworthy"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    let named = [("service.name", "shop"), ("service.version", "1.0")];
    assert_eq!(
        resource(&settings, "shop", "1.0"),
        [&named[..], &own].concat()
    );
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    settings.resource = vec![
        pair("telemetry.sdk.name", "other"),
        pair("service.name", "orders"),
        pair("k8s.pod.name", "orders-1"),
    ];
    let given = [
        ("service.name", "orders"),
        ("k8s.pod.name", "orders-1"),
        ("service.version", "1.0"),
    ];
    assert_eq!(
        resource(&settings, "shop", "1.0"),
        [&given[..], &own].concat()
    );
}
