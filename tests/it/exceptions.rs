//! What the tiny_http engine cannot pass, by name and with the reason. The native engine has no exceptions.
//!
//! `IT_EXCEPTIONS=1 cargo test` runs them all the same, to see whether one can go.

use crate::support::{Engine, note};
use crate::{
    access_log, background, bodies, calling, chaos, computing, configuration, deadline, deferred,
    destructors, drain_report, endings, events, fairness, files, forwarded, health, hosted, http,
    layers, library, life, lifetimes, live_configuration, logging, metrics, otlp, pages, places,
    pool, probes, pushed, queue, resize, reviewed, rolling_update, service, sharing, shortages,
    signals, slow_clients, stalls, streams, timeouts, traces, uploads, wakeups,
};

/// It answers what it cannot parse by itself, or not at all, and hands out nothing of it.
const PARSER: &str = "tiny_http parses heads by itself, and this leniently";
const CHUNKS: &str = "tiny_http decodes chunks by itself, and this leniently";
const MINOR: &str = "tiny_http answers 400 to minor versions above 1 by itself";
const VERSION: &str =
    "tiny_http keeps a request of a version above 1.1 to itself and waits for ever";
const HIDDEN: &str =
    "tiny_http reads a head, and a body up to 1 KiB, before anyone else learns that it has begun";
const LIMITLESS: &str = "tiny_http has no limit on connections, and hides them";
const THREADS: &str = "tiny_http has a thread for each connection, and cannot do without";
const LOOKING: &str = "every connection of tiny_http has a thread, and another looks at their sockets from time to time";
const BLOCKING: &str = "bodies over 1 KiB and long answers keep a worker waiting for a slow client";

const UPLOADS: &str = "a service that takes bodies as they come does not start on tiny_http";

