//! Synchronous HTTP services fit for Kubernetes.
//!
//! A [`Service`] is routes, layers, health checks, start-up tasks and background services. [`Service::run`] makes an
//! operable pod of it: it reads the configuration from the environment and mounted files, serves probes, sizes a
//! worker pool from the CPU quota, writes structured logs, and on SIGTERM drains without dropping a request. There is
//! no async runtime: a handler is a function that may block.
//!
//! ```no_run
//! use seaworthy::{Check, Request, Service, Stop};
//! use std::{net::TcpStream, process::ExitCode, time::Duration};
//!
//! fn main() -> ExitCode {
//!     Service::new("hello")
//!         .get("/", |_: &Request| "Hello from Kubernetes!")
//!         .get("/users/{id}", |request: &Request| format!("user {}", request.param("id")))
//!         .check(Check::readiness("database", || TcpStream::connect("database:5432").map(drop)))
//!         .background("refresher", |stop: &Stop| while !stop.wait(Duration::from_secs(60)) {})
//!         .run()
//! }
//! ```
//!
//! Handlers are tested without a socket, and a service within the test's own process:
//!
//! ```
//! use seaworthy::{Config, Request, Service};
//!
//! let service = Service::new("hello").get("/users/{id}", |r: &Request| format!("user {}", r.param("id")));
//! assert_eq!(service.call(Request::get("/users/7")).body(), Some(&b"user 7"[..]));
//!
//! let config = Config::from_pairs([("HOST", "127.0.0.1"), ("PORT", "0"), ("DRAIN_DELAY", "0")]).unwrap();
//! let running = service.start(config).unwrap();
//! println!("serving on {}", running.addr());
//! running.stop();
//! assert_eq!(running.wait().abandoned_total(), 0);
//! ```
//!
//! # The road of a request
//!
//! | step | file | thread |
//! |---|---|---|
//! | a connection is accepted | `engine/native/acceptor.rs` | the leader: the one worker that drives the sockets, of its reactor where there are several |
//! | its bytes become a whole, validated request | `engine/native/connection.rs`, `engine/http1/` | the leader |
//! | it is leased to the pool | `engine/native/lease.rs` | the leader |
//! | a probe is answered; the rest finds its route and is queued, or shed with 503 | `pool/dispatcher.rs`, `pool/mod.rs` | the leader |
//! | a worker slot is free: layers and handler run | `pool/mod.rs`, `routing/` | a worker, often the leader itself |
//! | the response is framed and written as far as the client takes it | `engine/native/outgoing.rs`, `connection/sending.rs` | that worker |
//! | what is left is written when the client has room | `engine/native/reactor.rs` | the leader |
//!
//! `WORKERS` + `REACTORS` worker threads share these roles (`pool/mod.rs` says how); at most `WORKERS` run handlers at once.
//!
//! # The life of a pod
//!
//! | step | file | thread |
//! |---|---|---|
//! | the command line is read, signals are hooked | `command/mod.rs`, `lifecycle/signals.rs` | main |
//! | settings and limits are read, the bad ones all reported | `config/` | main |
//! | logger and panic hook are installed | `observe/` | main; `log-writer` writes |
//! | addresses are bound | `service.rs`, `engine/listen.rs`, `admin/` | main; `admin` answers on its port |
//! | start-up tasks, then checks and background services run | `lifecycle/mod.rs`, `health/`, `lifecycle/background.rs` | `start-up`, `check-NAME`, one each |
//! | every two seconds: have the limits, or the mounted configuration, changed? | `lifecycle/tick.rs`, `pool/resize.rs`, `lifecycle/reload.rs`, `admin/history.rs` | `tick`; a service's own reactions on `on-change` |
//! | a signal sets the stopping state: unready at once | `lifecycle/signals.rs`, `phase.rs` | `signals` |
//! | drain delay, listener closed, workers joined by the deadline | `lifecycle/mod.rs` | main |
//! | what fails meanwhile is run again, or ends the service, as its policy says | `lifecycle/supervisor.rs` | the background service's own |
//! | background services stopped in reverse order, what spans are left exported, drain report, exit code | `lifecycle/background.rs`, `lifecycle/drain_report.rs` | main |
//!
//! # Rooms
//!
//! Imports run down this list and never up, and no two files import each other; `tests/it/rooms.rs` holds it.
//!
//! | room | what lives there |
//! |---|---|
//! | `main.rs`, `service.rs` | the reference service; the builder |
//! | `command/` | the command line, `probe`, `config`, exit codes |
//! | `admin/` | the admin port and its pages: a file a page, one for each form; what a service adds |
//! | `lifecycle/` | one straight function from bound to gone; start-up tasks, background services, their policies and schedules, signals, the tick and what hangs on it, drain report |
//! | `pool/` | who pulls, who runs, who waits; the threads; requests in flight; what is answered at once; bodies that are written |
//! | `health/` | checks, their cached results, ready-made ones, the probe endpoints |
//! | `engine/` | the trait; `http1/` (pure functions over bytes), `native/`, `tiny_http/` |
//! | `routing/` | the router, groups, layers and the ready-made ones, files of a directory |
//! | `observe/` | logging, access log, metrics, traces, panics |
//! | `message/` | requests, responses, what handlers may return |
//! | `config/` | settings and their sources, seaworthy's own table, what of both is live, cgroup limits |
//! | `phase.rs` | the phase and the stopping state, which everything reads |
//! | `spawn.rs` | how threads begin |
//! | `http_client/` | one request over a connection of its own, bounded in time and bytes |
//!
//! # What holds, whatever handlers and clients do
//!
//! - A request that was accepted gets exactly one whole response or, after the deadline, a visible close.
//! - A request that is in its socket has come in time, even where the process was stopped and its deadlines are over.
//! - A probe is answered while every worker is blocked and the queue is full.
//! - A panic in a handler is a 500 and a log record, and the worker lives. A stack overflow ends the process.
//! - Nothing that a client sends grows memory past `BUFFER_MEMORY` and the limits on connections, heads and bodies.
//! - Logging never blocks a request.
//! - There is no global state but the logger, the panic hook and the queue of spans to export, and only [`Service::run`]
//!   installs those.
//!
//! What each setting means is in the README; `NAME config` prints them all with their sources.

