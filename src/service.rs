//! `Service`: what a program says about itself, and the two ways to run it.

mod running;

pub use running::Running;

use crate::{
    admin::Admin,
    command,
    config::{
        limits::{Limits, show_cpus},
        settings::{Settings, show_size},
        table::{Config, HttpEngine},
    },
    engine::{self, Engine, listen},
    health::{self, Health, check::Check},
    lifecycle::{
        self, BoundServer,
        background::{Background, Task, TaskResult},
        control::Control,
        drain_report::DrainReport,
    },
    message::{into_response::IntoResponse, request::Request, response::Response},
    phase::{Phase, Stop},
    pool::{
        Pool,
        dispatcher::{Dispatcher, route_and_run},
    },
    routing::{
        layers::{self, Next},
        router::Router,
    },
};
use http::Method;
use std::{io, process::ExitCode, sync::Arc, thread};

/// An HTTP service: its routes, layers, checks, tasks and background services.
///
/// Built once at the start of `main`, then [`run`](Service::run), which takes the process over, or, for tests and
/// embedding, [`start`](Service::start)ed, which leaves signals, logging and the process alone.
pub struct Service {
    name: &'static str,
    version: &'static str,
    about: &'static str,
    settings: Option<Settings>,
    router: Router,
    health: Health,
    start_tasks: Vec<Task>,
    background: Vec<Background>,
}

impl Service {
    /// A service with no routes, which answers probes. `name` is what `--help`, `--version` and `/version` call it.
    #[must_use]
    pub fn new(name: &'static str) -> Service {
        Service {
            name,
            version: "unversioned",
            about: "an HTTP service",
            settings: None,
            router: Router::default(),
            health: Health::default(),
            start_tasks: Vec::new(),
            background: Vec::new(),
        }
    }

    /// The version that `--version` and `/version` tell, usually `env!("CARGO_PKG_VERSION")`.
    #[must_use]
    pub fn version(self, version: &'static str) -> Service {
        Service { version, ..self }
    }

    /// One line for `--help`.
    #[must_use]
    pub fn about(self, about: &'static str) -> Service {
        Service { about, ..self }
    }

    /// Settings of the program's own, read before: their errors are reported together with seaworthy's, and `config`
    /// prints them too. Without this, [`run`](Service::run) reads seaworthy's settings from the environment.
    #[must_use]
    pub fn settings(self, settings: Settings) -> Service {
        Service {
            settings: Some(settings),
            ..self
        }
    }

    /// Answers GET, and HEAD with the same headers, on `path`: `/users/{id}` has a parameter, `/files/{*path}` takes
    /// the rest. The handler runs on a worker thread and may block: other requests go on meanwhile, up to `WORKERS`.
    ///
    /// # Panics
    /// Where the path is malformed, reserved for a probe, or conflicts with another route.
    #[must_use]
    #[track_caller]
    pub fn get<F, R>(self, path: &str, handler: F) -> Service
    where
        F: Fn(&Request) -> R + Send + Sync + 'static,
        R: IntoResponse,
    {
        self.route(Method::GET, path, handler)
    }

    /// Answers POST on `path`; see [`get`](Service::get).
    ///
    /// # Panics
    /// As [`get`](Service::get).
    #[must_use]
    #[track_caller]
    pub fn post<F, R>(self, path: &str, handler: F) -> Service
    where
        F: Fn(&Request) -> R + Send + Sync + 'static,
        R: IntoResponse,
    {
        self.route(Method::POST, path, handler)
    }

    /// Answers PUT on `path`; see [`get`](Service::get).
    ///
    /// # Panics
    /// As [`get`](Service::get).
    #[must_use]
    #[track_caller]
    pub fn put<F, R>(self, path: &str, handler: F) -> Service
    where
        F: Fn(&Request) -> R + Send + Sync + 'static,
        R: IntoResponse,
    {
        self.route(Method::PUT, path, handler)
    }

