//! The requests of a service in numbers, under the names that OpenTelemetry's conventions give them.

use super::{
    counts::{
        Answered, Counts, DURATION_BOUNDS, Key, SHED, SIZE_BOUNDS, Total, Totals, method_name,
    },
    exposition::{Buckets, Exposition, Kind, Label, Value},
};
use crate::message::{request::Request, response::Response};
use ::http::{Method, StatusCode};
use std::{
    io::{self, Read},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// The tables of every thread that answers requests.
pub(crate) struct HttpCounts {
    routes: usize,
    /// Counted by the layers that limit how many run at once.
    shed_by_limits: Arc<AtomicU64>,
    threads: Mutex<Tables>,
    /// Bodies that are read while they are sent, by whichever thread, are counted in here at their end.
    streams: Mutex<Counts>,
}

#[derive(Default)]
struct Tables {
    all: Vec<Arc<Counts>>,
    /// Those of threads that have ended, for the next ones to go on with.
    free: Vec<Arc<Counts>>,
}

impl HttpCounts {
    /// For a service of so many routes.
    pub(crate) fn new(routes: usize, shed_by_limits: Arc<AtomicU64>) -> Arc<HttpCounts> {
        Arc::new(HttpCounts {
            routes,
            shed_by_limits,
            threads: Mutex::default(),
            streams: Mutex::new(Counts::new(routes)),
        })
    }

    /// A table for the calling thread alone to write.
    pub(crate) fn enter(&self) -> Arc<Counts> {
        let mut tables = self.tables();
        tables.free.pop().unwrap_or_else(|| {
            let counts = Arc::new(Counts::new(self.routes));
            tables.all.push(Arc::clone(&counts));
            counts
        })
    }

    /// The thread ends; what it has counted stays.
    pub(crate) fn leave(&self, counts: &Arc<Counts>) {
        self.tables().free.push(Arc::clone(counts));
    }

    /// What all threads have counted by now.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for counts in &self.tables().all {
            counts.add_to(&mut totals);
        }
        self.streams().add_to(&mut totals);
        totals
    }

    /// How many requests run now, by the code of their method.
    pub(crate) fn active(&self) -> [u64; 10] {
        let mut active = [0; 10];
        for method in self.tables().all.iter().filter_map(|one| one.active()) {
            active[usize::from(method)] += 1;
        }
        active
    }

    /// Counts a request that is about to be answered, on the thread that the table belongs to.
    pub(crate) fn record(
        self: &Arc<Self>,
        counts: &Counts,
        request: &Request,
        response: &mut Response,
        took: Duration,
    ) {
        let route = request.route.as_ref().map(|route| route.index);
        let key = Key::of(request.method(), response.status);
        let has_no_body = has_no_body(request.method(), response.status);
        let sent = match &mut response.body {
            _ if has_no_body => Some(0),
            body if body.as_bytes().is_none() => {
                body.wrap(|reader, length| Counted {
                    reader,
                    length,
                    sent: 0,
                    end: Some((Arc::clone(self), route, key)),
                });
                None
            }
            body => body.len(),
        };
        counts.record(&Answered {
            route,
            key,
            took,
            received: request.body_len(),
            sent,
            trace_id: sampled_trace(request),
        });
    }

    /// The same on a thread that has no table of its own.
    pub(crate) fn record_apart(
        self: &Arc<Self>,
        request: &Request,
        response: &mut Response,
        took: Duration,
    ) {
        self.record(&self.streams(), request, response, took);
    }

    /// Writes it all; `template` is a route's by its index, and `queued` the requests that wait, by their methods' codes.
    pub(crate) fn write<'r>(
        &self,
        out: &mut Exposition,
        queued: [u64; 10],
        template: impl Fn(usize) -> &'r str,
    ) {
        let totals = self.totals();
        let requests: Vec<(Named<'_>, &Total)> = totals
            .requests
            .iter()
            .map(|total| (Named::of(total, &template), total))
            .collect();
        out.family(
            Kind::Histogram,
            "http_server_request_duration_seconds",
            "Duration of HTTP server requests, from the start of the handler to its response.",
        );
        // What has only been sent was counted by the thread that answered.
        for (named, total) in requests.iter().filter(|(_, total)| total.count() > 0) {
            out.histogram(
                &named.labels(),
                &Buckets {
                    counts: &total.duration.counts,
                    bounds: &DURATION_BOUNDS,
                    sum: Value::Nanos(total.duration.sum),
                    exemplar: total.placed_exemplar(),
                },
            );
        }
        let sizes: [(_, _, fn(&Total) -> &_); 2] = [
            (
                "http_server_request_body_size_bytes",
                "Size of HTTP server request bodies.",
                |total| &total.received,
            ),
            (
                "http_server_response_body_size_bytes",
                "Size of HTTP server response bodies, those of streams once they are sent.",
                |total| &total.sent,
            ),
        ];
        for (name, help, of) in sizes {
            out.family(Kind::Histogram, name, help);
            for (named, total) in &requests {
                let sum = of(total);
                out.histogram(
                    &named.labels(),
                    &Buckets {
                        counts: &sum.counts,
                        bounds: &SIZE_BOUNDS,
                        sum: Value::Whole(sum.sum),
                        exemplar: None,
                    },
                );
            }
        }
        out.family(
            Kind::Gauge,
            "http_server_active_requests",
            "HTTP server requests that run or wait for a worker.",
        );
        for (code, (active, queued)) in (0..).zip(self.active().iter().zip(queued)) {
            let count = active + queued;
            let method = method_name(code);
            if count > 0 || method == "GET" {
                let labels = [("http_request_method", method), SCHEME];
                out.sample(&labels, count);
            }
        }
        out.family(
            Kind::Counter,
            "seaworthy_requests_shed",
            "Requests that were answered 503 instead of being run.",
        );
        for (reason, count) in SHED.into_iter().zip(totals.shed) {
            out.sample(&[("reason", reason)], count);
        }
        let by_limits = self.shed_by_limits.load(Relaxed);
        out.sample(&[("reason", "concurrency")], by_limits);
        out.family(
            Kind::Histogram,
            "seaworthy_queue_wait_seconds",
            "How long requests that were run had waited for a worker.",
        )
        .histogram(
            &[],
            &Buckets {
                counts: &totals.waited.counts,
                bounds: &DURATION_BOUNDS,
                sum: Value::Nanos(totals.waited.sum),
                exemplar: None,
            },
        );
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn streams(&self) -> MutexGuard<'_, Counts> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing here ends TLS.
const SCHEME: Label<'static> = ("url_scheme", "http");

/// The labels of a route, method and status.
struct Named<'a> {
    method: &'static str,
    route: &'a str,
    status: String,
    /// The status, where the server failed (5xx): as OpenTelemetry has it.
    is_error: bool,
}

impl<'a> Named<'a> {
    fn of(total: &Total, template: impl Fn(usize) -> &'a str) -> Named<'a> {
        Named {
            method: method_name(total.key.method),
            route: total.route.map_or("", template),
            status: match total.key.status {
                0 => "_OTHER".to_owned(),
                status => status.to_string(),
            },
            is_error: total.key.status >= 500,
        }
    }

    fn labels(&self) -> [Label<'_>; 5] {
        [
            ("http_request_method", self.method),
            ("http_route", self.route),
            ("http_response_status_code", &self.status),
            SCHEME,
            ("error_type", if self.is_error { &self.status } else { "" }),
        ]
    }
}

/// RFC 9110 sections 9.3.2, 15.3.5 and 15.4.5.
pub(in crate::observe) fn has_no_body(method: &Method, status: StatusCode) -> bool {
    *method == Method::HEAD || matches!(status.as_u16(), 204 | 304)
}

/// The trace of a request, where somebody keeps it.
fn sampled_trace(request: &Request) -> Option<u128> {
    let trace = request.known_trace()?;
    let trace_id = u128::from_be_bytes(trace.trace_id.to_bytes());
    trace.is_sampled().then_some(trace_id)
}

/// A body that counts what is read of it.
struct Counted {
    reader: Box<dyn Read + Send>,
    length: Option<u64>,
    sent: u64,
    /// Where it is counted; none once it is.
    end: Option<(Arc<HttpCounts>, Option<usize>, Key)>,
}

impl Counted {
    fn count(&mut self) {
        if let Some((counts, route, key)) = self.end.take() {
            counts.streams().record_sent(route, key, self.sent);
        }
    }
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(into)?;
        self.sent += read as u64;
        // Before its client can see the end of it.
        if (read == 0 && !into.is_empty()) || self.length.is_some_and(|length| self.sent >= length)
        {
            self.count();
        }
        Ok(read)
    }
}

impl Drop for Counted {
    /// A client that has gone was sent this much at most.
    fn drop(&mut self) {
        self.count();
    }
}
