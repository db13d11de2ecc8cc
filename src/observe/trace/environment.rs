//! What the `OTEL_*` variables say, by the names and rules of
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/> and
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>.
//!
//! By these, nothing that they say keeps a service from starting: what cannot be used is a warning, and counts as unset, or
//! there are no traces.

mod sampler;

use crate::{config::settings::Settings, http_client::target::Target};
use percent_encoding::percent_decode_str;
use std::time::Duration;

pub(crate) use sampler::{Rule, Sampling};

/// Where a collector takes traces, below the endpoint for all signals.
const TRACES_PATH: &str = "/v1/traces";

/// In the specification's milliseconds, of which 0 is for no limit; here that counts as the longest.
const LONGEST_WAIT_MS: u64 = 60 * 60 * 1000;

/// More spans would be more memory than anyone has for them.
const LARGEST_QUEUE: u64 = 1_000_000;

const SERVICE_NAME: &str = "service.name";

/// What the environment says of traces.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) sampling: Sampling,
    /// Whether `traceparent` and `tracestate` are read and written.
    pub(crate) propagates: bool,
    /// Where and how spans are sent; `None` where they are not.
    pub(crate) exporting: Option<Exporting>,
    /// What cannot be used, one line each, to be logged once there is a log.
    pub(crate) warnings: Vec<String>,
}

/// Where and how spans are sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exporting {
    pub(crate) target: Target,
    /// What a request has beside its own fields, such as an API key: never to be shown.
    pub(crate) headers: Headers,
    /// For one batch, its repetitions included.
    pub(crate) timeout: Duration,
    /// For all that is left at the end.
    pub(crate) export_timeout: Duration,
    /// How long the first span of a batch waits for others.
    pub(crate) schedule_delay: Duration,
    pub(crate) max_queue_size: usize,
    pub(crate) max_batch_size: usize,
    /// `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
    pub(crate) resource: Vec<(String, String)>,
}

/// Header fields whose values are nobody's to see.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Headers(pub(crate) Vec<(String, String)>);

impl std::fmt::Debug for Headers {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.0.iter().map(|(name, _)| name);
        out.debug_list().entries(names).finish()
    }
}

impl Environment {
    /// Reads every variable, so that all of them show up in what `config` prints.
    pub(crate) fn read(settings: &mut Settings) -> Environment {
        let ((sampling, propagates, exporting), warnings) = settings.leniently(|settings| {
            let is_enabled = !settings.flag("OTEL_SDK_DISABLED", false);
            let resource = resource(settings);
            let propagates = propagates(settings);
            let is_exported = is_exported(settings);
            let sampling = sampler::read(settings);
            let is_wanted = is_enabled && is_exported;
            (
                sampling,
                propagates,
                exporting(settings, resource, is_wanted),
            )
        });
        Environment {
            sampling,
            propagates,
            exporting,
            warnings,
        }
    }
}

fn resource(settings: &mut Settings) -> Vec<(String, String)> {
    let service = settings.optional("OTEL_SERVICE_NAME");
    let given = settings.optional("OTEL_RESOURCE_ATTRIBUTES");
    let mut resource = pairs(given.as_deref().unwrap_or_default()).unwrap_or_else(|| {
        settings.reject("OTEL_RESOURCE_ATTRIBUTES", EXPECTED_PAIRS);
        Vec::new()
    });
    if let Some(service) = service {
        resource.retain(|(name, _)| name != SERVICE_NAME);
        resource.push((SERVICE_NAME.to_owned(), service));
    }
    resource
}

/// `baggage` is taken and not used: this library passes none on.
fn propagates(settings: &mut Settings) -> bool {
    const KNOWN: &str = "expected of tracecontext, baggage and none";
    lists(settings, "OTEL_PROPAGATORS", "tracecontext", KNOWN)
}

fn is_exported(settings: &mut Settings) -> bool {
    const KNOWN: &str = "expected otlp or none";
    lists(settings, "OTEL_TRACES_EXPORTER", "otlp", KNOWN)
}

