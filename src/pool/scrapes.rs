//! Scrapes of `/metrics` on the port of the routes: answered on a thread of their own, which the first one starts.
//!
//! They wait for no worker, for they matter most when all are busy. The leader cannot answer them as it does probes: what
//! the kernel and the program's own collectors have to say may take longer than a probe may wait.

use super::dispatcher::Dispatcher;
use crate::{engine::Exchange, spawn};
use crossbeam_channel::{Sender, bounded};
use std::{
    io,
    sync::{Arc, OnceLock},
};

/// So many wait at most: more than Prometheus' servers that scrape one pod.
const MOST_WAITING: usize = 16;

/// A request, and whether its connection ends with the answer.
type Scrape = (Box<dyn Exchange>, bool);

#[derive(Default)]
pub(super) struct Scrapes(OnceLock<Option<Sender<Scrape>>>);

impl Scrapes {
    /// Has a scrape answered. What cannot be, because too many wait or there is no thread to be had, is given back.
    pub(super) fn answer(
        &self,
        exchange: Box<dyn Exchange>,
        close: bool,
        dispatcher: &Arc<Dispatcher>,
    ) -> Result<(), Box<dyn Exchange>> {
        let sender = self.0.get_or_init(|| {
            start(Arc::clone(dispatcher))
                .inspect_err(
                    |error| log::error!(reason:% = error; "there is no thread for scrapes"),
                )
                .ok()
        });
        match sender {
            Some(sender) => sender
                .try_send((exchange, close))
                .map_err(|refused| refused.into_inner().0),
            None => Err(exchange),
        }
    }
}

/// Ends with the pool, whose end of the channel is the only one.
fn start(dispatcher: Arc<Dispatcher>) -> io::Result<Sender<Scrape>> {
    let (sender, scrapes) = bounded::<Scrape>(MOST_WAITING);
    let answer_all = move || {
        for (mut exchange, close) in scrapes {
            let answer = dispatcher.metrics.answer(exchange.request());
            dispatcher.answer_apart(exchange, answer, close);
        }
    };
    spawn::named("metrics", answer_all)?;
    Ok(sender)
}
