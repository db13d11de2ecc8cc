//! Just enough of a cluster to update a Deployment in: what the kubelet does to a pod, and what kube-proxy
//! knows of it and when. Every wait of the manifests passes [`scale`] times faster here.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crate::manifests::{self, Probe};
use crate::support::{Client, Server, Setup, number};

/// `ROLLING_UPDATE_SCALE=1` is the pace of the manifests.
pub(crate) fn scale() -> u32 {
    std::env::var("ROLLING_UPDATE_SCALE").map_or(10, |scale| scale.parse().expect("a number"))
}

pub(crate) fn scaled(duration: Duration) -> Duration {
    duration / scale()
}

/// How late the last node hears of a change of endpoints.
const PROPAGATION: Duration = Duration::from_secs(1);

/// A replica, from its start until it is dropped, which deletes it.
pub(crate) struct Pod<'scope> {
    ready: Arc<AtomicBool>,
    kept: Sender<()>,
    kubelet: ScopedJoinHandle<'scope, Result<(), String>>,
}

impl<'scope> Pod<'scope> {
    /// As the manifests say.
    pub(crate) fn start(
        scope: &'scope Scope<'scope, '_>,
        setup: Setup,
        endpoints: &'scope Endpoints,
    ) -> Pod<'scope> {
        Pod::start_probed(scope, setup, endpoints, Probe::named("readinessProbe"))
    }

    /// With another readiness probe.
    pub(crate) fn start_probed(
        scope: &'scope Scope<'scope, '_>,
        setup: Setup,
        endpoints: &'scope Endpoints,
        readiness: Probe,
    ) -> Pod<'scope> {
        let (kept, deleted) = channel();
        let ready = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ready);
        let kubelet =
            scope.spawn(move || supervise(setup.start(), readiness, &told, &deleted, endpoints));
        Pod {
            ready,
            kept,
            kubelet,
        }
    }

    /// Until its endpoint has been published, or it has failed, which [`Pod::delete`] then tells.
    pub(crate) fn wait_until_ready(&self) {
        while !self.ready.load(Ordering::SeqCst) && !self.kubelet.is_finished() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Begins its deletion; what is returned gives the end, and what went wrong in its life.
    pub(crate) fn delete(self) -> ScopedJoinHandle<'scope, Result<(), String>> {
        drop(self.kept);
        self.kubelet
    }
}

/// A container that serves, and that the kubelet then stops to restart it: its pod is not deleted, so that the readiness
/// probe alone takes the endpoint out. Returns once it has.
pub(crate) fn stop_container(mut server: Server, readiness: Probe, endpoints: &Endpoints) {
    let mut readiness = Prober::new(readiness, server.address);
    let mut endpoint = Endpoint {
        address: server.address,
        serving: true,
        terminating: false,
    };
    endpoints.publish(endpoint);
    endpoints.settle();
    server.signal("TERM");
    while server.is_running() || endpoint.serving {
        endpoint.follow(&mut readiness, endpoints);
        thread::sleep(Duration::from_millis(1));
    }
}

/// The kubelet's part in one pod's life.
fn supervise(
    mut server: Server,
    readiness: Probe,
    ready: &AtomicBool,
    deleted: &Receiver<()>,
    endpoints: &Endpoints,
) -> Result<(), String> {
    let address = server.address;
    let mut startup = Prober::new(Probe::named("startupProbe"), address);
    while startup.ask() != Some(true) {
        if startup.failed() || !server.is_running() {
            return Err(format!("{address} never started: {:?}", server.records()));
        }
        thread::sleep(Duration::from_millis(1));
    }

    let mut readiness = Prober::new(readiness, address);
    let mut liveness = Prober::new(Probe::named("livenessProbe"), address);
    let mut endpoint = Endpoint {
        address,
        serving: false,
        terminating: false,
    };
    while deleted.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
        endpoint.follow(&mut readiness, endpoints);
        ready.store(endpoint.is_ready(), Ordering::SeqCst);
        liveness.ask();
        if liveness.failed() || !server.is_running() {
            return Err(format!(
                "{address} would have been restarted: {:?}",
                server.records()
            ));
        }
    }

    // Both at once: nobody waits for the nodes to hear of it.
    endpoint.terminating = true;
    endpoints.publish(endpoint);
    server.signal("TERM");
    let since = Instant::now();
    while server.is_running() {
        if since.elapsed() > scaled(manifests::grace_period()) {
            return Err(format!("{address} is killed after its grace period")); // by being dropped
        }
        endpoint.follow(&mut readiness, endpoints);
        thread::sleep(Duration::from_millis(1));
    }
    endpoints.remove(address);
    let exit = server.exit();
    if exit.code != Some(0) || number(exit.report(), "abandoned") != 0.0 {
        return Err(format!("{address} did not drain: {exit:?}"));
    }
    Ok(())
}

struct Prober {
    probe: Probe,
    address: SocketAddr,
    due: Instant,
    misses: u32,
}

impl Prober {
    fn new(probe: Probe, address: SocketAddr) -> Prober {
        Prober {
            probe,
            address,
            due: Instant::now(),
            misses: 0,
        }
    }

    /// Whether it passed, where it was due.
    fn ask(&mut self) -> Option<bool> {
        if Instant::now() < self.due {
            return None;
        }
        self.due += scaled(self.probe.period);
        let passed = self.probe.passes(self.address);
        self.misses = if passed { 0 } else { self.misses + 1 };
        Some(passed)
    }

