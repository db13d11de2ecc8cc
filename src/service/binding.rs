//! From a configuration to bound addresses.

use crate::{
    config::table::{Config, HttpEngine, live::LiveConfig},
    engine::{
        self, Engine,
        listen::{self, PeerTimeout},
        rules::{BodyLimits, Policy},
    },
    lifecycle::{flags::Flags, tick::Tick},
    pool::{dispatcher::Dispatcher, resize::Resizer},
};
use http::Method;
use std::{io, sync::Arc};

/// Binds the port that requests come to.
pub(super) fn open_engine(
    config: &Config,
    port: u16,
    policy: Policy,
) -> io::Result<Box<dyn Engine>> {
    let listener = listen::bind(config.host, port, PeerTimeout::of(config))?;
    match config.http_engine {
        HttpEngine::Native => engine::native::start(listener, config, policy),
        #[cfg(feature = "tiny_http")]
        HttpEngine::TinyHttp => engine::tiny_http::start(listener, config, policy),
    }
}

/// The admin port is for a few probes, and takes little of what the limits leave.
pub(super) fn open_admin_engine(
    config: &Config,
    port: u16,
    live: &Arc<LiveConfig>,
) -> io::Result<Box<dyn Engine>> {
    const MAX_CONNECTIONS: usize = 64;
    const BUFFER_MEMORY: usize = 1024 * 1024;
    let config = Config {
        max_connections: config.max_connections.min(MAX_CONNECTIONS),
        buffer_memory: config.buffer_memory.min(BUFFER_MEMORY),
        ..config.clone()
    };
    let policy = Policy {
        live: Some(Arc::clone(live)),
        ..Policy::default()
    };
    open_engine(&config, port, policy)
        .map_err(|error| io::Error::new(error.kind(), format!("ADMIN_PORT: {error}")))
}

/// What the service asks of the engine that reads its requests.
pub(super) fn policy(dispatcher: &Arc<Dispatcher>) -> Policy {
    let largest = dispatcher.application.largest_body_limit();
    let own = largest.map(|largest| RouteLimits {
        dispatcher: Arc::clone(dispatcher),
        largest,
    });
    Policy {
        refusals: Arc::clone(&dispatcher.refusals),
        body_limits: own.map(|own| Arc::new(own) as Arc<dyn BodyLimits>),
        live: Some(Arc::clone(&dispatcher.live)),
    }
}

/// Has the pool follow the limits on every tick, and `flags` say what runs then. A size that is what it was at the start
/// is shown as it was then: `64Mi` is no change of `64MiB`.
pub(super) fn follow_limits(tick: &mut Tick, mut resizer: Resizer, flags: Arc<Flags>) {
    let at_start = resizer.sizes().shown();
    let at_start = at_start.map(|(name, shown)| (shown, flags.get(name)));
    tick.watch("limits", move || {
        let Some(sizes) = resizer.look() else {
            return;
        };
        for ((name, shown), (first, as_read)) in sizes.shown().into_iter().zip(&at_start) {
            let shown = if shown == *first { as_read } else { &shown };
            flags.replace(name, shown.clone());
        }
    });
}

/// Routes with a limit of their own on bodies, of which at least one is there.
struct RouteLimits {
    dispatcher: Arc<Dispatcher>,
    largest: u64,
}

impl BodyLimits for RouteLimits {
    fn of(&self, method: &Method, path: &str) -> Option<u64> {
        self.dispatcher
            .application
            .route_at(method, path)?
            .body_limit
    }

    fn largest(&self) -> u64 {
        self.largest
    }
}
