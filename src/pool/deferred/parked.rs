//! A request whose handler has returned, and whose answer is given later.

use crate::{
    engine::{Exchange, OnGone},
    message::{
        body::Body, error::Error, into_response::IntoResponse, log_context::LogContext,
        pending::EndsWithAnswer, response::Response,
    },
    observe::{metrics::counts::method_code, trace::server::ServerSpan},
    pool::{dispatcher::Dispatcher, in_flight::count, writers::Writers},
};
use std::{
    any::Any,
    mem,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// The registry of a pool, from its first deferred answer on.
pub(crate) type LazyRegistry = Arc<OnceLock<Arc<dyn Registry>>>;

/// What a pool wants to know of the answers that are awaited.
pub(crate) trait Registry: Send + Sync {
    fn tally(&self) -> &Tally;

    /// Drops all that are awaited; their connections are closed. Counts them by route.
    fn cut(&self, abandoned: &mut Vec<(String, usize)>);

    /// A key of its own for an answer that is awaited until then.
    fn key(&self, deadline: Instant) -> Key;

    /// What is not answered by its deadline is told so then.
    fn enter(&self, key: Key, expire: Weak<dyn Expire>);

    /// It is answered, or not awaited any more.
    fn leave(&self, key: Key);
}

/// Deadlines, and which of equal ones it is.
pub(crate) type Key = (Instant, u64);

/// Where an answer is awaited.
pub(crate) trait Expire: Send + Sync {
    /// Its deadline has come.
    fn expire(&self);

    /// Lets go of whoever awaits it, and counts that one by its route.
    fn cut(&self, abandoned: &mut Vec<(String, usize)>);
}

/// The answers in numbers.
#[derive(Default)]
pub(crate) struct Tally {
    /// Those that are awaited, by their requests' methods.
    active: [AtomicU64; 10],
    /// Those that were sent whole as soon as they were given.
    answered: AtomicU64,
}

impl Tally {
    pub(crate) fn active(&self) -> [u64; 10] {
        std::array::from_fn(|method| self.active[method].load(Relaxed))
    }

    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Relaxed)
    }
}

/// All that an answer needs.
pub(crate) struct Parked {
    pub(crate) exchange: Box<dyn Exchange>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) deferred_answers: LazyRegistry,
    /// Who writes the answer, where it is one that is written.
    pub(crate) writers: Arc<Writers>,
    /// What the layers have made of the response.
    pub(crate) placeholder: Response,
    pub(crate) context: LogContext,
    pub(crate) started: Instant,
    /// When that was, in nanoseconds since the pool's birth.
    pub(crate) since: u64,
}

/// What is kept until the answer is on its way: the request's span, places of layers.
pub(super) type Kept = Vec<Box<dyn Any + Send>>;

impl Parked {
    /// Counts as awaited from now on.
    pub(super) fn await_answer(
        mut self,
        kept: Kept,
        registry: &Arc<dyn Registry>,
        key: Key,
    ) -> Awaited {
        let method = usize::from(method_code(self.exchange.request().method()));
        registry.tally().active[method].fetch_add(1, Relaxed);
        Awaited {
            parked: Some(self),
            kept,
            method,
            key,
            registry: Arc::clone(registry),
        }
    }

    /// Sends the answer from this thread. True where all of it is sent.
    fn answer(self, answer: Response, kept: &mut Kept) -> bool {
        let Parked {
            mut exchange,
            dispatcher,
            writers,
            placeholder,
            started,
            since,
            ..
        } = self;
        let answer = match answer.body {
            Body::Deferred(_) => {
                let reason = "a deferred answer was answered by another one";
                Error::internal(reason).into_response()
            }
            _ => answer,
        };
        let request = exchange.request();
        let answer = dispatcher.application.render(answer, request);
        let mut answer = answer.in_place_of(placeholder);
        let took = started.elapsed();
        for kept in kept.drain(..) {
            match kept.downcast::<ServerSpan>() {
                Ok(span) => span.end(answer.status, took),
                // As an upload keeps it, whose sink defers its answer.
                Err(kept) => {
                    if let Ok(span) = kept.downcast::<Box<dyn EndsWithAnswer>>() {
                        (*span).end(answer.status, took);
                    }
                }
            }
        }
        if let Some(recent) = &dispatcher.recent {
            let took = took.as_nanos() as u64;
            recent.note(0, request, answer.status, took, since + took);
        }
        dispatcher
            .http_counts
            .record_apart(request, &mut answer, took);
        dispatcher.log_access(request, &answer, took);
        let is_stopping = dispatcher.state.is_stopping();
        writers.serve(|| exchange.respond(answer, is_stopping))
    }
}

/// A request whose answer is awaited.
pub(super) struct Awaited {
    /// None once it is answered.
    parked: Option<Parked>,
    kept: Kept,
    method: usize,
    key: Key,
    registry: Arc<dyn Registry>,
}

impl Awaited {
    pub(super) fn answer(mut self, answer: Response) {
        if let Some(parked) = self.parked.take() {
            let context = parked.context.clone();
            let registry = Arc::clone(&self.registry);
            // Counted before its client has it, who may be the last that a drain waits for.
            let answered = &registry.tally().answered;
            answered.fetch_add(1, Relaxed);
            if !context.run(|| parked.answer(answer, &mut self.kept)) {
                answered.fetch_sub(1, Relaxed);
            }
        }
    }

    /// At its deadline.
    pub(super) fn answer_too_late(self, patience: Duration) {
        if let Some(parked) = &self.parked {
            let waited = patience.as_millis() as u64;
            parked.context.run(|| {
                log::warn!(waited_ms = waited; "a deferred answer was not given by its deadline");
            });
        }
        self.answer(Error::unavailable("not answered in time").into_response());
    }

    /// Its client has gone: it is awaited no longer, and its connection's place is free. What handlers and layers have left
    /// is returned, to be dropped where they may run.
    pub(super) fn abandon(mut self) -> Box<dyn Send> {
        let kept = mem::take(&mut self.kept);
        let parked = self.parked.take();
        let left = parked.map(|parked| {
            (
                parked.exchange.abandon(),
                parked.placeholder,
                parked.context,
            )
        });
        Box::new((left, kept))
    }

    /// Has `on_gone` called when the client has gone. True where it has already.
    pub(super) fn watch(&mut self, on_gone: OnGone) -> bool {
        let parked = self.parked.as_mut();
        parked.is_some_and(|parked| parked.exchange.watch_client(on_gone))
    }

    /// Whether the listener is closed.
    pub(super) fn is_closing(&self) -> bool {
        let parked = self.parked.as_ref();
        parked.is_some_and(|parked| parked.dispatcher.state.closing().is_stopping())
    }

    pub(super) fn count_in(&mut self, abandoned: &mut Vec<(String, usize)>) {
        if let Some(parked) = &mut self.parked {
            count(abandoned, parked.exchange.request().route());
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.registry.leave(self.key);
        self.registry.tally().active[self.method].fetch_sub(1, Relaxed);
    }
}
