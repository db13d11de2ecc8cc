//! A service whose limits change while it runs, under written files in the place of the kernel's.

mod load;
mod uploads;

use super::{PATIENCE, Service};
use crate::{
    config::{
        limits::{Limits, tests::Tree},
        table::{Config, HttpEngine},
    },
    engine::native,
    lifecycle::{self, control::Control, drain_report::DrainReport},
    message::{into_response::NoContent, request::Request},
    pool::{Pool, resize::Resizer},
};
use load::{GET, Load, ask, connect};
use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const SMALL_WORKERS: usize = 32;
const LARGE_WORKERS: usize = 128;

const SMALL: (&str, &str) = ("50000 100000\n", "16777216\n");
const LARGE: (&str, &str) = ("400000 100000\n", "104857600\n");

#[cfg(feature = "tiny_http")]
const ENGINES: &[HttpEngine] = &[HttpEngine::Native, HttpEngine::TinyHttp];
#[cfg(not(feature = "tiny_http"))]
const ENGINES: &[HttpEngine] = &[HttpEngine::Native];

/// A running service and what resizes it.
struct Scene {
    tree: Tree,
    pool: Arc<Pool>,
    resizer: Resizer,
    control: Arc<Control>,
    thread: JoinHandle<DrainReport>,
}

impl Scene {
    fn start(service: Service, engine: HttpEngine, settings: &[(&str, &str)]) -> Scene {
        let tree = Tree::of_version_2(SMALL.0, SMALL.1);
        let usual = [("HOST", "127.0.0.1"), ("PORT", "0"), ("DRAIN_DELAY", "0")];
        let mut config = Config::from_pairs(usual.iter().chain(settings).copied()).unwrap();
        config.http_engine = engine;
        config.reactors = native::tests::reactors();
        config.sizing.root = tree.root().to_owned();
        let (control, limits) = (Control::new(None), Limits::read());
        let (server, _) = service
            .bind(&config, &limits, &control, Arc::default())
            .unwrap();
        let pool = Arc::clone(&server.pool);
        let mut resizer = Resizer::new(&pool, &config, &limits);
        let lives = Arc::clone(&control);
        let thread = thread::spawn(move || lifecycle::live(server, &lives));
        eventually("it has started", || {
            pool.dispatcher().state.phase() == crate::phase::Phase::Running
        });
        resizer.look();
        Scene {
            tree,
            pool,
            resizer,
            control,
            thread,
        }
    }

    fn resize(&mut self, to: (&str, &str)) {
        self.tree.resize(to.0, to.1);
        self.resizer.look();
    }

    fn address(&self) -> SocketAddr {
        self.pool.local_addr()
    }

    /// Waits until the pool has so many slots, and at most one thread more for each reactor.
    #[track_caller]
    fn expect_workers(&self, workers: usize) {
        eventually("the pool has followed", || {
            let most = workers + self.pool.reactors();
            self.pool.slots() == workers && self.pool.threads_working() <= most
        });
    }

    fn stop(self) -> DrainReport {
        self.control
            .stop(crate::lifecycle::control::StopReason::Call);
        self.thread.join().unwrap()
    }
}

