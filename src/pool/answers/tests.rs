//! Who is told that it has waited too long for a worker, with the clock in the test's hand.

use super::*;
use crate::{
    config::table::{Config, live::LiveConfig},
    engine::{Cut, Engine, Pulled, occupancy::Occupancy},
    health::Health,
    message::request::Request,
    observe::{
        metrics::{Metrics, http::HttpCounts},
        trace::server::Tracer,
    },
    phase::{Phase, State},
    pool::{ComputingRequest, Dispatcher, lanes::Affinity},
    routing::{application::Stateful, routes::Routes},
};
use std::{
    collections::VecDeque,
    iter,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex},
    thread,
};

const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

/// Each pull brings the next of these, and then there is nothing more.
#[derive(Default)]
struct Script {
    pulls: Mutex<VecDeque<Vec<Ready>>>,
    more_reactors: usize,
}

impl Engine for Script {
    fn reactors(&self) -> usize {
        1 + self.more_reactors
    }

    fn pull(&self, _: usize, until: Option<Instant>, ready: &mut Vec<Ready>) -> Pulled {
        let mut pulls = self.pulls.lock().unwrap();
        assert!(until.is_none_or(|until| until <= Instant::now()));
        ready.extend(pulls.pop_front().into_iter().flatten());
        Pulled::Open
    }

    fn wake(&self, _: usize) {}

    fn local_addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], 80).into()
    }

    fn stop_accepting(&self) {}

    fn resize(&self, _: usize, _: usize) {}

    fn occupancy(&self) -> Occupancy {
        Occupancy::default()
    }

    fn sent_later(&self) -> u64 {
        0
    }

    fn cut(&self) -> Cut {
        Cut::default()
    }
}

/// The numbers of those who were told something, with the status.
type Told = Arc<Mutex<Vec<(usize, u16)>>>;

struct Waiting {
    number: usize,
    request: Request,
    told: Told,
    /// How long it takes to send it anything.
    sending: Duration,
}

impl Waiting {
    fn new(number: usize, path: &str, told: &Told) -> Box<Waiting> {
        Box::new(Waiting {
            number,
            request: Request::get(path),
            told: Arc::clone(told),
            sending: Duration::ZERO,
        })
    }
}

impl Exchange for Waiting {
    fn request(&mut self) -> &mut Request {
        &mut self.request
    }

    fn respond(self: Box<Self>, response: Response, _: bool) -> bool {
        thread::sleep(self.sending);
        let status = response.status.as_u16();
        self.told.lock().unwrap().push((self.number, status));
        true
    }

    fn stream(self: Box<Self>) -> bool {
        true
    }
}

/// A pool of two slots whose threads are not running, and requests that have waited in it.
struct Scene {
    pool: Arc<Pool>,
    leader: Leader,
    told: Told,
    begun: Instant,
}

impl Scene {
    /// Each of so many requests has come a second after the one before.
    fn new(requests: usize) -> Scene {
        Scene::with(Script::default(), requests)
    }

    fn with(script: Script, requests: usize) -> Scene {
        let routes = Routes::new()
            .get("/large", |_: &Request| vec![b'x'; 1 << 20])
            .get("/small", |_: &Request| "small");
        let application = Stateful {
            routes,
            state: Arc::new(()),
            render: None,
        };
        let config = Config {
            queue_timeout: QUEUE_TIMEOUT,
            ..Config::default()
        };
        let dispatcher = Arc::new(Dispatcher {
            name: "test",
            version: "0",
            application: Box::new(application),
            health: Health::default(),
            refusals: Arc::default(),
            live: LiveConfig::of(&config),
            trusted_proxies: Vec::new(),
            state: State::new(),
            metrics: Metrics::default(),
            http_counts: HttpCounts::new(0, Arc::default()),
            tracer: Tracer::default(),
            refused: Arc::default(),
            has_metrics: false,
            recent: None,
        });
        let pool = Pool::new(dispatcher, Box::new(script), 2, 100, 1);
        let (told, begun) = (Told::default(), Instant::now());
        for number in 0..requests {
            let waiting = Waiting::new(number, "/", &told);
            assert!(pool.lanes[0].admitted.take_one());
            let since = begun + number as u32 * SECOND;
            pool.enqueue(Ready::Request(waiting), 0, since, Duration::ZERO);
        }
        let leader = Leader {
            expiry: Some(begun + QUEUE_TIMEOUT),
            ..Leader::default()
        };
        Scene {
            pool,
            leader,
            told,
            begun,
        }
    }

