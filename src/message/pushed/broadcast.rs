//! One message to many clients.

use super::{
    channel::SendError,
    event::Event,
    message::Shared,
    sender::{Encode, Sender},
};
use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What becomes of a subscriber that has no room for another message: as many wait for its client as its channel takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lagging {
    /// Its connection is cut. An `EventSource` reconnects then, and says by `Last-Event-ID` what it has missed.
    #[default]
    Cut,
    /// It misses what it has no room for, and is not told: for what makes up for what came before it, such as a price.
    Skip,
}

/// Sends the same messages to many clients. A message is encoded once, and is in memory once, however many wait for it;
/// none waits for another.
///
/// It is shared by reference, or in an [`Arc`](std::sync::Arc): by handlers, which subscribe, and by whoever has the
/// news. Dropped without [`finish`](Broadcast::finish), it cuts its subscribers off.
///
/// ```
/// use seaworthy::{Broadcast, Event, Request, Response, Service};
/// use std::io::Read;
///
/// struct App {
///     prices: Broadcast,
/// }
///
/// fn prices(_: &Request, app: &App) -> Response {
///     let (sender, response) = Response::events(16);
///     app.prices.subscribe(sender);
///     response
/// }
///
/// fn set_price(request: &Request, app: &App) -> String {
///     let told = app.prices.send(Event::new(request.param("price")).name("price"));
///     format!("{told} clients were told\n")
/// }
///
/// let service = Service::with_state("shop", App { prices: Broadcast::new() })
///     .get("/prices", prices)
///     .post("/prices/{price}", set_price);
/// let response = service.call(Request::get("/prices"));
/// assert_eq!(service.call(Request::post("/prices/7", "")).body(), Some(&b"1 clients were told\n"[..]));
/// let mut event = [0; 22];
/// response.into_body().into_reader().read_exact(&mut event)?;
/// assert_eq!(&event, b"event: price\ndata: 7\n\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Broadcast<M = Event> {
    lagging: Lagging,
    subscribers: Mutex<Subscribers<M>>,
}

struct Subscribers<M> {
    senders: Vec<Sender<M>>,
    /// When there are so many, those are looked for whose client has gone.
    most: usize,
}

/// So many subscribers are not worth looking through.
const FEW: usize = 64;

impl<M> Default for Broadcast<M> {
    fn default() -> Broadcast<M> {
        Broadcast {
            lagging: Lagging::default(),
            subscribers: Mutex::new(Subscribers {
                senders: Vec::new(),
                most: FEW,
            }),
        }
    }
}

impl<M: Encode> Broadcast<M> {
    /// One without subscribers, which cuts off those that lag behind.
    #[must_use]
    pub fn new() -> Broadcast<M> {
        Broadcast::default()
    }

    /// Sets what becomes of a subscriber that lags behind.
    #[must_use]
    pub fn lagging(mut self, lagging: Lagging) -> Broadcast<M> {
        self.lagging = lagging;
        self
    }

    /// From now on, what is sent goes to this sender's client too, behind what it was sent before.
    ///
    /// Who catches a client up first, by its [`last_event_id`](crate::Request::last_event_id), must see to it that
    /// nothing is sent between the two: by a lock of its own, that [`send`](Broadcast::send) is called under as well.
    pub fn subscribe(&self, sender: Sender<M>) {
        let mut subscribers = self.subscribers();
        if subscribers.senders.len() >= subscribers.most {
            subscribers.senders.retain(|sender| !sender.is_closed());
            subscribers.most = FEW.max(2 * subscribers.senders.len());
        }
        subscribers.senders.push(sender);
    }

    /// Sends a message to every subscriber, and never waits. Returns how many it goes to: those not whose client has
    /// gone, nor those that lag behind.
    pub fn send(&self, message: impl Into<M>) -> usize {
        let bytes = message.into().encode();
        let mut subscribers = self.subscribers();
        if bytes.is_empty() {
            return subscribers.senders.len();
        }
        let shared = Shared::new(bytes);
        let mut told = 0;
        subscribers
            .senders
            .retain(|sender| match sender.try_share(&shared) {
                Ok(()) => {
                    told += 1;
                    true
                }
                Err(SendError::Full) if self.lagging == Lagging::Skip => true,
                Err(SendError::Full) => {
                    sender.cut_off();
                    false
                }
                Err(_) => false,
            });
        told
    }
}

impl<M> Broadcast<M> {
    /// How many subscribers there are; among them may be some whose client has gone since the last message.
    #[must_use]
    pub fn subscriber_count(&self) -> usize {
        self.subscribers().senders.len()
    }

    /// Ends the answers of all subscribers, whole. It may be subscribed to again.
    pub fn finish(&self) {
        let senders = std::mem::take(&mut self.subscribers().senders);
        senders.into_iter().for_each(Sender::finish);
    }

    fn subscribers(&self) -> MutexGuard<'_, Subscribers<M>> {
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> fmt::Debug for Broadcast<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("lagging", &self.lagging)
            .field("subscribers", &self.subscriber_count())
            .finish_non_exhaustive()
    }
}
