//! One thread that looks, every two seconds, at what changes under a running pod: the mounted configuration, the
//! limits of the cgroup. Nothing else wakes an idle process.

use crate::{observe::panics, phase::Stop, spawn};
use std::{io, time::Duration};

/// How long a change may go unnoticed. The kubelet takes up to a minute to bring one, so more often would be for nothing.
pub(crate) const INTERVAL: Duration = Duration::from_secs(2);

/// What is looked at on every tick, in the order of adding.
#[derive(Default)]
pub(crate) struct Tick {
    watches: Vec<Watch>,
}

struct Watch {
    name: &'static str,
    look: Box<dyn FnMut() + Send>,
}

impl Tick {
    /// Has `look` called on every tick, on the thread of the tick. It must not block, for it keeps the others waiting. One
    /// that panics is not called again.
    pub(crate) fn watch(&mut self, name: &'static str, look: impl FnMut() + Send + 'static) {
        let look = Box::new(look);
        self.watches.push(Watch { name, look });
    }

    /// Starts the thread, which ends when `stop` says so; none where there is nothing to look at.
    ///
    /// # Errors
    /// Where the thread cannot be had.
    pub(crate) fn start(self, stop: &Stop) -> io::Result<()> {
        if self.watches.is_empty() {
            return Ok(());
        }
        let (mut watches, stop) = (self.watches, stop.clone());
        let run = move || {
            while !stop.wait(INTERVAL) {
                watches.retain_mut(Watch::survives);
            }
        };
        spawn::named("tick", run).map(drop)
    }
}

impl Watch {
    /// Looks once; false where that panicked.
    fn survives(&mut self) -> bool {
        let looked = panics::catch(&mut self.look);
        if let Err(panicked) = &looked {
            log::error!(watch = self.name, reason:% = panicked; "a watch panicked and has ended");
        }
        looked.is_ok()
    }
}