    /// Answers DELETE on `path`; see [`get`](Service::get).
    ///
    /// # Panics
    /// As [`get`](Service::get).
    #[must_use]
    #[track_caller]
    pub fn delete<F, R>(self, path: &str, handler: F) -> Service
    where
        F: Fn(&Request) -> R + Send + Sync + 'static,
        R: IntoResponse,
    {
        self.route(Method::DELETE, path, handler)
    }

    /// Answers requests of one `method` on `path`, for the methods that have no function of their own; see [`get`](Service::get).
    ///
    /// # Panics
    /// As [`get`](Service::get).
    #[must_use]
    #[track_caller]
    pub fn route<F, R>(mut self, method: Method, path: &str, handler: F) -> Service
    where
        F: Fn(&Request) -> R + Send + Sync + 'static,
        R: IntoResponse,
    {
        let reads = matches!(method, Method::GET | Method::HEAD);
        assert!(
            !(reads && health::is_reserved(path)),
            "{path} is answered by seaworthy itself"
        );
        let handler = Box::new(move |request: &Request| handler(request).into_response());
        self.router.add(method, path, handler);
        self
    }

    /// Wraps every route, and the answers 404 and 405, in a layer; the last one added runs first, as in axum. Probes
    /// are answered outside of all layers.
    #[must_use]
    pub fn layer<F, R>(mut self, layer: F) -> Service
    where
        F: Fn(&Request, Next<'_>) -> R + Send + Sync + 'static,
        R: IntoResponse,
    {
        self.router.layers.push(layers::boxed(layer));
        self
    }

    /// Adds a check to the probes.
    ///
    /// # Panics
    /// Where the name is taken or does not fit into a path.
    #[must_use]
    #[track_caller]
    pub fn check(mut self, check: Check) -> Service {
        self.health.add(check);
        self
    }

    /// Runs `task` before the service counts as started: in order, on one thread, while liveness probes are answered
    /// and routes answer 503. One that returns an error or panics ends the process with exit code 1. It may ask its
    /// [`Stop`] whether a signal has come.
    #[must_use]
    pub fn on_start<R: TaskResult>(
        mut self,
        name: &'static str,
        task: impl FnOnce(&Stop) -> R + Send + 'static,
    ) -> Service {
        self.start_tasks.push(Task::new(name, task));
        self
    }

    /// Runs `service` on a thread of its own from the moment the start-up tasks are done until after the drain, when
    /// its [`Stop`] tells it to end. Background services are stopped one by one, the last added first. One that
    /// returns an error or panics stops the whole service: drain, then exit code 1.
    #[must_use]
    pub fn background<R: TaskResult>(
        mut self,
        name: &'static str,
        service: impl FnOnce(&Stop) -> R + Send + 'static,
    ) -> Service {
        self.background
            .push(Background::Service(Task::new(name, service)));
        self
    }

    /// Runs `hook` after the drain, in turn with the background services: the last added first.
    #[must_use]
    pub fn on_stop<R: TaskResult>(
        mut self,
        name: &'static str,
        hook: impl FnOnce() -> R + Send + 'static,
    ) -> Service {
        self.background
            .push(Background::Hook(Task::new(name, move |_| hook())));
        self
    }

    /// Takes the process over: reads the command line (`serve`, `probe`, `config`, `--help`, `--version`), hooks
    /// signals, reads the configuration, installs the logger and the panic hook, serves, drains. For the last line of
    /// `main`, whose thread becomes the one that waits and drains.
    ///
    /// Exit codes: 0 after a clean drain, 1 where start-up failed, 64 for an unknown word, 75 where the deadline cut
    /// requests off, 78 for a bad configuration, 128 plus the signal's number after a second signal.
    #[must_use = "the exit code tells Kubernetes how the drain went: return it from main"]
    pub fn run(mut self) -> ExitCode {
        let settings = self.settings.take().unwrap_or_else(Settings::from_env);
        let about = command::About {
            name: self.name,
            version: self.version,
            about: self.about,
        };
        command::run(&about, settings, |config, limits, control| {
            self.serve(config, limits, control)
        })
    }

    fn serve(
        self,
        config: &Config,
        limits: &Limits,
        control: &Arc<Control>,
    ) -> io::Result<DrainReport> {
        let (server, admin) = self.bind(config, control)?;
        log::info!(addr:% = server.pool.local_addr(), engine = config.http_engine.name(), pid = std::process::id(); "listening");
        log_sizes(config, limits);
        let report = lifecycle::live(server, control);
        // The probes on it are answered to the very end.
        drop(admin);
        Ok(report)
    }

    /// Binds and serves on threads of its own, and leaves the process alone: no signals, no logger, no panic hook.
    /// Several services may run in one process.
    ///
    /// # Errors
    /// Where an address cannot be bound; the error names it.
    pub fn start(self, config: Config) -> io::Result<Running> {
        let control = Control::new(false);
        let (server, admin) = self.bind(&config, &control)?;
        let addr = server.pool.local_addr();
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
            thread,
        })
    }

    /// Answers one request on this thread, without a socket: layers, routing, and the panic boundary included. For
    /// tests of handlers; probes are answered as if the service had started.
    #[must_use]
    pub fn call(&self, mut request: Request) -> Response {
        if let Some(answer) = self.health.answer(&request, Phase::Running) {
            return answer;
        }
        route_and_run(&self.router, &mut request)
    }

    fn bind(self, config: &Config, control: &Control) -> io::Result<(BoundServer, Option<Admin>)> {
        let dispatcher = Arc::new(Dispatcher {
            name: self.name,
            version: self.version,
            router: self.router,
            health: self.health,
            access_log: config.access_log,
            state: Arc::clone(control.state()),
        });
        let admin = match config.admin_port {
            Some(port) => {
                let engine = open_admin_engine(config, port)?;
                Some(Admin::start(Arc::clone(&dispatcher), engine)?)
            }
            None => None,
        };
        let engine = open_engine(config, config.port)?;
        let pool = Pool::new(
            dispatcher,
            engine,
            config.workers,
            config.queue_capacity,
            config.queue_timeout,
        );
        let server = BoundServer {
            pool,
            start_tasks: self.start_tasks,
            background: self.background,
            drain_delay: config.drain_delay,
            shutdown_timeout: config.shutdown_timeout,
        };
        Ok((server, admin))
    }
}

