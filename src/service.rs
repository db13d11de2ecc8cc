//! `Service`: what a program says about itself, and the two ways to run it.

mod admin;
mod background;
mod binding;
mod calling;
pub(crate) mod program;
mod registering;
mod routing;
mod running;
#[cfg(test)]
mod tests;

pub use running::Running;

use crate::{
    admin::{Admin, subject::Subject},
    command::{self, Execute},
    config::{
        limits::Limits,
        settings::Settings,
        table::{Config, live::LiveConfig},
    },
    health::{Health, cached::CachedCheck, check::Check},
    lifecycle::{
        self, BoundServer,
        background::{Background, metrics::BackgroundMetrics},
        control::Control,
        drain_report::DrainReport,
        flags::Flags,
        reaction::{React, Reaction},
        reload::Reload,
        task::Task,
        tick::Tick,
    },
    message::{
        error::Error, into_response::IntoResponse, refusal::Refusals, request::Request,
        route::ServiceFacts,
    },
    observe::{
        logging,
        metrics::{self, Metrics, http::HttpCounts},
        recent::Recent,
        trace::server::Tracer,
    },
    phase::Stop,
    pool::{
        Pool,
        dispatcher::Dispatcher,
        resize::{Resizer, log_sizes},
    },
    routing::{application::Stateful, routes::Routes},
};
use binding::{
    check_engine, follow_limits, keep_history, open_admin_engine, open_engine, own_pages, policy,
};
use std::{
    io, mem,
    process::ExitCode,
    sync::{Arc, Weak},
    thread,
    time::SystemTime,
};

/// An HTTP service: its routes, layers, checks, tasks and background services.
///
/// Built once at the start of `main`, then [`run`](Service::run), which takes the process over, or, for tests and
/// embedding, [`start`](Service::start)ed, which leaves signals, logging and the process alone. What it runs, be it a
/// handler, a layer, a check or a task, may take the service's state `S` as its last parameter; see
/// [`with_state`](Service::with_state).
pub struct Service<S = ()> {
    name: &'static str,
    version: &'static str,
    about: &'static str,
    settings: Option<Settings>,
    application: Stateful<S>,
    /// What it adds to the admin port.
    admin: Option<Box<Routes<S>>>,
    health: Health,
    start_tasks: Vec<Task>,
    background: Vec<Background>,
    reactions: Vec<React>,
    metrics: Metrics,
    tracer: Tracer,
}

impl Service {
    /// A service with no state and no routes, which answers probes. `name` is what `--help`, `--version` and `/version`
    /// call it.
    #[must_use]
    pub fn new(name: &'static str) -> Service {
        Service::with_state(name, ())
    }
}