/// Tests as `module::name`, rows of the tables in `http/tables.rs` as `row: name`.
const TINY_HTTP: &[(&str, &str)] = &[
    // Requests.
    ("row: a later minor version", MINOR),
    ("row: a body in a later minor version", MINOR),
    ("row: empty lines before the request", PARSER),
    ("row: bytes above ASCII in a value", PARSER),
    (
        "row: an offer to upgrade",
        "tiny_http ends a connection that offers an upgrade after its answer",
    ),
    (
        "row: trailers",
        "tiny_http takes trailers for the next request's head",
    ),
    ("row: chunked with a control byte", PARSER),
    ("row: white space before the first header", PARSER),
    ("row: a space behind the version", PARSER),
    ("row: a chunk size with a plus", CHUNKS),
    ("row: a chunk extension without a name", CHUNKS),
    ("row: a chunk extension with neither", CHUNKS),
    ("row: a chunk extension without a value", CHUNKS),
    ("row: a chunk extension whose quotes do not close", CHUNKS),
    ("row: a bare LF in a chunk extension", CHUNKS),
    ("row: HTTP/2 in a request line", VERSION),
    ("row: HTTP/3 in a request line", VERSION),
    ("row: an HTTP/2 preface", VERSION),
    ("chaos::http_2_prefaces_leave_nothing_behind", VERSION),
    (
        "bodies::a_client_that_expects_a_go_ahead_gets_it",
        "tiny_http's 100 has a Content-Length, which RFC 9110 forbids",
    ),
    (
        "bodies::a_client_that_stops_sending_behind_its_last_chunk_gets_its_answer",
        "tiny_http takes the connection's end for the end of the chunks: what may have been cut is refused",
    ),
    // Uploads.
    (
        "uploads::a_body_of_any_framing_becomes_a_file_and_the_connection_goes_on",
        UPLOADS,
    ),
    (
        "uploads::a_refusal_comes_before_the_go_ahead_and_costs_no_upload",
        UPLOADS,
    ),
    (
        "uploads::an_early_refusal_is_delivered_while_the_client_still_sends",
        UPLOADS,
    ),
    (
        "uploads::a_declared_length_over_the_limit_is_told_413_at_once_and_a_flowing_one_as_it_passes_it",
        UPLOADS,
    ),
    (
        "uploads::a_sink_that_fails_or_panics_ends_its_upload_with_an_answer",
        UPLOADS,
    ),
    (
        "uploads::a_layer_has_its_say_before_the_body_and_its_headers_are_on_the_answer",
        UPLOADS,
    ),
    (
        "uploads::endings::a_client_that_leaves_in_the_middle_leaves_no_file",
        UPLOADS,
    ),
    (
        "destructors::what_an_upload_has_left_may_ask_the_service_when_it_is_dropped",
        UPLOADS,
    ),
    (
        "uploads::endings::without_a_least_rate_a_client_may_be_as_slow_as_it_likes_and_still_may_not_stop",
        UPLOADS,
    ),
    (
        "uploads::endings::a_client_that_stops_is_told_408_and_one_that_is_slow_and_honest_is_not",
        UPLOADS,
    ),
    (
        "uploads::endings::at_the_drains_deadline_an_upload_is_named_and_leaves_no_file",
        UPLOADS,
    ),
    (
        "uploads::endings::an_upload_that_ends_in_time_is_awaited_by_the_drain",
        UPLOADS,
    ),
    (
        "uploads::endings::an_upload_is_counted_while_it_is_under_way_and_its_bytes_once_it_is_answered",
        UPLOADS,
    ),
    (
        "uploads::load::four_uploads_at_once_take_little_of_a_small_buffer",
        UPLOADS,
    ),
    (
        "uploads::load::sinks_that_block_hold_half_of_the_workers_and_no_probe",
        UPLOADS,
    ),
    (
        "uploads::load::hundreds_of_slow_uploads_and_slow_readers_at_once_leave_probes_and_others_alone",
        UPLOADS,
    ),
    (
        "uploads::readymade::a_spooled_body_is_read_whole_and_leaves_nothing",
        UPLOADS,
    ),
    (
        "uploads::readymade::the_answer_to_an_upload_may_be_given_later_and_no_worker_waits_for_it",
        UPLOADS,
    ),
    (
        "uploads::readymade::a_form_comes_apart_and_keeps_the_files_that_are_wanted",
        UPLOADS,
    ),
    (
        "uploads::curl::curl_uploads_after_it_was_told_to_go_on_and_sends_nothing_where_it_is_refused",
        UPLOADS,
    ),
    ("uploads::curl::curls_forms_come_apart", UPLOADS),
    (
        "deferred::a_responder_learns_that_its_client_has_gone",
        "while a request waits for its answer nobody looks at its connection but tiny_http, which does not tell",
    ),
    (
        "deferred::a_client_that_has_gone_leaves_its_place_although_every_worker_is_blocked",
        "while a request waits for its answer nobody looks at its connection but tiny_http, which does not tell",
    ),
    // What a request wakes.
    ("wakeups::an_idle_pod_is_woken_by_its_tick_alone", LOOKING),
    (
        "wakeups::a_request_that_comes_by_itself_wakes_one_thread",
        LOOKING,
    ),
    // Limits.
    (
        "http::limits::an_endless_request_line_is_told_414",
        "the connection is closed without a word",
    ),
    (
        "http::limits::endless_headers_are_told_431",
        "the connection is closed without a word",
    ),
    (
        "http::limits::a_chunk_over_the_limit_is_refused_by_its_size_alone",
        "tiny_http waits for the chunk",
    ),
    (
        "timeouts::a_short_body_that_stops_in_the_middle_is_cut_off_in_time",
        HIDDEN,
    ),
    (
        "chaos::lengths_beyond_all_memory_cost_nothing",
        "on dropping a request tiny_http reserves its declared length: kept instead, it costs a thread and two descriptors",
    ),
    (
        "shortages::with_few_descriptors_every_newcomer_is_answered",
        LIMITLESS,
    ),
    (
        "chaos::heads_without_end_cost_no_memory",
        "tiny_http reads heads without end: it is time that ends them",
    ),
    (
        "chaos::pipelines_without_end_cost_no_memory",
        "tiny_http reads pipelined requests without end",
    ),
    // Slow clients.
    (
        "fairness::who_is_slower_than_the_least_rate_goes_before_newcomers_are_refused",
        BLOCKING,
    ),
    (
        "fairness::who_does_not_take_its_answer_goes_before_a_handler_is_refused",
        BLOCKING,
    ),
    // Time.
    (
        "stalls::three_hundred_of_three_hundred_are_answered_on_a_hundredth_of_a_cpu",
        HIDDEN,
    ),
    (
        "stalls::the_backlog_of_a_pod_that_stood_still_is_answered_within_its_limit",
        LIMITLESS,
    ),
    // Threads.
    (
        "chaos::ten_thousand_idle_connections_fit_into_a_small_pod",
        THREADS,
    ),
    (
        "shortages::without_another_thread_to_be_had_newcomers_are_answered",
        THREADS,
    ),
    (
        "chaos::connections_reset_before_they_are_accepted_end_nothing",
        "tiny_http's threads panic on them and go on being counted: a later connection may wait for seconds",
    ),
];

