//! Bodies that flow: where a request's body goes as it comes, and what answers once it is whole.

pub(crate) mod file;
pub(crate) mod into_upload;
mod leftovers;
mod named;
pub(crate) mod sink;
mod spool;
mod unique;
