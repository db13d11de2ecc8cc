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
//! # Threads
//!
//! ```text
//!             engine                                     pool                          handler
//! socket -> whole, validated requests -> [probe? answer here] -> worker slot, or queue, or 503 -> Response -> socket
//!             ^                                                       ^
//! main thread: bind -> start-up tasks -> started -> wait for signal -> drain delay -> stop accepting -> join by deadline
//! signal thread: sets the atomic stopping state, wakes main
//! ```
//!
//! - `WORKERS` + 1 worker threads, of which at most `WORKERS` run handlers. Each of them may be the one that pulls
//!   requests from the engine; it runs short handlers itself, and another takes over where a handler is long.
//! - Checks, background services and the admin port have a thread each; one thread writes the log.
//!
//! # What holds, whatever handlers and clients do
//!
//! - A request that was accepted gets exactly one whole response or, after the deadline, a visible close.
//! - A probe is answered while every worker is blocked and the queue is full.
//! - A panic in a handler is a 500 and a log record, and the worker lives. A stack overflow ends the process.
//! - Nothing that a client sends grows memory past `BUFFER_MEMORY` and the limits on connections, heads and bodies.
//! - Logging never blocks a request.
//! - There is no global state but the logger and the panic hook, and only [`Service::run`] installs those.
//!
//! What each setting means is in the README; `NAME config` prints them all with their sources.

mod admin;
mod command;
mod config;
mod engine;
mod health;
#[cfg(any(feature = "__internals", fuzzing))]
#[doc(hidden)]
pub mod internals;
mod lifecycle;
mod message;
mod observe;
mod phase;
mod pool;
mod routing;
mod service;

pub use config::{
    limits::Limits,
    settings::{Secret, Settings, SettingsError},
    table::{AccessLog, Config, HttpEngine, LogFormat},
};
pub use health::check::{Check, IntoDuration, Switch};
pub use lifecycle::{
    background::TaskResult,
    drain_report::{DrainReport, Ending},
};
#[cfg(feature = "serde")]
pub use message::into_response::Json;
pub use message::{
    into_response::{Error, IntoResponse},
    request::{Rejection, Request},
    response::Response,
};
pub use phase::{Phase, Stop};
pub use routing::layers::Next;
pub use service::{Running, Service};

pub use http;
