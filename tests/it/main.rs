//! The service as its users meet it: the built binary on loopback, driven by clients that check every byte, and the
//! library through its public API.
//!
//! A test is a plain function of an [`Engine`](support::Engine), named in its module's `both_engines!` list; it then
//! exists twice, as `native::name` and `tiny_http::name`. What tiny_http cannot pass stands in [`exceptions`].
//!
//! `cargo test` runs them side by side. What takes long because it loads the machine, or measures it, is left to
//! `cargo test --test it -- --ignored`: the harness says how many those are.

#![cfg(unix)]

#[macro_use]
mod support;

mod endings;
mod exceptions;

mod access_log;
mod background;
mod benchmarks;
mod bodies;
mod calling;
mod chaos;
mod cluster;
mod command_line;
mod computing;
mod configuration;
mod deadline;
mod deferred;
mod destructors;
mod drain_report;
mod events;
mod fairness;
mod files;
mod forwarded;
mod health;
mod hosted;
mod http;
mod layers;
mod library;
mod life;
mod lifetimes;
mod live_configuration;
mod logging;
mod manifests;
mod messages;
mod metrics;
mod otlp;
mod pages;
mod places;
mod pool;
mod probe_command;
mod probes;
mod promises;
mod pushed;
mod queue;
mod reactors;
mod readme;
mod real_clients;
mod resize;
mod reviewed;
mod rolling_update;
mod rooms;
mod service;
mod sharing;
mod shortages;
mod signals;
mod slow_clients;
mod stalls;
mod streams;
mod timeouts;
mod traces;
mod uploads;
mod wakeups;