/// Why a test is not run on an engine, if it is not.
pub(crate) fn reason(engine: Engine, name: &str) -> Option<&'static str> {
    if engine == Engine::Native || std::env::var_os("IT_EXCEPTIONS").is_some() {
        return None;
    }
    TINY_HTTP
        .iter()
        .find(|(excepted, _)| *excepted == name)
        .map(|(_, reason)| *reason)
}

/// Whether a row of a table is left out on an engine; says so.
pub(crate) fn row(engine: Engine, name: &str) -> bool {
    let name = format!("row: {name}");
    let reason = reason(engine, &name);
    if let Some(reason) = reason {
        note(&format!("{name} skipped for {}: {reason}", engine.name()));
    }
    reason.is_some()
}

#[test]
fn the_list_names_only_what_exists() {
    let modules = [
        ("chaos", chaos::CASES),
        ("pushed", pushed::CASES),
        ("events", events::CASES),
        ("deferred", deferred::CASES),
        ("deferred::unwanted", deferred::unwanted::CASES),
        ("destructors", destructors::CASES),
        ("slow_clients", slow_clients::CASES),
        ("shortages", shortages::CASES),
        ("computing", computing::CASES),
        ("configuration", configuration::CASES),
        ("pages", pages::CASES),
        ("pages::changes", pages::changes::CASES),
        ("drain_report", drain_report::CASES),
        ("endings", endings::CASES),
        ("fairness", fairness::CASES),
        ("files", files::CASES),
        ("files::curl", files::curl::CASES),
        ("files::paths", files::paths::CASES),
        ("files::precompressed", files::precompressed::CASES),
        ("forwarded", forwarded::CASES),
        ("http", http::CASES),
        ("access_log", access_log::CASES),
        ("background", background::CASES),
        ("bodies", bodies::CASES),
        ("calling", calling::CASES),
        ("http::limits", http::LIMITS_CASES),
        ("timeouts", timeouts::CASES),
        ("traces", traces::CASES),
        ("layers", layers::CASES),
        ("layers::concurrency", layers::concurrency::CASES),
        #[cfg(feature = "cookies")]
        ("layers::cookies", layers::cookies::CASES),
        ("layers::answers", layers::answers::CASES),
        #[cfg(feature = "compression")]
        ("layers::compression", layers::compression::CASES),
        ("layers::cors", layers::cors::CASES),
        ("layers::written", layers::written::CASES),
        ("library", library::CASES),
        ("health", health::CASES),
        ("hosted", hosted::CASES),
        ("streams", streams::CASES),
        ("life", life::CASES),
        ("lifetimes", lifetimes::CASES),
        ("live_configuration", live_configuration::CASES),
        ("deadline", deadline::CASES),
        ("logging", logging::CASES),
        ("otlp", otlp::CASES),
        ("places", places::CASES),
        ("pool", pool::CASES),
        ("metrics", metrics::CASES),
        ("metrics::connections", metrics::connections::CASES),
        ("metrics::operation", metrics::operation::CASES),
        ("probes", probes::CASES),
        ("queue", queue::CASES),
        ("resize", resize::CASES),
        ("reviewed", reviewed::CASES),
        ("rolling_update", rolling_update::CASES),
        ("service", service::CASES),
        ("sharing", sharing::CASES),
        ("signals", signals::CASES),
        ("stalls", stalls::CASES),
        ("uploads", uploads::CASES),
        ("uploads::curl", uploads::curl::CASES),
        ("uploads::endings", uploads::endings::CASES),
        ("uploads::load", uploads::load::CASES),
        ("uploads::readymade", uploads::readymade::CASES),
        ("wakeups", wakeups::CASES),
    ];
    let cases = modules
        .iter()
        .flat_map(|(module, cases)| cases.iter().map(move |case| format!("{module}::{case}")));
    let rows = http::rows().map(|row| format!("row: {row}"));
    let names: Vec<String> = cases.chain(rows).collect();
    for (index, (name, reason)) in TINY_HTTP.iter().enumerate() {
        assert!(names.iter().any(|known| known == name), "{name} is no test");
        assert!(
            TINY_HTTP[..index].iter().all(|(other, _)| other != name),
            "{name} is listed twice"
        );
        assert!(!reason.is_empty(), "{name} has no reason");
    }
}