fn open_engine(config: &Config, port: u16) -> io::Result<Box<dyn Engine>> {
    let listener = listen::bind(config.host, port)?;
    match config.http_engine {
        HttpEngine::Native => engine::native::start(listener, config),
        #[cfg(feature = "tiny_http")]
        HttpEngine::TinyHttp => engine::tiny_http::start(listener, config),
    }
}

/// The admin port is for a few probes, and takes little of what the limits leave.
fn open_admin_engine(config: &Config, port: u16) -> io::Result<Box<dyn Engine>> {
    const MAX_CONNECTIONS: usize = 64;
    let max_connections = config.max_connections.min(MAX_CONNECTIONS);
    let config = Config {
        max_connections,
        ..config.clone()
    };
    open_engine(&config, port)
        .map_err(|error| io::Error::new(error.kind(), format!("ADMIN_PORT: {error}")))
}

fn log_sizes(config: &Config, limits: &Limits) {
    let quota = limits
        .cpu_quota
        .map_or_else(|| "none".to_owned(), show_cpus);
    let memory = limits
        .memory_limit
        .map_or_else(|| "none".to_owned(), show_size);
    log::info!(
        cpus = limits.cpus,
        cpu_quota = quota.as_str(),
        memory_limit = memory.as_str(),
        workers = config.workers,
        queue_capacity = config.queue_capacity,
        max_connections = config.max_connections,
        buffer_memory = config.buffer_memory;
        "sized"
    );
}
