//! What the drain report counts: responses wholly sent, before the signal and after it, and those that were cut.

use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use seaworthy::{Config, Ending, Phase, Request, Response, Running, Service};

use crate::library::start;
use crate::support::{Client, Engine, PATIENCE, Setup, eventually, get, number};

both_engines! {
    a_download_that_the_drain_finishes_is_counted_once,
    a_download_that_the_deadline_cuts_was_not_answered_whenever_it_began,
    a_client_that_leaves_in_the_middle_was_not_answered,
    an_upload_that_the_deadline_cuts_is_counted_once,
    the_last_record_tells_what_was_served_before_the_drain,
    the_last_answer_ends_the_drain: long,
}

/// More than the kernel holds of it for a client that does not read.
const BIG: usize = 8 << 20;

/// Its big answers are in memory, a stream, and a stream of known length: each goes out on a road of its own.
const ROADS: [&str; 3] = ["/bytes", "/stream", "/sized"];

fn serve(engine: Engine, more: &[(&str, &str)]) -> Running {
    let basic = [
        ("HTTP_ENGINE", engine.name()),
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("WORKERS", "8"),
        ("DRAIN_DELAY", "0"),
    ];
    let config = Config::from_pairs(basic.iter().chain(more).copied()).expect("good settings");
    let zeros = || std::io::Read::take(std::io::repeat(0), BIG as u64);
    let service = Service::new("test")
        .get("/", |_: &Request| "at once")
        .get("/bytes", |_: &Request| vec![0u8; BIG])
        .get("/stream", move |_: &Request| Response::stream(zeros()))
        .get("/sized", move |_: &Request| {
            Response::stream_sized(zeros(), BIG as u64)
        });
    let running = service.start(config).expect("a port is free");
    running.wait_ready(PATIENCE).expect("it becomes ready");
    running
}

/// A client that has the beginning of an answer and does not read on.
fn begin(running: &Running, path: &str) -> Client {
    let mut client = Client::connect_narrow(running.addr());
    client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
    assert_eq!(client.exactly(9).expect("it begins"), b"HTTP/1.1 ");
    client
}

fn a_download_that_the_drain_finishes_is_counted_once(engine: Engine) {
    let running = serve(engine, &[]);
    get(running.addr(), "/").expect(200);
    let clients: Vec<Client> = ROADS.map(|path| begin(&running, path)).into();
    running.stop();
    eventually("requests in flight are waited for", || {
        running.phase() == Phase::Stopping
    });
    for mut client in clients {
        assert!(client.count_to_end() >= BIG);
    }
    let report = running.wait();
    assert_eq!(report.ending, Ending::Clean, "{report:?}");
    assert_eq!((report.answered, report.finished), (4, 3), "{report:?}");
}

fn a_download_that_the_deadline_cuts_was_not_answered_whenever_it_began(engine: Engine) {
    let cut = |path: &str| {
        // Time for a busy machine to ask for the second download before the listener closes.
        let settings = [("DRAIN_DELAY", "3s"), ("SHUTDOWN_TIMEOUT", "100ms")];
        let running = serve(engine, &settings);
        let _before = begin(&running, path);
        running.stop();
        eventually("the drain has begun", || {
            get(running.addr(), "/readyz").status == 503
        });
        get(running.addr(), "/").expect(200);
        let _after = begin(&running, path);
        let report = running.wait();
        assert_eq!(report.ending, Ending::DeadlinePassed, "{report:?}");
        assert_eq!(report.abandoned, [(path.to_owned(), 2)], "{report:?}");
        // The small one.
        assert_eq!((report.answered, report.finished), (1, 1), "{report:?}");
    };
    thread::scope(|threads| {
        for path in ROADS {
            threads.spawn(move || cut(path));
        }
    });
}

fn a_client_that_leaves_in_the_middle_was_not_answered(engine: Engine) {
    let running = serve(engine, &[]);
    for path in ROADS {
        begin(&running, path).reset();
    }
    get(running.addr(), "/").expect(200);
    running.stop();
    let report = running.wait();
    assert_eq!(report.ending, Ending::Clean, "{report:?}");
    assert_eq!(report.answered, 1, "{report:?}");
    // A client may have its answer a moment before that is counted, and so the signal may come first.
    assert!(report.finished <= 1, "{report:?}");
}

fn an_upload_that_the_deadline_cuts_is_counted_once(engine: Engine) {
    let server = Setup::new(engine)
        .set("SHUTDOWN_TIMEOUT", "300ms")
        .start()
        .ready();
    let mut half = server.client();
    half.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 8000\r\n\r\nhalf");
    // Read by now, since a later connection has been served.
    server.get("/").expect(200);
    let exit = server.stop();
    half.expect_close();
    assert_eq!((exit.code, exit.signal), (Some(75), None), "{exit:#?}");
    let report = exit.report();
    assert_eq!(number(report, "abandoned"), 1.0, "{report}");
    assert_eq!(report["abandoned_routes"], "(receiving): 1", "{report}");
    assert_eq!(number(report, "answered"), 1.0, "{report}");
}

fn the_last_record_tells_what_was_served_before_the_drain(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    for path in ["/", "/nowhere", "/status/503", "/panic"] {
        server.get(path);
    }
    let exit = server.stop().expect_clean();
    // Probes are not counted, whatever handlers answered is.
    assert_eq!(number(exit.report(), "answered"), 4.0, "{exit:#?}");
    assert_eq!(number(exit.report(), "finished"), 0.0, "{exit:#?}");
}

/// Its client keeps its connection open, as those with a pool of them do.
fn the_last_answer_ends_the_drain(engine: Engine) {
    const TRIALS: usize = 24;
    let mut late = Vec::new();
    for _ in 0..TRIALS {
        let (begun, has_begun) = mpsc::channel();
        let (finish, finishes) = mpsc::channel::<()>();
        let finishes = Mutex::new(finishes);
        let service = Service::new("test").get("/slow", move |_: &Request| {
            begun.send(()).unwrap();
            let _ = finishes.lock().unwrap().recv();
        });
        let running = start(service, engine, &[]);
        running.wait_ready(PATIENCE).expect("it becomes ready");
        let mut client = Client::connect(running.addr());
        client.get("/readyz").expect(200);
        client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
        has_begun.recv_timeout(PATIENCE).unwrap();
        running.stop();
        eventually("requests in flight are waited for", || {
            running.phase() == Phase::Stopping
        });
        thread::sleep(Duration::from_millis(60));
        let answered = Instant::now();
        drop(finish);
        client.response().expect(200);
        assert_eq!(running.wait().ending, Ending::Clean);
        late.push(answered.elapsed());
        drop(client);
    }
    late.sort();
    // Where the cores are busy, each thread that has a part in it waits for its turn, and most endings are late. An
    // end that were only looked for now and then would be late in the best quarter too.
    assert!(
        late[TRIALS / 4] < Duration::from_millis(10),
        "from the last answer to the end: {late:?}"
    );
}
