//! The built binary as a child process: its environment, its log as parsed records, its end.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{self, Child, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::log::Log;
use super::{Broken, Client, Engine, PATIENCE, Response, get};

pub(super) const BINARY: &str = env!("CARGO_BIN_EXE_seaworthy");

/// What a server is started with. The environment holds nothing but what the test says and what every test needs:
/// loopback, a free port, the engine, the demo endpoints, and no drain delay.
#[derive(Clone)]
pub(crate) struct Setup {
    environment: BTreeMap<String, String>,
    before: String,
    stdout: Stdout,
    blocks_signals: bool,
}

/// Where the server's stdout goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stdout {
    /// A pipe that is read at once: the log.
    Read,
    /// The same with lines that are no records, kept as [`Exit::text`]. The server must be given a port.
    Text,
    /// A pipe of which nothing is read after the first record, until [`Server::read_log_again`].
    Unread,
    /// A pipe whose reader is gone after the first record.
    Broken,
    /// `/dev/full`, which refuses every write. The server must be given a port.
    Full,
    /// No descriptor at all. The server must be given a port.
    Closed,
}

impl Setup {
    pub(crate) fn new(engine: Engine) -> Setup {
        Setup {
            environment: super::reactors().into_iter().collect(),
            before: String::new(),
            stdout: Stdout::Read,
            blocks_signals: false,
        }
        .set("HTTP_ENGINE", engine.name())
        .set("HOST", "127.0.0.1")
        .set("PORT", "0")
        .set("DEMO_ENDPOINTS", "true")
        .set("DRAIN_DELAY", "0")
        .set("SHUTDOWN_TIMEOUT", "10s")
    }

    pub(crate) fn set(mut self, name: &str, value: impl ToString) -> Setup {
        self.environment.insert(name.to_owned(), value.to_string());
        self
    }

    pub(crate) fn unset(mut self, name: &str) -> Setup {
        self.environment.remove(name);
        self
    }

    /// A port of its own: once the listener is closed, the kernel may give a picked one to anybody, and a test that
    /// looks for a closed port would find somebody else's.
    pub(crate) fn own_port(self) -> Setup {
        self.set("PORT", free_port())
    }

    /// Shell commands that run in the child before it becomes the server, such as `ulimit -n 16`.
    pub(crate) fn before(mut self, commands: &str) -> Setup {
        self.before = commands.to_owned();
        self
    }

    pub(crate) fn stdout(mut self, stdout: Stdout) -> Setup {
        self.stdout = stdout;
        self
    }

    /// Started by a parent that has all signals blocked, and so passes them on blocked.
    pub(crate) fn blocking_signals(mut self) -> Setup {
        self.blocks_signals = true;
        self
    }