/// Whether a list has this word, which is the default: of words that are unknown alone, too.
fn lists(settings: &mut Settings, name: &'static str, wanted: &str, known: &str) -> bool {
    let given = settings.optional(name).unwrap_or_default();
    let (mut is_wanted, mut is_other, mut is_unknown) = (false, false, false);
    for word in given.to_ascii_lowercase().split(',').map(str::trim) {
        match word {
            "" => {}
            _ if word == wanted => is_wanted = true,
            "none" | "baggage" if known.contains(word) => is_other = true,
            _ => is_unknown = true,
        }
    }
    if is_unknown {
        settings.reject(name, known);
    }
    is_wanted || !is_other
}

/// Reads all that says where and how, and makes something of it where traces are wanted and there is an endpoint.
fn exporting(
    settings: &mut Settings,
    resource: Vec<(String, String)>,
    is_wanted: bool,
) -> Option<Exporting> {
    let target = target(settings, is_wanted);
    let headers = headers(settings);
    let timeout = wait_of_signal(
        settings,
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    );
    let speaks = speaks(settings, target.is_some());
    look_at_compression(settings, target.is_some());
    let schedule_delay = milliseconds(settings, "OTEL_BSP_SCHEDULE_DELAY", 5000);
    let max_queue_size = settings.number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, 1..=LARGEST_QUEUE);
    let max_batch_size = batch_size(settings, max_queue_size);
    let export_timeout = wait(settings, "OTEL_BSP_EXPORT_TIMEOUT", 30_000);
    Some(Exporting {
        target: target.filter(|_| speaks)?,
        headers,
        timeout: timeout.min(export_timeout),
        export_timeout,
        schedule_delay,
        max_queue_size: max_queue_size as usize,
        max_batch_size: max_batch_size as usize,
        resource,
    })
}

