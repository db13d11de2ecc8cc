//! Requests and responses: what handlers and layers see, what they may return, and what a request knows of its route.

pub(crate) mod accept_encoding;
pub(crate) mod body;
#[cfg(feature = "cookies")]
mod cookies;
pub(crate) mod current_ids;
pub(crate) mod deferral;
pub(crate) mod entity_tag;
pub(crate) mod error;
pub(crate) mod extract;
mod forwarded;
pub(crate) mod head;
pub(crate) mod into_response;
pub(crate) mod log_context;
pub(crate) mod logged;
mod own_headers;
#[cfg(feature = "serde")]
mod pairs;
pub(crate) mod pending;
pub(crate) mod problem;
pub(crate) mod pushed;
pub(crate) mod redirect;
pub(crate) mod refusal;
pub(crate) mod render;
pub(crate) mod request;
pub(crate) mod request_id;
pub(crate) mod response;
pub(crate) mod route;
mod surroundings;
pub(crate) mod trace_context;
pub(crate) mod upload;
pub(crate) mod weight;
