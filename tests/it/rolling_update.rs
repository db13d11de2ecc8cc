//! The promise of the project: a Deployment is updated under load, and no request is lost.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crate::cluster::{Endpoints, Pod, scale, scaled, stop_container};
use crate::manifests::{self, Probe};
use crate::support::{Client, Engine, Setup, Turn, note};

both_engines! {
    an_update_under_load_loses_no_request: long,
    the_last_pod_of_a_service_serves_until_its_replacement_is_ready: long,
}

const REPLICAS: usize = 3;
/// Of each kind: a kept connection, one connection per request, a slow handler, a slow body.
const CLIENTS: u32 = 6;
/// Between two requests of a client: this is a load to lose requests from, not a benchmark.
const THINK: Duration = Duration::from_millis(1);
/// A slow request, at the pace of the manifests: it outlasts the drain delay and fits the shutdown timeout.
const SLOW: Duration = Duration::from_secs(15);

fn an_update_under_load_loses_no_request(engine: Engine) {
    let load = update_under_load(
        engine,
        manifests::duration("DRAIN_DELAY"),
        manifests::duration("SHUTDOWN_TIMEOUT"),
    );
    assert_eq!(load.failures.into_inner().unwrap(), Vec::<String>::new());
    let answered = load.answered.into_inner();
    note(&format!(
        "{answered} requests during a rolling update, none lost"
    ));
    assert!(answered > 500, "only {answered} requests: this was no load");
}

/// What the drain delay is for, and a proof that the test above can see a loss.
#[test]
#[ignore = "takes seconds with the machine to itself; run by cargo test --test it -- --ignored"]
fn without_a_drain_delay_the_same_update_loses_requests() {
    let _turn = Turn::alone();
    let load = update_under_load(
        Engine::Native,
        Duration::ZERO,
        manifests::duration("SHUTDOWN_TIMEOUT"),
    );
    assert!(load.lost("a fresh connection"), "{:?}", load.failures);
}

/// The same for the time after it.
#[test]
#[ignore = "takes seconds with the machine to itself; run by cargo test --test it -- --ignored"]
fn without_a_shutdown_timeout_the_same_update_loses_slow_requests() {
    let _turn = Turn::alone();
    let load = update_under_load(
        Engine::Native,
        manifests::duration("DRAIN_DELAY"),
        Duration::ZERO,
    );
    assert!(
        load.lost("a slow handler") || load.lost("a slow body"),
        "{:?}",
        load.failures
    );
}

fn the_last_pod_of_a_service_serves_until_its_replacement_is_ready(engine: Engine) {
    let load = last_pod_replaced(engine, Probe::named("readinessProbe"));
    assert_eq!(load.failures.into_inner().unwrap(), Vec::<String>::new());
    let answered = load.answered.into_inner();
    note(&format!("{answered} requests to the last pod, none lost"));
    assert!(answered > 100, "only {answered} requests: this was no load");
}

/// Why the manifests' readiness probe leaves `shutdown` out: it would end kube-proxy's fallback to what still serves.
#[test]
#[ignore = "takes seconds with the machine to itself; run by cargo test --test it -- --ignored"]
fn a_readiness_probe_that_tells_of_the_shutdown_costs_the_last_pod_requests() {
    let _turn = Turn::alone();
    let load = last_pod_replaced(Engine::Native, telling_of_shutdown());
    note(&format!(
        "requests to the last pod were lost for {:.1?}",
        load.lost_for()
    ));
    assert!(load.lost("a fresh connection"));
}

/// What that costs, and why `shutdown` is told all the same where a liveness probe has failed: of a container that is
/// stopped within its pod, only the readiness probe can tell the Service.
#[test]
#[ignore = "takes seconds with the machine to itself; run by cargo test --test it -- --ignored"]
fn a_container_that_is_stopped_in_its_pod_loses_requests_where_the_probe_leaves_the_shutdown_out() {
    let _turn = Turn::alone();
    let told = container_stopped(telling_of_shutdown());
    assert_eq!(told.failures.into_inner().unwrap(), Vec::<String>::new());
    let left_out = container_stopped(Probe::named("readinessProbe"));
    note(&format!(
        "requests to a container that was stopped in its pod were lost for {:.1?}",
        left_out.lost_for()
    ));
    assert!(left_out.lost("a fresh connection"));
}

fn telling_of_shutdown() -> Probe {
    Probe {
        path: "/readyz".to_owned(),
        ..Probe::named("readinessProbe")
    }
}

