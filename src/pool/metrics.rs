//! What the pool tells whoever scrapes: its requests, its workers and its queue.

use super::Pool;
use crate::{
    engine::{Exchange, Ready, occupancy::CLOSED},
    observe::metrics::{
        Source,
        counts::method_code,
        exposition::{Exposition, Kind},
    },
    phase::PHASES,
};
use std::array;

impl Source for Pool {
    fn write(&self, out: &mut Exposition) {
        let dispatcher = &self.dispatcher;
        let template = |route| &*dispatcher.application.route(route).template;
        let (queued, deferred, uploading) = (
            self.queued_by_method(),
            self.deferred(),
            self.uploads.underway(),
        );
        let going = array::from_fn(|method| queued[method] + deferred[method] + uploading[method]);
        dispatcher.http_counts.write(out, going, template);
        dispatcher.refused.write(out);
        self.write_sizes(out);
        self.write_engine(out);
        dispatcher.health.write_metrics(out);
        let now = dispatcher.state.phase();
        out.family(
            Kind::Gauge,
            "seaworthy_phase",
            "1 for the phase that the service is in.",
        );
        for phase in PHASES {
            out.sample(&[("phase", phase.name())], phase == now);
        }
        out.single(
            Kind::Gauge,
            "seaworthy_draining",
            "1 from the moment that the service is told to stop.",
            dispatcher.state.is_stopping(),
        );
        out.family(Kind::Gauge, "build_info", "What runs.").sample(
            &[
                ("name", dispatcher.name),
                ("version", dispatcher.version),
                ("seaworthy", env!("CARGO_PKG_VERSION")),
            ],
            1_u64,
        );
    }
}

impl Pool {
    /// How many answers are awaited that are given later, by their requests' methods.
    pub(super) fn deferred(&self) -> [u64; 10] {
        let registry = self.deferred_answers.get();
        registry.map_or([0; 10], |registry| registry.tally().active())
    }

    fn write_sizes(&self, out: &mut Exposition) {
        let slots = self.slots();
        let admitted = self.most_admitted();
        for (name, help, value) in [
            ("seaworthy_workers", "Handlers that may run at once.", slots),
            (
                "seaworthy_workers_busy",
                "Handlers that run.",
                self.running(),
            ),
            (
                "seaworthy_queue_depth",
                "Requests that wait for a worker.",
                self.waiting(),
            ),
            (
                "seaworthy_queue_capacity",
                "Requests that may wait for a worker.",
                admitted.saturating_sub(slots),
            ),
        ] {
            out.single(Kind::Gauge, name, help, value);
        }
    }

    fn write_engine(&self, out: &mut Exposition) {
        let occupancy = self.engine.occupancy();
        let connections = occupancy.connections;
        let waiting = self.queued_by_method().iter().sum::<u64>() as usize;
        let waiting = waiting.min(connections.handed_out);
        out.family(
            Kind::Gauge,
            "seaworthy_connections",
            "Open connections, by what they do.",
        );
        for (state, count) in [
            ("idle", connections.idle),
            ("head", connections.head),
            ("body", connections.body),
            ("waiting", waiting),
            ("handling", connections.handed_out - waiting),
            ("writing", connections.writing),
            ("closing", connections.closing),
        ] {
            out.sample(&[("state", state)], count);
        }
        out.single(
            Kind::Gauge,
            "seaworthy_connections_max",
            "Connections that may be open.",
            occupancy.max_connections,
        );
        out.family(
            Kind::Counter,
            "seaworthy_connections_closed",
            "Connections that have ended, and why.",
        );
        for (reason, count) in CLOSED.into_iter().zip(occupancy.closed) {
            out.sample(&[("reason", reason)], count);
        }
        let memory = [
            ("requests", occupancy.requests),
            ("responses", occupancy.responses),
        ];
        out.family(
            Kind::Gauge,
            "seaworthy_buffer_memory_bytes",
            "What requests, and responses that are not sent yet, hold of BUFFER_MEMORY.",
        );
        for (share, usage) in memory {
            out.sample(&[("use", share)], usage.used);
        }
        out.family(
            Kind::Gauge,
            "seaworthy_buffer_memory_limit_bytes",
            "What they may hold of it.",
        );
        for (share, usage) in memory {
            out.sample(&[("use", share)], usage.most);
        }
    }

    /// How many requests wait, by the code of their method.
    fn queued_by_method(&self) -> [u64; 10] {
        let mut queued = [0; 10];
        let mut count = |exchange: &mut dyn Exchange| {
            queued[usize::from(method_code(exchange.request().method()))] += 1;
        };
        for lane in &self.lanes {
            lane.queue.for_each(|ready| {
                if let Ready::Request(exchange) = ready {
                    count(&mut **exchange);
                }
            });
        }
        self.computing.for_each(count);
        queued
    }
}