/// The endpoint for all signals has the path of traces appended; the one of traces is used as it is.
fn target(settings: &mut Settings, is_wanted: bool) -> Option<Target> {
    let all = endpoint(settings, "OTEL_EXPORTER_OTLP_ENDPOINT");
    let own = endpoint(settings, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    let (name, url) = match (own, all) {
        (Some(own), _) => ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", own),
        (None, Some(all)) => (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("{}{TRACES_PATH}", all.trim_end_matches('/')),
        ),
        (None, None) => return None,
    };
    if !is_wanted {
        return None;
    }
    let target = Target::parse(&url);
    if let Err(problem) = target {
        let expected = "expected a URL such as http://collector:4318";
        settings.reject(name, &format!("{expected}{problem}; there are no traces"));
    }
    target.ok()
}

/// What may have a password in front of its host, or a key in its query, is not to be shown, whether it is used or not.
fn endpoint(settings: &mut Settings, name: &'static str) -> Option<String> {
    let url = settings.optional(name)?;
    if url.contains(['@', '?']) {
        settings.secret(name);
    }
    Some(url)
}

/// The protocol of traces counts before that of all signals. Complains only where there is somewhere to send to.
fn speaks(settings: &mut Settings, is_wanted: bool) -> bool {
    let own = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL";
    let Some((name, given)) = first_given(settings, [own, "OTEL_EXPORTER_OTLP_PROTOCOL"]) else {
        return true;
    };
    let problem = match given.as_str() {
        "http/protobuf" => return true,
        "grpc" | "http/json" => "not spoken here: expected http/protobuf; there are no traces",
        _ => "expected http/protobuf, which is used",
    };
    if is_wanted {
        settings.reject(name, problem);
    }
    !matches!(given.as_str(), "grpc" | "http/json")
}

/// Complains of what is not spoken, where there is somewhere to send to: spans are sent as they are.
fn look_at_compression(settings: &mut Settings, is_wanted: bool) {
    let own = "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION";
    let given = first_given(settings, [own, "OTEL_EXPORTER_OTLP_COMPRESSION"]);
    if let Some((name, _)) = given.filter(|(_, given)| is_wanted && given != "none") {
        settings.reject(name, "not spoken here: expected none, which is used");
    }
}

/// Reads both, of which the first counts before the second.
fn first_given(
    settings: &mut Settings,
    names: [&'static str; 2],
) -> Option<(&'static str, String)> {
    let given = names.map(|name| settings.optional(name).map(|given| (name, given)));
    given.into_iter().flatten().next()
}

/// Those of traces are in place of those of all signals.
fn headers(settings: &mut Settings) -> Headers {
    let all = headers_of(settings, "OTEL_EXPORTER_OTLP_HEADERS");
    let own = headers_of(settings, "OTEL_EXPORTER_OTLP_TRACES_HEADERS");
    Headers(own.or(all).unwrap_or_default())
}

fn headers_of(settings: &mut Settings, name: &'static str) -> Option<Vec<(String, String)>> {
    let given = settings.secret(name)?;
    let read = pairs(given.expose()).filter(|fields| fields.iter().all(is_usable));
    if read.is_none() {
        // Nothing of what is given is repeated: it may be a value that was put where a name belongs.
        settings.reject(name, EXPECTED_PAIRS);
    }
    read
}

/// Whether a field can be sent as it is (RFC 9110 section 5.1 and 5.5), and is none of the exporter's own.
fn is_usable((name, value): &(String, String)) -> bool {
    const OWN: [&str; 5] = [
        "host",
        "content-type",
        "content-length",
        "transfer-encoding",
        "connection",
    ];
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    name.bytes().all(is_token)
        && !OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
        && !value.bytes().any(|byte| byte.is_ascii_control())
}

const EXPECTED_PAIRS: &str =
    "expected NAME=VALUE, several separated by commas, what is special percent-encoded";

/// `name=value` pairs separated by commas, with both percent-decoded; `None` for all where one of them is wrong.
fn pairs(given: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for element in given.split(',').map(str::trim) {
        if !element.is_empty() {
            let (name, value) = element.split_once('=')?;
            let pair = (decoded(name.trim())?, decoded(value.trim())?);
            pairs.push(Some(pair).filter(|(name, _)| !name.is_empty())?);
        }
    }
    Some(pairs)
}

/// `None` where what is encoded is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

/// The wait of traces, else that for all signals.
fn wait_of_signal(settings: &mut Settings, all: &'static str, own: &'static str) -> Duration {
    let all = wait(settings, all, 10_000);
    let own = settings.optional_number(own, 0..=LONGEST_WAIT_MS);
    own.map_or(all, bounded)
}

fn wait(settings: &mut Settings, name: &'static str, default_ms: u64) -> Duration {
    bounded(settings.number(name, default_ms, 0..=LONGEST_WAIT_MS))
}

fn bounded(milliseconds: u64) -> Duration {
    match milliseconds {
        0 => Duration::from_millis(LONGEST_WAIT_MS),
        _ => Duration::from_millis(milliseconds),
    }
}

/// A delay, of which 0 is none.
fn milliseconds(settings: &mut Settings, name: &'static str, default: u64) -> Duration {
    Duration::from_millis(settings.number(name, default, 0..=LONGEST_WAIT_MS))
}

/// Never more than the queue holds; a default that does not fit says nothing.
fn batch_size(settings: &mut Settings, queue_size: u64) -> u64 {
    const NAME: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
    let given = settings.number(NAME, 512, 1..=LARGEST_QUEUE);
    if given > queue_size {
        let why = format!("at most OTEL_BSP_MAX_QUEUE_SIZE, {queue_size}");
        if settings.is_given(NAME) {
            settings.reject(NAME, &format!("expected {why}, which is used"));
        }
        settings.adjust(NAME, queue_size.to_string(), why);
    }
    given.min(queue_size)
}

#[cfg(test)]
mod tests;
