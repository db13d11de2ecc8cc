//! What every variant answers, so that they differ in nothing but the server.

use std::hint::black_box;
use std::sync::LazyLock;
use std::time::Duration;

use serde::Serialize;

pub const GREETING: &str = "Hello from Kubernetes!";

/// The size of the body of `GET /down`, and of what the load generator sends to `POST /up`.
pub const BODY: usize = 64 * 1024;

/// The body of `GET /down`.
pub static DOWN: [u8; BODY] = [b'x'; BODY];

/// What is broadcast to the clients of `GET /events`, by `POST /say`.
pub const NEWS: &str = "{\"symbol\":\"SEA\",\"price\":\"17.25\",\"at\":\"2026-01-01T00:00:00Z\"}";

/// So many events wait for a client that lags behind.
pub const BACKLOG: usize = 16;

/// The answer of `GET /json`, built and written anew for each request.
#[derive(Serialize)]
pub struct Pod {
    pub name: &'static str,
    pub namespace: &'static str,
    pub ready: bool,
    pub restarts: u32,
    pub labels: [&'static str; 2],
}

pub fn pod() -> Pod {
    Pod {
        name: "hello-5d4f8c7b9-x2x7q",
        namespace: "default",
        ready: true,
        restarts: 0,
        labels: ["app=hello", "tier=web"],
    }
}

/// About 1 ms of CPU on a server of 2.5 GHz: each step needs the last one's result, so that no
/// compiler can shorten or vectorise it, and Go's takes as long as Rust's.
pub fn work() -> String {
    let mut hash: u64 = black_box(0xcbf2_9ce4_8422_2325);
    for step in 0..500_000 {
        hash = (hash ^ step).wrapping_mul(0x0100_0000_01b3);
        hash ^= hash >> 29;
    }
    format!("{hash:016x}")
}

/// A blocking call, as of a database driver: 5 ms, or `BLOCK`, such as `1000ms`.
pub fn block() -> &'static str {
    static WAIT: LazyLock<Duration> = LazyLock::new(|| {
        let wait = std::env::var("BLOCK").ok();
        let millis = wait.and_then(|wait| wait.strip_suffix("ms")?.parse().ok());
        Duration::from_millis(millis.unwrap_or(5))
    });
    std::thread::sleep(*WAIT);
    "slept"
}

/// Where to listen: all of IPv4, as a container does.
pub fn address() -> (&'static str, u16) {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok());
    ("0.0.0.0", port.unwrap_or(8080))
}

/// How many threads a synchronous variant runs its handlers on.
pub fn workers(default: usize) -> usize {
    told_workers().unwrap_or(default)
}

/// `WORKERS`, for a variant whose default is its own secret.
pub fn told_workers() -> Option<usize> {
    std::env::var("WORKERS").ok().and_then(|count| count.parse().ok())
}
