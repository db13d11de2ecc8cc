//! Named threads, begun in one place: the standard library's own code for it is compiled for each kind of closure, over a
//! kilobyte each, and these are all of one kind.

use std::{
    io,
    thread::{Builder, JoinHandle},
};

/// Starts a thread of this name, which runs `work`.
///
/// # Errors
/// Where the system gives none.
pub(crate) fn named(
    name: impl Into<String>,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    boxed(name.into(), Box::new(work))
}

fn boxed(name: String, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name).spawn(work)
}