    /// The leader looks, so long after the first request. Who has been told by then.
    fn look_after(&mut self, time: Duration) -> Vec<usize> {
        let now = self.begun + time;
        let counts = self.pool.dispatcher.http_counts.enter();
        self.pool.shed_expired(0, &mut self.leader, now, &counts);
        assert!(self.leader.expiry.is_none_or(|expiry| expiry >= now));
        let told = self.told.lock().unwrap();
        assert!(told.iter().all(|(_, status)| *status == 503));
        let left = self.pool.queued();
        assert_eq!(self.pool.admitted_now(), left);
        told.iter().map(|(number, _)| *number).collect()
    }

    /// Has so many handlers run.
    fn run(&self, count: usize) {
        let take_one = |_| assert!(self.pool.lanes[0].running.take_one());
        (0..count).for_each(take_one);
    }

    /// Who still waits, in the order in which they will be served.
    fn queue(&self) -> Vec<usize> {
        let left = iter::from_fn(|| self.pool.lanes[0].queue.pop()).map(|job| match job.ready {
            Ready::Request(exchange) => exchange.respond(Response::unavailable(""), false),
            _ => panic!("no request"),
        });
        left.for_each(drop);
        let mut told = self.told.lock().unwrap();
        told.drain(..).map(|(number, _)| number).collect()
    }
}

#[test]
fn who_has_waited_too_long_is_told_to_come_again_and_the_others_keep_their_order() {
    let mut scene = Scene::new(8);
    scene.run(2);
    assert!(scene.look_after(QUEUE_TIMEOUT - SECOND / 2).is_empty());
    assert_eq!(scene.look_after(QUEUE_TIMEOUT), [0]);
    let next = scene.begun + QUEUE_TIMEOUT + SECOND;
    assert_eq!(
        scene.leader.expiry,
        Some(next),
        "when the next one's time is up"
    );
    assert_eq!(scene.look_after(QUEUE_TIMEOUT + SECOND), [0, 1]);
    scene.told.lock().unwrap().clear();
    assert_eq!(scene.queue(), [2, 3, 4, 5, 6, 7]);
}

#[test]
fn whoever_computes_next_does_not_wait_for_a_turn_of_somebody_who_was_told_to_come_again() {
    let mut scene = Scene::new(0);
    let (pool, told) = (Arc::clone(&scene.pool), Arc::clone(&scene.told));
    scene.run(2);
    for number in 0..2 {
        assert!(pool.lanes[0].admitted.take_one());
        let since = scene.begun + number as u32 * SECOND;
        let request = ComputingRequest {
            exchange: Waiting::new(number, "/", &told),
            since,
            expected: Duration::ZERO,
            lane: 0,
        };
        pool.admit_computing(request, since);
    }
    assert_eq!((pool.queued(), pool.waiting()), (1, 2), "one has its turn");
    assert_eq!(scene.look_after(QUEUE_TIMEOUT), [0]);
    assert_eq!((pool.queued(), pool.waiting()), (1, 1));
    let now = scene.begun + QUEUE_TIMEOUT;
    assert_eq!(scene.leader.expiry, Some(now), "who is next has waited too");
}

#[test]
fn who_can_be_served_now_is_not_told_to_come_again() {
    for (running, served) in [(0, 2), (1, 1), (2, 0)] {
        let mut scene = Scene::new(5);
        scene.run(running);
        // Late enough for all, and not so late that the process must have stood still.
        let late = QUEUE_TIMEOUT + 4 * SECOND;
        scene.leader.expiry = Some(scene.begun + late);
        let told = scene.look_after(late);
        assert_eq!(
            told,
            (served..5).collect::<Vec<_>>(),
            "{running} are running"
        );
        scene.told.lock().unwrap().clear();
        assert_eq!(scene.queue(), (0..served).collect::<Vec<_>>());
    }
}

#[test]
fn a_wait_in_which_the_process_stood_still_is_none() {
    let mut scene = Scene::new(5);
    scene.run(2);
    let stall = Duration::from_secs(100);
    assert!(scene.look_after(QUEUE_TIMEOUT + stall).is_empty());
    // From then on their time runs as ever.
    assert!(
        scene
            .look_after(2 * QUEUE_TIMEOUT + stall - SECOND)
            .is_empty()
    );
    assert_eq!(scene.look_after(2 * QUEUE_TIMEOUT + stall).len(), 5);
}