impl<S: Send + Sync + 'static> Service<S> {
    /// A service whose handlers, layers, checks and tasks share `state`: each may take `&S` as its last parameter.
    ///
    /// ```
    /// use seaworthy::{Request, Service};
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    ///
    /// struct App { visits: AtomicU64 }
    ///
    /// fn visit(_: &Request, app: &App) -> String {
    ///     format!("visit {}", app.visits.fetch_add(1, Relaxed) + 1)
    /// }
    ///
    /// let service = Service::with_state("counter", App { visits: AtomicU64::new(0) }).get("/", visit);
    /// assert_eq!(service.call(Request::get("/")).body(), Some(&b"visit 1"[..]));
    /// ```
    #[must_use]
    pub fn with_state(name: &'static str, state: S) -> Service<S> {
        Service {
            name,
            version: "unversioned",
            about: "an HTTP service",
            settings: None,
            application: Stateful {
                routes: Routes::new(),
                state: Arc::new(state),
                render: None,
            },
            admin: None,
            health: Health::default(),
            start_tasks: Vec::new(),
            background: Vec::new(),
            reactions: Vec::new(),
            metrics: Metrics::default(),
            tracer: Tracer::default(),
        }
    }

    /// The version that `--version` and `/version` tell, usually `env!("CARGO_PKG_VERSION")`.
    #[must_use]
    pub fn version(self, version: &'static str) -> Service<S> {
        Service { version, ..self }
    }

    /// One line for `--help`.
    #[must_use]
    pub fn about(self, about: &'static str) -> Service<S> {
        Service { about, ..self }
    }

    /// Settings of the program's own, read before: their errors are reported together with seaworthy's, and `config`
    /// prints them too. Without this, [`run`](Service::run) reads seaworthy's settings from the environment.
    #[must_use]
    pub fn settings(self, settings: Settings) -> Service<S> {
        Service {
            settings: Some(settings),
            ..self
        }
    }

    /// Sets the default of one of seaworthy's own settings, for [`run`](Service::run): see
    /// [`Settings::default_setting`].
    ///
    /// ```
    /// # use seaworthy::Service;
    /// let service = Service::new("shop").default_setting("MAX_BODY_BYTES", "300MiB").default_setting("ACCESS_LOG", "all");
    /// ```
    #[must_use]
    pub fn default_setting(mut self, name: &'static str, value: &str) -> Service<S> {
        let settings = self.settings.get_or_insert_with(Settings::from_env);
        settings.default_setting(name, value);
        self
    }

    /// Renders every refusal and error that seaworthy answers with by itself (404, 405, 408, 413, 431, 503, a panic's
    /// 500 and so on) and every [`Error`] of a handler or layer. Without this they are a line of text.
    ///
    /// Status and headers stay the error's own, whatever `render` returns. It runs on the worker that answers. What is
    /// refused before there is a request, or without a worker, is rendered once at start, with no request.
    /// [`Problem::json`](crate::Problem::json) is one such function.
    ///
    /// ```
    /// use seaworthy::{Error, Html, Request, Service};
    ///
    /// fn page(error: &Error, _: Option<&Request>) -> Html<String> {
    ///     Html(format!("<!doctype html><title>{}</title>", error.status()))
    /// }
    ///
    /// let service = Service::new("shop").errors(page);
    /// let answer = service.call(Request::get("/nowhere"));
    /// assert_eq!(answer.body(), Some(&b"<!doctype html><title>404 Not Found</title>"[..]));
    /// ```
    #[must_use]
    pub fn errors<R: IntoResponse>(
        mut self,
        render: impl Fn(&Error, Option<&Request>) -> R + Send + Sync + 'static,
    ) -> Service<S> {
        self.application.render = Some(Arc::new(move |error, request| {
            render(error, request).into_response()
        }));
        self
    }

    /// Adds a check to the probes.
    ///
    /// # Panics
    /// Where the name is taken or does not fit into a path.
    #[must_use]
    #[track_caller]
    pub fn check(mut self, check: Check<S>) -> Service<S> {
        self.health
            .add(CachedCheck::new(check, &self.application.state));
        self
    }

    /// Calls `reaction` with the names of the live settings that have changed in `CONFIG_DIR`, once the new values are in
    /// place: to open what depends on them anew, for what reads them at each use needs none. It runs on a thread of its
    /// own, `on-change`, never twice at once; what changes meanwhile is one call later. An error or a panic of it is
    /// logged. Nothing calls it where the service was [`start`](Service::start)ed.
    ///
    /// ```
    /// # use seaworthy::Service;
    /// let service = Service::new("shop").on_change(|names: &[&'static str]| println!("changed: {names:?}"));
    /// ```
    #[must_use]
    pub fn on_change<Args>(mut self, mut reaction: impl Reaction<S, Args>) -> Service<S> {
        let state = Arc::clone(&self.application.state);
        let react = move |names: &[&'static str]| reaction.react(names, &state);
        self.reactions.push(Box::new(react));
        self
    }

    /// Takes the process over: reads the command line (`serve`, `probe`, `config`, `--help`, `--version`), hooks
    /// signals, reads the configuration, installs the logger and the panic hook, serves, drains. For the last line of
    /// `main`, whose thread becomes the one that waits and drains.
    ///
    /// Exit codes: 0 after a clean drain, 1 where start-up or a background service failed, 64 for an unknown word, 75
    /// where the deadline cut requests off, 78 for a bad configuration, 128 plus the signal's number where SIGINT or
    /// SIGQUIT came during a drain.
    #[must_use = "the exit code tells Kubernetes how the drain went: return it from main"]
    pub fn run(mut self) -> ExitCode {
        let settings = self.settings.take().unwrap_or_else(Settings::from_env);
        let about = command::About {
            name: self.name,
            version: self.version,
            about: self.about,
        };
        command::run(&about, settings, Box::new(self))
    }

    /// Binds and serves on threads of its own, and leaves the process alone: no signals, no logger, no panic hook.
    /// Several services may run in one process.
    ///
    /// # Errors
    /// Where an address cannot be bound; the error names it.
    pub fn start(self, config: Config) -> io::Result<Running> {
        let control = Control::new(None);
        let (server, admin) =
            self.bind(&config.bounded(), &Limits::read(), &control, Arc::default())?;
        let addr = server.pool.local_addr();
        let dispatcher = Arc::clone(server.pool.dispatcher());
        let admin_addr = admin.as_ref().map(Admin::local_addr);
        let thread = thread::Builder::new().name("lifecycle".to_owned()).spawn({
            let control = Arc::clone(&control);
            move || {
                let report = lifecycle::live(server, &control);
                drop(admin);
                report
            }
        })?;
        Ok(Running {
            addr,
            admin_addr,
            control,
            dispatcher,
            thread,
        })
    }

    fn bind(
        self,
        config: &Config,
        limits: &Limits,
        control: &Control,
        flags: Arc<Flags>,
    ) -> io::Result<(BoundServer, Option<Admin>)> {
        let live = LiveConfig::of(config);
        let mut application = self.application;
        check_engine(config, &application)?;
        let mut start_tasks = self.start_tasks;
        for requirement in application.routes.take_requirements() {
            start_tasks.push(Task::new("routes", move |_: &Stop| requirement()));
        }
        let names = start_tasks.iter().map(Task::name).collect();
        self.health.startup.expect(names);
        let facts = Arc::new(ServiceFacts {
            state: Arc::clone(control.state()),
            live: Arc::clone(&live),
            trusted_proxies: config.trusted_proxies.clone(),
            shed_by_limits: Arc::default(),
        });
        application.routes.finish(|route| route.finish(&facts));
        let refusals = Arc::new(Refusals::rendered_by(application.render.as_ref()));
        let own_route = application.routes.has_template(metrics::PATH);
        let own = self
            .admin
            .map(|routes| own_pages(*routes, &application, &facts));
        let shed_by_limits = Arc::clone(&facts.shed_by_limits);
        let http_counts = HttpCounts::new(application.routes.endpoint_count(), shed_by_limits);
        let mut metrics = self.metrics;
        let background = BackgroundMetrics::of(&self.background);
        metrics.own_sources.push(Box::new(background));
        let dispatcher = Arc::new(Dispatcher {
            name: self.name,
            version: self.version,
            application: Box::new(application),
            health: self.health,
            refusals,
            live: Arc::clone(&live),
            trusted_proxies: config.trusted_proxies.clone(),
            state: Arc::clone(control.state()),
            metrics,
            http_counts,
            tracer: self.tracer,
            refused: Arc::default(),
            has_metrics: config.admin_port.is_none() && !own_route,
            recent: config.admin_port.map(|_| Recent::default()),
        });
        let admin_engine = open_admin_engine(config, &live)?;
        let engine = open_engine(config, config.port, policy(&dispatcher))?;
        let pool = Pool::new(
            dispatcher,
            engine,
            config.workers,
            config.queue_capacity,
            limits.whole_cpus(),
        );
        let source: Weak<dyn metrics::Source> = Arc::<Pool>::downgrade(&pool);
        pool.dispatcher().metrics.add_source(source);
        pool.dispatcher().metrics.check_names();
        let mut tick = Tick::default();
        tick.watch("log", logging::tell_suppressed);
        follow_limits(
            &mut tick,
            Resizer::new(&pool, config, limits),
            Arc::clone(&flags),
        );
        let admin = match admin_engine {
            Some(engine) => {
                let history = keep_history(&mut tick, &pool);
                let subject = Subject {
                    pool: Arc::clone(&pool),
                    flags,
                    history,
                    token: config.admin_token.clone(),
                    own,
                    started: SystemTime::now(),
                };
                Some(Admin::start(subject, engine)?)
            }
            None => None,
        };
        let server = BoundServer {
            tick,
            pool,
            start_tasks,
            background: self.background,
            live,
        };
        Ok((server, admin))
    }
}