#[track_caller]
fn eventually(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(
            begun.elapsed() < PATIENCE,
            "it never came to be that {what}"
        );
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_hundred_resizes_under_load_lose_no_request_and_no_thread() {
    for &engine in ENGINES {
        let service = Service::new("test").get("/", |_: &Request| "hello");
        let mut scene = Scene::start(service, engine, &[]);
        scene.expect_workers(SMALL_WORKERS);
        let load = Load::start(scene.address(), 12);
        for _ in 0..50 {
            scene.resize(LARGE);
            thread::sleep(Duration::from_millis(5));
            scene.resize(SMALL);
            thread::sleep(Duration::from_millis(5));
        }
        let answers = load.end();
        assert!(answers > 1000, "{answers}");
        scene.expect_workers(SMALL_WORKERS);
        assert_eq!(
            scene.pool.most_admitted(),
            SMALL_WORKERS + 64 * SMALL_WORKERS
        );
        let resized = super::told(scene.pool.dispatcher(), "seaworthy_resized_total");
        // Ours, and those that the service's own look has seen.
        assert!((101..120).contains(&resized), "{resized}");
        let report = scene.stop();
        assert_eq!(report.abandoned_total(), 0);
        assert_eq!(
            report.answered, answers as u64,
            "those that have left count"
        );
    }
}

#[test]
fn a_pool_that_shrinks_lets_every_handler_finish_and_answers_probes_meanwhile() {
    for &engine in ENGINES {
        let (begun, begins) = mpsc::channel();
        let (go_on, wait) = mpsc::channel::<()>();
        let (begun, wait) = (Mutex::new(begun), Arc::new(Mutex::new(wait)));
        let service = Service::new("test").get("/", move |_: &Request| {
            begun.lock().unwrap().send(()).unwrap();
            wait.lock().unwrap().recv().unwrap();
            "done"
        });
        let mut scene = Scene::start(service, engine, &[]);
        scene.resize(LARGE);
        scene.expect_workers(LARGE_WORKERS);
        let address = scene.address();
        let client = |_| thread::spawn(move || ask(&mut connect(address), GET));
        let clients: Vec<_> = (0..LARGE_WORKERS).map(client).collect();
        // One at a time waits for the word, the others for it: all have a slot.
        begins.recv_timeout(PATIENCE).unwrap();
        eventually("all run", || scene.pool.running_now() == LARGE_WORKERS);
        scene.resize(SMALL);
        assert_eq!(scene.pool.slots(), SMALL_WORKERS);
        let probe = b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n";
        for _ in 0..LARGE_WORKERS {
            assert!(ask(&mut connect(address), probe).unwrap().contains(" 200 "));
            go_on.send(()).unwrap();
        }
        for client in clients {
            assert!(client.join().unwrap().unwrap().ends_with("done"));
        }
        scene.expect_workers(SMALL_WORKERS);
        assert_eq!(scene.stop().abandoned_total(), 0);
    }
}

#[test]
fn threads_begin_as_handlers_need_them_and_not_before() {
    const AT_ONCE: usize = 5;
    for &engine in ENGINES {
        let together = Arc::new(Barrier::new(AT_ONCE));
        let service = Service::new("test")
            .get("/quick", |_: &Request| "quick")
            .get("/", move |_: &Request| {
                together.wait();
                "together"
            });
        let scene = Scene::start(service, engine, &[]);
        let address = scene.address();
        for _ in 0..100 {
            let quick = b"GET /quick HTTP/1.1\r\nHost: test\r\n\r\n";
            assert!(
                ask(&mut connect(address), quick)
                    .unwrap()
                    .ends_with("quick")
            );
        }
        // Two that go for the same request may take it for one that waits. Each reactor has one that runs none.
        let threads = scene.pool.threads_working() - (scene.pool.reactors() - 1);
        assert!((2..=4).contains(&threads), "{}: {threads}", engine.name());
        let client = |_| thread::spawn(move || ask(&mut connect(address), GET));
        let clients: Vec<_> = (0..AT_ONCE).map(client).collect();
        for client in clients {
            assert!(client.join().unwrap().unwrap().ends_with("together"));
        }
        let threads = scene.pool.threads_working() - (scene.pool.reactors() - 1);
        let needed = AT_ONCE + 1..=2 * AT_ONCE + 1;
        assert!(needed.contains(&threads), "{}: {threads}", engine.name());
        assert_eq!(scene.pool.slots(), SMALL_WORKERS);
        scene.stop();
    }
}

#[test]
fn what_was_set_does_not_follow_the_limits() {
    let service = Service::new("test");
    let settings = [("WORKERS", "3"), ("QUEUE_CAPACITY", "7")];
    let mut scene = Scene::start(service, HttpEngine::Native, &settings);
    for limits in [LARGE, SMALL] {
        scene.resize(limits);
        scene.expect_workers(3);
        assert_eq!(scene.pool.most_admitted(), 10);
    }
    scene.stop();
}

#[test]
fn limits_that_cannot_be_read_for_a_moment_are_not_taken_for_none() {
    let mut scene = Scene::start(Service::new("test"), HttpEngine::Native, &[]);
    let quota = scene.tree.root().join("sys/fs/cgroup/cpu.max");
    fs::remove_file(&quota).unwrap();
    fs::create_dir(&quota).unwrap();
    scene.resizer.look();
    assert_eq!(scene.pool.slots(), SMALL_WORKERS);
    fs::remove_dir(&quota).unwrap();
    scene.resize(LARGE);
    scene.expect_workers(LARGE_WORKERS);
    scene.stop();
}

/// Lowered from hundreds to ten: each connection keeps its place until it has had an answer that says that it is the last.
#[test]
fn connections_above_a_lowered_bound_end_with_their_answers_and_none_before() {
    for &engine in ENGINES {
        let service = Service::new("test").get("/", |_: &Request| "hello");
        let mut scene = Scene::start(service, engine, &[]);
        let address = scene.address();
        let mut clients: Vec<TcpStream> = (0..30).map(|_| connect(address)).collect();
        for client in &mut clients {
            assert!(ask(client, GET).unwrap().contains(" 200 "));
        }
        scene.resize((SMALL.0, "61440\n"));
        // The tiny_http engine looks every quarter of a second.
        thread::sleep(Duration::from_millis(600));
        let closing = |client: &mut TcpStream| {
            let answer = ask(client, GET).expect("none is ended before its answer");
            assert!(answer.contains(" 200 "), "{answer}");
            answer.to_ascii_lowercase().contains("connection: close")
        };
        let told = clients
            .iter_mut()
            .filter_map(|client| closing(client).then_some(()));
        assert_eq!(told.count(), 20, "{}", engine.name());
        // Once they have gone, there is room for as many as there may be.
        drop(clients);
        eventually("a newcomer has a place", || {
            let answer = ask(&mut connect(address), GET).unwrap_or_default();
            answer.contains(" 200 ") && !answer.to_ascii_lowercase().contains("connection: close")
        });
        assert_eq!(scene.stop().abandoned_total(), 0);
    }
}

/// Else a bound that was lowered would never be met where clients ask too seldom to be told.
#[test]
fn where_there_are_too_many_connections_two_idle_ones_go_for_each_newcomer() {
    for &engine in ENGINES {
        let service = Service::new("test").get("/", |_: &Request| "hello");
        let mut scene = Scene::start(service, engine, &[]);
        let address = scene.address();
        let greeted = |_| {
            let mut client = connect(address);
            assert!(ask(&mut client, GET).unwrap().contains(" 200 "));
            client
        };
        let idle: Vec<TcpStream> = (0..30).map(greeted).collect();
        scene.resize((SMALL.0, "61440\n"));
        thread::sleep(Duration::from_millis(600));
        let ended = || {
            let has_ended = |client: &&TcpStream| {
                client.set_nonblocking(true).unwrap();
                matches!(client.peek(&mut [0]), Ok(0))
            };
            idle.iter().filter(has_ended).count()
        };
        assert_eq!(ended(), 0, "nobody has come");
        let _newcomers: Vec<TcpStream> = (0..5).map(greeted).collect();
        eventually("ten have gone for five", || ended() >= 10);
        thread::sleep(Duration::from_millis(600));
        assert_eq!(ended(), 10, "{}", engine.name());
        scene.stop();
    }
}

#[test]
fn a_body_that_does_not_fit_any_more_at_all_is_refused_for_its_length_and_fits_again_after_the_next_resize()
 {
    for &engine in ENGINES {
        let service = Service::new("test").put("/", |_: &Request| NoContent);
        let mut scene = Scene::start(service, engine, &[]);
        let upload = |address| {
            let head = "PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 200000\r\n\r\n";
            let request = [head.as_bytes(), &[b'x'; 200_000]].concat();
            ask(&mut connect(address), &request).unwrap()
        };
        scene.resize((SMALL.0, "1048576\n"));
        // Told to come again, it would do so for ever.
        assert!(upload(scene.address()).contains(" 413 "));
        scene.resize(LARGE);
        assert!(upload(scene.address()).contains(" 204 "));
        scene.stop();
    }
}

/// Nothing that was let in is given back before all have come: what is in memory then is what was let in at all.
#[test]
fn a_burst_of_uploads_after_a_shrink_meets_the_new_limit_before_anybody_looks() {
    const UPLOADS: usize = 60;
    for &engine in ENGINES {
        let all_have_come = Arc::new(AtomicBool::new(false));
        let gate = Arc::clone(&all_have_come);
        let service = Service::new("test").put("/", move |_: &Request| {
            eventually("all have come", || gate.load(SeqCst));
            NoContent
        });
        let mut scene = Scene::start(service, engine, &[]);
        scene.resize(LARGE);
        // The kubelet has written it, and the next tick is yet to come.
        scene.tree.resize(SMALL.0, SMALL.1);
        let (address, refused) = (scene.address(), Arc::new(AtomicUsize::new(0)));
        let upload = |_| {
            let refused = Arc::clone(&refused);
            thread::spawn(move || {
                let mut stream = connect(address);
                let head = "PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n";
                stream.write_all(head.as_bytes()).unwrap();
                // Who is refused meanwhile may find its connection closed to more.
                let _ = stream.write_all(&[b'x'; 999_000]);
                let answer = ask(&mut stream, &[b'x'; 1000]).unwrap_or_default();
                refused.fetch_add(usize::from(!answer.contains(" 204 ")), SeqCst);
                answer
            })
        };
        let uploads: Vec<_> = (0..UPLOADS).map(upload).collect();
        eventually("all are answered or wait", || {
            refused.load(SeqCst) + scene.pool.admitted_now() == UPLOADS
        });
        // Of 2 MiB, and of the step before the reading; under the old limit it would be twelve.
        let let_in = scene.pool.admitted_now();
        assert!((1..=5).contains(&let_in), "{}: {let_in}", engine.name());
        all_have_come.store(true, SeqCst);
        for upload in uploads {
            let answer = upload.join().unwrap();
            assert!(
                answer.contains(" 204 ") || answer.contains(" 503 "),
                "{answer:?}"
            );
        }
        scene.stop();
    }
}
