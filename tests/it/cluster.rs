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
    pub(crate) fn start(
        scope: &'scope Scope<'scope, '_>,
        setup: Setup,
        endpoints: &'scope Endpoints,
    ) -> Pod<'scope> {
        let (kept, deleted) = channel();
        let ready = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ready);
        let kubelet = scope.spawn(move || supervise(setup.start(), &told, &deleted, endpoints));
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

/// The kubelet's part in one pod's life.
fn supervise(
    mut server: Server,
    ready: &AtomicBool,
    deleted: &Receiver<()>,
    endpoints: &Endpoints,
) -> Result<(), String> {
    let address = server.address;
    let mut startup = Prober::new("startupProbe", address);
    while startup.ask() != Some(true) {
        if startup.failed() || !server.is_running() {
            return Err(format!("{address} never started: {:?}", server.records()));
        }
        thread::sleep(Duration::from_millis(1));
    }

    let mut readiness = Prober::new("readinessProbe", address);
    let mut liveness = Prober::new("livenessProbe", address);
    while deleted.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
        let passed = readiness.ask() == Some(true);
        let was = ready.load(Ordering::SeqCst);
        if (passed && !was) || (was && readiness.failed()) {
            endpoints.publish(address, passed);
            ready.store(passed, Ordering::SeqCst);
        }
        liveness.ask();
        if liveness.failed() || !server.is_running() {
            return Err(format!(
                "{address} would have been restarted: {:?}",
                server.records()
            ));
        }
    }

    // Both at once: nobody waits for the nodes to hear of it.
    endpoints.publish(address, false);
    server.signal("TERM");
    let since = Instant::now();
    while server.is_running() {
        if since.elapsed() > scaled(manifests::grace_period()) {
            return Err(format!("{address} is killed after its grace period")); // by being dropped
        }
        readiness.ask(); // goes on, though its answer changes nothing any more
        thread::sleep(Duration::from_millis(1));
    }
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
    fn new(name: &str, address: SocketAddr) -> Prober {
        Prober {
            probe: Probe::named(name),
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

    fn publish(&self, address: SocketAddr, ready: bool) {
        for node in &self.0 {
            let change = Change {
                at: Instant::now(),
                address,
                ready,
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
    ready: bool,
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

fn learn(heard: &Receiver<Change>, lag: Duration, table: &Mutex<Vec<SocketAddr>>) {
    for change in heard {
        thread::sleep((change.at + lag).saturating_duration_since(Instant::now()));
        let mut table = table.lock().expect("nothing panics under this lock");
        table.retain(|address| *address != change.address);
        if change.ready {
            table.push(change.address);
        }
    }
}

fn accept(listener: &TcpListener, table: &Mutex<Vec<SocketAddr>>, stop: &AtomicBool) {
    for (turn, client) in listener.incoming().enumerate() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let table = table
            .lock()
            .expect("nothing panics under this lock")
            .clone();
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