/// One replica, which is deleted, and takes five seconds to start.
fn last_pod_replaced(engine: Engine, readiness: Probe) -> Load {
    let at_scale = |seconds| format!("{}ms", scaled(Duration::from_secs(seconds)).as_millis());
    // A drain that outlasts the start of a replacement.
    let setup = Setup::new(engine).set("DRAIN_DELAY", at_scale(15));
    let slow = setup.clone().set("STARTUP_DELAY", at_scale(5));
    let load = Load::default();
    let endpoints = Endpoints::new();
    thread::scope(|scope| {
        let _ends = EndsWith(&load);
        let old = Pod::start_probed(scope, setup, &endpoints, readiness.clone());
        old.wait_until_ready();
        endpoints.settle();
        load.start_fresh(scope, &endpoints);
        thread::sleep(scaled(Duration::from_secs(2)));
        let ended = old.delete();
        let new = Pod::start_probed(scope, slow, &endpoints, readiness);
        new.wait_until_ready();
        load.note("the old pod", ended.join().unwrap());
        load.stopped.store(true, Ordering::SeqCst);
        load.note("the new pod", new.delete().join().unwrap());
    });
    load
}

/// Two replicas, of which one is stopped by its kubelet, and not deleted.
fn container_stopped(readiness: Probe) -> Load {
    let delay = scaled(manifests::duration("DRAIN_DELAY")) * 2;
    let setup = Setup::new(Engine::Native).set("DRAIN_DELAY", format!("{}ms", delay.as_millis()));
    let load = Load::default();
    let endpoints = Endpoints::new();
    thread::scope(|scope| {
        let _ends = EndsWith(&load);
        let other = Pod::start(scope, setup.clone(), &endpoints);
        other.wait_until_ready();
        endpoints.settle();
        load.start_fresh(scope, &endpoints);
        stop_container(setup.start().ready(), readiness, &endpoints);
        endpoints.settle();
        load.stopped.store(true, Ordering::SeqCst);
        load.note("the other pod", other.delete().join().unwrap());
    });
    load
}

/// Three replicas, replaced one by one as a Deployment does with `maxSurge: 1` and `maxUnavailable: 0`: the next
/// one is started as soon as the last one is ready, while its predecessor is still draining.
fn update_under_load(engine: Engine, drain_delay: Duration, shutdown_timeout: Duration) -> Load {
    let at_scale = |duration: Duration| format!("{}ms", scaled(duration).as_millis());
    let setup = Setup::new(engine)
        .set("DRAIN_DELAY", at_scale(drain_delay))
        .set("SHUTDOWN_TIMEOUT", at_scale(shutdown_timeout));
    let load = Load::default();
    let endpoints = Endpoints::new();
    thread::scope(|scope| {
        let _ends = EndsWith(&load); // whatever happens, or the scope would wait for its clients for ever
        let deploy = || {
            let pod = Pod::start(scope, setup.clone(), &endpoints);
            pod.wait_until_ready();
            pod
        };
        let old: Vec<Pod> = (0..REPLICAS).map(|_| deploy()).collect();
        endpoints.settle();

        let clients = load.start(engine, scope, &endpoints);
        thread::sleep(scaled(SLOW)); // until all have begun
        let mut new = Vec::new();
        let mut draining = Vec::new();
        for pod in old {
            new.push(deploy());
            draining.push(pod.delete());
        }
        for end in draining {
            load.note("an old replica", end.join().unwrap());
        }
        load.stopped.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().unwrap();
        }
        for pod in new {
            load.note("a new replica", pod.delete().join().unwrap());
        }
    });
    load
}

struct EndsWith<'a>(&'a Load);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::SeqCst);
    }
}

/// What the clients did. A request is lost where it does not get one whole 200, for whatever reason: refused,
/// reset, closed before or in the middle of its answer, 503, silence. Nothing is tried again, not even on a kept
/// connection that turns out to be closed, which a real client would forgive: these clients never rest for as
/// long as the drain delay, so each kept connection has carried a `Connection: close` before it is closed. That
/// one is obeyed: the next request opens a new connection.
#[derive(Default)]
struct Load {
    stopped: AtomicBool,
    answered: AtomicUsize,
    failures: Mutex<Vec<String>>,
    /// When the first and the last of them were.
    lost_from_to: Mutex<Option<(Instant, Instant)>>,
}

