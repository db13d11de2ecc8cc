//! From a configuration to bound addresses.

use crate::{
    admin::{
        history::{History, Sampler},
        own::OwnPages,
    },
    command::Misconfigured,
    config::table::{Config, HttpEngine, live::LiveConfig},
    engine::{
        self, Engine,
        listen::{self, PeerTimeout},
        rules::{BodyLimits, Policy, RouteBody},
    },
    lifecycle::{flags::Flags, tick::Tick},
    message::route::ServiceFacts,
    pool::{Pool, dispatcher::Dispatcher, resize::Resizer},
    routing::{
        application::{Application, Stateful},
        routes::Routes,
    },
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

/// Whether the engine can do what the routes ask for.
///
/// # Errors
/// Names the route that it cannot serve.
pub(super) fn check_engine(config: &Config, application: &dyn Application) -> io::Result<()> {
    match application.upload_route() {
        Some(route) if config.http_engine != HttpEngine::Native => {
            let route = &route.template;
            let engine = config.http_engine.name();
            Err(io::Error::other(Misconfigured(format!(
                "HTTP_ENGINE={engine}: the route {route} takes uploads as they come, which needs native"
            ))))
        }
        _ => Ok(()),
    }
}

/// Binds the admin port, where there is one. It is for a few probes and people, and takes little of what the limits leave.
pub(super) fn open_admin_engine(
    config: &Config,
    live: &Arc<LiveConfig>,
) -> io::Result<Option<Box<dyn Engine>>> {
    let Some(port) = config.admin_port else {
        return Ok(None);
    };
    const MAX_CONNECTIONS: usize = 64;
    const BUFFER_MEMORY: usize = 1024 * 1024;
    let config = Config {
        max_connections: config.max_connections.min(MAX_CONNECTIONS),
        buffer_memory: config.buffer_memory.min(BUFFER_MEMORY),
        reactors: 1,
        ..config.clone()
    };
    let policy = Policy {
        live: Some(Arc::clone(live)),
        ..Policy::default()
    };
    open_engine(&config, port, policy)
        .map(Some)
        .map_err(|error| io::Error::new(error.kind(), format!("ADMIN_PORT: {error}")))
}

/// What the service asks of the engine that reads its requests.
pub(super) fn policy(dispatcher: &Arc<Dispatcher>) -> Policy {
    let application = &dispatcher.application;
    let largest = application.largest_body_limit();
    let has_own = largest.is_some() || application.upload_route().is_some();
    let own = has_own.then(|| RouteLimits {
        dispatcher: Arc::clone(dispatcher),
        largest: largest.unwrap_or(0),
    });
    Policy {
        refusals: Arc::clone(&dispatcher.refusals),
        refused: Arc::clone(&dispatcher.refused),
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

/// Has samples taken on every tick of what the pages draw.
pub(super) fn keep_history(tick: &mut Tick, pool: &Arc<Pool>) -> Arc<History> {
    let history = Arc::default();
    let mut sampler = Sampler::new(pool, &history);
    tick.watch("history", move || sampler.look());
    history
}

/// The pages that a service has added, with the state that they share with its handlers.
pub(super) fn own_pages<S: Send + Sync + 'static>(
    mut routes: Routes<S>,
    application: &Stateful<S>,
    facts: &Arc<ServiceFacts>,
) -> Arc<OwnPages> {
    let paths = routes.reads().filter(|path| !path.contains('{'));
    let paths = paths.map(str::to_owned).collect();
    routes.finish(|route| route.finish(facts));
    let application = Stateful {
        routes,
        state: Arc::clone(&application.state),
        render: application.render.clone(),
    };
    Arc::new(OwnPages {
        application: Box::new(application),
        paths,
    })
}

/// Routes that ask something of their own of bodies, of which at least one is there.
struct RouteLimits {
    dispatcher: Arc<Dispatcher>,
    largest: u64,
}

impl BodyLimits for RouteLimits {
    fn of(&self, method: &Method, path: &str) -> RouteBody {
        let route = self.dispatcher.application.route_at(method, path);
        route.map_or_else(RouteBody::default, |route| RouteBody {
            limit: route.body_limit,
            flows: route.takes_flowing_body,
        })
    }

    fn largest(&self) -> u64 {
        self.largest
    }
}
