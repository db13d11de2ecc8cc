//! What the service says of itself in numbers, for Prometheus: `/metrics`.
//!
//! `counts.rs` is what a thread counts on a request's road, `http.rs` those of all threads together, `exposition.rs` the
//! text. What is known elsewhere, such as how long the queue is, is asked for when it is scraped: see [`Source`].

pub(crate) mod counts;
pub(crate) mod events;
pub(crate) mod exposition;
pub(crate) mod http;
mod names;
mod process;
pub(crate) mod refused;

use crate::{
    message::{
        into_response::IntoResponse, request::Request, response::Response, weight::thousandths,
    },
    observe::{panics, trace::export},
};
use ::http::{HeaderValue, Method, StatusCode, header};
use events::Events;
use exposition::{Exposition, Format};
use process::Process;
use prometheus_client::{
    encoding::{prometheus_text, text},
    registry::Registry,
};
use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// Where the numbers are.
pub(crate) const PATH: &str = "/metrics";

/// Something that has numbers of its own, and writes them whenever somebody asks. Takes milliseconds at most.
pub(crate) trait Source: Send + Sync {
    fn write(&self, out: &mut Exposition);
}

/// What is told where a service is scraped.
#[derive(Default)]
pub(crate) struct Metrics {
    /// Whether there is anything of the program's.
    pub(crate) has_own: bool,
    has_told_clash: AtomicBool,
    registered: Option<Registered>,
    pub(crate) appended: Vec<Box<dyn Fn() -> String + Send + Sync>>,
    pub(crate) events: Arc<Events>,
    /// Those that are there from the beginning.
    pub(crate) own_sources: Vec<Box<dyn Source>>,
    sources: Mutex<Vec<Weak<dyn Source>>>,
}

/// Metrics of the program's own, with how they are told: a binary that registers none has no code for it.
struct Registered {
    registry: Registry,
    encode: fn(&Registry, Format, &mut String),
}

impl Metrics {
    /// Where the program registers its own.
    pub(crate) fn registry(&mut self) -> &mut Registry {
        let registered = self.registered.get_or_insert_with(|| Registered {
            registry: Registry::default(),
            encode,
        });
        &mut registered.registry
    }

    /// Has a source asked at each scrape, for as long as it is there.
    pub(crate) fn add_source(&self, source: Weak<dyn Source>) {
        self.sources().push(source);
    }

