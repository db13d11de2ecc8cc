//! What the configuration and the service ask of every connection, whichever engine drives it.

use super::{
    http1::Limits,
    lifetime::Lifetime,
    memory::{CurrentLimit, Memory},
    occupancy::{ClosedCounts, Connections, Occupancy},
    places::Places,
};
use crate::{
    config::{
        limits::MemoryLimit,
        table::{Config, live::LiveConfig},
    },
    message::{
        refusal::{Refusal, Refusals},
        response::Response,
    },
    observe::metrics::refused::Refused,
};
use http::Method;
use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

/// What a service asks of the engine that reads its requests.
#[derive(Clone, Default)]
pub(crate) struct Policy {
    /// What refused requests are answered.
    pub(crate) refusals: Arc<Refusals>,
    /// Where routes have a limit of their own on bodies; none where no route has.
    pub(crate) body_limits: Option<Arc<dyn BodyLimits>>,
    /// Counts them.
    pub(crate) refused: Arc<Refused>,
    /// What changes while the engine runs; none where nothing does.
    pub(crate) live: Option<Arc<LiveConfig>>,
}

/// Which routes have a limit of their own on the bytes of a body.
pub(crate) trait BodyLimits: Send + Sync {
    /// What answers this method on this path asks of a body. It is asked where sockets are driven.
    fn of(&self, method: &Method, path: &str) -> RouteBody;

    /// The largest of all.
    fn largest(&self) -> u64;
}

/// What a route asks of a body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RouteBody {
    /// The most bytes, where the route has a limit of its own.
    pub(crate) limit: Option<u64>,
    /// Its handler takes the body as it comes.
    pub(crate) flows: bool,
}

/// A response must make at least this much progress in each `WRITE_TIMEOUT`, so that a client that takes one byte at
/// a time is cut off as one that takes none is.
pub(crate) const LEAST_PROGRESS: usize = 64 * 1024;

/// Deadlines are looked at sooner than this after they have come, unless the process stood still or had no processor.
const STALLED: Duration = Duration::from_millis(500);

/// Whether a deadline has passed while this process did not run: what a client would have done since then, it may not
/// have had the chance to do.
pub(crate) fn passed_in_a_stall(deadline: Instant, now: Instant) -> bool {
    now.saturating_duration_since(deadline) > STALLED
}

/// How long a connection that ends may go on sending what nobody reads: a close with unread bytes is a reset, which
/// would destroy the answer on its way (RFC 9112 section 9.6), and many a client reads only once it has sent everything.
/// In all, and between two reads, as nginx has it (`lingering_time`, `lingering_timeout`).
pub(crate) const LINGER: Duration = Duration::from_secs(30);
pub(crate) const LINGER_BETWEEN_READS: Duration = Duration::from_secs(5);

/// What the connections of an engine have in common.
pub(crate) struct Rules {
    pub(crate) limits: Limits,
    /// The timeouts.
    pub(crate) live: Arc<LiveConfig>,
    /// Bytes a second; who is slower is the first to go where memory is short.
    pub(crate) min_body_rate: u32,
    pub(crate) memory: Memory,
    pub(crate) places: Arc<Places>,
    /// How long connections live.
    pub(crate) lifetime: Lifetime,
    pub(crate) policy: Policy,
    pub(crate) closed: Arc<ClosedCounts>,
    /// `MAX_BODY_BYTES`, whether there is memory for it or not; that of `limits` is what no route goes beyond.
    pub(crate) max_body_bytes: u64,
}

impl Rules {
    /// Those of the first of so many reactors.
    pub(crate) fn of(config: &Config, policy: Policy, reactors: usize) -> Rules {
        let max_body_bytes = config.sizing().max_body_bytes as u64;
        let own = policy.body_limits.as_ref().map_or(0, |own| own.largest());
        let live = policy
            .live
            .clone()
            .unwrap_or_else(|| LiveConfig::of(config));
        Rules {
            limits: Limits {
                max_head_bytes: config.max_head_bytes,
                max_headers: config.max_headers,
                max_body_bytes: max_body_bytes.max(own),
            },
            min_body_rate: config.min_body_rate,
            memory: Memory::in_parts(config.buffer_memory, current_limit(config), reactors),
            places: Places::new(config.max_connections, reactors),
            lifetime: Lifetime::of(config, &live),
            live,
            policy,
            closed: Arc::default(),
            max_body_bytes,
        }
    }

    /// Those of the reactor of this number, on cache lines of their own: they have memory, places and counts in common.
    pub(crate) fn part(&self, number: usize) -> Rules {
        Rules {
            limits: self.limits,
            min_body_rate: self.min_body_rate,
            memory: self.memory.part(number),
            places: Arc::clone(&self.places),
            lifetime: self.lifetime.clone(),
            live: Arc::clone(&self.live),
            policy: self.policy.clone(),
            closed: Arc::clone(&self.closed),
            max_body_bytes: self.max_body_bytes,
        }
    }

    pub(crate) fn max_connections(&self) -> usize {
        self.places.connections()
    }

    /// From now on so many connections may be open, and so many bytes are for bodies and unsent responses.
    pub(crate) fn resize(&self, max_connections: usize, buffer_memory: usize) {
        self.places.resize(max_connections);
        self.memory.resize(buffer_memory);
    }

    /// What is told to who scrapes.
    pub(crate) fn occupancy(&self, connections: Connections) -> Occupancy {
        Occupancy {
            connections,
            max_connections: self.max_connections(),
            requests: self.memory.requests.usage(),
            responses: self.memory.responses.usage(),
            closed: self.closed.all(),
        }
    }

    /// How many bytes a body may have that is sent with this method to this path, and whether it flows. Where it does
    /// not, never more than requests may hold together, or it would be told to come again for ever.
    pub(crate) fn body_terms(&self, method: &Method, path: &str) -> (u64, bool) {
        let own = self.policy.body_limits.as_ref();
        let RouteBody { limit, flows } = own.map(|own| own.of(method, path)).unwrap_or_default();
        let limit = limit.unwrap_or(self.max_body_bytes);
        match flows {
            true => (limit, true),
            false => (limit.min(self.memory.requests.most() as u64), false),
        }
    }

    /// The answer to a refused request, which is counted.
    pub(crate) fn refused(&self, refusal: Refusal) -> Response {
        self.policy.refused.count(refusal.status);
        self.policy.refusals.response(refusal)
    }
}

/// What `BUFFER_MEMORY` follows; nothing where it was set.
fn current_limit(config: &Config) -> Option<CurrentLimit> {
    let sizing = config.sizing();
    if sizing.buffer_memory.is_some() {
        return None;
    }
    // Found when it is first asked for, which is not on the way to the first answer.
    let files = OnceLock::new();
    Some(Arc::new(move || {
        let limit = files.get_or_init(|| MemoryLimit::find(&sizing.root)).read();
        limit.ok().map(|limit| sizing.buffer_memory_under(limit))
    }))
}
