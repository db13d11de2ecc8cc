//! Bodies that flow: where a request's body goes as it comes, and what answers once it is whole.

pub(crate) mod file;
pub(crate) mod form;
pub(crate) mod form_file;
pub(crate) mod into_upload;
mod leftovers;
pub(crate) mod multipart;
mod named;
pub(crate) mod sink;
mod spool;
mod storing;
mod unique;
