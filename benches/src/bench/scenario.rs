//! What is measured.

use std::time::Duration;

use crate::cgroup::Limits;
use crate::load::Target;

pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    /// Thousandths of a CPU.
    pub quota: Option<u32>,
    /// The most memory that the server may have, in bytes.
    pub memory: Option<u64>,
    pub env: &'static [(&'static str, &'static str)],
    pub kind: Kind,
    /// With the binary of an image `FROM scratch`, where the libc is musl, and not with what
    /// `cargo build` makes, which loads the system's libc.
    pub is_static: bool,
    /// Part of `--quick`.
    pub quick: bool,
}

#[derive(Clone, Copy)]
pub enum Kind {
    /// wrk, each connection as fast as it is answered.
    Closed(Target),
    /// oha, so many requests a second.
    Open(Target, u32),
    /// The load on the target in the background, `/readyz` on fresh connections beside it.
    Probe(Target),
    /// Many connections that idle, and some beside them that do not.
    Idle,
    /// Many clients of an event stream, a broadcast a second, and `/readyz` beside it.
    Events,
    /// At rest, then under load.
    Memory,
    /// From the start of the process to the first 200 on `/readyz`.
    Start,
    /// SIGTERM under load.
    Stop,
    /// strace counts while wrk asks.
    SystemCalls,
    /// The binary itself.
    Size,
}

impl Scenario {
    /// For a heading.
    pub fn title(&self) -> String {
        let binary = if self.is_static { "; static binary" } else { "" };
        format!("{}{binary}", self.about)
    }

    /// How long one measurement takes, for the estimate of the time left.
    pub fn estimate(&self, time: Duration) -> Duration {
        let fixed = match self.kind {
            Kind::Closed(_) => WARM_UP + time,
            Kind::Open(..) => WARM_UP + 2 * time,
            Kind::Probe(_) => Duration::from_secs(2) + time,
            Kind::Idle => Duration::from_secs(3) + WARM_UP + time,
            Kind::Events => Duration::from_secs(4) + time,
            Kind::Memory => MEMORY_REST + MEMORY_BUSY,
            Kind::SystemCalls => WARM_UP + WARM_UP,
            Kind::Start => Duration::from_millis(500),
            Kind::Stop => STOP_LOAD,
            Kind::Size => return Duration::ZERO,
        };
        fixed + Duration::from_millis(300)
    }

    pub fn limits(&self) -> Limits {
        Limits { quota: self.quota, memory: self.memory }
    }

    /// Whether what else the machine does can change what is measured. A size is a size, and
    /// calls are counted.
    pub fn can_be_disturbed(&self) -> bool {
        !matches!(self.kind, Kind::Size | Kind::SystemCalls)
    }
}

pub fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

pub const WARM_UP: Duration = Duration::from_secs(1);
pub const STARTS: usize = 15;
pub const IDLE_CONNECTIONS: usize = 10_000;
pub const PROBES_PER_SECOND: u32 = 50;
pub const MEMORY_REST: Duration = Duration::from_millis(500);
pub const MEMORY_BUSY: Duration = Duration::from_millis(1000);
pub const STOP_RATE: u32 = 500;
pub const STOP_AFTER: Duration = Duration::from_millis(1500);
pub const STOP_LOAD: Duration = Duration::from_secs(4);

pub const GREETING: Target = get("/", 32);

const fn get(path: &'static str, connections: usize) -> Target {
    Target { method: "GET", path, connections, fresh: false }
}

const fn closed(name: &'static str, about: &'static str, quota: Option<u32>, target: Target) -> Scenario {
    life(name, about, quota, Kind::Closed(target))
}

const fn open(name: &'static str, about: &'static str, quota: Option<u32>, target: Target, rate: u32) -> Scenario {
    life(name, about, quota, Kind::Open(target, rate))
}

const fn life(name: &'static str, about: &'static str, quota: Option<u32>, kind: Kind) -> Scenario {
    Scenario { name, about, quota, memory: None, env: &[], kind, is_static: false, quick: false }
}

const fn with_env(scenario: Scenario, env: &'static [(&'static str, &'static str)]) -> Scenario {
    Scenario { env, ..scenario }
}

const fn quick(scenario: Scenario) -> Scenario {
    Scenario { quick: true, ..scenario }
}

const fn with_static_binary(name: &'static str, scenario: Scenario) -> Scenario {
    Scenario { name, is_static: true, ..scenario }
}

/// As a kubelet asks: a connection of its own for each.
pub const PROBE: Target = Target { method: "GET", path: "/readyz", connections: 64, fresh: true };

