use super::*;
use std::collections::HashSet;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn sent(traceparent: &[&str], tracestate: &[&str]) -> Option<TraceContext> {
    TraceContext::sent(
        traceparent.iter().map(|field| field.as_bytes()),
        tracestate.iter().map(|field| field.as_bytes()),
    )
}

#[test]
fn a_context_goes_on_as_it_came() {
    for flags in ["00", "01"] {
        let text = format!("00-{TRACE}-{SPAN}-{flags}");
        let context = sent(&[&text], &["vendor=1"]).unwrap();
        assert_eq!(context.traceparent(), text);
        assert_eq!(context.tracestate(), Some("vendor=1"));
        assert_eq!(context.is_sampled(), flags == "01");
        assert_eq!(context.trace_id().to_string(), TRACE);
        assert_eq!(
            context.span_id().to_bytes(),
            [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]
        );
    }
}

#[test]
fn flags_that_nobody_knows_are_not_passed_on() {
    let context = sent(&[&format!("00-{TRACE}-{SPAN}-ff")], &[]).unwrap();
    assert_eq!(context.traceparent(), format!("00-{TRACE}-{SPAN}-03"));
}

#[test]
fn what_a_later_version_adds_is_not_passed_on() {
    for text in [
        format!("cc-{TRACE}-{SPAN}-01"),
        format!("cc-{TRACE}-{SPAN}-01-what-the-future-brings"),
        format!("01-{TRACE}-{SPAN}-01-"),
    ] {
        let context = sent(&[&text], &[]).unwrap();
        assert_eq!(
            context.traceparent(),
            format!("00-{TRACE}-{SPAN}-01"),
            "{text}"
        );
    }
}

#[test]
fn a_malformed_traceparent_is_as_good_as_none() {
    let zeros = "0".repeat(32);
    for text in [
        String::new(),
        "00".to_owned(),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01-more"),
        format!("cc-{TRACE}-{SPAN}-01.more"),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
        format!("0A-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-0A"),
        format!("00-{TRACE}-{SPAN}-.0"),
        format!("00-{zeros}-{SPAN}-01"),
        format!("00-{TRACE}-{}-01", &zeros[16..]),
        format!("00_{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}_{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}_01"),
        format!("00-{}g-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}{SPAN}--01"),
        format!("00-{TRACE}-{SPAN}-0\u{e9}"),
    ] {
        assert_eq!(sent(&[&text], &["vendor=1"]), None, "{text:?}");
    }
}

#[test]
fn of_two_traceparents_neither_is_believed() {
    let text = format!("00-{TRACE}-{SPAN}-01");
    assert_eq!(sent(&[&text, &text], &[]), None);
    assert_eq!(sent(&[], &["vendor=1"]), None);
}

fn state(fields: &[&str]) -> Option<String> {
    let context = sent(&[&format!("00-{TRACE}-{SPAN}-01")], fields);
    context.unwrap().tracestate().map(str::to_owned)
}

#[test]
fn tracestate_is_kept_as_it_came_and_of_several_fields_in_their_order() {
    for list in [
        "a=1",
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "a=1, b=2 ,\tc=3",
        "a=1,,b=2,",
        "fw529a3039@dt=FfNHHoxy:-_*/@ x,4tenant@sys=~!\"#$",
    ] {
        assert_eq!(state(&[list]).as_deref(), Some(list));
    }
    assert_eq!(state(&["a=1", "b=2,c=3"]).as_deref(), Some("a=1,b=2,c=3"));
    assert_eq!(state(&["", "a=1", ""]).as_deref(), Some("a=1"));
    let longest = format!("a={},b={}", "x".repeat(256), "y".repeat(251));
    assert_eq!(longest.len(), 512);
    assert_eq!(state(&[&longest]).as_deref(), Some(&*longest));
    let most: Vec<String> = (0..32).map(|number| format!("k{number}=v")).collect();
    assert_eq!(state(&[&most.join(",")]), Some(most.join(",")));
}

#[test]
fn a_malformed_tracestate_is_dropped_and_the_traceparent_stays() {
    let too_many: Vec<String> = (0..33).map(|number| format!("k{number}=v")).collect();
    let too_long = format!("a={},b={}", "x".repeat(256), "y".repeat(252));
    for list in [
        "",
        ",",
        "a",
        "a=",
        "=1",
        "a =1",
        "A=1",
        "_a=1",
        "a=1=2",
        "a=1,b",
        "a=1,a=2",
        "a=caf\u{e9}",
        "a=\u{7f}",
        &format!("a={}", "x".repeat(257)),
        &format!("{}=1", "a".repeat(257)),
        &too_many.join(","),
        &too_long,
    ] {
        assert_eq!(state(&[list]), None, "{list:?}");
    }
    assert_eq!(state(&["a=1", "b"]), None);
    let hostile = "a=1,".repeat(100_000);
    assert_eq!(state(&[&hostile]), None);
}

#[test]
fn ids_that_are_made_up_are_different_on_every_thread() {
    let make = || {
        let made = (0..2_000).map(|_| TraceContext::random());
        made.map(|context| (context.trace_id(), context.span_id()))
            .collect::<Vec<_>>()
    };
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(make)).collect();
    let all: Vec<_> = threads
        .into_iter()
        .flat_map(|one| one.join().unwrap())
        .collect();
    let traces: HashSet<_> = all.iter().map(|(trace, _)| trace.to_bytes()).collect();
    let spans: HashSet<_> = all.iter().map(|(_, span)| span.to_bytes()).collect();
    assert_eq!((traces.len(), spans.len()), (8_000, 8_000));
    let low: HashSet<_> = traces
        .iter()
        .map(|id| id.last_chunk::<8>().copied())
        .collect();
    let high: HashSet<_> = traces
        .iter()
        .map(|id| id.first_chunk::<8>().copied())
        .collect();
    assert_eq!((low.len(), high.len()), (8_000, 8_000));
}

#[test]
fn a_request_that_nobody_traces_has_a_context_of_its_own_that_stays() {
    let request = crate::Request::get("/");
    let first = request.trace().clone();
    assert_eq!(request.trace(), &first);
    assert!(!first.is_sampled());
    assert_ne!(
        crate::Request::get("/").trace().trace_id(),
        first.trace_id()
    );
}

#[test]
fn a_context_holds_until_its_guard_is_dropped() {
    let (outer, inner) = (TraceContext::random(), TraceContext::random());
    assert_eq!(current::current(), None);
    {
        let _outer = outer.enter();
        {
            let _inner = inner.enter();
            assert_eq!(current::current().as_ref(), Some(&inner));
        }
        assert_eq!(current::current().as_ref(), Some(&outer));
    }
    assert_eq!(current::current(), None);
}
