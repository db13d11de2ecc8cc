//! How who pushes a body tells the thread that waits to send it.

use super::{peer::Stage, shared::Shared};
use crate::message::pushed::outlet::{Outlet, PATIENCE};
use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

/// How often the socket of a client is looked at to which nothing is sent.
const LOOK: Duration = Duration::from_millis(200);

/// Of one response.
pub(super) struct Doorbell {
    shared: Arc<Shared>,
    has_rung: Mutex<bool>,
    ringing: Condvar,
    /// The body knows that the listener is closed.
    knows_of_closing: AtomicBool,
}

impl Doorbell {
    pub(super) fn new(shared: &Arc<Shared>) -> Arc<Doorbell> {
        Arc::new(Doorbell {
            shared: Arc::clone(shared),
            has_rung: Mutex::new(false),
            ringing: Condvar::new(),
            knows_of_closing: AtomicBool::new(false),
        })
    }

    /// Waits until the body has to be read again.
    ///
    /// # Errors
    /// Where the client has gone.
    pub(super) fn wait(&self, peer: SocketAddr) -> io::Result<()> {
        self.shared.peers().enter(peer, Stage::Sending(None));
        let until = Instant::now() + PATIENCE;
        loop {
            let has_rung = self.has_rung.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = self
                .ringing
                .wait_timeout_while(has_rung, LOOK, |rung| !*rung);
            let (mut has_rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if std::mem::take(&mut *has_rung) || Instant::now() >= until {
                return Ok(());
            }
            drop(has_rung);
            if self.shared.has_left(peer) {
                return Err(ErrorKind::BrokenPipe.into());
            }
            if self.is_closing() && !self.knows_of_closing.swap(true, SeqCst) {
                return Ok(());
            }
        }
    }
}

impl Outlet for Doorbell {
    fn notify(&self) {
        *self.has_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ringing.notify_all();
    }

    fn is_closing(&self) -> bool {
        self.shared.stopping.load(SeqCst)
    }

    fn charge(&self, charged: &mut usize, holds: usize) -> bool {
        self.shared
            .rules
            .memory
            .responses
            .try_settle(charged, holds)
    }
}
