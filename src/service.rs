//! `Service`: what a program says about itself, and the two ways to run it.

use crate::{
    admin::Admin,
    app::{self, App},
    background::{Companion, Stop, Task, TaskResult},
    cgroup::{self, Limits},
    check::Check,
    command,
    config::{Config, HttpEngine},
    drain_report::DrainReport,
    engine::{self, Engine, listen},
    health::{self, Health},
    into_response::IntoResponse,
    lifecycle::{self, Control, Phase, Vessel},
    middleware::{self, Next},
    pool::Pool,
    request::Request,
    response::Response,
    router::Router,
    settings::{Settings, show_size},
};
use http::Method;
use std::{io, net::SocketAddr, process::ExitCode, sync::Arc, thread};

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
    companions: Vec<Companion>,
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
            companions: Vec::new(),
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

    /// Answers any method on `path`; see [`get`](Service::get).
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
        self.router.layers.push(middleware::boxed(layer));
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
        self.companions
            .push(Companion::Service(Task::new(name, service)));
        self
    }

    /// Runs `hook` after the drain, in turn with the background services: the last added first.
    #[must_use]
    pub fn on_stop<R: TaskResult>(
        mut self,
        name: &'static str,
        hook: impl FnOnce() -> R + Send + 'static,
    ) -> Service {
        self.companions
            .push(Companion::Hook(Task::new(name, move |_| hook())));
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
        let vessel = self.launch(config, Arc::clone(control))?;
        log::info!(addr:% = vessel.pool.local_addr(), engine = config.http_engine.name(), pid = std::process::id(); "listening");
        log_sizes(config, limits);
        Ok(lifecycle::live(vessel, control))
    }

    /// Binds and serves on threads of its own, and leaves the process alone: no signals, no logger, no panic hook.
    /// Several services may run in one process.
    ///
    /// # Errors
    /// Where an address cannot be bound; the error names it.
    pub fn start(self, config: Config) -> io::Result<Running> {
        let control = Control::new(false);
        let vessel = self.launch(&config, Arc::clone(&control))?;
        let addr = vessel.pool.local_addr();
        let admin_addr = vessel.admin.as_ref().map(Admin::local_addr);
        let thread = thread::Builder::new().name("lifecycle".to_owned()).spawn({
            let control = Arc::clone(&control);
            move || lifecycle::live(vessel, &control)
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
        app::route_and_run(&self.router, &mut request)
    }

    fn launch(self, config: &Config, control: Arc<Control>) -> io::Result<Vessel> {
        let app = Arc::new(App {
            name: self.name,
            version: self.version,
            router: self.router,
            health: self.health,
            access_log: config.access_log,
            control,
        });
        let admin = match config.admin_port {
            Some(port) => {
                let engine = open_admin_engine(config, port)?;
                Some(Admin::start(Arc::clone(&app), engine)?)
            }
            None => None,
        };
        let engine = open_engine(config, config.port)?;
        let pool = Pool::new(
            Arc::clone(&app),
            engine,
            config.workers,
            config.queue_capacity,
            config.queue_timeout,
        );
        Ok(Vessel {
            app,
            pool,
            admin,
            start_tasks: self.start_tasks,
            companions: self.companions,
            drain_delay: config.drain_delay,
            shutdown_timeout: config.shutdown_timeout,
        })
    }
}

fn open_engine(config: &Config, port: u16) -> io::Result<Box<dyn Engine>> {
    let listener = listen::bind(config.host, port)?;
    match config.http_engine {
        HttpEngine::Native => engine::native::start(listener, config),
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
        .map_or_else(|| "none".to_owned(), cgroup::show_cpus);
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

/// A service that [`Service::start`] set going. Dropped, it goes on until the process ends.
pub struct Running {
    addr: SocketAddr,
    admin_addr: Option<SocketAddr>,
    control: Arc<Control>,
    thread: thread::JoinHandle<DrainReport>,
}

impl Running {
    /// The address that was bound, with the port that the system picked where `PORT=0`.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The admin port's address, where `ADMIN_PORT` is set.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// Where the service is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.control.phase()
    }

    /// Does what SIGTERM does to a process: unready at once, drain delay, drain. Returns at once.
    pub fn stop(&self) {
        self.control.stop("stop was called");
    }

    /// Waits until the service has ended, and says how. Handlers that the deadline cut off may still be running.
    #[must_use]
    pub fn wait(self) -> DrainReport {
        self.thread
            .join()
            .expect("the lifecycle thread runs no code but seaworthy's")
    }
}