    /// Answers a scrape on this thread. The program's own collectors run in here.
    pub(crate) fn answer(&self, request: &Request) -> Response {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return StatusCode::METHOD_NOT_ALLOWED
                .into_response()
                .with_header(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        // Text of the classic format cannot be told in the other.
        let format = match self.appended.is_empty() {
            true => wanted(request),
            false => Format::Classic,
        };
        match panics::catch(|| self.text(format)) {
            Ok(text) => {
                if let Some(name) = self.new_clash(&text) {
                    log::error!(name = name; "two metrics have one name, and no scraper can tell them apart");
                }
                let content_type = HeaderValue::from_static(format.content_type());
                text.into_response()
                    .with_header(header::CONTENT_TYPE, content_type)
                    .with_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
                    .with_header(
                        header::X_CONTENT_TYPE_OPTIONS,
                        HeaderValue::from_static("nosniff"),
                    )
            }
            Err(panicked) => {
                log::error!(panic:% = panicked; "a collector of metrics panicked");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    /// # Panics
    /// Where two metrics have one name, which no scraper could tell apart.
    #[track_caller]
    pub(crate) fn check_names(&self) {
        // Seaworthy's own are looked at by its tests, and not on the way to the first answer.
        if self.has_own
            && let Some(name) = names::twice(&self.text(Format::Classic))
        {
            panic!(
                "there are two metrics named {name:?}: rename the one that the program registers"
            )
        }
    }

    /// The name that two metrics have, where it has not been told yet: a family without a member has no name when the
    /// service starts, and a text that is appended may say anything at any time.
    fn new_clash<'t>(&self, text: &'t str) -> Option<&'t str> {
        if !self.has_own || self.has_told_clash.load(Relaxed) {
            return None;
        }
        let name = names::twice(text)?;
        self.has_told_clash.store(true, Relaxed);
        Some(name)
    }

    fn text(&self, format: Format) -> String {
        let mut out = Exposition::new(format);
        let sources: Vec<_> = self.sources().iter().filter_map(Weak::upgrade).collect();
        for source in sources {
            source.write(&mut out);
        }
        for source in &self.own_sources {
            source.write(&mut out);
        }
        self.events.write(&mut out);
        export::write(&mut out);
        Process::below(Path::new("/")).write(&mut out);
        let mut text = out.text;
        match &self.registered {
            Some(Registered { registry, encode }) => encode(registry, format, &mut text),
            None => text.push_str(format.end()),
        }
        for append in &self.appended {
            text.push_str(&append());
            if !text.ends_with('\n') {
                text.push('\n');
            }
        }
        text
    }

    fn sources(&self) -> MutexGuard<'_, Vec<Weak<dyn Source>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Appends what is registered, and the end of the text.
fn encode(registry: &Registry, format: Format, text: &mut String) {
    // Writing into a `String` fails only where a metric's own code says so; what it has written stays.
    let _ = match format {
        Format::Classic => prometheus_text::encode(text, registry),
        Format::OpenMetrics => text::encode(text, registry),
    };
}

/// OpenMetrics where the client would rather have it (RFC 9110 section 12.5.1).
fn wanted(request: &Request) -> Format {
    let (mut open_metrics, mut classic) = (0, 0);
    let elements = request
        .header_values("accept")
        .flat_map(|line| line.split(','));
    for element in elements {
        let mut parts = element.split(';').map(str::trim);
        let quality = match parts.next() {
            Some(kind) if kind.eq_ignore_ascii_case("application/openmetrics-text") => {
                &mut open_metrics
            }
            Some(kind) if kind.eq_ignore_ascii_case("text/plain") => &mut classic,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        let weight = weight.map_or(Some(1000), thousandths);
        // What is malformed counts for nothing.
        *quality = (*quality).max(weight.unwrap_or_default());
    }
    match open_metrics > 0 && open_metrics >= classic {
        true => Format::OpenMetrics,
        false => Format::Classic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::{counter::Counter, family::Family};

    #[test]
    fn a_family_that_has_a_name_with_its_first_member_is_told_to_clash_then_and_once() {
        let mut metrics = Metrics {
            has_own: true,
            ..Metrics::default()
        };
        let family = Family::<Vec<(String, String)>, Counter>::default();
        let registered = family.clone();
        metrics
            .registry()
            .register("process_cpu_seconds", "Mine", registered);
        metrics.check_names();
        let text = metrics.text(Format::OpenMetrics);
        assert_eq!(metrics.new_clash(&text), None);
        family.get_or_create(&Vec::new()).inc();
        for format in [Format::Classic, Format::OpenMetrics] {
            metrics.has_told_clash.store(false, Relaxed);
            let text = metrics.text(format);
            let name = metrics.new_clash(&text).unwrap_or_default();
            assert!(name.starts_with("process_cpu_seconds"), "{name}");
            assert_eq!(metrics.new_clash(&text), None, "the log has it already");
        }
    }

    #[test]
    fn openmetrics_is_for_who_prefers_it() {
        for (accept, expected) in [
            ("", Format::Classic),
            ("*/*", Format::Classic),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            (
                "text/plain;version=0.0.4, application/openmetrics-text;q=0.9",
                Format::Classic,
            ),
            ("application/openmetrics-text;q=0", Format::Classic),
            ("application/openmetrics-text", Format::OpenMetrics),
        ] {
            let value = HeaderValue::from_static(accept);
            let request = Request::get(PATH).with_header(header::ACCEPT, value);
            assert_eq!(wanted(&request), expected, "{accept:?}");
        }
    }
}
