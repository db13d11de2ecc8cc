use super::*;
use std::thread;

/// The pairs of a record with these of its own, made now.
fn pairs(own: &[(&str, &str)]) -> Vec<(String, String)> {
    struct Collect(Vec<(String, String)>);

    impl<'kvs> VisitSource<'kvs> for Collect {
        fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
            self.0.push((key.to_string(), value.to_string()));
            Ok(())
        }
    }

    let mut all = Collect(Vec::new());
    match WithContext::of(&own) {
        Some(with) => with.visit(&mut all).unwrap(),
        None => own.visit(&mut all).unwrap(),
    }
    all.0
}

fn text(pairs: &[(String, String)]) -> String {
    let each: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    each.join(" ")
}

#[test]
fn a_record_within_a_request_names_its_route_and_what_was_added_until_it_ends() {
    let scope = Scope::enter("/orders/{id}");
    log_context("request_id", "abc");
    log_context("order", 7);
    log_context("order", 8);
    assert_eq!(
        text(&pairs(&[("a", "b")])),
        "a=b route=/orders/{id} request_id=abc order=8"
    );
    assert_eq!(
        text(&pairs(&[("route", "own"), ("order", "9")])),
        "route=own order=9 request_id=abc"
    );
    drop(scope);
    assert_eq!(text(&pairs(&[("a", "b")])), "a=b");
    log_context("stray", 1);
    let _next = Scope::enter("");
    assert_eq!(
        text(&pairs(&[])),
        "",
        "nothing is left for the next request"
    );
}

#[test]
fn another_thread_that_works_for_the_request_logs_as_it_does_and_only_meanwhile() {
    let _scope = Scope::enter("/orders");
    log_context("order", 7);
    let context = LogContext::current();
    let seen = thread::spawn(move || {
        let within = context.run(|| text(&pairs(&[])));
        let after_panic = std::panic::catch_unwind(|| context.run(|| panic!("on purpose")));
        assert!(after_panic.is_err());
        (within, text(&pairs(&[])))
    });
    let (within, outside) = seen.join().unwrap();
    assert_eq!(
        (within.as_str(), outside.as_str()),
        ("route=/orders order=7", "")
    );
}

#[test]
fn a_streamed_body_is_logged_as_its_request_was_whoever_reads_it() {
    struct Seen;

    impl std::io::Read for Seen {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let seen = text(&pairs(&[]));
            into[..seen.len()].copy_from_slice(seen.as_bytes());
            Ok(seen.len())
        }
    }

    let mut body = crate::Response::stream(Seen).into_body();
    {
        let _scope = Scope::enter("/export");
        log_context("request_id", "abc");
        crate::message::logged::stream(&mut body);
    }
    let mut reader = body.into_reader();
    let mut read = move || {
        let mut seen = [0; 100];
        let count = reader.read(&mut seen).unwrap();
        String::from_utf8(seen[..count].to_vec()).unwrap()
    };
    let worker = thread::spawn(move || {
        let scope = Scope::enter("/export");
        let within = read();
        let behind = text(&pairs(&[]));
        drop(scope);
        (within, behind, read(), text(&pairs(&[])))
    });
    let (within, behind, outside, after) = worker.join().unwrap();
    assert_eq!(within, "route=/export request_id=abc");
    assert_eq!(behind, within, "what the engine says of it carries it too");
    assert_eq!((outside.as_str(), after.as_str()), (&*within, ""));
}

#[test]
fn a_record_carries_the_ids_of_the_trace_wherever_the_work_goes_on() {
    let sent = ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".as_bytes()];
    let trace = TraceContext::sent(sent.into_iter(), [].into_iter()).unwrap();
    let ids = "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7 trace_flags=01";
    let scope = Scope::enter("/orders");
    current::replace(Some(trace.clone()));
    assert_eq!(text(&pairs(&[])), format!("route=/orders {ids}"));
    assert_eq!(
        text(&pairs(&[("trace_id", "own")])),
        "trace_id=own route=/orders"
    );
    let context = LogContext::current();
    let elsewhere = thread::spawn(move || {
        let within = context.run(|| text(&pairs(&[])));
        let entered = trace.enter();
        let bare = text(&pairs(&[]));
        drop(entered);
        (within, bare, text(&pairs(&[])))
    });
    let (within, bare, after) = elsewhere.join().unwrap();
    assert_eq!(
        (within, bare.as_str()),
        (format!("route=/orders {ids}"), ids)
    );
    assert_eq!(after, "");
    drop(scope);
    assert_eq!(
        text(&pairs(&[])),
        "",
        "nothing is left for the next request"
    );
}