    fn failed(&self) -> bool {
        self.misses >= self.probe.failure_threshold
    }
}

/// One address of an EndpointSlice with its conditions, as the API has them
/// (<https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions>).
#[derive(Clone, Copy)]
struct Endpoint {
    address: SocketAddr,
    /// What the readiness probe says, also of a pod that is being deleted.
    serving: bool,
    /// The pod is being deleted.
    terminating: bool,
}

impl Endpoint {
    /// What is terminating is never ready.
    fn is_ready(self) -> bool {
        self.serving && !self.terminating
    }

    /// Asks the readiness probe where it is due, and publishes what that changes.
    fn follow(&mut self, readiness: &mut Prober, endpoints: &Endpoints) {
        let passed = readiness.ask() == Some(true);
        if (passed && !self.serving) || (self.serving && readiness.failed()) {
            self.serving = passed;
            endpoints.publish(*self);
        }
    }
}

/// The Service: every node sends new connections to the replicas that it has heard of.
pub(crate) struct Endpoints(Vec<Node>);

impl Endpoints {
    /// Two nodes: one that hears of every change at once, and one that hears of it as late as any.
    pub(crate) fn new() -> Endpoints {
        Endpoints(
            [Duration::ZERO, scaled(PROPAGATION)]
                .map(Node::start)
                .into(),
        )
    }

    /// The Service's address as seen by this client.
    pub(crate) fn address(&self, client: u32) -> SocketAddr {
        self.0[client as usize % self.0.len()].address
    }

    fn publish(&self, endpoint: Endpoint) {
        self.tell(endpoint.address, Some(endpoint));
    }

    /// The pod is gone.
    fn remove(&self, address: SocketAddr) {
        self.tell(address, None);
    }

    fn tell(&self, address: SocketAddr, endpoint: Option<Endpoint>) {
        for node in &self.0 {
            let change = Change {
                at: Instant::now(),
                address,
                endpoint,
            };
            node.changes
                .send(change)
                .expect("a node listens for as long as it is there");
        }
    }

    /// Waits until every node knows of what has been published.
    pub(crate) fn settle(&self) {
        thread::sleep(scaled(PROPAGATION) * 2);
    }
}

struct Change {
    at: Instant,
    address: SocketAddr,
    /// `None` where it is there no more.
    endpoint: Option<Endpoint>,
}

/// kube-proxy on one node: a connection is given to one replica when it opens, and stays there until it ends.
struct Node {
    address: SocketAddr,
    changes: Sender<Change>,
    stopped: Arc<AtomicBool>,
}

impl Node {
    fn start(lag: Duration) -> Node {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
        let address = listener.local_addr().expect("it is bound");
        let (changes, heard) = channel();
        let table = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (seen, stop) = (Arc::clone(&table), Arc::clone(&stopped));
        thread::spawn(move || learn(&heard, lag, &table));
        thread::spawn(move || accept(&listener, &seen, &stop));
        Node {
            address,
            changes,
            stopped,
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the accept
    }
}

fn learn(heard: &Receiver<Change>, lag: Duration, table: &Mutex<Vec<Endpoint>>) {
    for change in heard {
        thread::sleep((change.at + lag).saturating_duration_since(Instant::now()));
        let mut table = table.lock().expect("nothing panics under this lock");
        table.retain(|endpoint| endpoint.address != change.address);
        table.extend(change.endpoint);
    }
}

/// Those that kube-proxy gives new connections to: the ready ones, and where there is none at all, those that are still
/// serving while they terminate.
fn usable(table: &[Endpoint]) -> Vec<SocketAddr> {
    let addresses = |fits: fn(&Endpoint) -> bool| {
        let fitting = table.iter().filter(|endpoint| fits(endpoint));
        fitting.map(|endpoint| endpoint.address).collect::<Vec<_>>()
    };
    let ready = addresses(|endpoint| endpoint.is_ready());
    match ready.is_empty() {
        true => addresses(|endpoint| endpoint.serving && endpoint.terminating),
        false => ready,
    }
}

fn accept(listener: &TcpListener, table: &Mutex<Vec<Endpoint>>, stop: &AtomicBool) {
    for (turn, client) in listener.incoming().enumerate() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let table = usable(&table.lock().expect("nothing panics under this lock"));
        // Where there is no replica, or it refuses, no other is tried: the client's connection is closed.
        if let (Ok(client), false) = (client, table.is_empty()) {
            let replica = table[turn % table.len()];
            thread::spawn(move || forward(client, replica));
        }
    }
}

fn forward(client: TcpStream, replica: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(replica)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let upwards = thread::spawn(move || pump(from_client, to_server));
    pump(server, client);
    let _ = upwards.join();
    Ok(())
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let ended = io::copy(&mut from, &mut to);
    let _ = to.shutdown(if ended.is_ok() {
        Shutdown::Write
    } else {
        Shutdown::Both
    });
}

impl Probe {
    /// As the kubelet asks: on a connection of its own. The timeout is not scaled: it bounds work, not a wait.
    pub(crate) fn passes(&self, address: SocketAddr) -> bool {
        let Ok(client) = Client::try_connect(address) else {
            return false;
        };
        let mut client = client.patience(self.timeout);
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n",
            self.path
        );
        client.try_send(request).is_ok()
            && client
                .try_response()
                .is_ok_and(|response| (200..400).contains(&response.status))
    }
}
