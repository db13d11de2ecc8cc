//! Answers that are not there yet when their handlers return.

use std::{any::Any, io::Read};

/// Stands in a response's body for the answer that is given later.
pub(crate) trait Deferral: Send {
    /// Keeps something until the answer is on its way.
    fn keep(&mut self, what: Box<dyn Any + Send>);

    /// Takes over the request, for its answer: `request` is an `Option` of what the pool has for that.
    fn take_over(self: Box<Self>, request: &mut dyn Any);

    /// Waits for the answer, or what is answered at its deadline, and puts it into `answer`, an `Option` of a response.
    fn wait(self: Box<Self>, answer: &mut dyn Any);

    /// Waits for the answer, and reads its body.
    fn into_reader(self: Box<Self>) -> Box<dyn Read + Send>;
}
