//! Answers that are not there yet.

use http::{Extensions, StatusCode};
use std::{any::Any, time::Duration};

/// An answer that is to come, in the place of a response's body: layers see it, and it is no body to change. An
/// [`Upload`](crate::Upload) has one.
pub struct Pending {
    /// What it is made of.
    pub(crate) from: Box<dyn Any + Send>,
    pub(crate) kept: Kept,
}

/// What is kept of the handler's run until the answer.
#[derive(Default)]
pub(crate) struct Kept {
    /// What layers have left for others.
    pub(crate) extensions: Extensions,
    /// What layers hold until the answer.
    pub(crate) held: Vec<Box<dyn Send>>,
    /// Ended with the answer.
    pub(crate) span: Option<Box<dyn EndsWithAnswer>>,
}

/// What began with a request and ends when that is answered.
pub(crate) trait EndsWithAnswer: Send {
    fn end(self: Box<Self>, status: StatusCode, took: Duration);
}

impl Pending {
    pub(crate) fn new(from: impl Any + Send) -> Box<Pending> {
        Box::new(Pending {
            from: Box::new(from),
            kept: Kept::default(),
        })
    }
}
