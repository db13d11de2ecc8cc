//! A check that the program itself turns on and off.

use crate::health::check::{AtHand, Check, Verdict};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

/// The program's hold on a [`Check::switch`]. Any thread may use it; `/readyz` follows at once.
#[derive(Clone)]
pub struct Switch(Arc<AtomicBool>);

impl Switch {
    /// Ready again, as far as this check goes.
    pub fn on(&self) {
        self.0.store(true, SeqCst);
    }

    /// Not ready.
    pub fn off(&self) {
        self.0.store(false, SeqCst);
    }
}

impl AtHand for Switch {
    fn look(&self) -> Verdict {
        match self.0.load(SeqCst) {
            true => Ok(()),
            false => Err("switched off".to_owned()),
        }
    }
}

impl<S: 'static> Check<S> {
    /// A readiness check that the program itself switches; it is on at first, and needs no thread.
    #[must_use]
    pub fn switch(name: &'static str) -> (Check<S>, Switch) {
        let switch = Switch(Arc::new(AtomicBool::new(true)));
        (Check::at_hand(name, switch.clone()).unready(), switch)
    }
}