impl Load {
    fn start<'scope>(
        &'scope self,
        engine: Engine,
        scope: &'scope Scope<'scope, '_>,
        endpoints: &Endpoints,
    ) -> Vec<ScopedJoinHandle<'scope, ()>> {
        let mut kinds = vec![Load::keep_alive, Load::fresh, Load::slow_answer];
        // tiny_http shows nobody a small body before it is whole, so to its engine such a connection has sent nothing
        // and is closed a second after the drain delay.
        if engine == Engine::Native {
            kinds.push(Load::slow_body);
        }
        let clients = kinds
            .iter()
            .flat_map(|kind| (0..CLIENTS).map(move |client| (*kind, client)));
        clients
            .map(|(kind, client)| {
                let service = endpoints.address(client);
                scope.spawn(move || {
                    // Apart from each other, so that every replica is in the middle of something slow when it ends.
                    thread::sleep(scaled(SLOW) * client / CLIENTS);
                    kind(self, service);
                })
            })
            .collect()
    }

    /// Only those that open a connection for each request, as whoever a Service sends somewhere does.
    fn start_fresh<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, endpoints: &Endpoints) {
        for client in 0..CLIENTS {
            let service = endpoints.address(client);
            scope.spawn(move || self.fresh(service));
        }
    }

    fn lost(&self, who: &str) -> bool {
        self.failures
            .lock()
            .unwrap()
            .iter()
            .any(|failure| failure.starts_with(who))
    }

    fn note(&self, who: &str, result: Result<(), String>) {
        match result {
            Ok(()) => _ = self.answered.fetch_add(1, Ordering::SeqCst),
            Err(error) => {
                let now = Instant::now();
                self.failures
                    .lock()
                    .unwrap()
                    .push(format!("{who}: {error}"));
                let mut lost = self.lost_from_to.lock().unwrap();
                *lost = Some((lost.map_or(now, |(from, _)| from), now));
            }
        }
    }

    /// How long requests were lost, at the pace of the manifests.
    fn lost_for(&self) -> Duration {
        let lost = *self.lost_from_to.lock().unwrap();
        lost.map_or(Duration::ZERO, |(from, to)| to - from) * scale()
    }

    fn repeat(&self, who: &str, mut request: impl FnMut() -> Result<(), String>) {
        while !self.stopped.load(Ordering::SeqCst) {
            self.note(who, request());
            thread::sleep(THINK);
        }
    }

    /// Keeps its connection for as long as the server does.
    fn keep_alive(&self, service: SocketAddr) {
        let mut kept = None;
        self.repeat("a kept connection", || {
            let mut client = kept.take().map_or_else(|| connect(service), Ok)?;
            send(&mut client, "GET / HTTP/1.1\r\nHost: test\r\n\r\n")?;
            let closes = answer(&mut client, "Hello from Kubernetes!")?;
            kept = (!closes).then_some(client);
            Ok(())
        });
    }

    fn fresh(&self, service: SocketAddr) {
        self.repeat("a fresh connection", || {
            let mut client = connect(service)?;
            send(
                &mut client,
                "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
            )?;
            answer(&mut client, "Hello from Kubernetes!").map(drop)
        });
    }

    /// The handler takes its time.
    fn slow_answer(&self, service: SocketAddr) {
        let request = format!(
            "GET /delay/{} HTTP/1.1\r\nHost: test\r\n\r\n",
            scaled(SLOW).as_secs_f64()
        );
        self.repeat("a slow handler", || {
            let mut client = connect(service)?;
            send(&mut client, &request)?;
            answer(&mut client, "").map(drop)
        });
    }

    /// The client takes its time: half of the body now, half of it later.
    fn slow_body(&self, service: SocketAddr) {
        self.repeat("a slow body", || {
            let mut client = connect(service)?;
            send(
                &mut client,
                "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhello",
            )?;
            thread::sleep(scaled(SLOW));
            send(&mut client, "world")?;
            answer(&mut client, "helloworld").map(drop)
        });
    }
}

fn connect(service: SocketAddr) -> Result<Client, String> {
    Client::try_connect(service).map_err(|error| format!("connecting: {error}"))
}

fn send(client: &mut Client, bytes: &str) -> Result<(), String> {
    client
        .try_send(bytes)
        .map_err(|error| format!("sending: {error}"))
}

/// Reads one whole answer, and whether it is the connection's last.
fn answer(client: &mut Client, expected: &str) -> Result<bool, String> {
    let response = client
        .try_response()
        .map_err(|broken| format!("{broken:?}"))?;
    if response.status != 200 || !response.text().contains(expected) {
        return Err(format!("{response:?}"));
    }
    Ok(response.closes())
}
