//! All reactors of an engine pulled by one thread, as if they were one: so what is tested of one holds for several, with
//! `TEST_REACTORS=3` in the environment.

use super::*;
use crate::engine::occupancy::Occupancy;

/// How long nobody looks where nothing comes.
const REST: Duration = Duration::from_millis(1);

pub(super) struct Together(pub(super) Box<dyn Engine>);

impl Engine for Together {
    fn pull(&self, _: usize, until: Option<Instant>, ready: &mut Vec<Ready>) -> Pulled {
        loop {
            let now = Instant::now();
            let pulled = |reactor| self.0.pull(reactor, Some(now), ready);
            let pulled: Vec<Pulled> = (0..self.0.reactors()).map(pulled).collect();
            if !pulled.contains(&Pulled::Open) {
                return Pulled::Closed;
            }
            if !ready.is_empty() || until.is_some_and(|until| until <= now) {
                return Pulled::Open;
            }
            thread::sleep(REST);
        }
    }

    fn wake(&self, _: usize) {
        (0..self.0.reactors()).for_each(|reactor| self.0.wake(reactor));
    }

    fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
    }

    fn stop_accepting(&self) {
        self.0.stop_accepting();
    }

    fn resize(&self, max_connections: usize, buffer_memory: usize) {
        self.0.resize(max_connections, buffer_memory);
    }

    fn sent_later(&self) -> u64 {
        self.0.sent_later()
    }

    fn occupancy(&self) -> Occupancy {
        self.0.occupancy()
    }

    fn cut(&self) -> Cut {
        self.0.cut()
    }
}