impl<S: Send + Sync + 'static> Execute for Service<S> {
    fn serve(
        mut self: Box<Self>,
        config: &Config,
        limits: &Limits,
        settings: Settings,
        control: &Arc<Control>,
        tracer: Tracer,
    ) -> io::Result<DrainReport> {
        self.tracer = tracer;
        // For the admin port's pages: without it nobody asks.
        let flags = config.admin_port.map(|_| Flags::of(&settings));
        let flags = Arc::new(flags.unwrap_or_default());
        let reactions = mem::take(&mut self.reactions);
        let (mut server, admin) = self.bind(config, limits, control, Arc::clone(&flags))?;
        log::info!(addr:% = server.pool.local_addr(), engine = config.http_engine.name(), pid = std::process::id(); "listening");
        if let Some(admin) = &admin {
            log::info!(addr:% = admin.local_addr(); "the admin port listens");
        }
        log_sizes("sized", &config.sizes(), limits);
        let live = Arc::clone(&server.live);
        let events = Arc::clone(&server.pool.dispatcher().metrics.events);
        if let Some(mut reload) = Reload::new(settings, live, flags, reactions, events)? {
            server.tick.watch("configuration", move || reload.look());
        }
        let report = lifecycle::live(server, control);
        // The probes on it are answered to the very end.
        drop(admin);
        Ok(report)
    }
}
