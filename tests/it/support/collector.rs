//! A collector that takes traces by OTLP over HTTP, and reads as much of the protobuf as the tests ask for.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// Where spans arrive.
pub(crate) struct Collector {
    address: SocketAddr,
    spans: Receiver<Span>,
}

/// A span as it arrived, ids in hexadecimal.
#[derive(Debug, Default)]
pub(crate) struct Span {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    /// Empty for the first of a trace.
    pub(crate) parent: String,
    pub(crate) state: String,
    pub(crate) name: String,
    /// 1 for internal, 2 for server, 3 for client.
    pub(crate) kind: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Why it failed, if it did.
    pub(crate) error: Option<String>,
}

impl Collector {
    pub(crate) fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let (sender, spans) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                thread::spawn(move || serve(stream, &sender));
            }
        });
        Collector { address, spans }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next span that arrives.
    #[track_caller]
    pub(crate) fn next(&self) -> Span {
        let next = self.spans.recv_timeout(Duration::from_secs(20));
        next.expect("a span arrives")
    }

    /// Those that have arrived and were not asked for.
    pub(crate) fn rest(&self) -> Vec<Span> {
        self.spans.try_iter().collect()
    }
}

fn serve(stream: TcpStream, spans: &Sender<Span>) {
    let mut reader = BufReader::new(&stream);
    while let Some(body) = read_request(&mut reader) {
        for (_, resource_spans) in fields(&body) {
            for (_, scope_spans) in nested(resource_spans, 2) {
                for (_, span) in nested(scope_spans, 2) {
                    let _ = spans.send(read_span(span.bytes()));
                }
            }
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        if (&stream).write_all(answer).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).ok().filter(|read| *read > 0)?;
    }
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1)?.lines().next()?;
    let mut body = vec![0; length.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn read_span(bytes: &[u8]) -> Span {
    let mut span = Span::default();
    for (number, value) in fields(bytes) {
        match number {
            1 => span.trace_id = value.hex(),
            2 => span.span_id = value.hex(),
            3 => span.state = value.text(),
            4 => span.parent = value.hex(),
            5 => span.name = value.text(),
            6 => span.kind = value.number(),
            7 => span.start = value.number(),
            8 => span.end = value.number(),
            9 => {
                let mut pair = fields(value.bytes());
                let key = pair.next().expect("a key").1.text();
                let any = pair.next().expect("a value").1;
                let (_, any) = fields(any.bytes()).next().expect("one of its kinds");
                span.attributes.insert(key, any.text());
            }
            15 => {
                let of = |wanted| fields(value.bytes()).find(|(number, _)| *number == wanted);
                let message = of(2).map(|(_, message)| message.text()).unwrap_or_default();
                let is_error = of(3).is_some_and(|(_, code)| code.number() == 2);
                span.error = is_error.then_some(message);
            }
            _ => {}
        }
    }
    span
}

/// A field's value, of protobuf's kinds (<https://protobuf.dev/programming-guides/encoding/>).
enum Field<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

impl<'b> Field<'b> {
    fn bytes(&self) -> &'b [u8] {
        match self {
            Field::Bytes(bytes) => bytes,
            Field::Number(number) => panic!("{number} is no message"),
        }
    }

    fn number(&self) -> u64 {
        match self {
            Field::Number(number) => *number,
            Field::Bytes(bytes) => panic!("{bytes:?} is no number"),
        }
    }

    fn text(&self) -> String {
        match self {
            Field::Number(number) => number.to_string(),
            Field::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    fn hex(&self) -> String {
        self.bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// The fields of this number in the message that another field is.
fn nested(message: Field<'_>, number: u64) -> impl Iterator<Item = (u64, Field<'_>)> {
    let all = fields(message.bytes());
    all.filter(move |(known, _)| *known == number)
}

fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u64, Field<'_>)> {
    std::iter::from_fn(move || {
        let key = match bytes {
            [] => return None,
            _ => varint(&mut bytes),
        };
        let mut take = |count: usize| {
            let (taken, rest) = bytes.split_at(count);
            bytes = rest;
            taken
        };
        let value = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(u64::from_le_bytes(take(8).try_into().expect("eight"))),
            5 => Field::Number(u32::from_le_bytes(take(4).try_into().expect("four")).into()),
            2 => {
                let length = varint(&mut bytes);
                let (taken, rest) = bytes.split_at(length as usize);
                bytes = rest;
                Field::Bytes(taken)
            }
            other => panic!("{other} is no kind of field"),
        };
        Some((key >> 3, value))
    })
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (first, rest) = bytes.split_first().expect("the message goes on");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}
