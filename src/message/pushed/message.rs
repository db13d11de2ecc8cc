//! What is pushed at a time.

use super::outlet::Outlet;
use std::sync::{Arc, OnceLock};

/// Some bytes of a body, and never none: that would be its end.
#[derive(Clone)]
pub(super) enum Message {
    Own(Vec<u8>),
    /// In the queues of many bodies at once.
    Shared(Arc<Shared>),
}

impl Message {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Message::Own(bytes) => bytes,
            Message::Shared(shared) => &shared.bytes,
        }
    }

    /// How many bytes of memory it takes that are nobody else's.
    pub(super) fn weight(&self) -> usize {
        match self {
            Message::Own(bytes) => bytes.capacity(),
            Message::Shared(_) => 0,
        }
    }
}

/// Bytes for many bodies: charged for once, until the last of them has sent them.
pub(super) struct Shared {
    bytes: Box<[u8]>,
    charge: OnceLock<Charge>,
}

struct Charge {
    outlet: Arc<dyn Outlet>,
    charged: usize,
}

impl Shared {
    pub(super) fn new(bytes: Vec<u8>) -> Arc<Shared> {
        Arc::new(Shared {
            bytes: bytes.into(),
            charge: OnceLock::new(),
        })
    }

    /// False where there is no memory for it.
    pub(super) fn charge_to(&self, outlet: &Arc<dyn Outlet>) -> bool {
        if self.charge.get().is_some() {
            return true;
        }
        let mut charged = 0;
        let fits = outlet.charge(&mut charged, self.bytes.len());
        if fits {
            let outlet = Arc::clone(outlet);
            // Two at once would each charge for it, and the second gives back its own.
            drop(self.charge.set(Charge { outlet, charged }));
        }
        fits
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.outlet.charge(&mut self.charged, 0);
    }
}