    /// Starts the server and waits until it listens.
    pub(crate) fn start(self) -> Server {
        let mut server = self.clone().launch();
        if matches!(self.stdout, Stdout::Text | Stdout::Full | Stdout::Closed) {
            let port = self.environment["PORT"]
                .parse()
                .expect("a port that the test chose");
            server.address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
            super::eventually("the server listens", || {
                Client::try_connect(server.address).is_ok()
            });
            return server;
        }
        let listening = server.wait_for("the record that names the address", |record| {
            record["msg"] == "listening"
        });
        let address = listening["addr"]
            .as_str()
            .unwrap_or_else(|| panic!("no addr in {listening}"));
        server.address = address
            .parse()
            .unwrap_or_else(|error| panic!("{address:?} is no address: {error}"));
        if server.address.ip().is_unspecified() {
            server.address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        server
    }

    /// Starts the process and waits for nothing.
    pub(crate) fn launch(self) -> Server {
        let before = match self.stdout {
            Stdout::Closed => format!("{}\nexec \"$0\" >&-", self.before),
            _ => format!("{}\nexec \"$0\"", self.before),
        };
        let stdout = match self.stdout {
            Stdout::Full => {
                let full = std::fs::File::options()
                    .write(true)
                    .open("/dev/full")
                    .expect("/dev/full can be opened");
                Stdio::from(full)
            }
            Stdout::Closed => Stdio::null(),
            _ => Stdio::piped(),
        };
        let started = Instant::now();
        // A child has the mask of the thread that starts it.
        let mask = SigSet::thread_get_mask().expect("a thread has a mask");
        if self.blocks_signals {
            SigSet::all()
                .thread_block()
                .expect("signals can be blocked");
        }
        // By its path: without an environment, std looks for a name after a `fork`, which copies all that this process has.
        let child = process::Command::new("/bin/sh")
            .args(["-c", &before, BINARY])
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn();
        mask.thread_set_mask().expect("signals can be unblocked");
        let mut child = child.expect("the binary can be started");
        let log = Log::default();
        match child.stdout.take() {
            Some(stdout) => log.clone().follow(stdout, self.stdout),
            None => log.lock().ended = true,
        }
        let mut stderr = child.stderr.take().expect("asked for");
        let errors = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        Server {
            child,
            address: nowhere,
            started,
            log,
            errors: Some(errors),
        }
    }
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens, as seen from this machine.
    pub(crate) address: SocketAddr,
    /// Just before the process was made.
    pub(crate) started: Instant,
    log: Log,
    errors: Option<thread::JoinHandle<String>>,
}

/// How a server ended and what it said.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) code: Option<i32>,
    /// Only when a signal's default action ended it, which is always a fault.
    pub(crate) signal: Option<i32>,
    pub(crate) records: Vec<Value>,
    /// The lines that are no records, where the test expects some.
    pub(crate) text: Vec<String>,
    pub(crate) stderr: String,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// One GET on a connection of its own.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Response {
        get(self.address, path)
    }

    /// Asks for a path that takes long, one client after the other, until one is turned away. Returns the others, those
    /// who run and those who wait, and how many were turned away.
    pub(crate) fn fill(&self, path: &str) -> (Vec<Client>, usize) {
        let mut clients: Vec<Client> = Vec::new();
        loop {
            // Patient enough for a refusal, which comes at once.
            let mut client = self.client().patience(Duration::from_millis(150));
            client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
            match client.try_response() {
                Ok(answer) => {
                    answer.expect(503);
                    // On a busy machine a refusal may come later than that, but before the next one's.
                    let (late, held): (Vec<_>, Vec<_>) =
                        clients.into_iter().partition(Client::has_news);
                    let refused = 1 + late.len();
                    for mut client in late {
                        client.response().expect(503);
                    }
                    return (held, refused);
                }
                Err(Broken::Silent(_)) => clients.push(client.patience(PATIENCE)),
                Err(broken) => panic!("neither an answer nor patience: {broken:?}"),
            }
        }
    }

    /// Sends a signal by the name that `kill` knows.
    pub(crate) fn signal(&self, name: &str) {
        self.try_signal(name)
            .unwrap_or_else(|error| panic!("{name} cannot be sent: {error}"));
    }

    /// Sends a signal to a process that may have ended; until it has been waited for, nobody else has its number.
    pub(crate) fn try_signal(&self, name: &str) -> nix::Result<()> {
        let signal = Signal::from_str(&format!("SIG{name}")).expect("a signal's name");
        kill(Pid::from_raw(self.pid() as i32), signal)
    }

    /// Waits until `/readyz` answers 200.
    pub(crate) fn ready(self) -> Server {
        super::eventually("the server is ready", || self.get("/readyz").status == 200);
        self
    }

    /// The first record, past or to come, that fits.
    pub(crate) fn wait_for(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.log.wait_for(what, fits)
    }

    /// What has been logged by now.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.log.lock().records.clone()
    }

    /// Ends [`Stdout::Unread`].
    pub(crate) fn read_log_again(&self) {
        self.log.lock().held = false;
        self.log.changed.notify_all();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("a child can be asked")
            .is_none()
    }

    /// SIGTERM, then [`Server::exit`].
    pub(crate) fn stop(self) -> Exit {
        self.signal("TERM");
        self.exit()
    }

    /// Waits for the process's end, which must be on its way.
    pub(crate) fn exit(mut self) -> Exit {
        let waiting = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                break status;
            }
            if waiting.elapsed() > PATIENCE {
                panic!("the process does not end; it said {:#?}", self.records());
            }
            thread::sleep(Duration::from_millis(2));
        };
        if !self.log.lock().held {
            self.log.wait_for_end();
        }
        let stderr = self
            .errors
            .take()
            .expect("only taken here")
            .join()
            .expect("the reader cannot fail");
        let text = self.log.lock().text.clone();
        Exit {
            code: status.code(),
            signal: status.signal(),
            records: self.records(),
            text,
            stderr,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.log.lock().held = false;
        self.log.changed.notify_all();
    }
}

impl Exit {
    /// The drain report, which must be the last record.
    #[track_caller]
    pub(crate) fn report(&self) -> &Value {
        let last = self
            .records
            .last()
            .unwrap_or_else(|| panic!("an empty log: {self:?}"));
        assert_eq!(
            last["msg"], "drained",
            "the last record is no drain report: {:#?}",
            self.records
        );
        last
    }

    /// Asserts a drain without loss: the code, the report, and that nothing went to stderr.
    #[track_caller]
    pub(crate) fn expect_clean(self) -> Exit {
        assert_eq!((self.code, self.signal), (Some(0), None), "{self:#?}");
        assert_eq!(number(self.report(), "abandoned"), 0.0, "{self:#?}");
        assert_eq!(self.stderr, "", "the log belongs on stdout");
        self
    }

    /// Everything it printed, for looking whether something is in it.
    pub(crate) fn output(&self) -> String {
        let lines: Vec<String> = self.records.iter().map(Value::to_string).collect();
        format!("{}\n{}", lines.join("\n"), self.stderr)
    }
}

/// A record's value as a number, be it written as one or as text.
#[track_caller]
pub(crate) fn number(record: &Value, key: &str) -> f64 {
    let value = &record[key];
    let number = value
        .as_f64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    number.unwrap_or_else(|| panic!("{key} is no number in {record}"))
}

/// A port of loopback that is free now and below those that the kernel hands to clients. It is asked and not bound: a
/// listener of this process is also that of a child that another test is starting, until the child's `exec`.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 12_000 + (process::id() % 16_000) as u16;
    loop {
        let port = start + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            return port;
        }
    }
}