/// As many handlers at once as connections, as async variants have by their blocking pool.
const EQUAL_WORKERS: &[(&str, &str)] = &[("WORKERS", "32")];

const BUSY_GREETING: Scenario = closed("greeting", "greeting, 32 connections, 500m", Some(500), GREETING);

const RESIDENT: Scenario = life("memory", "resident, at rest and at 32 connections, 500m", Some(500), Kind::Memory);

const EVENTS: Scenario = with_env(
    life("events", "10,000 event streams, a broadcast a second, 1 CPU", Some(1000), Kind::Events),
    &[("MAX_CONNECTIONS", "12000")],
);

const FIRST_ANSWER: Scenario = life("start", "from exec to the first 200 on /readyz, no quota", None, Kind::Start);

pub const SCENARIOS: [Scenario; 32] = [
    quick(BUSY_GREETING),
    with_static_binary("greeting-static", BUSY_GREETING),
    closed("greeting-1", "greeting, 1 connection, 500m", Some(500), get("/", 1)),
    closed("greeting-256", "greeting, 256 connections, 500m", Some(500), get("/", 256)),
    closed("greeting-100m", "greeting, 32 connections, 100m", Some(100), GREETING),
    closed("greeting-1cpu", "greeting, 32 connections, 1 CPU", Some(1000), GREETING),
    closed("greeting-free", "greeting, 32 connections, no quota", None, GREETING),
    with_env(
        closed("fresh", "greeting, 32 at once on new connections, 500m", Some(500), Target { fresh: true, ..GREETING }),
        // For the limit, which does not read what a client wishes.
        &[("CLOSE", "1")],
    ),
    closed("json", "JSON answer, 32 connections, 500m", Some(500), get("/json", 32)),
    closed("down", "64 KiB down, 32 connections, 500m", Some(500), get("/down", 32)),
    closed(
        "up",
        "64 KiB up, 32 connections, 500m",
        Some(500),
        Target { method: "POST", path: "/up", connections: 32, fresh: false },
    ),
    closed("work", "1 ms of computing, 32 connections, 500m", Some(500), get("/work", 32)),
    with_env(
        closed("block", "5 ms wait, 32 connections, 32 threads, 500m", Some(500), get("/block", 32)),
        EQUAL_WORKERS,
    ),
    closed("block-default", "5 ms wait, 32 connections, default threads, 500m", Some(500), get("/block", 32)),
    open("open-100m", "greeting, 500 requests/s, 100m", Some(100), GREETING, 500),
    quick(open("open-100", "greeting, 100 requests/s, 500m", Some(500), get("/", 16), 100)),
    quick(open("open-1000", "greeting, 1,000 requests/s, 500m", Some(500), get("/", 16), 1_000)),
    open("open-5000", "greeting, 5,000 requests/s, 500m", Some(500), get("/", 16), 5_000),
    open("open-10000", "greeting, 10,000 requests/s, 500m", Some(500), GREETING, 10_000),
    with_env(
        open("open-block", "5 ms wait, 1,000/s, 32 threads, 1 CPU", Some(1000), get("/block", 64), 1_000),
        EQUAL_WORKERS,
    ),
    with_env(
        life(
            "probe-blocked",
            "/readyz while 1,024 requests block for 1 s each, no quota",
            None,
            Kind::Probe(get("/block", 1024)),
        ),
        &[("BLOCK", "1000ms")],
    ),
    life(
        "probe-computing",
        "/readyz while 256 connections make it compute, no quota",
        None,
        Kind::Probe(get("/work", 256)),
    ),
    with_env(
        life("idle", "10,000 idle connections, 32 busy ones beside them, 500m", Some(500), Kind::Idle),
        &[("MAX_CONNECTIONS", "12000")],
    ),
    EVENTS,
    Scenario {
        name: "events-64m",
        about: "10,000 event streams, a broadcast a second, 1 CPU, 64 MiB",
        memory: Some(64 << 20),
        ..EVENTS
    },
    RESIDENT,
    quick(with_static_binary("memory-static", RESIDENT)),
    FIRST_ANSWER,
    quick(with_static_binary("start-static", FIRST_ANSWER)),
    with_env(
        life("stop", "SIGTERM under 500 requests/s of 20 ms each, no quota", None, Kind::Stop),
        &[("BLOCK", "20ms"), ("WORKERS", "64"), ("DRAIN_DELAY", "0s")],
    ),
    life("system-calls", "greeting, 32 connections, no quota, traced", None, Kind::SystemCalls),
    quick(with_static_binary("size", life("size", "the binary, stripped", None, Kind::Size))),
];
