use super::*;
use crate::{
    message::{
        log_context::Scope,
        trace_context::ids::{SpanId, TraceId},
    },
    observe::trace::environment::{Rule, Sampling},
};
use http::{HeaderName, HeaderValue, Method};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn on(sampling: Sampling) -> Tracer {
    Tracer {
        sampling: Some(sampling),
        ..Tracer::default()
    }
}

fn always_on() -> Tracer {
    on(Sampling::ParentBased(Rule::AlwaysOn))
}

fn with(request: Request, name: &'static str, value: &str) -> Request {
    let value = HeaderValue::from_str(value).unwrap();
    request.with_header(HeaderName::from_static(name), value)
}

fn sent(flags: &str) -> Request {
    let value = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
    with(
        Request::get("/orders/7?token=secret"),
        "traceparent",
        &value,
    )
}

fn begun(tracer: &Tracer, request: &mut Request) -> Option<Box<SpanData>> {
    let _scope = Scope::enter("");
    let span = tracer.begin(request, &[]);
    span.map(|ServerSpan(span)| span)
}

fn attribute<'s>(span: &'s SpanData, name: &str) -> Option<&'s Value> {
    let mut found = span.attributes.iter().filter(|(known, _)| *known == name);
    let first = found.next();
    assert!(found.next().is_none(), "{name} is there twice");
    first.map(|(_, value)| value)
}

#[test]
fn a_span_continues_the_trace_of_a_client_that_is_sampled() {
    let mut request = with(sent("01"), "tracestate", "vendor=1");
    let span = begun(&always_on(), &mut request).unwrap();
    assert_eq!(TraceId(span.trace_id).to_string(), TRACE);
    assert_eq!(SpanId(span.parent).to_string(), "00f067aa0ba902b7");
    assert!(span.parent_is_remote);
    assert_eq!(span.trace_state, "vendor=1");
    assert_ne!(span.span_id, span.parent);
    let told = request.trace();
    assert_eq!(told.span_id().to_bytes(), span.span_id);
    assert_eq!(told.tracestate(), Some("vendor=1"));
    assert!(told.is_sampled());
}

#[test]
fn a_request_that_is_not_sampled_has_no_span_and_the_next_service_is_told() {
    for (tracer, flags) in [
        (always_on(), "00"),
        (on(Sampling::Root(Rule::AlwaysOff)), "01"),
    ] {
        let mut request = sent(flags);
        assert!(begun(&tracer, &mut request).is_none());
        let told = request.trace().traceparent();
        assert!(told.starts_with(&format!("00-{TRACE}-")), "{told}");
        assert!(
            told.ends_with("-00") && !told.contains("00f067aa0ba902b7"),
            "{told}"
        );
    }
}

#[test]
fn where_nothing_is_exported_what_came_goes_on_untouched() {
    let mut request = sent("01");
    assert!(begun(&Tracer::default(), &mut request).is_none());
    let passed = format!("00-{TRACE}-00f067aa0ba902b7-01");
    assert_eq!(request.known_trace().unwrap().traceparent(), passed);
    let mut other = Request::get("/");
    assert!(begun(&Tracer::default(), &mut other).is_none());
    assert_eq!(
        other.known_trace(),
        None,
        "no ids are made that nobody asks for"
    );
}

#[test]
fn where_nothing_is_to_be_propagated_nobody_is_believed() {
    for sampling in [None, Some(Sampling::ParentBased(Rule::AlwaysOn))] {
        let tracer = Tracer {
            sampling,
            propagates: false,
        };
        let mut request = sent("01");
        let span = begun(&tracer, &mut request);
        assert_eq!(span.is_some(), sampling.is_some());
        assert!(span.is_none_or(|span| span.parent == [0; 8] && !span.parent_is_remote));
        assert_ne!(request.trace().trace_id().to_string(), TRACE);
    }
}

#[test]
fn a_span_has_the_attributes_of_the_conventions_and_no_query() {
    let request = with(sent("01"), "host", "shop.example:8080");
    let mut request = with(request, "user-agent", "curl/8.5.0");
    request.peer = Some(([192, 0, 2, 1], 4711).into());
    let span = begun(&always_on(), &mut request).unwrap();
    let text = |text: &str| Value::from(text);
    for (name, value) in [
        ("http.request.method", text("GET")),
        ("url.path", text("/orders/7")),
        ("url.scheme", text("http")),
        ("server.address", text("shop.example")),
        ("server.port", Value::Int(8080)),
        ("client.address", text("192.0.2.1")),
        ("network.peer.address", text("192.0.2.1")),
        ("network.peer.port", Value::Int(4711)),
        ("network.protocol.version", text("1.1")),
        ("user_agent.original", text("curl/8.5.0")),
    ] {
        assert_eq!(attribute(&span, name), Some(&value), "{name}");
    }
    assert_eq!(attribute(&span, "http.route"), None);
    assert_eq!(attribute(&span, "http.request.method_original"), None);
    assert!(!format!("{:?}", span.attributes).contains("secret"));
}

#[test]
fn clients_make_up_no_span_names_and_fill_no_memory() {
    let method = Method::from_bytes(b"BREW").unwrap();
    let path = format!("/{}", "p".repeat(5000));
    let agent = "a".repeat(5000);
    let mut request = with(Request::new(method, &path), "user-agent", &agent);
    let span = begun(&always_on(), &mut request).unwrap();
    assert_eq!(span.name, "HTTP");
    assert_eq!(attribute(&span, "http.request.method"), Some(&OTHER.into()));
    assert_eq!(
        attribute(&span, "http.request.method_original"),
        Some(&"BREW".into())
    );
    for name in ["url.path", "user_agent.original"] {
        let Some(Value::Text(text)) = attribute(&span, name) else {
            panic!("{name} is missing");
        };
        assert_eq!(text.len(), LONGEST_TEXT);
    }
}

#[test]
fn a_host_is_split_from_its_port_whatever_form_it_has() {
    for (host, wanted) in [
        ("orders", ("orders", None)),
        ("orders:8080", ("orders", Some(8080))),
        ("[::1]:80", ("[::1]", Some(80))),
        ("[::1]", ("[::1]", None)),
        ("orders:", ("orders:", None)),
        ("orders:99999", ("orders:99999", None)),
    ] {
        assert_eq!(split_host(host), wanted, "{host}");
    }
}
