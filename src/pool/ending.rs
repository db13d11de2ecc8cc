//! What the pool has to say at the end of a drain.

use super::Pool;
use crate::{
    drain_report::{DrainReport, Ending},
    engine::{Cut, Ready},
    ledger,
};

impl Pool {
    /// For a drain in which everything ended in time.
    pub(crate) fn drain_report(&self) -> DrainReport {
        let mut report = DrainReport::new(Ending::Clean);
        (report.finished, report.slowest) = self.ledger.totals();
        report
    }

    /// Cuts off what is left at the deadline, and names it.
    pub(crate) fn cut(&self) -> DrainReport {
        let mut report = self.drain_report();
        while let Ok(job) = self.queue.1.try_recv() {
            let (Ready::Request(mut exchange) | Ready::Stream(mut exchange)) = job.ready;
            ledger::count(&mut report.abandoned, exchange.request().route());
        }
        let running = self.ledger.running(|index| self.app.router.template(index));
        for (route, times) in running {
            (0..times).for_each(|_| ledger::count(&mut report.abandoned, &route));
        }
        let Cut { receiving, sending } = self.engine.cut();
        for route in &sending {
            // Its handler had finished; its client has not got the answer.
            report.finished = report.finished.saturating_sub(1);
            ledger::count(&mut report.abandoned, route);
        }
        if receiving > 0 {
            report.abandoned.push(("(receiving)".to_owned(), receiving));
        }
        report
    }
}
