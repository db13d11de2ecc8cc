//! A service in a process of its own, with everything around it but the command line: this test binary, run again.
//!
//! The reference service has no background service that could fail, so it cannot show what a signal does after that.

use super::Service;
use crate::{
    config::{limits::Limits, table::Config},
    lifecycle::{self, control::Control, signals},
    message::request::Request,
    observe::panics,
    pool::dispatcher::Dispatcher,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{self, Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

mod resizing;

/// Set for the process that is to be the service: for how long its slow route takes, in milliseconds.
const SLOW_MS: &str = "SEAWORTHY_TEST_SLOW_MS";

/// How long anything may take that takes next to no time on an idle machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a scrape is told.
fn scrape(dispatcher: &Dispatcher) -> String {
    let answer = dispatcher.metrics.answer(&Request::get("/metrics"));
    String::from_utf8(answer.body().unwrap().to_vec()).unwrap()
}

/// The value of a counter or gauge without labels.
fn told(dispatcher: &Dispatcher, name: &str) -> u64 {
    let text = scrape(dispatcher);
    let mut samples = text.lines().filter_map(|line| line.split_once(' '));
    let (_, value) = samples.find(|(sample, _)| *sample == name).unwrap();
    value.parse().unwrap()
}

#[test]
fn what_a_drain_cuts_off_is_told_to_a_scrape() {
    let (begun, has_begun) = mpsc::sync_channel(1);
    let (go_on, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let service = Service::new("test").get("/held", move |_: &Request| {
        begun.send(()).unwrap();
        let _ = held.lock().unwrap().recv_timeout(PATIENCE);
    });
    let settings = [
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("DRAIN_DELAY", "0"),
        ("SHUTDOWN_TIMEOUT", "50ms"),
    ];
    let running = service
        .start(Config::from_pairs(settings).unwrap())
        .unwrap();
    let dispatcher = Arc::clone(&running.dispatcher);
    running.wait_ready(PATIENCE).unwrap();
    assert!(scrape(&dispatcher).contains("\nseaworthy_drain_abandoned_total 0\n"));
    let mut client = TcpStream::connect(running.addr()).unwrap();
    client
        .write_all(b"GET /held HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    has_begun.recv_timeout(PATIENCE).unwrap();
    running.stop();
    assert_eq!(running.wait().abandoned_total(), 1);
    assert!(scrape(&dispatcher).contains("\nseaworthy_drain_abandoned_total 1\n"));
    drop(go_on);
}

#[test]
fn a_termination_after_a_background_service_failed_changes_nothing() {
    if let Ok(slow_ms) = env::var(SLOW_MS) {
        be_the_service(Duration::from_millis(slow_ms.parse().unwrap()));
    }
    let mut service = RunningChild::start(
        "a_termination_after_a_background_service_failed_changes_nothing",
        "1000",
    );
    let mut busy = service.get("/slow");
    service.read_until("slow has begun");
    drop(service.get("/fail"));
    service.wait_until_unready();
    for _ in 0..3 {
        service.signal(Signal::SIGTERM);
        service.wait_until_unready();
    }
    let mut answer = String::new();
    busy.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    let report = service.read_until("DrainReport");
    assert!(
        report.contains("ServiceFailed")
            && report.contains(r#"[("consumer", "the queue is gone")]"#),
        "{report}"
    );
    assert_eq!(service.exit_code(), Some(1));
}

#[test]
fn an_interrupt_after_a_background_service_failed_ends_the_drain_at_once() {
    if let Ok(slow_ms) = env::var(SLOW_MS) {
        be_the_service(Duration::from_millis(slow_ms.parse().unwrap()));
    }
    let mut service = RunningChild::start(
        "an_interrupt_after_a_background_service_failed_ends_the_drain_at_once",
        "60000",
    );
    let _busy = service.get("/slow");
    service.read_until("slow has begun");
    drop(service.get("/fail"));
    service.wait_until_unready();
    service.signal(Signal::SIGINT);
    assert_eq!(service.exit_code(), Some(130));
}

/// Ends as [`Service::run`] does, with the report on stdout.
fn be_the_service(slow: Duration) -> ! {
    let hooked = signals::hook().unwrap();
    let control = Control::new(Some(Box::new(|control| hooked.obey(control))));
    let (fail, failing) = mpsc::channel();
    let fail = Mutex::new(fail);
    let service = Service::new("test")
        .get("/slow", move |_: &Request| {
            println!("slow has begun");
            thread::sleep(slow);
        })
        .get("/fail", move |_: &Request| {
            fail.lock().unwrap().send(()).unwrap()
        })
        .background("consumer", move || {
            failing.recv().unwrap();
            Err("the queue is gone")
        });
    let settings = [
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        // So long that every signal finds the drain going on.
        ("DRAIN_DELAY", "2s"),
    ];
    let config = Config::from_pairs(settings).unwrap();
    let (server, _admin) = service
        .bind(&config, &Limits::read(), &control, Arc::default())
        .unwrap();
    println!("listening on {}", server.pool.local_addr());
    let report = lifecycle::live(server, &control);
    println!("{report:?}");
    process::exit(report.ending.exit_code().into());
}

struct RunningChild {
    process: Child,
    stdout: BufReader<ChildStdout>,
    address: String,
}

impl RunningChild {
    /// Runs the test of this name again, as the service.
    fn start(test: &str, slow_ms: &str) -> RunningChild {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", &format!("service::tests::{test}"), "--nocapture"])
            .env(SLOW_MS, slow_ms)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let mut child = RunningChild {
            process,
            stdout,
            address: String::new(),
        };
        child.address = child.read_until("listening on ");
        let started = Instant::now();
        while child.status("/readyz") != Some(200) {
            assert!(started.elapsed() < PATIENCE, "it does not become ready");
            thread::sleep(Duration::from_millis(5));
        }
        child
    }

    /// What follows these words on the line of stdout that has them.
    fn read_until(&mut self, words: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let length = self.stdout.read_line(&mut line).unwrap();
            assert!(length > 0, "it ended without saying {words:?}");
            if let Some((_, rest)) = line.split_once(words) {
                return rest.trim_end().to_owned();
            }
        }
    }

    /// Sends a request, and leaves its answer on the connection, which ends behind it.
    fn get(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn status(&self, path: &str) -> Option<u16> {
        let mut answer = String::new();
        self.get(path).read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    fn wait_until_unready(&self) {
        let started = Instant::now();
        while self.status("/readyz") != Some(503) {
            assert!(started.elapsed() < PATIENCE, "it does not begin to drain");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id() as i32), signal).unwrap();
    }

    fn exit_code(&mut self) -> Option<i32> {
        let waiting = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(waiting.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for RunningChild {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Set where the test of the two ways to run is the one with the hook.
const WITH_HOOK: &str = "SEAWORTHY_TEST_WITH_HOOK";

fn failures_of_a_panicking_task() -> String {
    let settings = [("HOST", "127.0.0.1"), ("PORT", "0")];
    let service = Service::new("test").on_start("warm", || -> () { panic!("no source") });
    let running = service.start(Config::from_pairs(settings).unwrap());
    let report = running.unwrap().wait();
    format!("{:?} {:?}", report.ending, report.failures)
}

#[test]
fn a_task_that_panics_is_told_alike_with_the_panic_hook_of_run_and_without_it() {
    if env::var_os(WITH_HOOK).is_some() {
        panics::install_hook();
        println!("{}", failures_of_a_panicking_task());
        return;
    }
    let test = "service::tests::a_task_that_panics_is_told_alike_with_the_panic_hook_of_run_and_without_it";
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(WITH_HOOK, "1")
        .output()
        .unwrap();
    let with_hook = String::from_utf8_lossy(&output.stdout);
    let without_hook = failures_of_a_panicking_task();
    assert!(
        with_hook.contains(&without_hook),
        "{without_hook}\n{with_hook}"
    );
}
