//! Which handler a request belongs to, and the layers around it.

pub(crate) mod application;
pub(crate) mod files;
pub(crate) mod handler;
pub(crate) mod layer;
pub mod layers;
mod literals;
pub(crate) mod pattern;
mod resource;
pub(crate) mod routes;
