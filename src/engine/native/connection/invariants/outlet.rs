//! What a body that is pushed knows of a rig.

use crate::message::pushed::outlet::Outlet;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::SeqCst},
};

pub(crate) struct RigOutlet {
    /// Takes no charge beyond this, as `BUFFER_MEMORY` would.
    most: usize,
    has_news: AtomicBool,
    charged: Mutex<usize>,
}

impl RigOutlet {
    pub(crate) fn new(most: usize) -> Arc<RigOutlet> {
        Arc::new(RigOutlet {
            most,
            has_news: AtomicBool::new(false),
            charged: Mutex::default(),
        })
    }

    pub(super) fn take_news(&self) -> bool {
        self.has_news.swap(false, SeqCst)
    }

    /// What all bodies are charged for.
    pub(super) fn charged(&self) -> usize {
        *self.charged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet for RigOutlet {
    fn notify(&self) {
        self.has_news.store(true, SeqCst);
    }

    fn is_closing(&self) -> bool {
        false
    }

    fn charge(&self, charged: &mut usize, holds: usize) -> bool {
        let mut all = self.charged.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = *all - *charged + holds;
        if holds > *charged && sum > self.most {
            return false;
        }
        (*all, *charged) = (sum, holds);
        true
    }
}
