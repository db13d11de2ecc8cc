//! Scrapes of `/metrics`, on the port of the routes and on the admin port: answered on a thread of their own, one at a time,
//! which the first one starts.
//!
//! They wait for no worker, for they matter most when all are busy. Whoever drives sockets cannot answer them as it does
//! probes: what the kernel and the program's own collectors have to say may take longer than a probe may wait.

use super::dispatcher::Dispatcher;
use crate::{engine::Exchange, message::response::Response, spawn};
use crossbeam_channel::{Sender, bounded};
use std::{
    io,
    sync::{Arc, OnceLock},
};

/// So many wait at most: more than there are Prometheus servers that scrape one pod, and with the one that is answered
/// fewer than the connections that engines let in beyond `MAX_CONNECTIONS`. Where a collector never returns, there would be
/// no place left for probes.
const MOST_WAITING: usize = 4;

/// How a scrape's answer is sent, as its port does it.
pub(crate) type Reply = fn(&Dispatcher, Box<dyn Exchange>, Response);

type Scrape = (Box<dyn Exchange>, Reply);

#[derive(Default)]
pub(super) struct Scrapes(OnceLock<Option<Sender<Scrape>>>);

impl Scrapes {
    /// Has a scrape answered. What cannot be, because too many wait or there is no thread to be had, is given back.
    pub(super) fn answer(
        &self,
        exchange: Box<dyn Exchange>,
        reply: Reply,
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
                .try_send((exchange, reply))
                .map_err(|refused| refused.into_inner().0),
            None => Err(exchange),
        }
    }
}

/// Ends with the pool, whose end of the channel is the only one.
fn start(dispatcher: Arc<Dispatcher>) -> io::Result<Sender<Scrape>> {
    let (sender, scrapes) = bounded::<Scrape>(MOST_WAITING);
    let answer_all = move || {
        for (mut exchange, reply) in scrapes {
            let answer = dispatcher.metrics.answer(exchange.request());
            reply(&dispatcher, exchange, answer);
        }
    };
    spawn::named("metrics", answer_all)?;
    Ok(sender)
}
