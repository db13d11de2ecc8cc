//! Ready-made layers. Each is a value with a builder: `.layer(layers::cors().allow_origin(layers::Any))`.
//!
//! The layer that is added last is outermost: it sees the request first and the answer last. Where several are used,
//! this order serves, from the innermost on:
//!
//! ```
//! use seaworthy::{Request, Routes, Service, layers};
//!
//! let service = Service::new("shop")
//!     .get("/", |_: &Request| "hello")
//!     .layer(layers::deadline("2s"))
//!     .layer(layers::etag())
//!     // .layer(layers::compression()), with the feature of that name
//!     .layer(layers::bearer("hunter2"))
//!     .layer(layers::concurrency(8))
//!     .layer(layers::cors().allow_origin("https://shop.example")) // its answers to preflights need no token
//!     .layer(layers::security_headers())
//!     .layer(layers::request_id()); // in every log record and every answer of those inside
//! ```
//!
//! Probes, and what seaworthy refuses before there is a route, are answered outside of all layers.

pub(crate) mod bearer;
#[cfg(feature = "compression")]
mod compression;
mod concurrency;
mod cors;
mod deadline;
mod etag;
mod headers;
mod request_id;
mod security_headers;

pub use super::layer::ReadyMade;
pub use bearer::{Bearer, bearer};
#[cfg(feature = "compression")]
pub use compression::{Compression, compression};
pub use concurrency::{Concurrency, concurrency};
pub use cors::{
    AllowHeaders, AllowMethods, AllowOrigin, Any, Cors, ExposeHeaders, NotAnOrigin, cors,
};
pub use deadline::{Deadline, deadline};
pub use etag::{ETag, etag};
pub use request_id::{RequestIds, request_id};
pub use security_headers::{SecurityHeaders, security_headers};
