//! An engine with the least of a pool on top, and a client that reads answers strictly.

use crate::{
    config::table::Config,
    engine::{
        Cut, Engine, Pulled, Ready,
        listen::{self, PeerTimeout},
        occupancy::Connections,
        rules::Policy,
        tiny_http,
    },
    message::{into_response::IntoResponse, request::Request, response::Response},
};
use std::{
    io::{ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Long enough for anything on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A running engine: each request is handled on a thread of its own, as by a pool with any number of workers.
pub(super) struct Site {
    pub(super) address: SocketAddr,
    engine: Arc<dyn Engine>,
    puller: Option<JoinHandle<()>>,
    closing: Arc<AtomicBool>,
    /// The targets of all requests that reached a handler.
    handled: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub(super) fn new(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Site {
        Site::with(&[], handler)
    }

    /// With settings other than the defaults.
    pub(super) fn with(
        settings: &[(&str, &str)],
        handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Site {
        Site::on(bind(), settings, handler)
    }

    /// With a duplicate of the listener, which keeps the port open.
    pub(super) fn with_duplicate(
        handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> (Site, TcpListener) {
        let listener = bind();
        let duplicate = listener.try_clone().expect("a descriptor is left");
        (Site::on(listener, &[], handler), duplicate)
    }

    fn on(
        listener: TcpListener,
        settings: &[(&str, &str)],
        handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Site {
        let config =
            Config::from_pairs(settings.iter().copied()).expect("the test's settings are good");
        let engine: Arc<dyn Engine> = Arc::from(
            tiny_http::start(listener, &config, Policy::default()).expect("the engine starts"),
        );
        let (closing, handled) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let context = Arc::new(Context {
            handler: Box::new(handler),
            closing: Arc::clone(&closing),
            handled: Arc::clone(&handled),
        });
        let pulled = Arc::clone(&engine);
        let puller = thread::spawn(move || pull(&*pulled, &context));
        Site {
            address: engine.local_addr(),
            engine,
            puller: Some(puller),
            closing,
            handled,
        }
    }

    /// Answers every request with its target.
    pub(super) fn echoing_targets() -> Site {
        Site::new(|request| text(request.path().to_owned()))
    }

    pub(super) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    pub(super) fn handled(&self) -> Vec<String> {
        self.handled.lock().unwrap().clone()
    }

    /// Begins a drain: responses say that they are the last.
    pub(super) fn stop(&self) {
        self.closing.store(true, SeqCst);
        self.engine.stop_accepting();
    }

    pub(super) fn cut(&self) -> Cut {
        self.engine.cut()
    }

    /// Waits until this is so of the connections.
    pub(super) fn wait_until(&self, what: &str, so: impl Fn(&Connections) -> bool) {
        let begun = Instant::now();
        while !so(&self.engine.occupancy().connections) {
            assert!(
                begun.elapsed() < PATIENCE,
                "it never came to be that {what}"
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the engine says that nothing is left.
    pub(super) fn join(mut self) {
        if let Some(puller) = self.puller.take() {
            puller.join().expect("pulling does not panic");
        }
    }

    /// Whether the engine has said that nothing is left.
    pub(super) fn is_over(&self) -> bool {
        self.puller.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.engine.cut();
        if let Some(puller) = self.puller.take() {
            let _ = puller.join();
        }
    }
}

/// Whether it is so in one of five attempts: a busy machine keeps threads from their CPU for long now and then, and not
/// again and again.
pub(super) fn once_in_five(attempt: impl FnMut() -> bool) -> bool {
    std::iter::repeat_with(attempt).take(5).any(|is_so| is_so)
}

fn bind() -> TcpListener {
    let peer_timeout = PeerTimeout::of(&Config::default());
    listen::bind(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), 0, peer_timeout)
        .expect("a port can be bound")
}

struct Context {
    handler: Box<dyn Fn(&Request) -> Response + Send + Sync>,
    closing: Arc<AtomicBool>,
    handled: Arc<Mutex<Vec<String>>>,
}

fn pull(engine: &dyn Engine, context: &Arc<Context>) {
    let mut ready = Vec::new();
    loop {
        let pulled = engine.pull(0, None, &mut ready);
        for one in ready.drain(..) {
            let Ready::Request(mut exchange) = one else {
                panic!("this engine streams on its own")
            };
            let context = Arc::clone(context);
            thread::spawn(move || {
                context
                    .handled
                    .lock()
                    .unwrap()
                    .push(exchange.request().path().to_owned());
                if exchange.request().path() == "/drop" {
                    return;
                }
                let response = (context.handler)(exchange.request());
                exchange.respond(response, context.closing.load(SeqCst));
            });
        }
        if pulled == Pulled::Closed {
            return;
        }
    }
}

pub(super) fn text(text: String) -> Response {
    text.into_response()
}

/// One connection.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    unread: Vec<u8>,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn says_close(&self) -> bool {
        self.head.contains("\r\nConnection: close\r\n")
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text")
    }
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("the engine accepts");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            unread: Vec::new(),
        }
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .write_all(bytes.as_ref())
            .expect("the engine takes bytes");
    }

    pub(super) fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        self.answer()
    }

    /// Reads one answer to anything but HEAD.
    pub(super) fn answer(&mut self) -> Answer {
        let (status, head) = self.head();
        let length =
            field(&head, "Content-Length").map(|length| length.parse::<usize>().expect("a length"));
        let body = match length {
            _ if matches!(status, 100 | 204 | 304) => Vec::new(),
            Some(length) => self.exactly(length),
            None if field(&head, "Transfer-Encoding") == Some("chunked") => self.chunks(),
            None => self.rest(),
        };
        Answer { status, head, body }
    }

    /// Reads a status and the head it came in.
    pub(super) fn head(&mut self) -> (u16, String) {
        let end = loop {
            if let Some(at) = self
                .unread
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n")
            {
                break at + 4;
            }
            assert!(
                self.more() > 0,
                "closed before an answer: {:?}",
                String::from_utf8_lossy(&self.unread)
            );
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).expect("a head is text");
        let status = head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok());
        (
            status.unwrap_or_else(|| panic!("no status line: {head:?}")),
            head,
        )
    }

    /// Reads whatever comes until the connection ends, in either way.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        while self.more() > 0 {}
        std::mem::take(&mut self.unread)
    }

    /// Asserts that the connection ends and that not one more byte comes before.
    pub(super) fn expect_end(&mut self) {
        let rest = self.rest();
        assert!(
            rest.is_empty(),
            "instead of an end came {:?}",
            String::from_utf8_lossy(&rest)
        );
    }

    fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length {
            assert!(
                self.more() > 0,
                "cut {} bytes before the end of a body",
                length - self.unread.len()
            );
        }
        self.unread.drain(..length).collect()
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.extend(self.exactly(1));
            }
            let size = std::str::from_utf8(&line[..line.len() - 2]).expect("a size is text");
            let size = usize::from_str_radix(size, 16).expect("a size is hexadecimal");
            body.extend(self.exactly(size));
            assert_eq!(self.exactly(2), b"\r\n");
            if size == 0 {
                return body;
            }
        }
    }

    fn more(&mut self) -> usize {
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.unread.extend_from_slice(&buffer[..count]);
                count
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            // The whole process was stopped for a while (signal(7)).
            Err(error) if error.kind() == ErrorKind::Interrupted => self.more(),
            Err(error) => panic!("neither bytes nor an end: {error}"),
        }
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
