//! Synchronous HTTP services fit for Kubernetes.

mod access_log;
mod admin;
mod app;
mod background;
mod cgroup;
mod check;
mod command;
mod config;
mod crew;
mod drain_report;
mod engine;
mod health;
mod idle;
mod into_response;
mod ledger;
mod lifecycle;
mod logging;
mod middleware;
mod panics;
mod percent;
mod pool;
mod probe;
mod request;
mod response;
mod router;
mod service;
mod settings;
mod signals;

pub use background::{Stop, TaskResult};
pub use cgroup::Limits;
pub use check::{Check, IntoDuration, Switch};
pub use config::{AccessLog, Config, HttpEngine, LogFormat};
pub use drain_report::{DrainReport, Ending};
#[cfg(feature = "serde")]
pub use into_response::Json;
pub use into_response::{Error, IntoResponse};
pub use lifecycle::Phase;
pub use middleware::Next;
pub use request::{Rejection, Request};
pub use response::Response;
pub use service::{Running, Service};
pub use settings::{Secret, Settings, SettingsError};

pub use http;
