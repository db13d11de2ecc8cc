//! A service that runs within a process that has other things to do.

use crate::{
    lifecycle::{control::Control, drain_report::DrainReport},
    phase::Phase,
};
use std::{net::SocketAddr, sync::Arc, thread};

/// A service that [`Service::start`](crate::Service::start) set going. Dropped, it goes on until the process ends.
pub struct Running {
    pub(super) addr: SocketAddr,
    pub(super) admin_addr: Option<SocketAddr>,
    pub(super) control: Arc<Control>,
    pub(super) thread: thread::JoinHandle<DrainReport>,
}

impl Running {
    /// The address that was bound, with the port that the system picked where `PORT=0`.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The admin port's address, where `ADMIN_PORT` is set.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// Where the service is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.control.state().phase()
    }

    /// Does what SIGTERM does to a process: unready at once, drain delay, drain. Returns at once.
    pub fn stop(&self) {
        self.control.stop("stop was called");
    }

    /// Waits until the service has ended, and says how. Handlers that the deadline cut off may still be running.
    #[must_use]
    pub fn wait(self) -> DrainReport {
        self.thread
            .join()
            .expect("the lifecycle thread runs no code but seaworthy's")
    }
}