#[test]
fn an_empty_queue_sets_no_time() {
    let mut scene = Scene::new(0);
    scene.look_after(QUEUE_TIMEOUT);
    assert_eq!(scene.leader.expiry, None);
}

#[test]
fn a_probe_in_a_storm_of_refusals_waits_for_a_few_of_them_and_each_is_told() {
    const PROBE: usize = usize::MAX;
    let told = Told::default();
    let requests = |numbers: Range<usize>| -> Vec<Ready> {
        numbers
            .map(|number| Ready::Request(Waiting::new(number, "/", &told)))
            .collect()
    };
    let mut with_a_probe = requests(128..192);
    with_a_probe.push(Ready::Request(Waiting::new(PROBE, "/livez", &told)));
    let pulls = [requests(0..64), requests(64..128), with_a_probe];
    let script = Script {
        pulls: Mutex::new(pulls.into()),
        ..Script::default()
    };
    let scene = Scene::with(script, 0);
    scene.pool.dispatcher.state.enter(Phase::Running);
    // Every slot and the queue are taken.
    assert!((0..102).all(|_| scene.pool.lanes[0].admitted.take_one()));
    let counts = scene.pool.dispatcher.http_counts.enter();
    let worker = scene.pool.in_flight.enter(0, counts);
    assert!(scene.pool.lead(0, &mut Vec::new(), &worker));
    let mut told = told.lock().unwrap();
    let before = told
        .iter()
        .position(|(number, _)| *number == PROBE)
        .unwrap();
    assert!(before <= 40, "{before} of 192 were told before it");
    assert_eq!(told.remove(before), (PROBE, 200));
    assert!(
        told.iter()
            .copied()
            .eq((0..192).map(|number| (number, 503)))
    );
    assert_eq!(scene.pool.admitted_now(), 102);
}

/// Or a second client would wait for each large answer on its way, which the pool takes for a short handler.
#[test]
fn a_route_whose_answers_take_long_to_write_is_known_for_it() {
    let scene = Scene::new(0);
    let (pool, application) = (&scene.pool, &scene.pool.dispatcher.application);
    let worker = pool.in_flight.enter(0, pool.dispatcher.http_counts.enter());
    let cost_of = |path| {
        let mut request = Request::get(path);
        application.find(&mut request);
        let route = Arc::clone(request.route.as_ref().unwrap());
        let waiting = Waiting {
            request,
            sending: Duration::from_millis(20),
            ..*Waiting::new(0, path, &scene.told)
        };
        assert!(pool.lanes[0].admitted.take_one() && pool.lanes[0].running.take_one());
        pool.enqueue(
            Ready::Request(Box::new(waiting)),
            0,
            Instant::now(),
            Duration::ZERO,
        );
        pool.run(pool.lanes[0].queue.pop().unwrap(), 0, &worker);
        route.cost.expected()
    };
    // The most that is ever expected.
    assert_eq!(cost_of("/large"), Duration::from_millis(1));
    // What is small is taken by the kernel at once; one run of several is not disturbed.
    assert!((0..100).any(|_| cost_of("/small") < Duration::from_millis(1)));
}

/// Nobody may be awake who looks at that queue; the thread that has taken one comes back to another.
#[test]
fn a_piece_that_takes_the_place_of_anothers_is_taken_next_whichever_reactors_it_is() {
    let script = Script {
        more_reactors: 1,
        ..Script::default()
    };
    let Scene { pool, told, .. } = Scene::with(script, 0);
    let worker = pool.in_flight.enter(0, pool.dispatcher.http_counts.enter());
    let mut affinity = Affinity::to(0);
    // Of two slots pieces have one at a time.
    for (number, lane) in [(0, 1), (1, 0)] {
        pool.admit_piece(Waiting::new(number, "/", &told), lane, Instant::now());
    }
    for left in [1, 0] {
        let (job, lane) = pool.take(&mut affinity).expect("a piece waits");
        affinity.lane = 0;
        pool.run(job, lane, &worker);
        assert_eq!(pool.queued(), left);
    }
    assert!(pool.take(&mut affinity).is_none());
}
