//! Threads with a name, each started here: what starts one is compiled once, and not for every closure at 1.7 KB each.

use std::{
    io,
    thread::{Builder, JoinHandle},
};

/// Runs `run` on a new thread of that name.
///
/// # Errors
/// Where the system has no thread to give. `run` is dropped then.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    start(name, Box::new(run))
}

fn start(name: &str, run: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(run)
}