mod admin;
mod command;
mod config;
mod engine;
mod health;
mod http_client;
#[cfg(any(feature = "__internals", fuzzing))]
#[doc(hidden)]
pub mod internals;
mod lifecycle;
mod message;
mod observe;
mod phase;
mod pool;
mod resolve;
mod routing;
mod service;
mod spawn;

pub use config::{
    ip_range::IpRange,
    limits::Limits,
    live::{Live, LiveValue},
    settings::{IntoDuration, Secret, Settings, SettingsError},
    table::{AccessLog, Config, HttpEngine, LogFormat},
};
pub use health::{
    check::{Check, Examine},
    checks::{heartbeat::Heartbeat, switch::Switch},
    state::{CheckKind, CheckState, HealthStatus},
};
pub use lifecycle::{
    drain_report::{DrainReport, Ending},
    job::{Job, RecurringJob},
    policy::{Policy, Restart},
    reaction::Reaction,
    schedule::Schedule,
    task::TaskResult,
};
#[cfg(feature = "serde")]
pub use message::into_response::Json;
pub use message::{
    body::Body,
    error::Error,
    into_response::{Html, IntoResponse, NoContent},
    log_context::{LogContext, log_context},
    problem::Problem,
    redirect::Redirect,
    request::Request,
    request_id::RequestId,
    response::Response,
};
pub use observe::trace;
pub use phase::{Phase, Stop};
pub use resolve::resolve;
pub use routing::{
    files::ServeDir,
    handler::Handler,
    layer::{Layer, Next},
    layers,
    routes::Routes,
};
pub use service::{
    Running, Service,
    program::{Program, Runnable},
};

#[cfg(feature = "cookies")]
pub use cookie;
pub use http;
pub use prometheus_client;
