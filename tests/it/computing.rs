//! Handlers that compute: no more of them at once than there are CPUs, whoever else waits for something meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use seaworthy::{Limits, Request, Running, Service};

use crate::library::end;
use crate::service::serve_with;
use crate::support::{Client, Engine};

both_engines! {
    handlers_that_compute_run_one_a_cpu_and_handlers_that_wait_all_at_once: alone,
    a_handler_that_waits_although_its_route_computes_holds_up_nobody_for_long: alone,
}

/// Runs of a route, of which more than enough are samples.
const TRAINING: usize = 200;

const COMPUTING: Duration = Duration::from_millis(1);

/// Nothing here takes so long but what never happens.
const NEVER: Duration = Duration::from_secs(20);

/// How many are in a handler, and how many there have ever been.
#[derive(Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Crowd {
    fn with(&self, work: impl FnOnce()) {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        work();
        self.now.fetch_sub(1, SeqCst);
    }

    /// The most since this was last asked.
    fn take_most(&self) -> usize {
        self.most.swap(0, SeqCst)
    }
}

fn compute() {
    let used = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let begun = used();
    while used() - begun < COMPUTING {}
}

fn cpus() -> usize {
    let limits = Limits::read();
    let quota = limits
        .cpu_quota
        .map_or(limits.cpus, |quota| quota.ceil() as usize);
    quota.clamp(1, limits.cpus)
}

/// With so many workers that there is room for all who ask.
fn serve(service: Service, engine: Engine) -> (Running, usize) {
    let clients = 4 * cpus();
    let workers = clients.to_string();
    let running = serve_with(service, engine, &[("WORKERS", &workers)]);
    (running, clients)
}

/// Has so many clients ask for this path again and again, at the same time.
fn ask(running: &Running, clients: usize, path: &str) {
    let times = TRAINING.div_ceil(clients).max(25);
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut client = Client::connect(running.addr());
                (0..times).for_each(|_| _ = client.get(path).expect(200));
            });
        }
    });
}

fn handlers_that_compute_run_one_a_cpu_and_handlers_that_wait_all_at_once(engine: Engine) {
    let crowds = [(); 2].map(|()| Arc::new(Crowd::default()));
    let [computing, waiting] = crowds.clone();
    let service = Service::new("test")
        .get("/compute", move |_: &Request| computing.with(compute))
        .get("/wait", move |_: &Request| {
            waiting.with(|| thread::sleep(5 * COMPUTING))
        });
    let (running, clients) = serve(service, engine);
    for path in ["/compute", "/wait"] {
        ask(&running, clients, path);
    }
    let untrained = crowds.each_ref().map(|crowd| crowd.take_most());
    ask(&running, clients, "/compute");
    ask(&running, clients, "/wait");
    let [computing, waiting] = crowds.map(|crowd| crowd.take_most());
    assert!(
        computing <= cpus(),
        "{computing} computed at once, {untrained:?} before"
    );
    assert!(
        waiting > cpus(),
        "{waiting} waited at once, {untrained:?} before"
    );
    end(running);
}

fn a_handler_that_waits_although_its_route_computes_holds_up_nobody_for_long(engine: Engine) {
    let (began, has_begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (began, released) = (Mutex::new(began), Arc::new(Mutex::new(released)));
    let service = Service::new("test").get("/moody", move |request: &Request| {
        if request.query() == Some("wait") {
            began.lock().unwrap().send(()).unwrap();
            released.lock().unwrap().recv_timeout(NEVER).unwrap();
        }
        compute();
    });
    let (running, clients) = serve(service, engine);
    ask(&running, clients, "/moody");
    let mut waiting: Vec<Client> = (0..cpus())
        .map(|_| Client::connect(running.addr()))
        .collect();
    for client in &mut waiting {
        client.send("GET /moody?wait HTTP/1.1\r\nHost: test\r\n\r\n");
        has_begun.recv_timeout(NEVER).unwrap();
    }
    // Every one that may compute waits; who only computes has its turn all the same, while they wait.
    Client::connect(running.addr()).get("/moody").expect(200);
    for _ in &waiting {
        release.send(()).unwrap();
    }
    for client in &mut waiting {
        client.response().expect(200);
    }
    end(running);
}
