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
//! The [`guide`] begins with [an empty directory](guide::first_service). Handlers are tested without a socket, and a service within the test's own process:
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
//! | its bytes become a validated request, whole but for a body that goes to an [`Upload`] | `engine/native/connection.rs`, `engine/http1/` | the leader |
//! | it is leased to the pool | `engine/native/lease.rs` | the leader |
//! | a probe is answered; the rest finds its route and is queued, or shed with 503 | `pool/dispatcher.rs`, `pool/mod.rs` | the leader |
//! | a worker slot is free: layers and handler run | `pool/mod.rs`, `routing/` | a worker, often the leader itself |
//! | where the handler has returned an [`Upload`], each piece of the body is read when it comes, and written | `engine/native/connection/flowing.rs`; `pool/uploads.rs`, `pool/pieces.rs` | the leader; a worker |
//! | the response is framed and written as far as the client takes it | `engine/outgoing.rs`, `engine/native/connection/sending.rs` | that worker |
//! | what is pushed later is written when it is there | `message/pushed/`, `engine/native/reactor/news.rs` | the leader |
//! | what is left is written when the client has room | `engine/native/reactor.rs` | the leader |
//!
//! Up to `WORKERS` + `REACTORS` worker threads, begun as handlers need them, share these roles (`pool/mod.rs` says how); at
//! most `WORKERS` run handlers at once.
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
//! | `guide/` | documentation alone: a page a file, which no build holds |
//! | `command/` | the command line, `probe`, `config`, exit codes |
//! | `admin/` | the admin port and its pages: a file a page, one for each form; what a service adds |
//! | `lifecycle/` | one straight function from bound to gone; start-up tasks, background services, their policies and schedules, signals, the tick and what hangs on it, drain report |
//! | `pool/` | who pulls, who runs, who waits; the threads; requests in flight; what is answered at once, and what later; bodies that are written |
//! | `health/` | checks, their cached results, ready-made ones, the probe endpoints |
//! | `engine/` | the trait; `http1/` (pure functions over bytes), `native/`, `tiny_http/` |
//! | `routing/` | the router, groups, layers and the ready-made ones, files of a directory |
//! | `observe/` | logging, access log, metrics, traces, panics |
//! | `message/` | requests, responses, what handlers may return; `upload/`: where bodies go as they come; `pushed/`: channels, events, broadcasts |
//! | `config/` | settings and their sources, seaworthy's own table, what of both is live, cgroup limits |
//! | `phase.rs` | the phase and the stopping state, which everything reads |
//! | `resolve.rs` | names to addresses, each family asked by itself |
//! | `spawn.rs` | how threads begin |
//! | `http_client/` | one request over a connection of its own, bounded in time and bytes |
//!
//! # What holds, whatever handlers and clients do
//!
//! - A request that was accepted gets exactly one whole response or a visible close: at the deadline, or where what makes
//!   the response fails, or its client takes none of it.
//! - A request that is in its socket has come in time, even where the process was stopped and its deadlines are over.
//! - A probe is answered while every worker is blocked and the queue is full.
//! - A panic in a handler is a 500 and a log record, and the worker lives. A stack overflow ends the process.
//! - Nothing that a client sends grows memory past `BUFFER_MEMORY` and the limits on connections, heads and bodies.
//! - Logging never blocks a request.
//! - There is no global state but the logger, the panic hook and the queue of spans to export, and only [`Service::run`]
//!   installs those.
//!
//! How to use all this is in the [`guide`]; what each setting means is [there](guide::configuration#every-setting), and
//! `NAME config` prints them all with their sources.

// docs.rs marks what needs a feature; that all of it is for Unix need not stand at each item.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(docsrs, doc(auto_cfg(hide(unix, doc, doctest))))]

// All else is left out there, so that this is the one error.
#[cfg(not(unix))]
compile_error!(
    "seaworthy is for Unix: it waits for sockets and signals as Linux, macOS and the BSDs have them. On Windows build in WSL, or in a container"
);

#[cfg(unix)]
mod admin;
#[cfg(unix)]
mod command;
#[cfg(unix)]
mod config;
#[cfg(unix)]
mod engine;
#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(unix)]
mod health;
#[cfg(unix)]
mod http_client;
#[cfg(all(unix, any(feature = "__internals", fuzzing)))]
#[doc(hidden)]
pub mod internals;
#[cfg(unix)]
mod lifecycle;
#[cfg(unix)]
mod message;
#[cfg(unix)]
mod observe;
#[cfg(unix)]
mod phase;
#[cfg(unix)]
mod pool;
#[cfg(unix)]
mod resolve;
#[cfg(unix)]
mod routing;
#[cfg(unix)]
mod service;
#[cfg(unix)]
mod spawn;

#[cfg(unix)]
pub use config::{
    ip_range::IpRange,
    limits::Limits,
    live::{Live, LiveValue},
    settings::{IntoDuration, Secret, Settings, SettingsError},
    table::{AccessLog, Config, HttpEngine, LogFormat},
};
#[cfg(unix)]
pub use health::{
    check::{Check, Examine},
    checks::{heartbeat::Heartbeat, switch::Switch},
    state::{CheckKind, CheckState, HealthStatus},
};
#[cfg(unix)]
pub use lifecycle::{
    drain_report::{DrainReport, Ending},
    job::{Job, RecurringJob},
    policy::{Policy, Restart},
    reaction::Reaction,
    schedule::Schedule,
    task::TaskResult,
};
#[cfg(all(unix, feature = "serde"))]
pub use message::into_response::Json;
#[cfg(unix)]
pub use message::{
    body::{Body, Deferred, Pushed},
    error::Error,
    into_response::{Html, IntoResponse, NoContent},
    log_context::{LogContext, log_context},
    pending::Pending,
    problem::Problem,
    pushed::{
        broadcast::{Broadcast, Lagging},
        channel::SendError,
        event::Event,
        sender::{Encode, Sender},
    },
    redirect::Redirect,
    request::Request,
    request_id::RequestId,
    response::Response,
    upload::{
        file::{FileSink, Stored},
        form::{Form, FormSink},
        form_file::FormFile,
        into_upload::IntoUpload,
        sink::{BodySink, Upload},
    },
};
#[cfg(unix)]
pub use observe::trace;
#[cfg(unix)]
pub use phase::{Phase, Stop};
#[cfg(unix)]
pub use pool::deferred::Responder;
#[cfg(unix)]
pub use resolve::resolve;
#[cfg(unix)]
pub use routing::{
    files::ServeDir,
    handler::Handler,
    layer::{Layer, Next},
    layers,
    routes::Routes,
};
#[cfg(unix)]
pub use service::{
    Running, Service,
    program::{Program, Runnable},
};

#[cfg(all(unix, feature = "cookies"))]
pub use cookie;
#[cfg(unix)]
pub use http;
#[cfg(unix)]
pub use prometheus_client;

/// The README's code is compiled with the other documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
