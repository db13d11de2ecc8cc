//! A service that runs within a process that has other things to do.

use crate::{
    health::state::CheckState,
    lifecycle::{
        control::{Control, StopReason},
        drain_report::DrainReport,
    },
    message::request::Request,
    phase::Phase,
    pool::dispatcher::Dispatcher,
};
use std::{
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How often [`Running::wait_ready`] looks: checks leave their results behind and tell nobody.
const READY_INTERVAL: Duration = Duration::from_millis(2);

/// A service that [`Service::start`](crate::Service::start) set going. Dropped, it goes on until the process ends.
pub struct Running {
    pub(super) addr: SocketAddr,
    pub(super) admin_addr: Option<SocketAddr>,
    pub(super) control: Arc<Control>,
    pub(super) dispatcher: Arc<Dispatcher>,
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

    /// Waits until the start-up tasks are done and every readiness check passes, as `/readyz` would say, for `timeout` at
    /// most.
    ///
    /// ```
    /// use seaworthy::{Config, Request, Service};
    /// use std::{io, time::Duration};
    ///
    /// let service = Service::new("shop").get("/", |_: &Request| "hello");
    /// let config = Config::from_pairs([("HOST", "127.0.0.1"), ("PORT", "0"), ("DRAIN_DELAY", "0")]).unwrap();
    /// let running = service.start(config)?;
    /// running.wait_ready(Duration::from_secs(5)).map_err(io::Error::other)?;
    /// println!("http://{}", running.addr());
    /// running.stop();
    /// assert_eq!(running.wait().abandoned_total(), 0);
    /// # Ok::<(), io::Error>(())
    /// ```
    ///
    /// # Errors
    /// What `/readyz` says then, with its failing checks, or that the service has ended.
    pub fn wait_ready(&self, timeout: Duration) -> Result<(), String> {
        let deadline = Instant::now() + timeout;
        loop {
            let probe = Request::get("/readyz");
            let answer = self.dispatcher.answer_probe(&probe);
            let (status, text) = answer.map_or((404, String::new()), |answer| {
                let text = String::from_utf8_lossy(answer.body().unwrap_or_default());
                (answer.status().as_u16(), text.into_owned())
            });
            match status {
                200 => return Ok(()),
                _ if self.thread.is_finished() => return Err(format!("it has ended: {text}")),
                _ if Instant::now() >= deadline => return Err(text),
                _ => thread::sleep(READY_INTERVAL),
            }
        }
    }

    /// What every check says now, in the order in which they were added. Never waits.
    #[must_use]
    pub fn checks(&self) -> Vec<CheckState> {
        self.dispatcher.health.states().collect()
    }

    /// What the check of this name says now; `None` where there is none, and for those that are built in. Never waits.
    #[must_use]
    pub fn check(&self, name: &str) -> Option<CheckState> {
        self.dispatcher.health.state(name)
    }

    /// Where the service is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.control.state().phase()
    }

    /// Does what SIGTERM does to a process: unready at once, drain delay, drain. Returns at once. Where the service is
    /// stopping already, for whatever reason, it changes nothing.
    pub fn stop(&self) {
        self.control.stop(StopReason::Call);
    }

    /// Waits until the service has ended, and says how. Handlers that the deadline cut off may still be running.
    #[must_use]
    pub fn wait(self) -> DrainReport {
        self.thread
            .join()
            .expect("the lifecycle thread runs no code but seaworthy's")
    }
}
