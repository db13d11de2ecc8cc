//! Synchronous HTTP services fit for Kubernetes.

mod access_log;
mod admin;
mod background;
mod cgroup;
mod command;
mod config;
mod drain_report;
mod engine;
mod health;
mod idle;
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
pub use config::{AccessLog, Config, HttpEngine, LogFormat};
pub use drain_report::{DrainReport, Ending};
pub use health::{Check, IntoDuration, Switch};
pub use lifecycle::Phase;
pub use middleware::Next;
pub use request::{Rejection, Request};
#[cfg(feature = "serde")]
pub use response::Json;
pub use response::{Error, IntoResponse, Response};
pub use service::{Running, Service};
pub use settings::{Secret, Settings, SettingsError};

pub use http;
